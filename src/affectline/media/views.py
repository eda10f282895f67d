"""The pictures of a clip as they are seen from elsewhere: a part of them, mirrored, in other colours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8

from affectline.media.pictures import Picture, resized
from affectline.types import Clip, Frames, Modality, Waveform

YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], np.float32)
"""Brightness and two chromas of red, green and blue (NTSC, FCC 1953)."""


@dataclass(frozen=True)
class Cut:
    """A part of a picture that becomes a square of `size` pixels.

    `area`: the share of the picture, `aspect`: width over height in pixels; where such a part would reach
    over an edge it is smaller, of the same aspect. `x`, `y`: where it lies, from 0, left and top, to 1.
    """

    size: int
    area: float = 1.0
    aspect: float = 1.0
    x: float = 0.5
    y: float = 0.5

    def __call__(self, picture: Picture) -> UInt8[np.ndarray, "size size 3"]:
        height, width, _ = picture.shape
        high, wide = (self.area * height * width * np.array([1 / self.aspect, self.aspect])) ** 0.5
        fits = min(1.0, height / high, width / wide)
        rows, columns = max(1, round(high * fits)), max(1, round(wide * fits))
        top, left = round(self.y * (height - rows)), round(self.x * (width - columns))
        return resized(picture[top : top + rows, left : left + columns], (self.size, self.size))


@dataclass(frozen=True)
class View:
    """The same for every picture: a part of it, or all, perhaps mirrored, and its colours.

    `brightness` is added, 1 being white; `contrast` and `saturation` are factors; `hue` is an angle in turns.
    All of the colours is one matrix: hue turns the chroma of YIQ.
    """

    cut: Cut | None = None
    mirrored: bool = False
    brightness: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0

    def __call__(self, picture: Picture) -> UInt8[np.ndarray, "rows columns 3"]:
        part = (self.cut(picture) if self.cut else picture)[:, :: -1 if self.mirrored else 1]
        matrix, offset = self._colours()
        changed = part.astype(np.float32) @ matrix.T + offset
        return np.rint(np.clip(changed, 0, 255)).astype(np.uint8)

    def _colours(self) -> tuple[Float32[np.ndarray, "3 3"], float]:
        """What each colour becomes; contrast is about the middle grey."""
        cos, sin = np.cos(2 * np.pi * self.hue), np.sin(2 * np.pi * self.hue)
        turned = np.eye(3)
        turned[1:, 1:] = self.saturation * np.array([[cos, -sin], [sin, cos]])
        matrix = (self.contrast * np.linalg.inv(YIQ) @ turned @ YIQ).astype(np.float32)
        return matrix, 255 * (self.brightness + 0.5 * (1 - self.contrast))


@dataclass(frozen=True)
class ChangedClip:
    """A clip that is another one, but for what a subclass changes of it."""

    clip: Clip

    @property
    def duration(self) -> float:
        return self.clip.duration

    @property
    def has_audio(self) -> bool:
        return self.clip.has_audio

    @property
    def has_video(self) -> bool:
        return self.clip.has_video

    def waveform(self, rate: int) -> Waveform:
        """Mono sound in [-1, 1], `duration * rate` samples; of length 0 where there is no sound."""
        return self.clip.waveform(rate)

    def frames(self, *, count: int | None = None, rate: float | None = None) -> Frames:
        """Pictures at the middle of each of `count` equal stretches, or as `pictures` gives them."""
        return self.clip.frames(count=count, rate=rate)

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
        """Time and picture, `rate` a second; those that are too large are made smaller."""
        return self.clip.pictures(rate, max_side=max_side)

    def window(self, start: float, duration: float) -> "ChangedClip":
        """The part of this clip from `start` on, cut off at the end of the clip."""
        return replace(self, clip=self.clip.window(start, duration))

    def content(self, modality: Modality) -> str:
        """A hash of the sound, or of the picture, and of what was changed of it."""
        return self.clip.content(modality)


@dataclass(frozen=True)
class ViewedClip(ChangedClip):
    """A clip whose pictures are seen in a view, whose `repr` names its settings; its sound is as it was."""

    view: Callable[[Picture], Picture]

    def frames(self, *, count: int | None = None, rate: float | None = None) -> Frames:
        found = self.clip.frames(count=count, rate=rate)
        return np.stack([self.view(picture) for picture in found]) if len(found) else found

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
        """Those that are too large are made smaller before they are viewed."""
        for time, picture in self.clip.pictures(rate, max_side=max_side):
            yield time, self.view(picture)

    def content(self, modality: Modality) -> str:
        found = self.clip.content(modality)
        return f"{found} {self.view}" if modality is Modality.VIDEO else found
