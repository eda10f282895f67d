"""A new modality needs one member of the enum and one extractor, and no change in any model."""

import subprocess
import sys

import pytest

SCRIPT = """
from enum import StrEnum
import sys

from affectline import types

class Modality(StrEnum):
    TEXT = "text"
    AUDIO = "audio"
    VIDEO = "video"
    TOUCH = "touch"

types.Modality = Modality

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from affectline.batch import collate
from affectline.corpora.synthetic import Pointer
from affectline.features import extract
from affectline.recipes.find import find
from affectline.recipes import load, run
from affectline.machines import Machines

made = find(f"{sys.argv[1]}.synthetic", ["train.epochs=1"])
streams = {**made.config.streams, "touch.glove": 6}
extractors = (*made.extractors, Pointer("touch.glove", 6))
made = replace(made, config=replace(made.config, streams=streams), extractors=extractors)
train, dev = (load(made, Path(), split) for split in ("train", "dev"))
with TemporaryDirectory() as folder:
    model = run(made, train, dev, Path(folder), machines=Machines(device="cpu")).eval()
batch = collate(dev.conversations, dev.features, made.labels)
whole, lost = model(batch), model(batch.without("touch"))
assert set(whole.present) == set(Modality)
assert not lost.present[Modality.TOUCH].any()
assert torch.isfinite(lost.logits).all()
assert (whole.logits - lost.logits).abs().max() > 1e-3
print("felt")
"""


@pytest.mark.parametrize("model", ["multiemo", "amuse"])
def test_a_fourth_modality_goes_through_the_whole_of(model: str) -> None:
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, model],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert out.stdout.strip().endswith("felt"), out.stderr
