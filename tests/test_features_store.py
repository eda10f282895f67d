import logging
import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from affectline.features.store import Store

DTYPES = [np.float16, np.float32, np.float64, np.int8, np.int32, np.int64, np.uint8, np.bool_]
ANY_ARRAY = st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=1, min_side=0)))


def some(*names: str) -> dict[str, np.ndarray]:
    return {name: np.full((2, 3), len(name), np.float32) for name in names}


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), ANY_ARRAY, max_size=5))
def test_what_is_written_is_read(arrays: dict):
    with tempfile.TemporaryDirectory() as folder:
        Store(folder).write(arrays)
        read = Store(folder).read(arrays)
    assert set(read) == set(arrays)
    for key, array in arrays.items():
        assert (read[key].dtype, read[key].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read[key], array)


@pytest.mark.parametrize("view", [np.s_[:, ::2], np.s_[::-1], np.s_[..., None]])
def test_views_are_written_as_they_look(tmp_path: Path, view: tuple):
    array = np.asfortranarray(np.arange(12.0).reshape(3, 4))[view]
    Store(tmp_path).write({"a": array})
    np.testing.assert_array_equal(Store(tmp_path).read(["a"])["a"], array)


def test_what_is_read_may_be_written_into(tmp_path: Path):
    Store(tmp_path).write(some("a"))
    Store(tmp_path).read(["a"])["a"][:] = 5


def test_what_is_not_there_is_not_read(tmp_path: Path):
    store = Store(tmp_path)
    store.write(some("a", "b"))
    assert set(store.read(["b", "c"])) == {"b"}


def test_many_arrays_share_a_file_and_nothing_makes_none(tmp_path: Path):
    store = Store(tmp_path)
    store.write({})
    store.write(some(*map(str, range(100))))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_store_sees_what_another_writes_later(tmp_path: Path):
    early, late = Store(tmp_path), Store(tmp_path)
    assert not early.keys()
    late.write(some("a"))
    assert early.keys() == {"a"}


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file; give a folder"):
        Store(tmp_path / "file")


@pytest.mark.parametrize("left", [0, 4, 100, -1])
def test_a_half_written_shard_is_said_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, left: int
):
    Store(tmp_path).write(some("a", "b"))
    [shard] = tmp_path.iterdir()
    shard.write_bytes(shard.read_bytes()[:left])
    store = Store(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert not store.read(["a", "b"])
    assert shard.name in caplog.text
    store.write(some("a"))
    assert set(Store(tmp_path).read(["a", "b"])) == {"a"}


def test_a_flipped_bit_costs_its_array_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    Store(tmp_path).write({"a": np.zeros(8, np.float32), "b": np.ones(8, np.float32)})
    [shard] = tmp_path.iterdir()
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert len(Store(tmp_path).read(["a", "b"])) == 1
    assert "1 damaged arrays" in caplog.text


def test_a_shard_that_vanishes_after_the_index_was_made_counts_as_absent(tmp_path: Path):
    store = Store(tmp_path)
    store.write(some("a"))
    next(tmp_path.iterdir()).unlink()
    assert not store.read(["a"])


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Store(tmp_path).write(some("a"))
    assert not list(tmp_path.iterdir())


def test_temporary_files_are_swept_when_their_writer_must_be_gone(tmp_path: Path):
    old, young = tmp_path / "old.tmp", tmp_path / "young.tmp"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    assert not Store(tmp_path).keys()
    assert [path.name for path in tmp_path.iterdir()] == ["young.tmp"]


def _write_shards(folder: Path, name: str, count: int) -> None:
    store = Store(folder)
    for n in range(count):
        store.write({f"{name}{n}": np.full(5, n, np.int64), f"shared{n}": np.full(5, n, np.int64)})


def test_two_processes_write_at_once_and_all_is_there(tmp_path: Path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_shards, args=(tmp_path, name, 30)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    expected = {f"{name}{n}" for name in ("a", "b", "shared") for n in range(30)}
    read = Store(tmp_path).read(expected)
    assert set(read) == expected
    assert all((array == int(key.lstrip("abshred"))).all() for key, array in read.items())


def test_a_writer_killed_in_the_middle_leaves_a_whole_store(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    writer = multiprocessing.get_context("fork").Process(target=_write_shards, args=(tmp_path, "a", 100_000))
    writer.start()
    while len(list(tmp_path.glob("*.safetensors"))) < 20:
        time.sleep(0.001)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    store = Store(tmp_path)
    with caplog.at_level(logging.WARNING):
        keys = store.keys()
        assert set(store.read(keys)) == keys
    assert len(keys) >= 40
    assert not caplog.text


def test_a_temporary_file_that_is_renamed_while_it_is_looked_at_is_no_error(tmp_path: Path):
    (tmp_path / "renamed.tmp").symlink_to(tmp_path / "gone")  # listed, but no longer there
    assert not Store(tmp_path).keys()
