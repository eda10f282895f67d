"""Features on disk: shards of many arrays each, that are never changed once they are there.

A shard is written under a temporary name and then renamed, so a reader sees all of it or nothing, and two
writers cannot disturb each other: at worst both make the same array. The index is what the shards' headers
say. A shard or an array that cannot be read is reported to the log and counts as absent, so it is made again.
"""

import json
import logging
import os
import time
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

logger = logging.getLogger(__name__)

Array = Shaped[np.ndarray, "..."]

_STALE = 86400.0  # seconds after which a temporary file is what a killed writer left


class Store:
    """Arrays by key in a folder, which is made where it is absent.

    Raises:
        ValueError: if `folder` is a file.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"a feature store is a folder, but {str(folder)!r} is a file; give a folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shards: dict[str, Path] = {}
        self._seen: set[Path] = set()
        for left in self.folder.glob("*.tmp"):
            with suppress(FileNotFoundError):  # its writer has just renamed it
                if time.time() - left.stat().st_mtime > _STALE:
                    left.unlink()

    def keys(self) -> set[str]:
        """All that is there now, what other writers made included."""
        for path in self.folder.glob("*.safetensors"):
            if path not in self._seen:
                self._seen.add(path)
                self._shards |= dict.fromkeys(_keys(path), path)
        return set(self._shards)

    def read(self, keys: Collection[str]) -> dict[str, Array]:
        """The arrays of those keys that are there and whole."""
        by_shard: dict[Path, list[str]] = defaultdict(list)
        for key in self.keys() & set(keys):
            by_shard[self._shards[key]].append(key)
        found = {}
        for path, wanted in by_shard.items():
            found |= _read(path, wanted)
        return found

    def write(self, arrays: Mapping[str, Array]) -> None:
        """Add a shard; after this call it is on the disk."""
        if not arrays:
            return
        whole = {key: np.array(array, order="C") for key, array in arrays.items()}
        checksums = {key: zlib.crc32(array.tobytes()) for key, array in whole.items()}
        path = self.folder / f"{uuid4().hex}.safetensors"
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(save(whole, metadata={"crc32": json.dumps(checksums)}))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        self._seen.add(path)
        self._shards |= dict.fromkeys(whole, path)


def _keys(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="numpy") as shard:
            return list(shard.keys())
    except (SafetensorError, OSError) as error:
        logger.warning("ignored the damaged shard %s (%s); what it held is made again", path, error)
        return []


def _read(path: Path, keys: Collection[str]) -> dict[str, Array]:
    try:
        with safe_open(path, framework="numpy") as shard:
            checksums = json.loads((shard.metadata() or {}).get("crc32", "{}"))
            arrays = {key: shard.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        logger.warning("ignored the damaged shard %s (%s); what it held is made again", path, error)
        return {}
    whole = {key: a for key, a in arrays.items() if zlib.crc32(a.tobytes()) == checksums.get(key)}
    if len(whole) < len(arrays):
        logger.warning("ignored %d damaged arrays in %s; they are made again", len(arrays) - len(whole), path)
    return whole
