"""A copy of a recording in which faces cannot be known: for those who may hear and read it, but not see who.

What the detector is in doubt about is blurred too, and each face for a moment before it was found and after
it was lost. A face that the detector never sees is not blurred: one turned away, covered, or very small.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
from jaxtyping import Float, Float32, UInt8

from affectline.media import FileClip, MediaError, Recording
from affectline.media.copies import Planes, write_copy
from affectline.nn.mtcnn import MTCNN
from affectline.segment.faces import follow
from affectline.types import FaceTrack

EVERY = 0.2  # seconds between looks at all of the picture
SMALLEST = 1 / 18  # of the shorter side of the picture: a face that is looked for
GROWN = 0.4  # of the sides of a box, on each of its four sides: hair, ears, chin
HELD = 1.0  # seconds before a face was found first, and after it was found last
STRAYS = 0.6  # of its sides, by which a face may have moved in a second in which it was not seen
CELLS = 5  # along each side of a face: what is left of it
"""Blocks of 16 pixels in faces of some hundred can still be told apart by a network (McPherson, Shokri,
Shmatikov: Defeating image obfuscation with deep learning, 2016), so there are few, which are drawn smooth."""

Progress = Callable[[str, float], None]
Box = tuple[int, int, int, int]


def detector(device: str = "cpu") -> MTCNN:
    """What finds faces to be blurred: smaller ones, too, than those that are read."""
    return MTCNN.load(SMALLEST).to(device)


def blur_faces(
    recording: Path | str,
    out: Path | str,
    finds: MTCNN | None = None,
    *,
    progress: Progress = lambda _stage, _share: None,
) -> None:
    """Write a copy as MP4 with all faces blurred: as many pictures at the same times, and the same sound.

    Args:
        recording: any file with pictures.
        out: the copy, which is written whole or not at all.
        finds: the detector; by default `detector()`.
        progress: is told a stage (faces, blurring) and the share of it that is done.

    Raises:
        MediaError: the recording has no pictures, or cannot be read.
        ValueError: the copy would be written over it, or is no MP4.
        OSError: the copy cannot be written; nothing is left of it.
    """
    recording, out = Path(recording), Path(out)
    if out.suffix.lower() != ".mp4":
        raise ValueError(f"{out}: the copy is an MP4; give it a name that ends in .mp4")
    if out.exists() and out.samefile(recording):
        raise ValueError(f"{out}: this is the recording itself; give the copy another name")
    clip = FileClip(recording)
    facts = clip.recording
    if not facts.has_video:
        raise MediaError(f"{recording}: there are no pictures in it, so there is no face to blur")
    seen = follow(
        clip,
        finds or detector(),
        progress=lambda share: progress("faces", share),
        every=EVERY,
        doubtful=True,
    )
    _write(facts, [face.track for face in seen], out, progress)


def _write(facts: Recording, tracks: Sequence[FaceTrack], out: Path, progress: Progress) -> None:
    """The copy, whole or not at all."""

    def blur(time: float, planes: Planes) -> None:
        progress("blurring", min(1.0, time / facts.duration))
        veil(planes, boxes_at(tracks, time))

    temporary = out.parent / f".{uuid4().hex}.part"
    try:
        write_copy(facts, temporary, blur)
        os.replace(temporary, out)
    except BaseException:  # Ctrl-C too leaves nothing behind
        with suppress(OSError):
            temporary.unlink()
        raise


def boxes_at(tracks: Sequence[FaceTrack], time: float) -> list[Box]:
    """Where faces may be at a time: x0, y0, x1, y1 in pixels, which may lie outside of the picture.

    Of each track that is there, or was or will be within a second: all between the samples before and after,
    the larger the longer it has not been seen.
    """
    found = []
    for track in tracks:
        times = track.times
        if not len(times) or not times[0] - HELD <= time <= times[-1] + HELD:
            continue
        after = int(np.searchsorted(times, time))
        near = [n for n in (after - 1, after) if 0 <= n < len(times)]
        boxes = track.boxes[near]
        unseen = min(abs(float(times[n]) - time) for n in near)
        grown = (GROWN + STRAYS * unseen) * (boxes[:, 2:] - boxes[:, :2]).max(axis=0)
        low, high = boxes[:, :2].min(axis=0) - grown, boxes[:, 2:].max(axis=0) + grown
        corners = (*np.floor(low), *np.ceil(high))
        found.append(tuple(int(value) for value in corners))
    return found


def veil(planes: Planes, boxes: Sequence[Box]) -> None:
    """Blur these boxes of a picture, in place."""
    for plane, share in zip(planes, (1, 2, 2), strict=True):
        rows, columns = plane.shape
        for x0, y0, x1, y1 in boxes:
            left, right = max(0, x0 // share), min(columns, -(-x1 // share))
            top, bottom = max(0, y0 // share), min(rows, -(-y1 // share))
            if left < right and top < bottom:
                plane[top:bottom, left:right] = softened(plane[top:bottom, left:right])


def softened(part: UInt8[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows columns"]:
    """The means of a few cells, and what lies between them drawn from one to the next."""
    (down, up), (across, along) = (_cells(length) for length in part.shape)
    means = down @ part.astype(np.float32) @ across.T
    return np.rint(up @ means @ along.T).astype(np.uint8)


def _cells(length: int) -> tuple[Float32[np.ndarray, "cell pixel"], Float32[np.ndarray, "pixel cell"]]:
    """What takes the means of the cells along a side, and what goes back from these to pixels."""
    cells = min(CELLS, length)
    edges = np.linspace(0, length, cells + 1)
    places = np.arange(length) + 0.5
    inside = (places[None] >= edges[:-1, None]) & (places[None] < edges[1:, None])
    middles: Float[np.ndarray, " cell"] = (edges[1:] + edges[:-1]) / 2
    back = np.stack([np.interp(places, middles, row) for row in np.eye(cells)], axis=1)
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32), back.astype(np.float32)
