"""`affectline evaluate` on several corpora, and over the labels that checkpoint and corpus share."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from affectline.checkpoint import Checkpoint, save
from affectline.cli import main
from affectline.cli.judging import Judge, NotJudgedError
from affectline.corpora import ferplus, goemotions
from affectline.corpora.ferplus import Picture
from affectline.features.ready import Ready
from affectline.features.video_faces import Faces
from affectline.models.late_fusion import Config, LateFusion
from affectline.types import Conversation, LabelSpace, Utterance

CLIPS = {"test": 40, "dev": 10, "train": 20}


def make_elderreact(root: Path) -> None:
    """Clips whose first number says whether they show joy; disgust is never seen."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    for split, count in CLIPS.items():
        marks = rng.random((count, 6)) < 0.5
        marks[:, 1] = False
        numbers = rng.normal(size=(count, 148))
        numbers[:, 0] = marks[:, 3]
        names = [f"video{n % 4}_{n}" for n in range(count)]
        labels = [
            f"{name}.mp4 {' '.join(map(str, row))} f 4.0" for name, row in zip(names, marks * 1, strict=True)
        ]
        features = [f"{name}\t{' '.join(map(str, row))}" for name, row in zip(names, numbers, strict=True)]
        (root / f"{split}_labels.txt").write_text("\n".join(labels) + "\n")
        (root / f"{split}_audio.txt").write_text("\n".join(features) + "\n")


def make_goemotions(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "labels.txt").write_text("joy\nsadness\n")
    for split in CLIPS:
        (root / f"{split}.tsv").write_text("".join(f"words {n}\t{n % 2}\tid{n}\n" for n in range(8)))


def make_checkpoint(folder: Path, labels: Sequence[str], *, seed: int = 0) -> str:
    """A late fusion of the COVAREP features alone, of random weights."""
    torch.manual_seed(seed)
    checkpoint = Checkpoint(
        name="covarep",
        model=LateFusion(Config(classes=len(labels), vectors={"audio.covarep": 148})).eval(),
        labels=LabelSpace(tuple(labels), multilabel=True),
        extractors=(Ready("audio.covarep", 148),),
        thresholds={},
    )
    save(checkpoint, folder)
    return str(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_elderreact(tmp_path / "elderreact")
    make_goemotions(tmp_path / "goemotions")
    return tmp_path


def evaluate(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> str:
    assert main(["evaluate", *words, "--root", str(root)]) == 0
    return capsys.readouterr().out


def test_a_picture_shows_the_labels_that_were_judged(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    name = make_checkpoint(root / "one", ("neutral", "joy", "fear"))
    words = "elderreact", "--split", "dev", "--json", "--reliability", str(root / "pictures" / "one.svg")
    found = json.loads(evaluate(capsys, root, name, *words))
    picture = (root / "pictures" / "one.svg").read_text(encoding="utf-8")
    assert f"<title>Reliability of {name} on elderreact dev</title>" in picture
    assert [label in picture for label in ("neutral", "joy", "fear")] == [False, True, True]
    assert picture.count(f"ECE {found['calibration']['joy']['ece']:.3f} (perfect ") >= 1
    assert (
        main(["evaluate", name, "elderreact,goemotions", "--root", str(root), "--reliability", "a.svg"]) == 2
    )
    assert "--reliability is for one corpus, not elderreact,goemotions" in capsys.readouterr().err


def test_a_label_that_the_corpus_does_not_know_is_neither_right_nor_wrong(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    name = make_checkpoint(root / "one", ("neutral", "joy", "fear"))
    found = json.loads(evaluate(capsys, root, name, "elderreact", "--json"))
    assert found["labels"] == ["joy", "fear"]
    assert found["left_out"] == {
        "checkpoint": ["neutral"],
        "corpus": ["anger", "disgust", "sadness", "surprise"],
    }
    assert found["per_label"]["neutral"]["f1"] is None
    assert found["n"] == 40
    mean = np.mean([found["per_label"][label]["f1"] for label in ("joy", "fear")])
    assert found["macro_f1"]["mean"] == pytest.approx(mean)
    shown = evaluate(capsys, root, name, "elderreact", "--markdown")
    assert "left out: the checkpoint's neutral and the corpus' anger, disgust" in shown
    assert "| neutral |" not in shown


def test_a_matrix_judges_every_pair_and_says_why_one_cannot_be(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    labels = ("joy", "sadness")
    seeds = ",".join(make_checkpoint(root / f"seed{n}", labels, seed=n) for n in (0, 1))
    other = make_checkpoint(root / "other", ("boredom", "fear"))
    found = json.loads(evaluate(capsys, root, seeds, other, "elderreact,goemotions", "--json"))
    assert found["models"] == [seeds.split(","), [other]]
    assert found["corpora"] == ["elderreact", "goemotions"]
    ours, blind, single, strange = found["cells"]
    assert (ours["labels"], ours["seeds"]) == (["joy", "sadness"], [0, 1])
    alone = json.loads(evaluate(capsys, root, *seeds.split(","), "elderreact", "--json"))
    assert ours["macro_f1"] == alone["macro_f1"]
    assert "audio.covarep" in blind["reason"]
    assert single["labels"] == ["fear"]
    assert "none of these" in strange["reason"]


def test_a_matrix_is_a_table_of_each_metric_and_of_the_labels(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    name = make_checkpoint(root / "one", ("joy", "neutral"))
    lines = evaluate(capsys, root, name, "goemotions,elderreact", "--markdown").splitlines()
    assert lines[0] == "**weighted_f1, test**"
    assert lines[2] == "| model | goemotions | elderreact |"
    assert lines[4].startswith(f"| {name} | - | 0.")
    assert sum(line == lines[2] for line in lines) == 4
    assert (
        lines[-1] == f"| {name} | elderreact | 40 | joy | neutral, anger, disgust, fear, sadness, surprise |"
    )


def test_a_matrix_has_no_against(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    name = make_checkpoint(root / "one", ("joy", "fear"))
    words = ["evaluate", name, "goemotions,elderreact", "--root", str(root), "--against", name]
    assert main(words) == 2
    assert "one corpus" in capsys.readouterr().err


def test_pictures_that_are_faces_are_something_for_a_checkpoint_that_looks_for_faces() -> None:
    labels = LabelSpace(("joy",), multilabel=True)
    face = Utterance(id="u", speaker="A", clip=Picture(np.zeros((48, 48), np.uint8)))
    checkpoint = Checkpoint("faces", torch.nn.Identity(), labels, (Faces(48),), {})
    Judge(ferplus, [Conversation("c", (face,))], labels).require_anything_of(checkpoint)
    with pytest.raises(NotJudgedError, match=r"has anything of video\.faces"):
        Judge(goemotions, [Conversation("c", (face,))], labels).require_anything_of(checkpoint)
