from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from affectline.features import extract
from affectline.features.precomputed import Precomputed
from affectline.types import Conversation, Utterance

ARRAYS = {"u0": np.arange(4, dtype=np.float64), "u1": np.arange(12, dtype=np.float32).reshape(3, 4)}


def features(file: Path, *ids: str) -> list[np.ndarray]:
    conversation = Conversation(id="c", utterances=tuple(Utterance(id=i, speaker="A") for i in ids))
    return [f["audio.covarep"] for f in extract([conversation], [Precomputed("audio.covarep", file)])[0]]


@pytest.fixture(params=["npz", "safetensors"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"features.{request.param}"
    if request.param == "npz":
        np.savez(path, **ARRAYS)  # pyright: ignore[reportArgumentType]
    else:
        save_file(ARRAYS, path)
    return path


def test_a_vector_is_pooled_a_matrix_is_over_time_and_the_rest_is_missing(file: Path):
    vector, matrix, absent = features(file, "u0", "u1", "u2")
    np.testing.assert_array_equal(vector, ARRAYS["u0"][None])
    np.testing.assert_array_equal(matrix, ARRAYS["u1"])
    assert absent.shape == (0, 4)
    assert {a.dtype for a in (vector, matrix, absent)} == {np.dtype(np.float32)}


def test_a_changed_file_is_read_again(tmp_path: Path):
    path = tmp_path / "f.npz"
    np.savez(path, u0=np.zeros(4))
    features(path, "u0")
    np.savez(path, u0=np.ones(5))
    assert features(path, "u0")[0].sum() == 5


def test_an_infinity_is_refused_only_where_it_is_asked_for(tmp_path: Path):
    path = tmp_path / "f.npz"
    np.savez(path, u0=np.array([1.0, np.inf]), u1=np.zeros(2))
    assert len(features(path, "u1")[0]) == 1
    with pytest.raises(ValueError, match=r"'u0' in .* holds a NaN or an infinity"):
        features(path, "u0")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3), "b": np.zeros(4)}, r"need one width, got \[3, 4\]"),
        ({"a": np.zeros((2, 2, 2))}, r"'a' in .* is float64 \(2, 2, 2\)"),
        ({"a": np.array(["text"])}, "must be numbers"),
        ({"a": np.array([None])}, "cannot read"),  # a pickle, which is never opened
        ({}, "need one width"),
    ],
)
def test_arrays_that_are_no_features_are_refused(tmp_path: Path, arrays: dict, message: str):
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        features(tmp_path / "f.npz", "a")


@pytest.mark.parametrize(
    ("name", "message"), [("f.npz", "cannot read"), ("f.safetensors", "cannot read"), ("f.pkl", "npz or")]
)
def test_files_that_are_no_features_are_refused(tmp_path: Path, name: str, message: str):
    (tmp_path / name).write_bytes(b"not this")
    with pytest.raises(ValueError, match=message):
        features(tmp_path / name, "a")


def test_an_absent_file_is_refused_at_once(tmp_path: Path):
    with pytest.raises(ValueError, match="there is no file"):
        Precomputed("audio.covarep", tmp_path / "f.npz")


def test_a_stream_needs_a_modality(tmp_path: Path):
    np.savez(tmp_path / "f.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="smell"):
        Precomputed("smell.nose", tmp_path / "f.npz")
