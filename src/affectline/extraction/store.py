"""The folder of a table of features: Parquet files, what they were made with, and who is writing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affectline.extraction.rows import Piece
from affectline.features import Array
from affectline.files import atomic_write

SETTINGS = "_store.json"
"""Readers of Parquet pass over files whose name begins so."""
LOCK = "_lock"


@dataclass(frozen=True)
class TableStore:
    """A folder that is open for writing."""

    folder: Path

    @classmethod
    @contextmanager
    def open(cls, folder: Path, about: Mapping[str, Any]) -> "Iterator[TableStore]":
        """The folder, made where it is absent, for as long as nobody else writes into it.

        Raises:
            ValueError: it holds something else, or the table of another version, corpus or streams; or
                another extraction writes into it.
        """
        from filelock import FileLock, Timeout

        if folder.exists() and not folder.is_dir():
            raise ValueError(f"a table of features is a folder, but {folder} is a file; give a folder")
        inside = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        if inside and SETTINGS not in inside and set(inside) - {LOCK}:
            raise ValueError(f"{folder} holds other things ({sorted(inside)[0]}, ...); give a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"another extraction is writing into {folder}; wait for it, or give another folder"
            ) from None
        try:
            _check(folder, about)
            for left in folder.glob(".*.part"):  # of a writer that was killed
                with suppress(FileNotFoundError):
                    left.unlink()
            yield cls(folder)
        finally:
            lock.release()

    def there(self, pieces: Sequence[Piece], retry: bool) -> set[str]:
        """The names of the pieces whose file is there and whole; with `retry`, and without a failed row."""
        found = set[str]()
        for piece in pieces:
            ids = _ids(self.folder / piece.name)
            failed = retry and bool(ids) and any(self.failed([piece]))
            if ids == [u.id for _, c in piece.conversations for u in c] and not failed:
                found.add(piece.name)
        return found

    def write(self, piece: Piece, content: bytes) -> None:
        atomic_write(self.folder / piece.name, content)

    def drop_others(self, pieces: Sequence[Piece], *, all_of_it: bool) -> None:
        """Remove what was made of recordings that have changed since; `all_of_it`: and what is none of it."""
        names, numbers = {p.name for p in pieces}, {p.name.rsplit("-", 1)[0] for p in pieces}
        for path in self.folder.glob("part-*.parquet"):
            if path.name not in names and (all_of_it or path.name.rsplit("-", 1)[0] in numbers):
                path.unlink()

    def failed(self, pieces: Sequence[Piece]) -> dict[str, str]:
        """The error of each row that has one."""
        found = {}
        for piece in pieces:
            rows = pq.read_table(self.folder / piece.name, columns=["id", "error"]).to_pylist()
            found |= {row["id"]: row["error"] for row in rows if row["error"]}
        return found


def _check(folder: Path, about: Mapping[str, Any]) -> None:
    """That the folder is of this extraction; else write what it is."""
    path = folder / SETTINGS
    if not path.exists():
        atomic_write(path, json.dumps(about, indent=1) + "\n")
        return
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        made, version = {k: said[k] for k in about}, said["affectline"]
    except (UnicodeDecodeError, json.JSONDecodeError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}); give a new folder") from error
    if (made["format"], version) != (about["format"], about["affectline"]):
        raise ValueError(
            f"{folder} was written by affectline {version}, and this is {about['affectline']}: its features "
            "may be others. Give a new folder, or go on with the version that began it"
        )
    for key, value in about.items():
        if made[key] != value:
            was, now = (", ".join(x) if isinstance(x, dict) else x for x in (made[key], value))
            other = f"{key} {was}, not {now}" if was != now else f"other settings of {key} {now}"
            raise ValueError(f"{folder} was begun with {other}; give a new folder")


def _ids(path: Path) -> list[str]:
    """Of the rows of a file; none where it is not there, or damaged."""
    try:
        return pq.read_table(path, columns=["id"])["id"].to_pylist()
    except (OSError, pa.ArrowException):
        return []


def arrays(folder: Path, stream: str) -> Iterator[tuple[str, Array | None]]:
    """The id and the array (time, *shape) of every row, one file at a time; None where it failed.

    Raises:
        ValueError: the folder is no table of features, or has no such stream.
    """
    paths = sorted(folder.glob("part-*.parquet"))
    if not paths:
        raise ValueError(f"{folder} holds no table of features; write one with affectline extract")
    for path in paths:
        schema = pq.read_schema(path)
        if stream not in schema.names or not schema.field(stream).metadata:
            streams = [name for name in schema.names if schema.field(name).metadata]
            raise ValueError(f"{folder} has no stream {stream!r}; it has {', '.join(streams)}")
        about = json.loads(schema.field(stream).metadata[b"affectline"])
        table = pq.read_table(path, columns=["id", stream])
        for id, value in zip(table["id"].to_pylist(), table[stream], strict=True):
            flat = value.values
            yield (
                id,
                None
                if flat is None
                else np.asarray(flat).astype(about["dtype"]).reshape(-1, *about["shape"]),
            )
