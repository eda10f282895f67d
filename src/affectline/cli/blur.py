"""`affectline blur`."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import Device, usage


def blur(
    recording: Annotated[Positional[Path], arg(metavar="RECORDING")],
    /,
    *,
    out: Annotated[
        Path | None, arg(metavar="FILE.mp4", help_behavior_hint="(default: RECORDING.blurred.mp4)")
    ] = None,
    device: Device = "auto",
) -> int:
    """Write a copy of a recording in which all faces that are found are blurred; its sound stays.

    Look at the copy before you pass it on: a face that is turned away or very small may not be found. Voices
    and words are not changed.

    For example:

      affectline blur talk.mp4
      affectline blur talk.mov --out shared/talk.mp4

    Args:
        recording: A file with pictures.
        out: The copy, an MP4.
        device: What computes: auto takes cuda, mps or cpu.
    """
    from affectline.analyze import find_device
    from affectline.blurring import blur_faces, detector

    with usage():
        finds = detector(str(find_device(device)))
    copy = out or recording.with_name(f"{recording.stem}.blurred.mp4")
    with terminal.Stages() as stages:
        stages.begin(str(recording))
        blur_faces(recording, copy, finds, progress=stages)
    print(copy)
    return 0
