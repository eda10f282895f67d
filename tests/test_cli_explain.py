"""The command `explain`: what it writes where, and what it says of wrong use."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from analyze_makers import make_checkpoint, make_csv, make_talk
from test_cli import Affectline

from affectline import checkpoint
from affectline.analyze.explaining import Explainer, Wanted, rebuilt, with_explanations
from affectline.timeline import Timeline


@pytest.fixture
def affectline(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Affectline:
    monkeypatch.setattr("affectline.analyze.explaining.ORDERS", 3)
    return Affectline(capsys)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="module")
def made(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording, and its timeline of two utterances in a folder beside it."""
    from affectline.analyze import Analyzer

    folder = tmp_path_factory.mktemp("talk")
    recording = make_talk(folder / "a.wav", 2.4)
    rows = make_csv(folder / "a.csv", "A,0.0,1.2,so there", "B,1.2,2.4,well")
    timeline = Analyzer.load(tiny, "cpu").analyze(recording, rows)
    timeline.write(folder / "a" / "timeline.json")
    return folder


@pytest.fixture
def talk(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "talk")
    return tmp_path / "talk"


def test_an_explanation_goes_into_the_timeline_and_the_report(
    affectline: Affectline, talk: Path, tiny: Path
) -> None:
    ran = affectline(
        "explain", talk / "a", "--utterance", "u0002", "--emotion", "fear,joy", "--samples", 40,
        "--checkpoint", tiny, "--pictures", talk / "pictures",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    timeline = Timeline.read(talk / "a" / "timeline.json")
    first, second = timeline.utterances
    assert first.explanations == ()
    assert [e["emotion"] for e in second.explanations] == ["fear", "joy"]
    (one, _) = second.explanations
    assert {"modality": "audio", "method": "lime", "absent": "silence", "samples": 40}.items() <= one.items()
    assert one["probability"] == pytest.approx(second.scores["fear"], abs=2e-3)
    assert {"deletion", "insertion", "random_deletion", "stability", "sanity"} <= set(one)
    assert one["parts"][0]["start"] == pytest.approx(1.2)
    page = (talk / "a" / "report.html").read_text(encoding="utf-8")
    assert 'id="why-u0002"' in page
    assert "fear" in ran.out
    svg = (talk / "pictures" / "u0002-audio-lime.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    again = affectline(
        "explain", talk / "a", "--utterance", "u0002", "--emotion", "joy", "--samples", 30, "--quick",
        "--checkpoint", tiny, "--json",
    )  # fmt: skip
    assert [d["emotion"] for d in again.json] == ["joy"]
    explanations = Timeline.read(talk / "a" / "timeline.json").utterances[1].explanations
    assert [(e["emotion"], e["samples"]) for e in explanations] == [("fear", 40), ("joy", 30)]
    report = affectline("explain", talk, "--report", "--json").json
    assert (report["timelines"], report["explanations"], report["rows"][0]["n"]) == (1, 2, 1)
    assert "audio" in affectline("explain", talk, "--report").out


def test_checkpoints_stand_side_by_side_and_the_timeline_stays(
    affectline: Affectline, talk: Path, tiny: Path
) -> None:
    pytest.importorskip("resvg_py")
    before = (talk / "a" / "timeline.json").read_bytes()
    ran = affectline(
        "explain", talk / "a", "--utterance", "u0002", "--emotion", "fear", "--samples", 30, "--quick",
        "--beside", f"{tiny},{tiny}:text", "--png", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    heard, read = ran.json
    assert [e["emotion"] for e in heard["explanations"]] == ["fear"]
    assert (read["name"], read["reason"]) == ("tiny: text alone", "it sees nothing of this utterance")
    svg = (talk / "a" / "u0002-beside.svg").read_text(encoding="utf-8")
    assert svg.index(">tiny: ") < svg.index(">tiny: text alone: it sees nothing")
    assert (talk / "a" / "u0002-beside.png").read_bytes().startswith(b"\x89PNG")
    assert (talk / "a" / "timeline.json").read_bytes() == before


def test_a_model_of_other_labels_stands_beside_with_its_own(
    affectline: Affectline, talk: Path, tiny: Path
) -> None:
    found = checkpoint.load(tiny)
    names = tuple(f"mood {n}" for n in range(len(found.labels.names)))
    checkpoint.save(replace(found, labels=replace(found.labels, names=names), thresholds={}), talk / "moods")
    ran = affectline(
        "explain", talk / "a", "--utterance", "u0002", "--samples", 30, "--quick",
        "--beside", f"{tiny},{talk / 'moods'}", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert set(ran.json[1]["scores"]) == set(names)
    told = Timeline.read(talk / "a" / "timeline.json").utterances[1]
    assert list(ran.json[0]["scores"].values()) == pytest.approx(list(told.scores.values()), abs=2e-3)
    assert ran.json[1]["explanations"][0]["emotion"] in names


@pytest.mark.parametrize(
    ("more", "message", "code"),
    [
        (("--utterance", "u0009"), "no utterance 'u0009'", 1),
        (("--utterance", "u0001", "--emotion", "awe"), "knows no 'awe'", 1),
        (("--utterance", "u0001", "--modality", "video"), "has no picture", 1),
        (("--utterance", "u0001", "--modality", "smell"), "no modality 'smell'", 2),
        (("--utterance", "u0001", "--method", "grad"), "no method 'grad'", 2),
        (("--utterance", "u0001", "--method", "ig"), "do not lead from the answers of", 1),
        (("--utterance", "u0001", "--beside", "nothing"), "no checkpoint 'nothing'", 1),
        (("--utterance", "u0001", "--beside", "base:smell"), "no modality 'smell'", 2),
        (("--utterance", "all", "--beside", "base"), "--beside takes one utterance", 2),
        (("--utterance", "u0001", "--png"), "say where with --pictures", 2),
        (("--utterance", "u0001", "--samples", "3"), "3 samples cannot weigh", 1),
        (("--report",), "was judged; make some with", 1),
        ((), "needs a timeline and an utterance", 2),
    ],
)
def test_what_cannot_be_explained_is_said(  # noqa: PLR0917
    affectline: Affectline, talk: Path, tiny: Path, more: tuple[str, ...], message: str, code: int
) -> None:
    before = (talk / "a" / "timeline.json").read_bytes()
    ran = affectline("explain", talk / "a", *more, "--checkpoint", tiny)
    assert (ran.code, message in ran.err) == (code, True), ran.err
    assert "Traceback" not in ran.err
    assert (talk / "a" / "timeline.json").read_bytes() == before


def test_a_recording_or_checkpoint_that_is_another_one_is_refused(
    affectline: Affectline, talk: Path, tiny: Path
) -> None:
    ask = ("explain", talk / "a", "--utterance", "u0001", "--samples", 30, "--quick", "--checkpoint")
    other = make_checkpoint(talk / "other", seed=1)
    assert "another checkpoint" in affectline(*ask, other).err
    make_talk(talk / "a.wav", 2.0)
    assert "another one than the timeline was made of" in affectline(*ask, tiny).err
    (talk / "a.wav").unlink()
    assert "is not there any more" in affectline(*ask, tiny).err


def test_analyze_explains_every_utterance_it_can(affectline: Affectline, tmp_path: Path, tiny: Path) -> None:
    make_talk(tmp_path / "b.wav", 0.5)
    ran = affectline("analyze", tmp_path / "b.wav", "--checkpoint", tiny, "--out", tmp_path, "--explain")
    assert ran.code == 0, ran.err
    (only,) = Timeline.read(tmp_path / "b" / "timeline.json").utterances
    assert {e["modality"] for e in only.explanations} == {"audio"}


def test_the_conversation_of_a_timeline_is_judged_as_it_was(talk: Path, tiny: Path) -> None:
    timeline, found = Timeline.read(talk / "a" / "timeline.json"), checkpoint.load(tiny)
    conversation = rebuilt(timeline, lambda: pytest.fail("there is no face to find"))
    (predictions,) = found.predict([conversation])
    for entry, prediction in zip(timeline.utterances, predictions, strict=True):
        assert prediction.scores == pytest.approx(entry.scores, abs=2e-3)
        assert prediction.modalities == entry.modalities


def test_an_older_explanation_of_the_same_gives_way(talk: Path, tiny: Path) -> None:
    timeline, found = Timeline.read(talk / "a" / "timeline.json"), checkpoint.load(tiny)
    explainer = Explainer(found, rebuilt(timeline, lambda: pytest.fail("no face")))
    first, second = (
        explainer.explain("u0001", Wanted(emotions=("joy",), samples=n, judged=False)) for n in (20, 30)
    )
    once = with_explanations(timeline, first)
    twice = with_explanations(once, second)
    assert [e["samples"] for e in twice.utterances[0].explanations] == [30]
    json.loads(twice.to_json())
