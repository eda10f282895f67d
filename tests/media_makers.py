"""Small media whose content is known: a picture shows its number, a sound is a function of time."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

BITS = (3, 4)  # rows and columns of the blocks in which a picture's number is drawn
SOUND_CODECS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".mp3": "libmp3lame",
    ".ogg": "libopus",
    ".webm": "libopus",
}
Draw = Callable[[int, tuple[int, int]], np.ndarray]  # picture n of (width, height)
CLOCK = Fraction(1, 90_000)  # of pictures at given times


def draw_number(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A picture (height, width, 3) that shows a number below 4096 in black and white blocks."""
    width, height = size
    rows, columns = BITS
    if width < 4 * columns or height < 4 * rows:  # too small for blocks: a level of grey
        return np.full((height, width, 3), 16 * number % 256, dtype=np.uint8)
    bits = (number >> np.arange(rows * columns)) & 1
    down = np.arange(height) * rows // height
    across = np.arange(width) * columns // width
    levels = 255 * bits.reshape(rows, columns)[down][:, across]
    return np.repeat(levels[:, :, None], 3, axis=2).astype(np.uint8)


def read_number(picture: np.ndarray) -> int:
    """The number that is drawn in a picture, by the middle of each block."""
    rows, columns = BITS
    height, width = picture.shape[:2]
    down = ((np.arange(rows) + 0.5) * height / rows).astype(int)
    across = ((np.arange(columns) + 0.5) * width / columns).astype(int)
    bits = picture[down][:, across].mean(axis=2).reshape(-1) > 127
    return int((bits << np.arange(rows * columns)).sum())


def tone_of(frequency: float, seconds: float, rate: int) -> np.ndarray:
    """A sine of amplitude one half."""
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def chirp_of(seconds: float, rate: int) -> np.ndarray:
    """A sound that is never the same twice: a sine that rises by 300 Hz each second, from 200 Hz."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 + 150 * t) * t)).astype(np.float32)


def make_sound(
    path: Path,
    *,
    seconds: float = 1.0,
    rate: int = 16_000,
    tone: float | None = 440.0,
    channels: int = 1,
    codec: str | None = None,
    wave: np.ndarray | None = None,
) -> Path:
    """A sound file: a tone, a chirp where `tone` is None, or `wave`, (samples,) or (channels, samples)."""
    with av.open(str(path), "w") as file:
        stream = _add_sound(file, rate, channels, codec or _sound_codec(path))
        for packet in _encode_sound(stream, _wave(wave, tone, seconds, rate), rate, channels, 0):
            file.mux(packet)
    return path


def make_video(
    path: Path,
    *,
    seconds: float = 2.0,
    rate: float = 25.0,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[float] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    keyframes: int = 12,
    tone: float | None = None,
    wave: np.ndarray | None = None,
    sound_rate: int = 48_000,
    sound_codec: str | None = None,
    sound_start: float = 0.0,
    channels: int = 1,
    options: dict[str, str] | None = None,
    interleaved: bool = False,
    header_first: bool = False,
    draw: Draw | None = None,
) -> Path:
    """A video whose picture n shows the number n, at `times` or `rate` per second, over `tone` or `wave`.

    `size` is (width, height) as it is seen. `rotation` is what a player turns the stored pictures by, in
    degrees counterclockwise; `mirrored`: it flips them from left to right after that. One picture in
    `keyframes` needs no other. `header_first` puts an MP4's table of contents before its media. `draw`
    shows something else than numbers.
    """
    shown = list(times) if times is not None else [n / rate for n in range(round(seconds * rate))]
    tick = CLOCK if times is not None else 1 / Fraction(rate).limit_denominator(1001)
    with av.open(str(path), "w", options={"movflags": "+faststart"} if header_first else {}) as file:
        pictures = file.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=options or {})
        assert isinstance(pictures, VideoStream)
        pictures.width, pictures.height = size if rotation % 180 == 0 else size[::-1]
        pictures.pix_fmt, pictures.gop_size = pixels, keyframes
        pictures.codec_context.time_base = tick
        if rotation or mirrored:
            pictures.set_display_rotation(rotation, hflip=mirrored)
        packets = _encode_pictures(pictures, shown, size, rotation, mirrored, draw or draw_number)
        if tone is not None or wave is not None:
            sound = _add_sound(file, sound_rate, channels, sound_codec or _sound_codec(path))
            heard = _wave(wave, tone, seconds - sound_start, sound_rate)
            packets = [
                *packets,
                *_encode_sound(sound, heard, sound_rate, channels, round(sound_start * sound_rate)),
            ]
        for packet in sorted(packets, key=_decoding_time) if interleaved else packets:
            file.mux(packet)
    return path


def _decoding_time(packet: Packet) -> float:
    return float((packet.dts or 0) * packet.time_base)


def _encode_pictures(  # noqa: PLR0917
    stream: VideoStream,
    times: Sequence[float],
    size: tuple[int, int],
    rotation: int,
    mirrored: bool,
    draw: Draw,
) -> Iterator[Packet]:
    tick = stream.codec_context.time_base
    assert tick is not None
    for n, time in enumerate(times):
        upright = draw(n, size)
        upright = upright[:, ::-1] if mirrored else upright
        stored = np.ascontiguousarray(np.rot90(upright, -rotation // 90))
        frame = av.VideoFrame.from_ndarray(stored, format="rgb24").reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = round(time / tick), tick
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sound_codec(path: Path) -> str:
    return SOUND_CODECS.get(path.suffix, "aac")


def _wave(wave: np.ndarray | None, tone: float | None, seconds: float, rate: int) -> np.ndarray:
    if wave is not None:
        return wave
    return chirp_of(seconds, rate) if tone is None else tone_of(tone, seconds, rate)


def _add_sound(file: OutputContainer, rate: int, channels: int, codec: str) -> AudioStream:
    names = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
    stream = file.add_stream(codec, rate=rate, layout=names.get(channels, f"{channels} channels"))
    assert isinstance(stream, AudioStream)
    return stream


def _encode_sound(
    stream: AudioStream, wave: np.ndarray, rate: int, channels: int, first: int
) -> Iterator[Packet]:
    planes = np.broadcast_to(wave, (channels, wave.shape[-1])).astype(np.float32)
    convert = av.AudioResampler(format=stream.format.name, layout=stream.layout, rate=rate)
    size = stream.codec_context.frame_size or 1024
    for at in range(0, planes.shape[1], size):
        packed = np.ascontiguousarray(planes[:, at : at + size].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=stream.layout.name)
        frame.sample_rate = rate
        for converted in convert.resample(frame):
            converted.pts, converted.time_base = first + at, Fraction(1, rate)
            yield from stream.encode(converted)
    yield from stream.encode(None)
