"""Each recipe on made-up files in its corpus' own layout, through its own reader and extractors."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from affectline.checkpoint import load
from affectline.recipes import Recipe, train_recipe
from affectline.recipes.find import find
from affectline.training import Machines
from affectline.types import EMOTIONS, Conversation

SAID = ("I am so happy!", "Oh no, not again.", "What is that?", "Leave me alone.", "It is Tuesday.")


def _write(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def made_meld(folder: Path) -> None:
    columns = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    times = ["00:01:02,500", "00:01:04,000"]
    rows = [
        [SAID[n], ("Ada", "Ben")[n % 2], EMOTIONS[(n + dialogue) % 7], dialogue, n, 1, 2, *times]
        for dialogue in range(3)
        for n in range(len(SAID))
    ]
    for split in ("train", "dev", "test"):
        _write(folder / f"{split}_sent_emo.csv", [columns.split(","), *rows])


def made_mosi(folder: Path) -> None:
    columns = "utterance_id,video_id,position,features_split,standard_split,sentiment,text"
    rows = [
        [f"{split}{v}_{n}", f"{split}{v}", n, "train", split, (-1) ** n * 1.5, SAID[n].upper()]
        for split in ("train", "val", "test")
        for v in range(3)
        for n in range(len(SAID))
    ]
    _write(folder / "utterances.csv", [columns.split(","), *rows])


@pytest.mark.parametrize("name", ["synthetic", "meld_text", "mosi_text"])
def test_a_recipe_trains_on_its_corpus_and_its_checkpoint_answers(name: str, tmp_path: Path) -> None:
    made_meld(tmp_path / "meld")
    made_mosi(tmp_path / "mosi")
    recipe = find(f"multiemo.{name}", ["train.epochs=1"])
    assert isinstance(recipe, Recipe)
    train_recipe(recipe, tmp_path, tmp_path / "run", machines=Machines(device="cpu"))
    found = load(tmp_path / "run")
    talks: list[Conversation] = recipe.read(tmp_path / recipe.corpus, "test")
    answers = found.predict(talks)
    assert [len(row) for row in answers] == [len(talk) for talk in talks]
    for answer in (a for row in answers for a in row):
        assert len(answer.emotions) == 1
        assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)
