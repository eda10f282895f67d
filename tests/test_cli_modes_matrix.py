"""`affectline evaluate --matrix`: with each subset of modes, with more and more of one lost, with noise."""

import json
from pathlib import Path

import pytest
import torch

from affectline.checkpoint import Checkpoint, save
from affectline.cli import main
from affectline.corpora.synthetic import LABELS, MULTILABEL, Pointer
from affectline.evaluation import robustness
from affectline.models.late_fusion import Config, LateFusion
from affectline.types import LabelSpace

Capture = pytest.CaptureFixture[str]
ALL = ["text", "audio"]
STREAMS = ("text.words", "audio.voice")
SHARES = (0.0, 0.5)


@pytest.fixture(autouse=True)
def few_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    assert robustness.SHARES == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    monkeypatch.setattr(robustness, "SHARES", SHARES)


def make_fused(
    folder: Path, streams: tuple[str, ...] = STREAMS, *, labels: LabelSpace = LABELS, seed: int = 0
) -> str:
    torch.manual_seed(seed)
    model = LateFusion(Config(classes=3, vectors=dict.fromkeys(streams, 3))).eval()
    save(Checkpoint("fused", model, labels, tuple(Pointer(s, 3) for s in streams), {}), folder)
    return str(folder)


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_fused(tmp_path_factory.mktemp("fused"))


def evaluate(capsys: Capture, *words: str) -> str:
    assert main(["evaluate", *words, "--root", "."]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: Capture, *words: str) -> str:
    assert main(["evaluate", *words, "--root", "."]) == 2
    return capsys.readouterr().err


def test_every_subset_every_share_and_why_there_is_no_noise(
    capsys: Capture, tmp_path: Path, name: str
) -> None:
    words = name, make_fused(tmp_path / "other", seed=1), "synthetic", "--matrix"
    lines = evaluate(capsys, *words, "--out", str(tmp_path / "out.json"), "--markdown").splitlines()
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    matrix = found["matrix"]
    assert (matrix["headline"], matrix["modes"]) == ("weighted_f1", ALL)
    assert [len(row["modes"]) for row in matrix["subsets"]] == [2, 1, 1]
    whole, *fewer = matrix["subsets"]
    assert whole["difference"] is None
    for metric in ("accuracy", "weighted_f1", "auroc", "ece"):
        assert whole[metric] == found[metric]
    for row in fewer:
        less = row["weighted_f1"]["mean"] - found["weighted_f1"]["mean"]
        assert row["difference"]["mean"] == pytest.approx(less)
        assert row["weighted_f1"]["sd"] is not None
    assert [(r["mode"], r["lost"], r["share"]) for r in matrix["curve"]] == [
        (mode, kind, share) for mode in ALL for kind in ("scattered", "stretches") for share in SHARES
    ]
    assert [r["weighted_f1"] for r in matrix["curve"] if not r["share"]] == [whole["weighted_f1"]] * 4
    ready = "audio: no noise, its vectors come ready-made"
    assert matrix["notes"] == [ready]
    assert [(r["noise"], r["level"], r["modes"]) for r in matrix["noise"]] == [
        ("word errors", rate, ["text"]) for rate in (0.1, 0.2, 0.3, 0.4)
    ]
    assert lines[0].endswith("on synthetic test, by weighted_f1: the modes that are there**")
    assert lines[2] == "| modes | value | 95 % interval | minus all modes | p |"
    firsts = [line.split(" | ")[0] for line in lines[4:7]]
    assert firsts == ["| text + audio", "| text", "| audio"]
    assert "**audio lost, by weighted_f1**" in lines
    assert f"| {ready} |" in lines


def test_a_subset_is_what_without_says(capsys: Capture, tmp_path: Path) -> None:
    name = make_fused(tmp_path, labels=MULTILABEL)
    matrix = json.loads(evaluate(capsys, name, "synthetic", "--matrix", "--json"))["matrix"]
    words = name, "synthetic", "--without", "audio", "--matrix"
    lines = evaluate(capsys, *words, "--out", str(tmp_path / "out.json")).splitlines()
    deaf = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    (same,) = [row for row in matrix["subsets"] if row["modes"] == ["text"]]
    assert matrix["headline"] == "macro_f1"
    assert deaf["matrix"]["modes"] == ["text"]
    assert deaf["matrix"]["subsets"][0]["map"] == same["map"] == deaf["map"]
    assert same["map"] != matrix["subsets"][0]["map"]
    assert {row["mode"] for row in deaf["matrix"]["curve"]} == {"text"}
    assert any("text lost, by macro_f1" in line for line in lines)


def test_a_mode_that_is_not_there_is_named_with_those_that_are(capsys: Capture, tmp_path: Path) -> None:
    one, two = make_fused(tmp_path / "one", STREAMS[:1]), make_fused(tmp_path / "two")
    err = refused(capsys, two, "synthetic", "--matrix", "--without", "video.faces")
    assert "no mode 'video.faces': those of this checkpoint in this corpus are text, audio" in err
    assert "no mode 'smell'" in refused(capsys, two, "synthetic", "--matrix", "--without", "smell")
    assert "leave some" in refused(capsys, two, "synthetic", "--matrix", "--without", *ALL)
    assert main(["evaluate", two, one, "synthetic", "--matrix", "--root", "."]) == 1
    assert "a matrix is of one model" in capsys.readouterr().err


def test_a_matrix_is_of_one_model_on_one_corpus(capsys: Capture, name: str) -> None:
    assert "--matrix is for one corpus" in refused(capsys, name, "synthetic,meld", "--matrix")
    assert "leave --against out" in refused(capsys, name, "synthetic", "--matrix", "--against", name)
