"""What several commands take, and how wrong use is told apart from work that failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

ManifestFile = Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")]
Device = Annotated[str, arg(metavar="auto|cpu|cuda|mps")]
Engine = Annotated[Literal["local", "ray"], arg(metavar="local|ray")]
Workers = Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: a CPU each)")]
Address = Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="")]


if TYPE_CHECKING:
    from affectline.doctor.manifest import Manifest


class UsageError(Exception):
    """The command was used wrongly: exit code 2. The message says how it is used rightly."""


@contextmanager
def usage() -> Iterator[None]:
    """What is refused inside is wrong use."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def find_checkpoint(name: str) -> None:
    """Refuse a checkpoint that is nowhere; one that is damaged is found out when it is loaded.

    Raises:
        ValueError: neither an installed checkpoint nor a folder has this name.
    """
    from affectline.checkpoint import installed

    if name not in installed() and not Path(name).is_dir():
        here = ", ".join(installed()) or "none"
        raise ValueError(f"there is no checkpoint {name!r}: installed is {here}; else give the folder of one")


def check_engine(engine: str, workers: int | None, address: str | None) -> None:
    """Refuse options of Ray without it, and Ray where it is not installed.

    Raises:
        ValueError: they do not go together.
        ImportError: the extra `scale` is missing.
    """
    if engine == "ray":
        from affectline.scale import require

        require(workers, address)
    elif workers is not None or address is not None:
        raise ValueError("--workers and --address are of --engine ray")


def find_root(root: Path | None) -> Path:
    """The folder that holds the corpora: the one that is given, else $AFFECTLINE_DATA.

    Raises:
        ValueError: neither is there.
    """
    import os

    named = root or (Path(os.environ["AFFECTLINE_DATA"]) if os.environ.get("AFFECTLINE_DATA") else None)
    if named is None:
        raise ValueError(
            "where are the corpora? Give --root DIR or set AFFECTLINE_DATA to the folder that holds them"
        )
    if not named.is_dir():
        raise ValueError(f"the folder of the corpora {str(named)!r} does not exist; give --root DIR")
    return named


def find_manifest(path: Path, root: Path) -> "Manifest":
    """The manifest, if the corpora are what it names and its parts do not leak.

    Raises:
        ValueError: it cannot be read, or names what is not there, has changed, or is in several parts.
    """
    from affectline.cli.terminal import say
    from affectline.doctor.manifest import Manifest, verify
    from affectline.doctor.splits import check, told

    if not path.is_file():
        raise ValueError(f"there is no manifest {path}; write it with affectline doctor CORPUS --manifest")
    manifest = Manifest.read(path)
    if shared := told(check(manifest.rows)):
        say(f"{path}{shared}")
    verify(manifest, root)
    return manifest
