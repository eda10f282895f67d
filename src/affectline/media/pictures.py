"""Pictures at given times, upright, as RGB."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc
from jaxtyping import UInt8

from affectline.media.recording import SAME, Recording, Turn, frames
from affectline.types import Modality

Picture = UInt8[np.ndarray, "height width 3"]

_JUMP = 1.0  # seconds of pictures that cost more to decode than entering the file anew
_WHITE = 203.0  # cd/m2 of paper white in high dynamic range (ITU-R BT.2408)


def size(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    """Height and width of pictures, made smaller where their shorter side is longer than `max_side`."""
    shorter = min(height, width)
    if max_side is None or shorter <= max_side:
        return height, width
    return round(height * max_side / shorter), round(width * max_side / shorter)


def resized(picture: Picture, shape: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    """A copy of the picture, of this height and width."""
    if picture.shape[:2] == shape:
        return picture.copy()
    return rgb(VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"), shape, Turn())


def shown(recording: Recording, times: Iterable[float], max_side: int | None) -> Iterator[Picture]:
    """The picture that is on the screen at each of these rising times: the last that began by then.

    Before the first picture it is the first, after the end of the last it is the last.
    """
    stream: Iterator[tuple[float, VideoFrame]] = iter(())
    now = coming = made = None
    shape = size(recording.height, recording.width, max_side)
    picture = np.zeros((0, 0, 3), dtype=np.uint8)
    for time in times:
        if now is None or (coming is not None and _keyframe(recording, time) > coming[0] + _JUMP):
            stream = frames(recording, Modality.VIDEO, time)  # pyright: ignore[reportAssignmentType]
            now, coming = next(stream), next(stream, None)
        while coming is not None and coming[0] <= time + SAME:
            now, coming = coming, next(stream, None)
        if made is not now:  # a picture that nobody asks for is never converted
            picture, made = rgb(now[1], shape, recording.entry.turn), now
        yield picture.copy()


def _keyframe(recording: Recording, time: float) -> float:
    """When the last picture at or before a time begins that needs no other."""
    keyframes = recording.entry.keyframes
    at = bisect_right(keyframes, time + SAME)
    return keyframes[at - 1] if at else 0.0


def rgb(frame: VideoFrame, shape: tuple[int, int], turn: Turn) -> Picture:
    """A frame as an upright picture of `shape`: the stream may change its size half-way."""
    height, width = shape[::-1] if turn.transposed else shape
    absolute = frame.color_trc == ColorTrc.SMPTE2084
    # One thread: more cost more than they gain, and the next picture is being decoded meanwhile.
    layout = "rgb48le" if absolute else "rgb24"
    picture: np.ndarray = frame.reformat(width=width, height=height, format=layout, threads=1).to_ndarray()
    picture = np.take(_levels_of_pq(), picture) if absolute else picture
    picture = picture.swapaxes(0, 1) if turn.transposed else picture
    return np.ascontiguousarray(picture[:: -1 if turn.upside_down else 1, :: -1 if turn.mirrored else 1])


@cache
def _levels_of_pq() -> UInt8[np.ndarray, "65536"]:
    """What a screen of standard range shows for each level of SMPTE ST 2084 (PQ), whose levels are absolute.

    The other curve of high dynamic range, HLG, is made to be shown as it is. libswscale can convert both, but
    takes seconds to prepare for it (FFmpeg 8). Colours beyond BT.709 stay a little pale, highlights are cut.
    """
    signal = (np.arange(65536) / 65535) ** (32 / 2523)  # ST 2084, Eq. 4.1
    light = np.maximum(signal - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * signal)
    shown = np.clip(10_000 * light ** (8192 / 1305) / _WHITE, 0, 1)
    return np.round(255 * shown ** (1 / 2.4)).astype(np.uint8)
