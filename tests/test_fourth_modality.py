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

for name in sys.argv[1:]:
    made = find(f"{name}.synthetic", ["train.epochs=1"])
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
    print("felt by", name)
"""


MODELS = ["multiemo", "amuse", "emoje"]


@pytest.fixture(scope="module")
def said() -> tuple[str, str]:
    """What one process for all of the models prints: to import torch takes longer than to train them."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, *MODELS]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return ran.stdout, ran.stderr


@pytest.mark.parametrize("model", MODELS)
def test_a_fourth_modality_goes_through_the_whole_of(model: str, said: tuple[str, str]) -> None:
    out, error = said
    assert f"felt by {model}" in out.splitlines(), error
