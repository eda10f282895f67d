"""`affectline serve`."""

import os
import secrets
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from affectline.cli import terminal
from affectline.cli.options import Device, UsageError, usage

TOKEN = "AFFECTLINE_TOKEN"
SHORTEST = 16  # characters of a token that the operator sets
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # bytes, of cgroups 2


def serve(
    *,
    host: Annotated[str, arg(metavar="HOST")] = "127.0.0.1",
    port: Annotated[int, arg(metavar="PORT")] = 8080,
    data: Annotated[
        Path | None, arg(metavar="DIR", help_behavior_hint="(default: ~/.local/share/affectline)")
    ] = None,
    allow: Annotated[tuple[Path, ...], arg(metavar="DIR...", help_behavior_hint="(default: none)")] = (),
    checkpoint: Annotated[tuple[str, ...], arg(metavar="NAME|DIR...")] = ("base",),
    asr: Annotated[tuple[str, ...], arg(metavar="MODEL...", help_behavior_hint="(default: none)")] = (),
    max_size: Annotated[float, arg(metavar="MB")] = 2000,
    max_length: Annotated[float, arg(metavar="SECONDS")] = 14400,
    max_time: Annotated[float, arg(metavar="SECONDS")] = 3600,
    max_jobs: Annotated[int, arg(metavar="N")] = 100,
    max_memory: Annotated[
        float | None, arg(metavar="MB", help_behavior_hint="(default: 3/4 of the machine's)")
    ] = None,
    max_streams: Annotated[int, arg(metavar="N")] = 4,
    workers: Annotated[int, arg(metavar="N")] = 1,
    device: Device = "auto",
) -> int:
    """Analyse recordings for other programs over HTTP, here or on a network.

    For this machine alone it asks for no token. With another --host it asks for one, which is printed once,
    or is $AFFECTLINE_TOKEN. The API is described at /api/v1/openapi.json and in docs/service.md.

    For example:

      affectline serve
      affectline serve --allow /data/talks --max-length 1800
      curl -F recording=@talk.mp4 http://127.0.0.1:8080/api/v1/jobs

    Args:
        host: The address to listen at; 0.0.0.0 is every one of this machine.
        port: The port to listen at; 0 takes a free one.
        data: Where jobs and uploads are kept until they are deleted.
        allow: Folders whose recordings may be named by their path.
        checkpoint: The checkpoints that may be asked for; the first is loaded at once.
        asr: The faster-whisper models that may be asked for.
        max_size: The largest upload.
        max_length: The longest recording.
        max_time: The longest that one recording may be worked on.
        max_jobs: How many jobs may be queued or run at one time.
        max_streams: How many streams may go on at one time.
        max_memory: The most memory that one worker may hold (on Linux).
        workers: How many recordings are analysed at a time.
        device: What computes: auto takes cuda, mps or cpu.
    """
    from affectline.server.limits import Limits
    from affectline.server.service import Settings, run

    with usage():
        limits = Limits(
            size=round(max_size * 1e6),
            length=max_length,
            jobs=max_jobs,
            streams=max_streams,
            seconds=max_time,
            memory=round(max_memory * 1e6) if max_memory else _most_memory(),
        )
        if not 0 <= port < 2**16:
            raise ValueError(f"the port is {port}; give one of 0 to 65535")
        if workers < 1:
            raise ValueError(f"workers is {workers}; give 1 or more")
        settings = Settings(
            data=data or _data_folder(),
            allow=_folders(allow),
            checkpoints=_checkpoints(checkpoint),
            asr=asr,
            token=_token(host),
            limits=limits,
            workers=workers,
            device=device,
        )
        try:
            return run(settings, host, port, terminal.say)
        except OSError as error:
            raise UsageError(f"cannot serve at {host}, port {port}: {error.strerror or error}") from error


def _data_folder() -> Path:
    """As the XDG base directory specification has it."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "affectline"


def _folders(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"--allow {path}: there is no such folder")
    return tuple(path.resolve() for path in paths)


def _checkpoints(names: tuple[str, ...]) -> dict[str, str]:
    """By the name that clients use: that of the folder."""
    from affectline.shipped import installed

    found: dict[str, str] = {}
    for name in names:
        path = installed().get(name, Path(name))
        if not (path / "config.json").is_file():
            raise ValueError(f"there is no checkpoint {name!r}; installed is {', '.join(installed())}")
        if path.resolve().name in found:
            raise ValueError(f"two checkpoints are called {path.resolve().name!r}; rename the folder of one")
        found[path.resolve().name] = str(path.resolve())
    if not found:
        raise ValueError("--checkpoint needs a name or a folder")
    return found


def _token(host: str) -> str | None:
    from affectline.server.guard import LOOPBACK

    given = os.environ.get(TOKEN)
    if given:
        if len(given) < SHORTEST or not given.isascii() or not given.isprintable():
            raise UsageError(
                f"{TOKEN} needs {SHORTEST} characters or more, of ASCII; unset it to have one made"
            )
        return given
    if host in LOOPBACK:
        return None
    token = secrets.token_urlsafe(32)
    terminal.say(f"token, shown this once: {token}")
    return token


def _most_memory() -> int | None:
    """Three quarters of the machine's, or of what its container may hold; None where nobody says."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        return min(machine, int(CONTAINER.read_text())) * 3 // 4
    except (OSError, ValueError):  # there is none, or "max"
        return machine * 3 // 4
