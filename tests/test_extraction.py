"""Features of a corpus as a table: what is in it, what stops it, and what it looks like afterwards."""

import errno
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from deadly import ByName
from doctor_makers import made_meld, sound

from affectline import extraction, files
from affectline.archives import UNFINISHED
from affectline.cli import main
from affectline.corpora import meld
from affectline.extraction import Job, Piece, extract_table, local
from affectline.extraction.store import SETTINGS, TableStore, arrays
from affectline.extraction.streams import extractors_of
from affectline.features import Item, extract
from affectline.features.audio_mel import Mel
from affectline.media import FileClip, MediaError
from affectline.types import Conversation, Modality, Waveform

MEL = "audio.mel"
BROKEN = "dev_splits_complete/dia1_utt1.mp4"


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "PIECE", 6)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made_meld(folder / "meld")
    return folder


@pytest.fixture(autouse=True)
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recording cannot be read; not by what is in the file, which would trouble the checks of types."""
    waveform = FileClip.waveform

    def refused(clip: FileClip, rate: int) -> Waveform:
        if str(clip.path).endswith(BROKEN):
            raise MediaError(f"{clip.path}: is not a recording that can be read")
        return waveform(clip, rate)

    monkeypatch.setattr(FileClip, "waveform", refused)


def conversations(data: Path) -> list[tuple[str, Conversation]]:
    return [(split, c) for split in meld.SPLITS for c in meld.read(data / "meld", split)]


def job(data: Path, *streams: str) -> Job:
    return Job("meld", data / "meld", extractors_of(streams or (MEL,)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def test_every_utterance_is_a_row_with_the_arrays_that_extract_gives(data: Path, tmp_path: Path) -> None:
    made = extract_table(job(data), conversations(data), tmp_path / "t")
    table = pd.read_parquet(tmp_path / "t")
    talks = [c for _, c in conversations(data)]
    assert table["id"].tolist() == [u.id for c in talks for u in c]
    assert (made.rows, made.before) == (27, 0)
    found = dict(arrays(tmp_path / "t", MEL))
    for c in talks:
        if c.id != "dev_dia1":
            for u, features in zip(c, extract([c], [Mel()])[0], strict=True):
                np.testing.assert_array_equal(found[u.id], features[MEL])  # pyright: ignore
    assert table["split"].value_counts().to_dict() == {"train": 9, "dev": 9, "test": 9}
    assert table["labels"][0].tolist() == sorted(talks[0].utterances[0].emotions or ())
    assert "text" not in table


def test_what_fails_is_a_row_with_the_error_and_the_exit_code_1(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", "meld", "--root", str(data), "--streams", MEL, "--out", str(tmp_path / "t")]
    assert main([*command, "--json"]) == 1
    said = capsys.readouterr()
    failed = json.loads(said.out)["failed"]
    (id,) = failed
    assert BROKEN in failed[id]
    assert str(data) not in failed[id]
    assert f"failed: {id}: {MEL}: {BROKEN}" in said.err
    table = pd.read_parquet(tmp_path / "t").set_index("id")
    assert list(table[MEL].isna()).count(True) == 1
    assert table.loc[id, MEL] is None
    assert list(table["error"].notna()).count(True) == 1
    assert main([*command, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["before"] == 27


def test_wrong_roots_are_wrong_use(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AFFECTLINE_DATA", raising=False)
    for root, said in (
        (["--root", data / "nowhere"], "nowhere' does not exist; give --root DIR"),
        (["--root", data / "meld"], f"give --root {data}"),
        (["--root", tmp_path], "there is no folder 'meld' in"),
        ([], "where are the corpora? Give --root DIR or set AFFECTLINE_DATA"),
    ):
        command = ["extract", "meld", "--streams", MEL, "--out", tmp_path / "t", *root]
        assert main([*map(str, command)]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "t").exists()


def test_a_half_unpacked_archive_is_no_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_meld(tmp_path / "meld")
    (tmp_path / "meld" / UNFINISHED).touch()
    command = ["extract", "meld", "--streams", MEL, "--out", tmp_path / "t", "--root", tmp_path]
    assert main([*map(str, command)]) == 2
    assert "was not unpacked to its end: give affectline prepare meld its archives" in capsys.readouterr().err


class KilledError(BaseException):
    """As a kill does, this leaves no time for anything."""


def test_stopped_at_any_time_it_ends_with_the_same_files(data: Path, tmp_path: Path) -> None:
    whole, often = tmp_path / "whole", tmp_path / "often"
    extract_table(job(data), conversations(data), whole)

    def dies(job: Job, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
        yield next(local(job, pieces))
        raise KilledError

    for n in range(1, len(contents(whole)) + 1):
        with pytest.raises(KilledError):
            extract_table(job(data), conversations(data), often, engine=dies)
        assert len(contents(often)) == n
        (often / ".half.part").write_bytes(b"written when it was killed")
    made = extract_table(job(data), conversations(data), often)
    assert made.before == made.rows
    assert contents(often) == contents(whole)
    assert not list(often.glob(".*"))


def test_a_damaged_file_is_made_again(data: Path, tmp_path: Path) -> None:
    extract_table(job(data), conversations(data), tmp_path)
    good = contents(tmp_path)
    name = list(good)[1]
    (tmp_path / name).write_bytes(good[name][:100])
    made = extract_table(job(data), conversations(data), tmp_path)
    assert made.before < made.rows
    assert contents(tmp_path) == good


def test_a_recording_that_changed_is_read_again_and_its_old_row_goes(tmp_path: Path) -> None:
    made_meld(tmp_path / "meld")
    extract_table(job(tmp_path), conversations(tmp_path), tmp_path / "t")
    before = dict(arrays(tmp_path / "t", MEL))
    changed = conversations(tmp_path)[0][1].utterances[0]
    sound(changed.clip.path, 999)  # pyright: ignore
    made = extract_table(job(tmp_path), conversations(tmp_path), tmp_path / "t")
    after = dict(arrays(tmp_path / "t", MEL))
    assert 0 < made.before < made.rows
    assert len(pd.read_parquet(tmp_path / "t")) == 27
    different = [id for id in after if not np.array_equal(after[id], before[id])]  # pyright: ignore
    assert different == [changed.id]


def test_a_limit_takes_whole_conversations_and_what_more_was_there_stays(data: Path, tmp_path: Path) -> None:
    assert extract_table(job(data), conversations(data), tmp_path, limit=4).rows == 6
    assert extract_table(job(data), conversations(data), tmp_path).before == 6
    assert extract_table(job(data), conversations(data), tmp_path, limit=4).rows == 6
    assert len(pd.read_parquet(tmp_path)) == 27


def test_two_at_once_into_one_folder_are_refused(data: Path, tmp_path: Path) -> None:
    with (
        TableStore.open(tmp_path, extraction.about(job(data))),
        pytest.raises(ValueError, match="another extraction is writing into"),
    ):
        extract_table(job(data), conversations(data), tmp_path)
    extract_table(job(data), conversations(data), tmp_path, limit=1)


def test_a_table_of_another_version_or_another_content_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract_table(job(data), conversations(data), tmp_path, limit=1)
    with pytest.raises(ValueError, match=r"begun with streams audio\.mel, not audio\.compare; give a new"):
        extract_table(job(data, "audio.compare"), conversations(data), tmp_path)
    with pytest.raises(ValueError, match=r"other settings of streams audio\.mel"):
        extract_table(Job("meld", data, (Mel(bands=8),)), conversations(data), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(extraction, "__version__", "99.0")
        with pytest.raises(ValueError, match=r"was written by affectline \d.*, and this is 99\.0"):
            extract_table(job(data), conversations(data), tmp_path)
    (tmp_path / SETTINGS).write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        extract_table(job(data), conversations(data), tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(ValueError, match=r"holds other things \(thesis\.txt"):
        extract_table(job(data), conversations(data), tmp_path / "other")


def test_a_full_disk_is_said_and_nothing_half_written_is_left(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", "meld", "--root", str(data), "--streams", MEL, "--out", str(tmp_path / "t")]
    count, fsync = 0, os.fsync

    def full(file: int) -> None:
        nonlocal count
        count += 1
        if count > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        assert main(command) == 1
    said = capsys.readouterr().err
    assert "No space left on device; the file was not written; make room" in said or "make room" in said
    assert "Traceback" not in said
    assert sorted(p.suffix for p in (tmp_path / "t").iterdir()) == ["", ".json", ".parquet", ".parquet"]
    assert main(command) == 1  # one recording is broken
    assert len(pd.read_parquet(tmp_path / "t")) == 27


def test_words_and_faces_are_kept_only_when_asked_for(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"text\.tokens: these are words, faces or sound.*say --raw"):
        job(data, "text.tokens")
    raw = Job("meld", data / "meld", extractors_of([MEL]), raw=True)
    extract_table(raw, conversations(data), tmp_path, limit=1)
    said = conversations(data)[0][1]
    assert pd.read_parquet(tmp_path)["text"].tolist()[: len(said)] == [u.text for u in said]


@dataclass(frozen=True)
class Hopeless(ByName):
    stream = "audio.hopeless"

    def __call__(self, items: Sequence[Item]) -> list[np.ndarray]:
        raise ValueError("there are no weights")


def test_where_everything_fails_alike_it_stops(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"all of the first 6 .* in the same way: audio\.hopeless: there are"
    ):
        extract_table(Job("meld", data, (Hopeless(),)), conversations(data), tmp_path)
    assert not contents(tmp_path)


@dataclass(frozen=True)
class Threads(ByName):
    """On how many threads a network would compute."""

    stream = "audio.threads"

    def __call__(self, items: Sequence[Item]) -> list[np.ndarray]:
        return [np.array([torch.get_num_threads()], np.float32) for _ in items]


def test_it_runs_on_one_thread_whatever_the_machine_has(data: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        extract_table(Job("meld", data / "meld", (Threads(),)), conversations(data), tmp_path)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    values = [found for _, found in arrays(tmp_path, "audio.threads") if found is not None]
    assert len(values) == 27
    assert {float(n) for found in values for n in found} == {1.0}


def test_what_is_missing_is_an_empty_list_and_no_error(data: Path, tmp_path: Path) -> None:
    silent = [(split, c.without(Modality.AUDIO)) for split, c in conversations(data)]
    made = extract_table(job(data), silent, tmp_path, limit=1)
    assert not made.failed
    assert [len(x) for x in pd.read_parquet(tmp_path)[MEL]] == [0] * 3


@pytest.fixture(scope="module")
def table(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    extract_table(job(data), conversations(data)[:2], folder)
    return folder


def test_pyarrow_has_the_shape_and_the_settings_of_a_column(table: Path) -> None:
    import pyarrow.parquet as pq

    about = json.loads(pq.read_schema(next(table.glob("*.parquet"))).field(MEL).metadata[b"affectline"])
    assert about == {"settings": repr(Mel()), "shape": [64], "dtype": "float32"}


def test_polars_reads_it(table: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(table / "*.parquet")
    assert (len(frame), frame[MEL].list.len()[0]) == (6, 98 * 64)


def test_duckdb_reads_it_with_one_line(table: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    text = (Path(__file__).parents[1] / "docs" / "extract.md").read_text(encoding="utf-8")
    (line,) = re.findall(r'`duckdb -c "(.*?)"`', text)
    assert "FROM 'features/*.parquet'" in line
    said = line.replace("\\", "").replace("features/", f"{table}/").replace("audio.egemaps", MEL)
    rows = duckdb.sql(said).fetchall()
    assert len(rows) == 6
    assert {id: len(numbers) for id, _, numbers in rows} == {
        id: len(array) * 64 for id, array in arrays(table, MEL) if array is not None
    }


def test_hugging_face_datasets_reads_it(table: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    read = datasets.load_dataset("parquet", data_files=f"{table}/*.parquet", cache_dir=str(tmp_path))["train"]
    assert (len(read), len(read[0][MEL])) == (6, 98 * 64)
