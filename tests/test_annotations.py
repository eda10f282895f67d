"""Annotations of other tools, as a corpus of your own; and a corpus as a dataset of the hub."""

import csv
import io
import json
import wave
from pathlib import Path

import pytest
from doctor_makers import sound
from timeline_makers import talk

from affectline import annotations, exports
from affectline.annotations import Turn
from affectline.cli import main
from affectline.corpora import mine

OF_WORDS = 'LINGUISTIC_TYPE_REF="e" PARENT_REF="words"'
SLOTS = {"t1": 0, "t2": 500, "t3": 1000}


def elan_tier(name: str, about: str, **marks: str) -> str:
    """Marks of stretches, such as t1t2="Hello.", or of other marks, such as a1="joy"."""
    found = ""
    for n, (where, value) in enumerate(marks.items()):
        id, said = f'ANNOTATION_ID="{name}{n}"', f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>"
        if where.startswith("t"):
            times = f'TIME_SLOT_REF1="{where[:2]}" TIME_SLOT_REF2="{where[2:]}"'
            mark = f"<ALIGNABLE_ANNOTATION {id} {times}>{said}</ALIGNABLE_ANNOTATION>"
        else:
            mark = f'<REF_ANNOTATION {id} ANNOTATION_REF="{where}">{said}</REF_ANNOTATION>'
        found += f"<ANNOTATION>{mark}</ANNOTATION>"
    return f'<TIER TIER_ID="{name}" {about}>{found}</TIER>'


EAF = f"""<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER>
{"".join(f'<TIME_SLOT TIME_SLOT_ID="{id}" TIME_VALUE="{ms}"/>' for id, ms in SLOTS.items())}
</TIME_ORDER>
{elan_tier("words", 'LINGUISTIC_TYPE_REF="w" PARTICIPANT="Kim"', t1t2="Hello.", t2t3="Oh no.")}
{elan_tier("emotions@Kim@Ada", OF_WORDS, words0="joy|surprise", words1="none")}
{elan_tier("emotions@Kim@Ben", 'LINGUISTIC_TYPE_REF="w"', t1t2="joy")}
{elan_tier("gestures", 'LINGUISTIC_TYPE_REF="w"', t1t2="waves")}
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="w" TIME_ALIGNABLE="true"/>
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="e" TIME_ALIGNABLE="false" CONSTRAINTS="Symbolic_Association"/>
<CONSTRAINT STEREOTYPE="Symbolic_Association" DESCRIPTION=""/>
</ANNOTATION_DOCUMENT>
"""
GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
2
"IntervalTier"
"words@Kim"
0
1
2
0
0.5
"Hello."
0.5
1
"Oh no."
"IntervalTier"
"emotions@Kim@Ada"
0
1
2
0
0.5
"joy|surprise"
0.5
1
""
"""
VTT = """WEBVTT

00:00.000 --> 00:00.500
<v Kim>[joy, surprise] Hello.

00:00.500 --> 00:01.000
<v Kim>Oh no.
"""
RTTM = (
    "SPEAKER talk 1 0.000 0.500 <NA> <NA> Kim <NA> <NA>\nSPEAKER talk 1 0.500 0.500 <NA> <NA> Lee <NA> <NA>\n"
)
TABLE = "start,end,speaker,text,labels,annotator\n0,0.5,Kim,Hello.,joy|surprise,Ada\n0:00.5,1,Kim,Oh no.,,\n"
JOY, SURPRISE = "joy", "surprise"
HELLO = Turn(0.0, 0.5, "Kim", "Hello.", {"Ada": frozenset({JOY, SURPRISE})})


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_elan_is_read_with_the_tiers_of_several_annotators(tmp_path: Path) -> None:
    pytest.importorskip("pympi")
    found = annotations.read(written(tmp_path / "talk.eaf", EAF))
    assert found.ignored == ("gestures",)
    first, second = found.turns
    assert first == Turn(
        0, 0.5, "Kim", "Hello.", {"Ada": frozenset({JOY, SURPRISE}), "Ben": frozenset({JOY})}
    )
    assert second == Turn(0.5, 1, "Kim", "Oh no.", {"Ada": frozenset()})


def test_our_own_elan_and_webvtt_come_back(tmp_path: Path) -> None:
    pytest.importorskip("pympi")
    timeline = talk()
    exports.export(timeline, "eaf", tmp_path / "talk.eaf")
    exports.export(timeline, "vtt", tmp_path / "talk.vtt")
    sure = [u for u in timeline.utterances if u.span and not u.abstained]
    for name in ("talk.eaf", "talk.vtt"):
        turns = annotations.read(tmp_path / name).turns
        seen = {round(t.start, 3): t.votes.get("", frozenset()) for t in turns}
        assert len(turns) == len([u for u in timeline.utterances if u.span])
        assert {round(u.span.start, 3): frozenset(u.emotions) for u in sure if u.span}.items() <= seen.items()


def test_praat_is_read(tmp_path: Path) -> None:
    pytest.importorskip("praatio")
    found = annotations.read(written(tmp_path / "talk.TextGrid", GRID))
    assert found.turns == (HELLO, Turn(0.5, 1.0, "Kim", "Oh no.", {}))


def test_subtitles_speaker_turns_and_tables_are_read(tmp_path: Path) -> None:
    no = Turn(0.5, 1.0, "Kim", "Oh no.", {})
    vtt = annotations.read(written(tmp_path / "talk.vtt", VTT)).turns
    assert vtt == (Turn(0, 0.5, "Kim", "Hello.", {"": frozenset({JOY, SURPRISE})}), no)
    rttm = annotations.read(written(tmp_path / "talk.rttm", RTTM)).turns
    assert rttm == (Turn(0, 0.5, "Kim", "", {}), Turn(0.5, 1.0, "Lee", "", {}))
    assert annotations.read(written(tmp_path / "talk.csv", TABLE)).turns == (HELLO, no)


def test_a_mark_counts_where_it_covers_half_of_a_turn() -> None:
    turn, seen = (annotations.Mark(0, 2, "words", ""), annotations.Mark(1, 5, "emotions@@Ada", "joy"))
    assert annotations._votes(turn, [seen]) == {"Ada": {JOY}}
    later = annotations.Mark(1.1, 5, "emotions@@Ada", "joy")
    assert annotations._votes(turn, [later]) == {}
    inside = annotations.Mark(1.5, 1.9, "emotions@@Ada", "fear")
    assert annotations._votes(turn, [seen, inside]) == {"Ada": {JOY, "fear"}}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.eaf", "<ANNOTATION", "no file of ELAN"),
        ("a.TextGrid", "File type", "not a TextGrid"),
        ("a.rttm", "SPEAKER talk 1 x 1 <NA> <NA> Kim <NA> <NA>", "line 1: a line SPEAKER has nine fields"),
        ("a.rttm", "", "has no tier 'words' or 'emotions'"),
        ("a.csv", "start,end\n", "lacks the columns labels"),
        ("a.csv", "start,end,labels\n3,2,joy\n", "from 3.0 to 2.0 s, which is none"),
        ("a.csv", "start,end,labels\n3,2\n", "line 2 must have 3 cells"),
        ("a.doc", "", "annotations are read from .eaf"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    if name.endswith(("eaf", "Grid")):
        pytest.importorskip("pympi" if name.endswith("eaf") else "praatio")
    with pytest.raises(ValueError, match=said):
        annotations.read(written(tmp_path / name, text))


def test_prepare_makes_a_corpus_of_annotations_and_says_how_far_people_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    for n in range(3):
        sound(folder / f"talk{n}.wav", n)
        rows = "0,0.5,Kim,Hello.,joy,Ada\n0,0.5,Kim,Hello.,joy,Ben\n"
        rows += "0.5,1,Kim,Oh.,fear,Ada\n0.5,1,Kim,Oh.,none,Ben\n"
        text = "start,end,speaker,text,labels,annotator\n" + rows.replace("Kim", f"Kim{n}")
        written(folder / f"talk{n}.csv", text)
    files = [str(folder / f"talk{n}.csv") for n in range(3)]
    assert main(["prepare", "mine", *files, "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "2 annotators" in said
    assert "joy          1.00" in said
    table = list(csv.DictReader(io.StringIO((folder / "utterances.csv").read_text())))
    assert len(table) == 12
    talks = [c for split in mine.SPLITS for c in mine.read(folder, split)]
    assert sorted(c.id for c in talks) == ["talk0", "talk1", "talk2"]
    first, second = talks[0]
    assert (first.emotions, first.ratings) == ({JOY}, {JOY: 1.0})
    assert (second.emotions, second.ratings) == ({"fear"}, {"fear": 0.5})
    assert first.clip is not None
    assert first.clip.duration == pytest.approx(0.5)
    assert main(["prepare", "mine", *files, "--root", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_corpus_is_a_dataset_of_the_hub_with_its_licence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    for n, name in enumerate("abc"):
        sound(folder / f"{name}.wav", n)
    rows = "a.wav,Hello.,joy,train\nb.wav,Oh no.,joy|fear,dev\nc.wav,Well.,fear,test\n"
    written(folder / "utterances.csv", "clip,text,labels,split\n" + rows)
    command = ["export", "mine", "--root", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert "must say under which licence" in capsys.readouterr().err
    written(folder / "corpus.json", json.dumps({"licence": "CC BY 4.0", "languages": ["de"]}))
    assert main(command) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert 'license: "cc-by-4.0"\n' in card
    assert '"de"' in card
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path / "cache")
    read = datasets.load_dataset(str(tmp_path / "out"), cache_dir=cache)
    assert {split: len(rows) for split, rows in read.items()} == {"train": 1, "validation": 1, "test": 1}
    assert read["validation"][0]["labels"] == ["joy", "fear"]
    assert main(command) == 1
    assert "not an empty folder" in capsys.readouterr().err


def test_with_its_sound_it_is_an_audio_folder(tmp_path: Path) -> None:
    folder, out = tmp_path / "mine", tmp_path / "out"
    for n, name in enumerate("ab"):
        sound(folder / f"{name}.wav", n)
    written(folder / "utterances.csv", "clip,labels,split\na.wav,joy,train\nb.wav,joy|fear,test\n")
    written(folder / "corpus.json", json.dumps({"licence": "house rules", "page": "https://example.org"}))
    words = ["export", "mine", "--root", str(tmp_path), "--out", str(out), "--media"]
    assert main(words) == 0
    (row,) = map(json.loads, (out / "test" / "metadata.jsonl").read_text().splitlines())
    assert (row["file_name"], row["labels"]) == ("b.wav", ["joy", "fear"])
    with wave.open(str(out / "test" / "b.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_000)
    card = (out / "README.md").read_text()
    assert 'license: "other"\nlicense_name: "house-rules"\nlicense_link: "https://example.org"\n' in card
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("torchcodec")  # by which datasets reads sound
    read = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))["test"]
    assert read.column_names[0] == "audio"
