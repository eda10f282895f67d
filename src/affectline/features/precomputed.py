"""Any stream whose arrays are already on disk."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped
from safetensors import SafetensorError
from safetensors.numpy import load_file

from affectline.features import Item
from affectline.types import Conversation, modality_of


@dataclass(frozen=True)
class Precomputed:
    """Arrays by utterance id in one npz or safetensors file, (dim,) or (time, dim), read as float32.

    An utterance whose id is not in the file gives an array of length 0.

    Raises:
        ValueError: if the file is absent, of another kind or damaged, if its arrays differ in width, or if
            one that is asked for holds a NaN or an infinity.
    """

    stream: str
    file: Path

    dtype = np.float32
    stored = False  # it is on disk as it is

    def __post_init__(self) -> None:
        modality_of(self.stream)  # an unknown name is refused
        if not self.file.is_file():
            raise ValueError(f"there is no file {str(self.file)!r} for the stream {self.stream!r}")
        self._arrays()  # a file that is no good is refused before anything is computed

    @property
    def shape(self) -> tuple[int, ...]:
        return next(iter(self._arrays().values())).shape[1:]

    def content(self, conversation: Conversation, index: int) -> str | None:
        array = self._arrays().get(conversation.utterances[index].id)
        return None if array is None else hashlib.sha256(array.tobytes()).hexdigest()

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time dim"]]:
        return [self._array(conversation.utterances[index].id) for conversation, index in items]

    def _array(self, utterance: str) -> Float32[np.ndarray, "time dim"]:
        array = self._arrays()[utterance]
        if not np.isfinite(array).all():
            raise ValueError(
                f"{utterance!r} in {str(self.file)!r} holds a NaN or an infinity; replace it, or leave the "
                "utterance out of the file, which makes it missing"
            )
        return array

    def _arrays(self) -> Mapping[str, Float32[np.ndarray, "_time dim"]]:
        return _load(self.file, self.file.stat().st_mtime_ns)


@cache
def _load(file: Path, _modified: int) -> Mapping[str, Float32[np.ndarray, "_time dim"]]:
    arrays = {name: _row(file, name, array) for name, array in _read(file).items()}
    widths = {array.shape[1] for array in arrays.values()}
    if len(widths) != 1:
        raise ValueError(f"the arrays in {str(file)!r} need one width, got {sorted(widths)}")
    return arrays


def _read(file: Path) -> Mapping[str, Shaped[np.ndarray, "..."]]:
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        if file.suffix == ".safetensors":
            return load_file(file)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"cannot read {str(file)!r}: {error}") from error
    raise ValueError(f"features are read from .npz or .safetensors, got {str(file)!r}")


def _row(file: Path, name: str, array: Shaped[np.ndarray, "..."]) -> Float32[np.ndarray, "time dim"]:
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiub":
        raise ValueError(
            f"{name!r} in {str(file)!r} is {array.dtype} {array.shape}, but must be numbers, "
            "(dim,) for one vector or (time, dim)"
        )
    return np.atleast_2d(array).astype(np.float32)
