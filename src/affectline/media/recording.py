"""What a file holds, and the frames in it from any time on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from affectline.types import Modality, Span

Frame = AudioFrame | VideoFrame
AvStream = AudioStream | VideoStream

SAME = 1e-3  # seconds: Matroska counts in milliseconds, so no finer difference means anything
_BACK = (0.0, 2.0, 10.0, 60.0)  # seconds before the wanted time at which entering a file is tried
_SEEKS = {
    "mov",
    "matroska",
    "avi",
    "mpegts",
    "wav",
    "flac",
    "mp3",
    "ogg",
}  # tested; others: from the start
_DECLARES = {"mov", "matroska", "flac"}  # their headers give a length, which is not an estimate
_TEXT = {"tty", "bin", "xbin", "adf", "idf"}  # FFmpeg draws text files as pictures
_WORD = {Modality.AUDIO: "sound", Modality.VIDEO: "picture"}


class MediaError(ValueError):
    """A recording that cannot be used: which file, what is wrong with it, and the way out."""


@dataclass(frozen=True)
class Turn:
    """How stored pictures become upright: transposed first, then flipped."""

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Turn":
        """As the display matrix of the frame says, to the nearest right angle.

        Its first four numbers of value, a b u c d, map a stored x, y to the shown ax + cy, bx + dy.
        """
        try:
            matrix = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # pyright: ignore
        except ValueError:  # PyAV 18 cannot list what it has no name for, as EXIF data
            quarter = round(frame.rotation / 90) % 4
            return cls(quarter % 2 == 1, upside_down=quarter in (1, 2), mirrored=quarter in (2, 3))
        if matrix is None:
            return cls()
        values = np.frombuffer(memoryview(matrix), dtype="<i4")  # pyright: ignore[reportArgumentType]
        a, b, _, c, d = values[:5].tolist()
        if abs(b) > abs(a):
            return cls(True, upside_down=b < 0, mirrored=c < 0)
        return cls(False, upside_down=d < 0, mirrored=a < 0)


@dataclass(frozen=True)
class Entry:
    """How to get into a file at any time, and to read what is found there."""

    zero: float = 0.0  # the timestamp at which the clock starts, in seconds
    seeks: bool = False  # whether the container can be entered in the middle
    timed: bool = True  # whether the timestamps of the sound agree with its length
    first_samples: int = 0  # in the first frame of sound
    keyframes: tuple[float, ...] = ()  # seconds of the recording's clock
    turn: Turn = Turn()


@dataclass(frozen=True)
class Recording:
    """What a file holds.

    `sound` and `picture` are where in the recording they are, in seconds from its beginning, None where there
    is nothing that can be decoded. `width` and `height` are of the upright picture, `frame_rate` is the mean
    one. `warnings` say what is damaged or missing.
    """

    path: Path
    duration: float
    sound: Span | None = None
    picture: Span | None = None
    sample_rate: int = 0
    channels: int = 0
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    warnings: tuple[str, ...] = ()
    entry: Entry = field(default=Entry(), repr=False)

    @property
    def has_audio(self) -> bool:
        return self.sound is not None

    @property
    def has_video(self) -> bool:
        return self.picture is not None

    def span(self, modality: Modality) -> Span | None:
        """Where in the recording its sound, or its picture, is."""
        return {Modality.AUDIO: self.sound, Modality.VIDEO: self.picture}.get(modality)


def version(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change: while they stay, what is remembered of a file holds."""
    if not path.exists():
        raise MediaError(f"{path}: there is no such file; check the path")
    if path.is_dir():
        raise MediaError(f"{path}: a recording must be a file and this is a folder; name a file in it")
    stat = path.stat()
    if not stat.st_size:
        raise MediaError(f"{path}: the file is empty (0 bytes); copy or record it again")
    return stat.st_size, stat.st_mtime_ns


def probe(path: Path) -> Recording:
    """What a file holds. Reads it through once, decodes next to nothing, and remembers the answer.

    Raises:
        MediaError: the file is missing, empty, no recording, or has neither sound nor picture.
    """
    size, changed = version(path)
    return _probe(path.absolute(), size, changed)


@lru_cache(maxsize=4096)
def _probe(path: Path, size: int, changed: int) -> Recording:
    with opened(path) as container:
        declared = {m for m in _WORD if any(s.type == m.value for s in container.streams)}
        surveys = {m: _Survey(stream) for m in _WORD if (stream := best(container, m)) is not None}
        by_index = {s.stream.index: s for s in surveys.values()}
        for packet in packets_of(container, *(s.stream for s in surveys.values())):
            by_index[packet.stream_index].add(packet)
        found = {m: s for m, s in surveys.items() if s.first is not None}
        if not found:
            what = "empty or damaged" if declared else "neither of them in it"
            raise MediaError(f"{path}: sound and picture: {what}; a recording needs at least one of them")
        lost = tuple(f"its {_WORD[m]} cannot be decoded" for m in sorted(surveys.keys() - found.keys()))
        recording = _recording(path, container, found)
        return replace(recording, warnings=lost + recording.warnings)


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The file, as this package reads it."""
    try:
        # "file:" and the whitelist: a name never means a protocol, and a playlist never reaches the network.
        container = av.open(
            f"file:{path}", "r", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except av.error.PermissionError as error:
        raise MediaError(f"{path}: may not be read; change its permissions") from error
    except av.error.FFmpegError as error:
        raise MediaError(f"{path}: {_unreadable(path)}") from error
    with container:
        if container.format.name in _TEXT:
            raise MediaError(f"{path}: is text, not a recording; give it as the transcript of one")
        yield container


def _unreadable(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
        return (
            "this MP4 breaks off before its table of contents (the moov atom): it was not recorded or copied "
            "to the end; copy it again, or rebuild it with a tool such as untrunc"
        )
    return (
        "is not a recording that can be read; check that it plays, or convert it: "
        f"ffmpeg -i {path.name} -c:v libx264 -c:a aac converted.mp4"
    )


def best(container: InputContainer, modality: Modality) -> AvStream | None:
    """The main stream of a kind, where there is a decoder for it. The cover of an album is no picture."""
    stream = container.streams.best("audio" if modality is Modality.AUDIO else "video")
    if stream is None or stream.codec_context is None or stream.disposition & Disposition.attached_pic:
        return None
    assert isinstance(stream, AudioStream | VideoStream)
    return stream


def packets_of(container: InputContainer, *streams: AvStream) -> Iterator[Packet]:
    """The packets up to the end of the file, or to where it cannot be read any further."""
    try:
        yield from container.demux(*streams) if streams else ()
    except av.error.FFmpegError:
        return


def _decode(packet: Packet) -> list[Frame]:
    """The frames of a packet; none where it is damaged: what follows has times of its own."""
    try:
        return packet.decode()  # pyright: ignore[reportReturnType]
    except av.error.FFmpegError:
        return []


def _stamp(frame: Frame) -> float | None:
    """The timestamp of a frame in seconds, which does not start at 0."""
    if frame.pts is not None:
        return frame.time
    return None if frame.dts is None or frame.time_base is None else float(frame.dts * frame.time_base)


@dataclass
class _Survey:
    """A stream as its packets tell it, in seconds of its own timestamps."""

    stream: AvStream
    first: Frame | None = None
    start: float = 0.0
    end: float = 0.0
    played: float = 0.0
    packets: int = 0
    keyframes: list[float] = field(default_factory=list)

    def add(self, packet: Packet) -> None:
        if self.first is None and (frames := _decode(packet)):
            self.first = frames[0]
            self.start = _stamp(frames[0]) or 0.0
        ticks = packet.pts if packet.pts is not None else packet.dts
        if not packet.size or self.stream.time_base is None:
            return
        length = float((packet.duration or 0) * self.stream.time_base) or self._usual
        time = float(ticks * self.stream.time_base) if ticks is not None else self.end
        self.packets += 1
        self.played += length
        self.end = max(self.end, time + length)
        if packet.is_keyframe:
            self.keyframes.append(time)

    @property
    def _usual(self) -> float:
        rate = self.stream.average_rate if isinstance(self.stream, VideoStream) else None
        return 1 / float(rate) if rate else 0.0

    @property
    def timed(self) -> bool:
        """False where packets do not fit between their own timestamps: some AVI files squeeze them."""
        return self.played <= 1.02 * (self.end - self.start) + 0.5

    @property
    def declared(self) -> float | None:
        """Where the header says that the stream ends."""
        if self.stream.duration is None or self.stream.time_base is None:
            return None
        return float(((self.stream.start_time or 0) + self.stream.duration) * self.stream.time_base)


def _recording(path: Path, container: InputContainer, found: dict[Modality, _Survey]) -> Recording:
    formats = set(container.format.name.split(","))
    zero = min(s.start for s in found.values())
    spans = {m: Span(s.start - zero, max(_end(s, formats), s.start + SAME) - zero) for m, s in found.items()}
    recording = Recording(
        path=path,
        duration=max(span.end for span in spans.values()),
        sound=spans.get(Modality.AUDIO),
        picture=spans.get(Modality.VIDEO),
        warnings=(*_short(path), *_breaks(container, formats, found, zero), *_faults(found, spans)),
        entry=Entry(zero=zero, seeks=bool(formats & _SEEKS)),
    )
    for survey in found.values():
        recording = _described(recording, survey)
    return recording


def _end(survey: _Survey, formats: set[str]) -> float:
    if isinstance(survey.first, AudioFrame) and not survey.timed:
        return survey.start + survey.played
    if survey.declared is not None and formats & {"mov", "mp3"} and 0 < survey.end - survey.declared < 0.1:
        return survey.declared  # the padding in the last packet is cut on decoding
    return survey.end


def _breaks(
    container: InputContainer, formats: set[str], found: dict[Modality, _Survey], zero: float
) -> Iterator[str]:
    """What the header promises and the file does not hold."""
    if not formats & _DECLARES:
        return
    whole = container.duration / av.time_base if container.duration else 0.0
    for modality, survey in found.items():
        # Matroska declares no length for a stream, but one for the longest.
        longest = survey.end == max(s.end for s in found.values())
        declared = survey.declared or (whole if longest and "matroska" in formats else 0.0)
        if survey.timed and declared - survey.end > max(0.5, 0.02 * declared):
            yield f"its {_WORD[modality]} breaks off at {survey.end - zero:.1f} of {declared - zero:.1f} s"


def _short(path: Path) -> Iterator[str]:
    """The same for WAV and AVI: their headers give the bytes to come, or the most there are for a pipe."""
    with path.open("rb") as file:
        head = file.read(8)
    size, declared = path.stat().st_size, 8 + int.from_bytes(head[4:], "little")
    if head[:4] == b"RIFF" and declared < 2**31 - 2**16 and declared - size > max(4096, 0.01 * declared):
        yield f"the file breaks off after {size} of {declared} bytes"


def _faults(found: dict[Modality, _Survey], spans: dict[Modality, Span]) -> Iterator[str]:
    if Modality.AUDIO in found and not found[Modality.AUDIO].timed:
        yield "the timestamps of its sound are wrong, so it is taken without gaps from its beginning"
    if len(spans) == 2:
        sound, picture = spans[Modality.AUDIO], spans[Modality.VIDEO]
        if max(abs(sound.start - picture.start), abs(sound.end - picture.end)) > 1:
            yield (
                f"its sound goes from {sound.start:.1f} to {sound.end:.1f} s, "
                f"its picture from {picture.start:.1f} to {picture.end:.1f} s"
            )


def _described(recording: Recording, survey: _Survey) -> Recording:
    """With what the first frame of a stream, and its packets, say of it."""
    first, entry = survey.first, recording.entry
    if isinstance(first, AudioFrame):
        entry = replace(entry, timed=survey.timed, first_samples=first.samples)
        channels = first.layout.nb_channels
        return replace(recording, sample_rate=first.sample_rate, channels=channels, entry=entry)
    assert isinstance(first, VideoFrame)
    assert recording.picture is not None
    turn, sides = Turn.of(first), (first.width, first.height)
    width, height = sides[::-1] if turn.transposed else sides
    rate = survey.packets / recording.picture.duration
    entry = replace(entry, turn=turn, keyframes=tuple(sorted(k - entry.zero for k in survey.keyframes)))
    return replace(recording, width=width, height=height, frame_rate=rate, entry=entry)


def frames(recording: Recording, modality: Modality, time: float) -> Iterator[tuple[float, Frame]]:
    """Time and frame, from one at or before `time` on, else from the first there is.

    A container that is asked for a time may put us anywhere, so what counts is the time of the first frame
    that comes out: where that is late the file is entered again, further back, and at last at its beginning.
    """
    span = recording.span(modality)
    assert span is not None, modality
    can_seek = recording.entry.seeks and (modality is Modality.VIDEO or recording.entry.timed)
    for back in (*_BACK, float("inf")):
        seek = can_seek and time - back > span.start + SAME
        with opened(recording.path) as container:
            stream = best(container, modality)
            assert stream is not None, recording.path
            assert stream.time_base is not None, recording.path
            stream.codec_context.thread_type = "AUTO"
            if seek:
                container.seek(int((time - back + recording.entry.zero) / stream.time_base), stream=stream)
            timed = _timed(recording, packets_of(container, stream))
            if seek and modality is Modality.VIDEO:
                timed = dropwhile(lambda one: not one[1].key_frame, timed)
            first = next(timed, None)
            if not seek or (first is not None and first[0] <= time + SAME):
                yield from () if first is None else (first,)
                yield from timed
                return


def _timed(recording: Recording, packets: Iterator[Packet]) -> Iterator[tuple[float, Frame]]:
    """Frames with their times; one without a timestamp follows the one before it."""
    time = 0.0
    for packet in packets:
        for frame in _decode(packet):
            stamp = _stamp(frame)
            time = time if stamp is None else stamp - recording.entry.zero
            yield time, frame
            sound = isinstance(frame, AudioFrame)
            time += frame.samples / frame.sample_rate if sound else 1 / recording.frame_rate
