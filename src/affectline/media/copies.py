"""A copy of a recording as MP4: its pictures changed one by one, its sound as it is.

Pictures stay what they are in the file, brightness and two chromas (YUV 4:2:0) with the tags that say what
colours, so that nothing of them changes but what is changed here, and what H.264 loses.
"""

import heapq
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from jaxtyping import UInt8

from affectline.media import sound
from affectline.media.clips import FileClip
from affectline.media.recording import MediaError, Recording, Turn, best, frames, opened, packets_of
from affectline.types import Modality

Plane = UInt8[np.ndarray, "_ _"]
Planes = tuple[Plane, Plane, Plane]
"""Of an upright picture: brightness, and the chromas at half its height and width."""
Change = Callable[[float, Planes], None]
"""Changes a picture in place. It begins to be shown at this time, in seconds of the recording."""

CLOCK = Fraction(1, 90_000)  # of the pictures
QUALITY = {"crf": "20", "preset": "veryfast", "bf": "0"}  # of H.264; without pictures out of order
COPIED = {
    "aac",
    "mp3",
    "mp3float",
    "opus",
    "libopus",
    "flac",
}  # decoders of sound that MP4 holds and browsers play
TIMED = {"mov", "matroska"}  # containers whose packets have times of their own
BITRATE, RATES = "160k", (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
"""Of sound that is coded anew as AAC."""
BT709 = 1  # the matrix of ITU-T H.273


def write_copy(recording: Recording, out: Path, change: Change) -> None:
    """Write the copy: upright, with the times of the recording, which begin at 0.

    Sound that MP4 cannot hold, or whose packets have no times, is coded anew, mono, as AAC.

    Raises:
        MediaError: the recording has no pictures, or they cannot be coded.
        OSError: the file cannot be written.
    """
    if not recording.has_video:
        raise MediaError(f"{recording.path}: there are no pictures in it, so there is nothing to change")
    try:
        with av.open(f"file:{out}", "w", format="mp4", options={"movflags": "+faststart"}) as file:
            packets = [_pictures(file, recording, change)]
            if recording.has_audio:
                packets.append(_sound(file, recording))
            for packet in heapq.merge(*packets, key=_time):
                file.mux(packet)
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise MediaError(f"{recording.path}: its copy cannot be written: {error.strerror}") from error


def _time(packet: Packet) -> float:
    return float((packet.dts or 0) * packet.time_base)


def _pictures(file: OutputContainer, recording: Recording, change: Change) -> Iterator[Packet]:
    shown = frames(recording, Modality.VIDEO, 0.0)
    first = next(shown, None)
    if first is None or not isinstance(first[1], VideoFrame):
        raise MediaError(f"{recording.path}: its pictures cannot be decoded")
    stream = _picture_stream(file, recording, first[1])
    return _coded(stream, recording, _joined(first, shown), change)


def _joined(first: tuple[float, Any], rest: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
    yield first
    yield from rest


def _picture_stream(file: OutputContainer, recording: Recording, first: VideoFrame) -> VideoStream:
    rate = Fraction(min(max(recording.frame_rate, 1.0), 240.0)).limit_denominator(1001)
    stream = file.add_stream("libx264", rate=rate, options=QUALITY)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = recording.width // 2 * 2, recording.height // 2 * 2
    stream.pix_fmt, stream.codec_context.time_base = "yuv420p", CLOCK
    plain, context = _plain(first, recording), stream.codec_context
    context.colorspace, context.color_range = plain.colorspace, plain.color_range
    context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
    return stream


def _plain(frame: VideoFrame, recording: Recording) -> VideoFrame:
    """As 4:2:0 of 8 bits, of the size of the recording: a stream may change its size half-way."""
    turned = recording.entry.turn.transposed
    width, height = (recording.height, recording.width) if turned else (recording.width, recording.height)
    colours = Colorspace.ITU709 if frame.format.is_rgb else None
    made = frame.reformat(width, height, "yuv420p", dst_colorspace=colours)
    if frame.format.is_rgb:
        made.colorspace = BT709
    return made


def _coded(
    stream: VideoStream, recording: Recording, shown: Iterator[tuple[float, Any]], change: Change
) -> Iterator[Packet]:
    last, latest = -1, 0.0
    for time, frame in shown:
        latest = max(latest, time)  # as they come is as they are shown, whatever times a bad file gives them
        planes = _upright(_plain(frame, recording), recording.entry.turn)
        change(latest, planes)
        picture = _frame(planes, stream)
        last = max(last + 1, round(latest / CLOCK))
        picture.pts, picture.time_base = last, CLOCK
        yield from stream.encode(picture)
    yield from stream.encode(None)


def _upright(frame: VideoFrame, turn: Turn) -> Planes:
    planes = []
    for plane, share in zip(frame.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)  # pyright: ignore
        values = rows[: ceil(frame.height / share), : ceil(frame.width / share)]
        values = values.swapaxes(0, 1) if turn.transposed else values
        planes.append(values[:: -1 if turn.upside_down else 1, :: -1 if turn.mirrored else 1].copy())
    return planes[0], planes[1], planes[2]


def _frame(planes: Planes, stream: VideoStream) -> VideoFrame:
    """H.264 has an even number of rows and columns: an odd last one is left out."""
    frame = VideoFrame(stream.width, stream.height, "yuv420p")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = values[: plane.height, : plane.width]
        plane.update(rows.tobytes())
    return frame


def _sound(file: OutputContainer, recording: Recording) -> Iterator[Packet]:
    with opened(recording.path) as container:
        source = best(container, Modality.AUDIO)
        timed = recording.entry.timed and TIMED & {*container.format.name.split(",")}
        if isinstance(source, AudioStream) and source.codec_context.name in COPIED and timed:
            return _copied(file.add_stream_from_template(source), recording)
    rate = recording.sample_rate if recording.sample_rate in RATES else RATES[0]
    stream = file.add_stream("aac", rate=rate, layout="mono", options={"b": BITRATE})
    assert isinstance(stream, AudioStream)
    return _coded_anew(stream, recording, rate)


def _copied(stream: AudioStream, recording: Recording) -> Iterator[Packet]:
    with opened(recording.path) as container:
        source = best(container, Modality.AUDIO)
        assert source is not None
        assert source.time_base is not None
        begin = round(recording.entry.zero / source.time_base)
        for packet in packets_of(container, source):
            if packet.dts is None or packet.pts is None:  # the last, which is empty
                continue
            packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, stream
            yield packet


def _coded_anew(stream: AudioStream, recording: Recording, rate: int) -> Iterator[Packet]:
    at, size = 0, 1024  # samples in a packet of AAC
    pieces = sound.gathered((part for _, part in FileClip(recording.path).blocks(rate, 1.0)), size)
    for piece in pieces:
        for begin in range(0, len(piece), size):
            values = np.ascontiguousarray(piece[None, begin : begin + size])
            frame = AudioFrame.from_ndarray(values, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            at += values.shape[1]
            yield from stream.encode(frame)
    yield from stream.encode(None)
