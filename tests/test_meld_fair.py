"""MELD cut anew by the times of MELD-FAIR: what is read, what is told, what is refused."""

import csv
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from doctor_makers import RATE, made_meld

from affectline.cli import main
from affectline.corpora import meld
from affectline.corpora._meld_fair import COLUMNS, CUTS
from affectline.doctor import examine
from affectline.doctor.manifest import Manifest, rows_of, verify
from affectline.media import FileClip, JoinedClip
from affectline.types import Utterance

Line = Sequence[object]
IDS = [(split, d, n) for split in meld.SPLITS for d in range(3) for n in range(3)]
AS_RELEASED: list[Line] = [(split, d, n, d, n, 0.0, 1.0) for split, d, n in IDS]
"""Each utterance is all of its own clip of a second."""


def table(path: Path, lines: Sequence[Line], header: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return path


def lines_with(*changed: Line) -> list[Line]:
    """Each utterance is its clip, but for those that these lines are of."""
    others = [line for line in AS_RELEASED if line[:3] not in {one[:3] for one in changed}]
    return [*others, *changed]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    made_meld(tmp_path / "data" / "meld")
    return tmp_path / "data"


def realign(data: Path, *changed: Line) -> int:
    lines = table(data.parent / "times.csv", lines_with(*changed))
    return main(["prepare", "meld", "--realign", str(lines), "--root", str(data)])


def said(data: Path, id: str) -> Utterance:
    split = id.split("_", maxsplit=1)[0]
    return next(u for c in meld.read(data / "meld", split) for u in c if u.id == id)


def of(data: Path, where: str) -> list[tuple[str, str, str]]:
    faults = examine("meld", data).faults
    return [(f.kind, f.what, f.done) for f in faults if f.where == where]


PARTS: list[Line] = [("train", 0, 1, 0, 1, 0.25, 0.75), ("train", 0, 1, 0, 2, 0.0, 0.5)]


def test_an_utterance_is_the_stretches_that_the_table_names_in_their_order(data: Path) -> None:
    before = said(data, "train_dia0_utt1")
    assert realign(data, *PARTS, ("train", 0, 2, 0, 2, 0.5, 1.0)) == 0
    joined, one = said(data, "train_dia0_utt1"), said(data, "train_dia0_utt2")
    folder = data / "meld" / "train_splits"
    heard = [FileClip(folder / f"dia0_utt{n}.mp4").waveform(RATE) for n in range(3)]
    assert isinstance(joined.clip, JoinedClip)
    np.testing.assert_array_equal(
        joined.clip.waveform(RATE), np.concatenate([heard[1][2000:6000], heard[2][:4000]])
    )
    assert one.clip == FileClip(folder / "dia0_utt2.mp4", 0.5, 1.0)
    assert (replace(joined, clip=None), joined.missing) == (replace(before, clip=None), frozenset())


def test_an_utterance_that_the_table_does_not_name_has_no_sound_and_picture(data: Path) -> None:
    lines = [line for line in AS_RELEASED if line[:3] != ("dev", 1, 1)]
    assert main(["prepare", "meld", "--realign", str(table(data / "t.csv", lines)), "--root", str(data)]) == 0
    lost = said(data, "dev_dia1_utt1")
    assert (lost.clip, lost.missing, lost.text) == (None, {"audio", "video"}, said(data, lost.id).text)
    assert of(data, lost.id) == [
        ("known", "its words were found in no clip", "sound and picture are missing")
    ]


def test_a_wrongly_cut_clip_is_used_where_the_table_says_what_of_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(meld.BROKEN, "test_dia0_utt0", "is cut wrongly")
    assert said(data, "test_dia0_utt0").clip is None
    assert realign(data, ("test", 0, 0, 0, 0, 0.0, 0.5)) == 0
    clip = said(data, "test_dia0_utt0").clip
    assert clip is not None
    assert clip.duration == 0.5
    assert of(data, "test_dia0_utt0") == [("known", "is cut wrongly", "cut anew")]


def test_the_doctor_says_that_it_is_cut_anew_and_finds_nothing_else(data: Path) -> None:
    kinds = set(examine("meld", data).by_kind())
    assert realign(data, *PARTS) == 0
    report = examine("meld", data)
    assert set(report.by_kind()) == kinds | {"repaired"}
    cut = [(f.where, f.what) for f in report.by_kind()["repaired"]]
    assert cut == [(split, "9 utterances have the times of MELD-FAIR") for split in meld.SPLITS]
    assert report.decoded["train_dia0_utt1"].duration == 1.0
    (data / "meld" / CUTS).unlink()
    assert set(examine("meld", data).by_kind()) == kinds


@pytest.mark.parametrize(
    ("line", "kind", "what"),
    [
        (("train", 0, 1, 0, 1, 0.8, 0.2), "times", "line 28: is from 0.8 to 0.2 s"),
        (("train", 0, 1, 0, 1, 0.0, "inf"), "times", "line 28: is from 0 to inf s"),
        (("train", 7, 1, 0, 1, 0.0, 1.0), "extra", "line 29: there is no such utterance"),
        (("train", 0, 1, 0, 9, 0.0, 1.0), "missing", "there is no dia0_utt9.mp4"),
        (("train", 0, 1, 0, 1, 0.0, 1.9), "cut-short", "breaks off 0.9 s before the utterance ends"),
    ],
)
def test_what_cannot_be_cut_is_a_fault_by_its_utterance(data: Path, line: Line, kind: str, what: str) -> None:
    assert realign(data, line) == 0
    found = of(data, f"train_dia{line[1]}_utt1")
    assert [(k, w) for k, w, _ in found if k == kind and what in w], found
    clip = said(data, "train_dia0_utt1").clip
    assert (clip is None) == (kind in ("times", "missing"))
    assert sum(len(c) for split in meld.SPLITS for c in meld.read(data / "meld", split)) == 27


def test_a_stretch_past_the_end_of_its_clip_is_named_with_both_times(data: Path) -> None:
    assert realign(data, ("train", 0, 1, 0, 1, 5.0, 6.0)) == 0
    # In a process of its own: here each utterance is checked as it is made, which looks into its clip
    command = [sys.executable, "-m", "affectline", "doctor", "meld", "--kind", "unreadable", "--root", data]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    what = "train_dia0_utt1: train_splits/dia0_utt1.mp4: the clip starts at 5.000 s and the recording is over"
    assert shown.stdout.startswith(what)


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (AS_RELEASED, [*COLUMNS[:5], "Start", "End"], r"lacks the columns \['Start Time', 'End Time'\]"),
        ([("val", 0, 0, 0, 0, 0, 1), *AS_RELEASED], COLUMNS, r"line 2: the split 'val' is none of"),
        ([("dev", 0, "x", 0, 0, 0, 1), *AS_RELEASED], COLUMNS, r"line 2: the four ids must be numbers.*'x'"),
        ([*AS_RELEASED, ("dev", 0, 0, 0, 0, "", 1)], COLUMNS, r"line 29: .* and the times seconds"),
        ([("dev", 0, 0), *AS_RELEASED], COLUMNS, r"line 2 must have 7 cells"),
        ([line for line in AS_RELEASED if line[0] == "test"], COLUMNS, r"names no utterance of train, dev"),
        ([(s, 90, 0, 0, 0, 0, 1) for s in meld.SPLITS], COLUMNS, r"names no utterance of .*meld: is it of"),
    ],
)
def test_a_table_that_is_none_is_refused_and_nothing_has_changed(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    lines: list[Line],
    header: Sequence[str],
    message: str,
) -> None:
    given = table(data.parent / "times.csv", lines, header)
    assert main(["prepare", "meld", "--realign", str(given), "--root", str(data)]) == 2
    said_of_it = capsys.readouterr().err
    assert not (data / "meld" / CUTS).exists()
    assert re.search(message, " ".join(said_of_it.split())), said_of_it
    if "is it of" not in message:  # put there by hand it is refused as well
        table(data / "meld" / CUTS, lines, header)
        with pytest.raises(ValueError, match=message):
            meld.read(data / "meld", "train")


def test_wrong_use_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for corpus, file, message in (
        ("ravdess", "t.csv", "--realign is for meld"),
        ("meld", "nowhere.csv", "there is no file nowhere.csv; get it from https"),
    ):
        assert main(["prepare", corpus, "--realign", file, "--root", str(data)]) == 2
        assert message in capsys.readouterr().err
    assert main(["prepare", "meld"]) == 0
    told = capsys.readouterr().out
    assert "GPL-3.0" in told
    assert "licence: its repository names none" in told
    assert CUTS in told


def test_a_manifest_names_the_table_and_refuses_another_one(data: Path) -> None:
    assert realign(data, *PARTS) == 0
    manifest = Manifest.of(rows_of(examine("meld", data)))
    row = next(row for row in manifest.rows if row.id == "train_dia0_utt1")
    assert {*row.files} == {CUTS, "train_splits/dia0_utt1.mp4", "train_splits/dia0_utt2.mp4"}
    verify(manifest, data)
    assert realign(data, ("train", 0, 1, 0, 1, 0.25, 0.7), PARTS[1]) == 0
    with pytest.raises(ValueError, match=f"train_dia0_utt0: {CUTS} changed"):
        verify(manifest, data)
    (data / "meld" / CUTS).unlink()
    with pytest.raises(ValueError, match=f"{CUTS} is not there"):
        verify(manifest, data)


def test_an_extraction_reads_the_stretches_and_begins_anew_where_they_change(
    data: Path, tmp_path: Path
) -> None:
    words = ["extract", "meld", "--root", str(data), "--streams", "audio.mel", "--out", str(tmp_path / "out")]

    def steps() -> dict[str, int]:
        assert main(words) == 0
        table = pq.read_table(tmp_path / "out", columns=["id", "audio.mel"])
        return {row["id"]: len(row["audio.mel"]) // 64 for row in table.to_pylist()}

    released = steps()
    assert realign(data, *PARTS, ("dev", 0, 0, 0, 0, 0.5, 1.0), ("dev", 0, 1, 0, 0, 0.0, 0.5)) == 0
    cut = steps()
    assert {id for id in cut if cut[id] != released[id]} == {"dev_dia0_utt0", "dev_dia0_utt1"}
    assert abs(cut["dev_dia0_utt0"] - released["dev_dia0_utt0"] / 2) <= 2
