"""Clips: a stretch of a file, or of arrays."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, inf, isfinite
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from affectline.media import pictures, sound
from affectline.media.pictures import Picture
from affectline.media.recording import MediaError, Recording, probe, version
from affectline.types import Frames, Modality, Waveform


@dataclass(frozen=True)
class FileClip:
    """The stretch of a file from `start` to `end`, in seconds.

    It ends with the file where that is earlier, or `end` is None. The file is looked at when something is
    asked of the clip, and only the stretch is decoded then.

    Raises:
        ValueError: the times are no stretch.
        MediaError: later, where the file cannot be used or is over before `start`.
    """

    path: Path
    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        check_stretch(self.start, self.end)

    @property
    def recording(self) -> Recording:
        """What the whole file holds."""
        recording = probe(self.path)
        if self.start >= recording.duration:
            raise MediaError(
                f"{self.path}: the clip starts at {self.start:.3f} s and the recording is over at "
                f"{recording.duration:.3f} s; give a start before that"
            )
        return recording

    @property
    def sha256(self) -> str:
        """Of the bytes of the file, in hexadecimal."""
        size, changed = version(self.path)
        return _sha256(self.path.absolute(), size, changed)

    @property
    def duration(self) -> float:
        return self._end - self.start

    @property
    def has_audio(self) -> bool:
        """Whether there is sound in this stretch, silent or not."""
        return self._has(Modality.AUDIO)

    @property
    def has_video(self) -> bool:
        """Whether there are pictures in this stretch."""
        return self._has(Modality.VIDEO)

    def waveform(self, rate: int) -> Waveform:
        """Mono sound in [-1, 1], `duration * rate` samples; of length 0 where there is no sound."""
        return _joined([piece for _, piece in self.blocks(rate, seconds=self.duration + 1)])

    def blocks(self, rate: int, seconds: float) -> Iterator[tuple[float, Waveform]]:
        """Where it starts in the clip, and sound of `seconds`: the `waveform`, but never whole."""
        check_positive(rate=rate, seconds=seconds)
        if not self.has_audio:
            return
        recording, first, samples = self.recording, round(self.start * rate), round(self.duration * rate)
        pieces = sound.at_rate(
            lambda begin, end: sound.decoded(recording, begin, end),
            recording.sample_rate,
            rate,
            first,
            samples,
        )
        yield from _blocks(pieces, rate, seconds)

    def frames(
        self, *, count: int | None = None, rate: float | None = None, max_side: int | None = None
    ) -> Frames:
        """Pictures at the middle of each of `count` equal stretches, or as `pictures` gives them.

        Those whose shorter side is longer than `max_side` are made smaller. Of length 0 where there are none.
        """
        times = times_of(self.duration, self.shown_until, count, rate)
        if not self.has_video:
            return np.zeros((0, 0, 0, 3), dtype=np.uint8)
        shape = pictures.size(self.recording.height, self.recording.width, max_side)
        found = np.empty((len(times), *shape, 3), dtype=np.uint8)
        for n, picture in enumerate(self.shown(times, max_side)):
            found[n] = picture
        return found

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
        """Time and picture at 0, 1/rate, 2/rate ... up to the end of the clip, or of its pictures."""
        times = times_of(self.duration, self.shown_until, None, rate)
        if self.has_video:
            yield from zip(times.tolist(), self.shown(times, max_side), strict=True)

    def window(self, start: float, duration: float) -> "FileClip":
        """The part of this clip from `start` on, cut off at the end of the clip."""
        check_stretch(start, start + duration)
        end = self.start + start + duration
        return replace(self, start=self.start + start, end=end if self.end is None else min(end, self.end))

    def content(self, modality: Modality) -> str:
        """A hash of the file, the stretch and the modality."""
        return hashed(self.sha256, f"{self.start:.6f}", f"{self._end:.6f}", modality)

    @property
    def _end(self) -> float:
        whole = self.recording.duration
        return whole if self.end is None else min(self.end, whole)

    @property
    def shown_until(self) -> float:
        """When in the clip its pictures end, or after it."""
        span = self.recording.picture
        return 0.0 if span is None else span.end - self.start

    def _has(self, modality: Modality) -> bool:
        span = self.recording.span(modality)
        return span is not None and span.start < self._end and self.start < span.end

    def shown(self, times: np.ndarray, max_side: int | None) -> Iterator[Picture]:
        """What is on the screen at each of these rising times of the clip."""
        return pictures.shown(self.recording, (times + self.start).tolist(), max_side)


@dataclass(frozen=True, eq=False)
class MemoryClip:
    """Sound at `rate` samples and pictures at `frame_rate` per second, in arrays; None where there is none.

    `start` and `end` are seconds: the clip is that stretch of the arrays, and a window of it shares them.

    Raises:
        ValueError: a rate is not positive, or the times are no stretch.
        MediaError: there is neither sound nor picture.
    """

    samples: Float32[np.ndarray, " samples"] | None
    rate: int
    images: UInt8[np.ndarray, "time height width 3"] | None = None
    frame_rate: float = 25.0
    start: float = 0.0
    end: float | None = None

    def __post_init__(self) -> None:
        check_stretch(self.start, self.end)
        check_positive(rate=self.rate, frame_rate=self.frame_rate)
        if not self._sound_until and not self._shown_until:
            raise MediaError("a clip in memory has neither sound nor picture; it needs at least one of them")

    @property
    def duration(self) -> float:
        return self._end - self.start

    @property
    def has_audio(self) -> bool:
        """Whether there is sound in this stretch, silent or not."""
        return self.start < self._sound_until

    @property
    def has_video(self) -> bool:
        """Whether there are pictures in this stretch."""
        return self.start < self._shown_until

    def waveform(self, rate: int) -> Waveform:
        """Mono sound in [-1, 1], `duration * rate` samples; of length 0 where there is no sound."""
        check_positive(rate=rate)
        if not self.has_audio:
            return np.zeros(0, dtype=np.float32)
        first, samples = round(self.start * rate), round(self.duration * rate)
        return _joined(list(sound.at_rate(self._sound, self.rate, rate, first, samples)))

    def frames(self, *, count: int | None = None, rate: float | None = None) -> Frames:
        """Pictures at the middle of each of `count` equal stretches, or as `pictures` gives them.

        Of length 0 where there are none.
        """
        times = times_of(self.duration, self._shown_until - self.start, count, rate)
        if not self.has_video or self.images is None:
            return np.zeros((0, 0, 0, 3), dtype=np.uint8)
        return self.images[[self._index(time) for time in times]]

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
        """Time and picture at 0, 1/rate, 2/rate ... up to the end of the clip, or of its pictures."""
        times = times_of(self.duration, self._shown_until - self.start, None, rate)
        if self.has_video and self.images is not None:
            _, height, width, _ = self.images.shape
            shape = pictures.size(height, width, max_side)
            for time in times.tolist():
                yield time, pictures.resized(self.images[self._index(time)], shape)

    def window(self, start: float, duration: float) -> "MemoryClip":
        """The part of this clip from `start` on, cut off at the end of the clip."""
        check_stretch(start, start + duration)
        end = self.start + start + duration
        return replace(self, start=self.start + start, end=end if self.end is None else min(end, self.end))

    def content(self, modality: Modality) -> str:
        """A hash of the sound, or of the pictures, and of the stretch."""
        array, rate = {
            Modality.AUDIO: (self.samples, self.rate),
            Modality.VIDEO: (self.images, self.frame_rate),
        }.get(modality, (None, 0))
        values = np.zeros(0) if array is None else array
        return hashed(
            values, repr(values.shape), repr(rate), f"{self.start:.6f}", f"{self._end:.6f}", modality
        )

    @property
    def _sound_until(self) -> float:
        return 0.0 if self.samples is None else len(self.samples) / self.rate

    @property
    def _shown_until(self) -> float:
        return 0.0 if self.images is None else len(self.images) / self.frame_rate

    @property
    def _end(self) -> float:
        whole = max(self._sound_until, self._shown_until)
        return whole if self.end is None else min(self.end, whole)

    def _sound(self, begin: int, end: int) -> Iterator[Waveform]:
        assert self.samples is not None
        yield self.samples[begin:end]
        yield from sound.silence(end - max(begin, len(self.samples)))

    def _index(self, time: float) -> int:
        assert self.images is not None
        return min(int((self.start + time) * self.frame_rate + 1e-6), len(self.images) - 1)


def check_stretch(start: float, end: float | None) -> None:
    if not 0 <= start < (inf if end is None else end) or (end is not None and not isfinite(end)):
        raise ValueError(f"a stretch needs 0 <= start < end, in seconds, got start={start}, end={end}")


def check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < inf:
            raise ValueError(f"{name} must be positive, got {value}")


def times_of(duration: float, shown: float, count: int | None, rate: float | None) -> np.ndarray:
    """When pictures are asked for: evenly over the clip, or at a rate while there are any."""
    if (count is None) == (rate is None):
        raise ValueError(f"give count or rate, one of them; got count={count}, rate={rate}")
    if count is not None:
        check_positive(count=count)
        return (np.arange(count) + 0.5) * (duration / count)
    assert rate is not None
    check_positive(rate=rate)
    return np.arange(max(0, ceil(min(duration, shown) * rate - 1e-6))) / rate


def _joined(pieces: list[np.ndarray]) -> Waveform:
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def _blocks(pieces: Iterator[Waveform], rate: int, seconds: float) -> Iterator[tuple[float, Waveform]]:
    """Pieces of any length as blocks of one length; block n starts at the sample nearest to n * seconds."""
    length = max(1, round(seconds * rate))
    begin = 0
    for held in sound.gathered(pieces, length):
        for at in range(0, len(held), length):
            yield (begin + at) / rate, held[at : at + length]
        begin += len(held)


def hashed(*parts: str | np.ndarray) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        values = part.encode() if isinstance(part, str) else part.tobytes()
        hasher.update(f"{len(values)}:".encode())
        hasher.update(values)
    return hasher.hexdigest()


@lru_cache(maxsize=65536)
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
