"""The stream "video.frames": the pictures themselves, for a network that begins with pixels (SeMuL-PCD)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8

from affectline.features import Item
from affectline.types import Clip, Conversation, Frames, Modality

MARGIN = 256 / 224  # the shorter side, over that of the square which is seen of it


@dataclass(frozen=True)
class Pixels:
    """`count` pictures at `rate` a second, out of the middle of a longer clip, `size` pixels wide and high.

    Of a picture that is a square already all is seen, of another the middle. A shorter clip has fewer of
    them. Bytes: a network makes numbers of them where it computes, so that a quarter is moved there.

    Paper: (SeMuL-PCD, Section 4.5) 32 frames at 10 a second, 224 pixels.
    Code:  32 frames evenly over the clip, however long it is; cropped at random in evaluation too.
    """

    size: int = 224
    count: int = 32
    rate: float = 10.0

    stream = "video.frames"
    dtype = np.uint8
    stored = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.count < 1 or self.rate <= 0:
            raise ValueError(f"pictures need a size, a count and a rate over 0, got {self}")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3)

    @property
    def seconds(self) -> float:
        return self.count / self.rate

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip = conversation.utterances[index].clip
        return clip.content(Modality.VIDEO) if clip is not None and clip.has_video else None

    def __call__(self, items: Sequence[Item]) -> list[UInt8[np.ndarray, "_time size size 3"]]:
        clips = [conversation.utterances[index].clip for conversation, index in items]
        return [self._pictures(middle(clip, self.seconds)) for clip in clips if clip is not None]

    def _pictures(self, clip: Clip) -> UInt8[np.ndarray, "_time size size 3"]:
        side = round(self.size * MARGIN)
        shown = [picture for _, picture in clip.pictures(self.rate, max_side=side)][: self.count]
        if not shown:
            return np.zeros((0, self.size, self.size, 3), np.uint8)
        return seen(np.stack(shown), self.size)


def middle(clip: Clip, seconds: float) -> Clip:
    """The middle of a clip that is longer, else the clip."""
    spare = clip.duration - seconds
    return clip if spare <= 0 else clip.window(spare / 2, seconds)


def seen(pictures: Frames, size: int) -> UInt8[np.ndarray, "time size size 3"]:
    """A square of `size` out of the middle of pictures whose shorter side would be larger by the margin."""
    height, width = pictures.shape[1:3]
    if height != width:
        side = max(1, round(min(height, width) / MARGIN))
        top, left = (height - side) // 2, (width - side) // 2
        pictures = pictures[:, top : top + side, left : left + side]
    if pictures.shape[1:3] == (size, size):
        return np.ascontiguousarray(pictures)
    planes = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    planes = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return planes.permute(0, 2, 3, 1).contiguous().numpy()
