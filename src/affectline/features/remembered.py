"""Features of one recording on disk, raw ones too: for those who hold the recording itself as well."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path

from affectline.features.store import Array, Store


class Remembered(MutableMapping[str, Array]):
    """A `memo` of `extract` that outlives the process, and never is in memory as a whole.

    Unlike a store's, its arrays may be crops of faces and words: it belongs beside the recording that they
    are of, and goes with it. An array that is damaged is as one that was never there.
    """

    def __init__(self, folder: Path | str) -> None:
        self._store = Store(folder)
        self._there = self._store.keys()

    def __getitem__(self, key: str) -> Array:
        if key not in self._there:
            raise KeyError(key)
        return self._store.read([key])[key]

    def __contains__(self, key: object) -> bool:
        if key not in self._there:
            return False
        assert isinstance(key, str)
        if not self._store.read([key]):
            self._there.discard(key)
        return key in self._there

    def __setitem__(self, key: str, array: Array) -> None:
        self.update({key: array})

    def __delitem__(self, key: str) -> None:
        raise TypeError("what is remembered is never changed; remove the folder")

    def __iter__(self) -> Iterator[str]:
        return iter(self._there)

    def __len__(self) -> int:
        return len(self._there)

    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, arrays: Mapping[str, Array] | Iterable[tuple[str, Array]]
    ) -> None:
        """Add arrays, all in one file."""
        new = dict(arrays)
        self._store.write(new)
        self._there |= set(new)
