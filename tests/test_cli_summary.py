"""`affectline summary`, and several timelines side by side."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from summary_makers import dialogue, told

from affectline.cli import main
from affectline.summary.beside import side_by_side
from affectline.types import Span


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two timelines: in the first Ben answers joy with anger."""
    found = tmp_path_factory.mktemp("runs")
    moods = ["joy", "neutral"] * 24
    random.Random(0).shuffle(moods)
    answers = ["anger" if mood == "joy" else "neutral" for mood in moods]
    told(dialogue(moods, answers)).write(found / "monday" / "timeline.json")
    told(dialogue(moods, moods), sha256="b").write(found / "friday.json")
    return found


def test_what_was_found_is_in_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(folder / "monday"), "--markdown"]) == 0
    out = capsys.readouterr().out
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line[:1] == "|"
    ]
    assert ["joy", "24  50%  50%", "0  0%  0%", "24  25%  25%"] in rows
    (found,) = (
        row for row in rows if row[:2] == ["Ada \N{RIGHTWARDS ARROW} Ben", "joy \N{RIGHTWARDS ARROW} anger"]
    )
    assert found[2:4] == ["48", "24"]
    assert "not what anyone felt" in out
    assert main(["summary", str(folder / "monday" / "timeline.json")]) == 0
    assert "what stands out" in capsys.readouterr().out


def test_json_is_the_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(folder / "monday"), str(folder / "friday.json"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) >= {"everyone", "speakers", "transitions", "following", "settings", "notes", "other"}
    (anger,) = (one for one in said["comparison"]["labels"] if one["label"] == "anger")
    assert (anger["utterances"], anger["shares"], anger["difference"]) == ([24, 0], [0.25, 0.0], 0.25)
    assert main(["summary", str(folder / "monday"), str(folder / "friday.json")]) == 0
    assert "+0.250" in capsys.readouterr().out


def test_what_is_no_timeline_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(folder)]) == 2
    assert "there is no timeline" in capsys.readouterr().err
    (folder / "words.json").write_text("{}", encoding="utf-8")
    assert main(["summary", str(folder / "words.json")]) == 1
    assert "cannot be read as a timeline" in capsys.readouterr().err
    assert main(["summary", str(folder / "monday"), "--json", "--markdown"]) == 2


def test_side_by_side_only_what_both_know_can_differ() -> None:
    one = told([("Ada", "joy"), ("Ada", "joy|anger"), ("Ada", "?"), ("Ada", "anger"), ("Ada", "?")])
    two = told([("Ada", "joy"), ("Ada", "joy"), ("Ada", "joy"), ("Ada", "anger"), ("Ada", "?")])
    moved = replace(two.utterances[3], span=Span(6, 7))
    two = replace(two, utterances=(*two.utterances[:3], moved, two.utterances[4]))
    rows, (agreement,) = side_by_side([one, two])
    assert [row.differ for row in rows] == [False, True, True, False, False]
    assert [row.answers[1] is None for row in rows] == [False, False, False, True, False]
    assert (agreement.utterances, agreement.same) == (4, 2)
    scores = tuple(replace(u, scores={"joy": 0.5, "neutral": 0.2}) for u in two.utterances)
    without = replace(two, labels=("joy", "neutral"), utterances=scores[:3])  # which does not know anger
    rows, _ = side_by_side([one, without])
    assert [row.differ for row in rows][:2] == [False, False]
    assert rows[0].answers[1] is not None
    assert rows[0].answers[1].strongest == (("joy", 0.5), ("neutral", 0.2))
