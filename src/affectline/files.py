"""Files that are written whole or not at all, paths as seen from another file, and why one cannot be used."""

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path


def atomic_write(path: Path | str, content: bytes | str) -> None:
    """Write a file whole or not at all: under a temporary name beside it, then renamed. Text is UTF-8.

    Raises:
        OSError: it could not be written; what stood there before still stands, and nothing else is left.
    """
    path = Path(path)
    raw = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.parent / f".{uuid.uuid4().hex}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # Ctrl-C too leaves nothing behind
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, f"{error.strerror}; the file was not written", str(path)) from error
        raise


def relative_to(path: str | None, file: Path) -> str | None:
    """`path` as seen from the folder of `file`, with "/"; as it is where the two share no root (Windows)."""
    if path is None:
        return None
    absolute = Path(os.path.realpath(Path(path).parent)) / Path(path).name
    try:
        return Path(os.path.relpath(absolute, os.path.realpath(file.parent))).as_posix()
    except ValueError:
        return absolute.as_posix()


def reason_of(error: Exception) -> str:
    """An error in a sentence for the one who can do something about it."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        way_out = {errno.ENOSPC: "; make room, or choose another disk with --out"}.get(error.errno or 0, "")
        return f"{where}{error.strerror}{way_out}"
    return str(error) or type(error).__name__
