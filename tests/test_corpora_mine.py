"""A corpus of your own: what a table may say, and what it may not."""

import json
from pathlib import Path

import numpy as np
import pytest
from doctor_makers import sound

from affectline.cli import main
from affectline.corpora import find, mine
from affectline.media import FileClip
from affectline.types import FaceTrack, Span

HEADER = "clip,start,end,text,labels,annotator,speaker,split\n"
ROWS = """a.wav,0,0.5,Hello.,joy,Ada,Kim,train
a.wav,0,0.5,Hello.,joy|surprise,Ben,Kim,train
a.wav,0.5,1.0,Oh no.,none,Ada,Lee,train
b.wav,,,Well.,,,Max,dev
c.wav,,,Go away!,anger;fear,,Nil,test
"""


def write(root: Path, rows: str = ROWS, header: str = HEADER) -> Path:
    root.mkdir(exist_ok=True)
    for n, name in enumerate("abc"):
        sound(root / f"{name}.wav", n)
    (root / "utterances.csv").write_text(header + rows, encoding="utf-8")
    return root


def test_a_row_becomes_an_utterance_and_votes_become_shares(tmp_path: Path) -> None:
    root = write(tmp_path)
    (talk,) = mine.read(root, "train")
    assert talk.id == "a"
    first, second = talk
    assert (first.id, first.speaker, first.text) == ("a_0000.000", "Kim", "Hello.")
    assert first.clip == FileClip(root / "a.wav", 0.0, 0.5)
    assert first.span == Span(0, 0.5)
    assert first.emotions == {"joy", "surprise"}
    assert first.ratings == {"joy": 1.0, "surprise": 0.5}
    assert (second.emotions, second.ratings) == (frozenset(), None)
    ((unknown,),) = mine.read(root, "dev")
    assert (unknown.id, unknown.emotions, unknown.span) == ("b", None, None)
    assert mine.labels(root) == type(mine.labels(root))(("joy", "anger", "surprise", "fear"), True)
    assert mine.labels(root) == find("mine", root).LABELS
    assert mine.votes(root)["a_0000.000"] == {"Ada": {"joy"}, "Ben": {"joy", "surprise"}}


def test_names_are_translated_and_own_labels_kept(tmp_path: Path) -> None:
    root = write(tmp_path, "a.wav,Happy,train\nb.wav,bored,dev\nc.wav,happy,test\n", "clip,labels,split\n")
    (root / "corpus.json").write_text(json.dumps({"names": {"happy": "joy"}, "licence": "CC0 1.0"}))
    assert mine.labels(root).names == ("joy", "bored")
    assert not mine.labels(root).multilabel
    assert mine.about(root).licence == "CC0 1.0"


def test_without_a_split_people_who_speak_with_one_another_stay_together(tmp_path: Path) -> None:
    rows = "".join(f"hello,joy,p{n // 3},t{n // 2}\n" for n in range(40))
    root = write(tmp_path, rows, "text,labels,speaker,conversation\n")
    parts = {split: mine.read(root, split) for split in mine.SPLITS}
    people = {split: {u.speaker for c in talks for u in c} for split, talks in parts.items()}
    assert sum(len(c) for talks in parts.values() for c in talks) == 40
    assert all(people.values())
    assert not people["train"] & people["test"]
    assert not people["train"] & people["dev"]
    again = {split: mine.read(root, split) for split in mine.SPLITS}
    assert again == parts


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ("/etc/a.wav,joy,train\n", "clip,labels,split\n", "leads out of the corpus"),
        ("../a.wav,joy,train\n", "clip,labels,split\n", "leads out of the corpus"),
        ("C:/a.wav,joy,train\n", "clip,labels,split\n", "leads out of the corpus"),
        (
            "a.wav,joy,train\na.wav,fear,train\n",
            "clip,labels,split\n",
            "a second row for a, after line 2",
        ),
        (
            "1,hi,joy,Ada\n1,ho,joy,Ben\n",
            "id,text,labels,annotator\n",
            "line 3: 1 has .*another text",
        ),
        ("d.wav,joy,train\n", "clip,labels,split\n", "no your own corpus at .*d.wav"),
        ("a.wav,joy,learn\n", "clip,labels,split\n", "must be one of train, dev, test"),
        ("a.wav,joy,train\nb.wav,joy,\n", "clip,labels,split\n", "line 3 has no split, and others have one"),
        ("a.wav,joy\n", "clip,labels\n", "1 groups of people.*'split'"),
        ("a.wav,joy,train\n", "clip,labels,splitt\n", "a column 'splitt'; if that is 'split'"),
        ("a.wav,train\n", "clip,split\n", r"lacks the columns \['labels'\]"),
        ("joy,train\n", "labels,split\n", "neither a column 'clip' nor 'text'"),
        ("a.wav,2,1,joy,train\n", "clip,start,end,labels,split\n", "0 <= start < end"),
        ("a.wav,0,,joy,train\n", "clip,start,end,labels,split\n", "both in seconds or both empty"),
        ("a.wav,0,inf,joy,train\n", "clip,start,end,labels,split\n", "finite"),
        (",joy,train\n", "clip,labels,split\n", "neither a clip nor words"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, rows: str, header: str, said: str) -> None:
    root = write(tmp_path, rows, header)
    with pytest.raises(ValueError, match=f"(?s){said}"):
        mine.read(root, "train")


def test_another_encoding_and_other_settings_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "utterances.csv").write_bytes((HEADER + ROWS).replace("Oh no", "Ohé").encode("latin-1"))
    with pytest.raises(ValueError, match="UTF-8"):
        mine.read(root, "train")
    write(tmp_path)
    (root / "corpus.json").write_text('{"license": "MIT"}')
    with pytest.raises(ValueError, match=r"'license'.*known are licence"):
        mine.read(root, "train")


def test_faces_are_those_of_the_recording_that_they_were_found_in(tmp_path: Path) -> None:
    root = write(tmp_path)
    clip = FileClip(root / "b.wav")
    track = FaceTrack("f", np.array([0.1]), np.ones((1, 4), np.float32), np.ones((1, 5, 2), np.float32), 0.8)
    (root / mine.FACES).write_text(mine.faces_text({"b": (mine.stretch(clip), track)}))
    ((seen,),) = mine.read(root, "dev")
    assert seen.face is not None
    assert (seen.face.match, seen.face.boxes.tolist()) == (0.8, [[1.0] * 4])
    sound(root / "b.wav", 9, seconds=2)
    with pytest.raises(ValueError, match=r"another recording; run affectline prepare mine"):
        mine.read(root, "dev")


def test_the_doctor_looks_at_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "mine")
    sound(root / "c.wav", 1)  # what b.wav is
    assert main(["doctor", "mine", "--root", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kinds"]["leak"]["count"] == 1
    assert found["parts"]["train"]["utterances"] == 2
