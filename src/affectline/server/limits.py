"""What the operator of a service allows."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that clients may ask for.

    `size`: bytes of an upload, its transcript included. `length`: seconds of a recording. `jobs`: that are
    queued or run at one time. `seconds`: that one try of a job may take, decoding included. `memory`: bytes
    that its process may hold; None: any. `tries`: after how many workers that ended a job is given up.
    `streams`: that go on at one time.

    Raises:
        ValueError: a limit is not over 0.
    """

    size: int = 2_000_000_000
    length: float = 4 * 3600.0
    jobs: int = 100
    seconds: float = 3600.0
    memory: int | None = None
    tries: int = 3
    streams: int = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= 0:
                raise ValueError(f"the limit of {name} is {value}; give a number over 0")


class NotAllowedError(ValueError):
    """A path that is not to be read; the message says no more than that."""


def allowed(path: str, roots: Sequence[Path]) -> Path:
    """The file that a path leads to, all links followed, where that lies under one of the roots.

    Raises:
        NotAllowedError: it lies elsewhere, or there is no such file; which of the two is not told.
    """
    refusal = NotAllowedError(
        "there is no such file under a folder that this server may read (serve --allow DIR)"
    )
    if "\0" in path or not os.path.isabs(path):
        raise refusal
    try:
        real = Path(os.path.realpath(path, strict=True))
        regular = stat.S_ISREG(real.stat().st_mode)
    except (OSError, ValueError) as error:
        raise refusal from error
    if not regular or not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise refusal
    return real
