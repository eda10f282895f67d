"""The faces of a recording as a file: each track whole, also of those who never speak. Never pickle."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from affectline.files import atomic_write
from affectline.types import FaceTrack

NAME = "faces.safetensors"
VERSION = "1"


def write(path: Path | str, tracks: Sequence[FaceTrack]) -> None:
    """Write tracks whose times are those of the recording.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    from safetensors.numpy import save

    arrays = {
        "times": np.concatenate([np.zeros(0), *(t.times for t in tracks)]),
        "boxes": np.concatenate([np.zeros((0, 4), np.float32), *(t.boxes for t in tracks)]),
        "landmarks": np.concatenate([np.zeros((0, 5, 2), np.float32), *(t.landmarks for t in tracks)]),
    }
    about = {"version": VERSION, "faces": json.dumps([[t.id, len(t.times)] for t in tracks])}
    atomic_write(path, save(arrays, about))


def read(path: Path | str) -> tuple[FaceTrack, ...] | None:
    """The tracks; None where there is no such file, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in ("times", "boxes", "landmarks")}
        if about.get("version") != VERSION:
            return None
        faces = json.loads(about["faces"])
        ends = np.cumsum([count for _, count in faces])[:-1]
        parts = zip(*(np.split(arrays[name], ends) for name in ("times", "boxes", "landmarks")), strict=True)
        return (
            tuple(FaceTrack(id, *part) for (id, _), part in zip(faces, parts, strict=True)) if faces else ()
        )
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
