"""Clips made of others: the sound of one and the pictures of another, or one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from affectline.media import pictures
from affectline.media.clips import FileClip, check_positive, check_stretch, hashed, times_of
from affectline.media.pictures import Picture
from affectline.media.recording import SAME
from affectline.types import Clip, Frames, Modality, Waveform


@dataclass(frozen=True)
class PairedClip:
    """The sound of one clip and the pictures of another, which begin together; as long as the sound is."""

    sound: Clip
    picture: Clip

    @property
    def duration(self) -> float:
        return self.sound.duration

    @property
    def has_audio(self) -> bool:
        return self.sound.has_audio

    @property
    def has_video(self) -> bool:
        return self.picture.has_video

    def waveform(self, rate: int) -> Waveform:
        """Mono sound in [-1, 1], `duration * rate` samples; of length 0 where there is no sound."""
        return self.sound.waveform(rate)

    def frames(self, *, count: int | None = None, rate: float | None = None) -> Frames:
        """Pictures at the middle of each of `count` equal stretches, or as `pictures` gives them."""
        return self._picture.frames(count=count, rate=rate)

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
        """Time and picture at 0, 1/rate, 2/rate ... up to the end of the sound, or of the pictures."""
        return self._picture.pictures(rate, max_side=max_side)

    def window(self, start: float, duration: float) -> "PairedClip":
        """The part of this clip from `start` on, cut off at the end of the clip."""
        return PairedClip(self.sound.window(start, duration), self.picture.window(start, duration))

    def content(self, modality: Modality) -> str:
        """That of the clip which has the modality."""
        return (self._picture if modality is Modality.VIDEO else self.sound).content(modality)

    @property
    def _picture(self) -> Clip:
        return self.picture.window(0.0, self.duration)


@dataclass(frozen=True)
class JoinedClip:
    """Stretches of files, one after the other.

    It is silent where one of them has no sound and another has. There are pictures where all have them, of
    the size of the first one's.

    Raises:
        ValueError: there are no stretches.
    """

    clips: tuple[FileClip, ...]

    def __post_init__(self) -> None:
        if not self.clips:
            raise ValueError("there are no stretches to join; a window must lie inside of its clip")

    @property
    def duration(self) -> float:
        return sum(clip.duration for clip in self.clips)

    @property
    def has_audio(self) -> bool:
        return any(clip.has_audio for clip in self.clips)

    @property
    def has_video(self) -> bool:
        return all(clip.has_video for clip in self.clips)

    def waveform(self, rate: int) -> Waveform:
        """Mono sound in [-1, 1], `duration * rate` samples; of length 0 where there is no sound."""
        check_positive(rate=rate)
        found = np.zeros(round(self.duration * rate) if self.has_audio else 0, np.float32)
        for begin, clip in self._begun():
            samples, at = clip.waveform(rate), round(begin * rate)
            found[at : at + len(samples)] = samples[: len(found) - at]
        return found

    def frames(
        self, *, count: int | None = None, rate: float | None = None, max_side: int | None = None
    ) -> Frames:
        """Pictures at the middle of each of `count` equal stretches, or as `pictures` gives them."""
        times = times_of(self.duration, self._shown_until, count, rate)
        if not self.has_video:
            return np.zeros((0, 0, 0, 3), dtype=np.uint8)
        found = np.empty((len(times), *self._size(max_side), 3), dtype=np.uint8)
        for n, picture in enumerate(self._shown(times, max_side)):
            found[n] = picture
        return found

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
        """Time and picture at 0, 1/rate, 2/rate ... up to the end of the clip, or of its pictures."""
        times = times_of(self.duration, self._shown_until, None, rate)
        if self.has_video:
            yield from zip(times.tolist(), self._shown(times, max_side), strict=True)

    def window(self, start: float, duration: float) -> "JoinedClip":
        """The part of this clip from `start` on, cut off at the end of the clip."""
        check_stretch(start, start + duration)
        parts = list[FileClip]()
        for begin, clip in self._begun():
            first, end = max(0.0, start - begin), min(clip.duration, start + duration - begin)
            if first + 1e-6 < end:  # else what is left of it is an error of rounding
                parts.append(clip.window(first, end - first))
        return JoinedClip(tuple(parts))

    def content(self, modality: Modality) -> str:
        """A hash of those of the stretches."""
        return hashed(*(clip.content(modality) for clip in self.clips))

    def _begun(self) -> Iterator[tuple[float, FileClip]]:
        """When each begins."""
        begin = 0.0
        for clip in self.clips:
            yield begin, clip
            begin += clip.duration

    @property
    def _shown_until(self) -> float:
        return self.duration - self.clips[-1].duration + self.clips[-1].shown_until

    def _size(self, max_side: int | None) -> tuple[int, int]:
        first = self.clips[0].recording
        return pictures.size(first.height, first.width, max_side)

    def _shown(self, times: np.ndarray, max_side: int | None) -> Iterator[Picture]:
        begins = [begin for begin, _ in self._begun()]
        which = np.searchsorted(begins, times + SAME, side="right") - 1
        for n, clip in enumerate(self.clips):
            for picture in clip.shown(times[which == n] - begins[n], max_side):
                yield pictures.resized(picture, self._size(max_side))
