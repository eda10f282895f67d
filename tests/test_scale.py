"""Extraction on Ray: the same files as from one process, and what a worker's death costs."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from doctor_makers import made_meld

from affectline import extraction
from affectline.corpora import meld
from affectline.extraction import Job, extract_table
from affectline.features import Item
from affectline.features.audio_mel import Mel
from affectline.scale import Marks, on_ray
from affectline.types import Conversation


@dataclass(frozen=True)
class Deadly:
    """Kills the process that reads an utterance of this name; `once`: where this file is not there yet."""

    id: str
    once: str = ""

    stream = "audio.deadly"
    shape = ()
    dtype = np.float32
    stored = True

    def content(self, conversation: Conversation, index: int) -> str | None:
        return conversation.utterances[index].id

    def __call__(self, items: Sequence[Item]) -> list[np.ndarray]:
        ids = [c.utterances[n].id for c, n in items]
        if self.id in ids and not (self.once and Path(self.once).exists()):
            if self.once:
                Path(self.once).touch()
            time.sleep(0.2)
            os._exit(9)
        return [np.array([len(id)], np.float32) for id in ids]


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, Conversation]]]:
    data = tmp_path_factory.mktemp("data") / "meld"
    made_meld(data)
    return data, [(split, c) for split in meld.SPLITS for c in meld.read(data, split)]


@pytest.mark.slow
def test_ray_makes_the_same_files_and_outlives_its_workers(
    talks: tuple[Path, list[tuple[str, Conversation]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(extraction, "PIECE", 6)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    data, conversations = talks
    once = Deadly("train_dia1_utt1", str(tmp_path / "died"))
    extract_table(Job("meld", data, (Mel(),)), conversations, tmp_path / "local")
    extract_table(Job("meld", data, (Mel(),)), conversations, tmp_path / "ray", engine=on_ray(workers=2))
    files = [{p.name: p.read_bytes() for p in (tmp_path / x).glob("*.parquet")} for x in ("local", "ray")]
    assert files[0] == files[1]
    made = extract_table(
        Job("meld", data, (once,)), conversations, tmp_path / "once", engine=on_ray(workers=2)
    )
    assert Path(once.once).exists()
    assert (made.rows, made.failed) == (27, {})
    made = extract_table(
        Job("meld", data, (Deadly("train_dia1_utt1"),)), conversations, tmp_path / "ever", engine=on_ray()
    )
    assert {*made.failed} == {f"train_dia1_utt{n}" for n in range(3)}
    assert "died, 2 times" in made.failed["train_dia1_utt0"]
    assert len(pd.read_parquet(tmp_path / "ever")) == 27


def test_only_what_was_begun_and_not_done_killed_a_worker(tmp_path: Path) -> None:
    for _ in range(2):
        marks = Marks(tmp_path / "a" / "piece")
        marks("good", False)
        marks("good", True)
        marks("bad", False)
    assert [Marks(tmp_path / "a" / "piece").deaths(id) for id in ("good", "bad", "later")] == [0, 2, 0]
