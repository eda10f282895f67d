"""The stream "video.faces": aligned pictures of the speaker's face."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8

from affectline import faces
from affectline.features import Extractor, Item
from affectline.types import Conversation, FaceTrack, Frames, Modality


@dataclass(frozen=True)
class Faces:
    """Crops of the utterance's face, `size` pixels wide and high, `rate` per second, `limit` at most.

    `whole`: the picture is the face, as in FER+; the frames are resized and no track is asked for.
    """

    size: int = 112
    rate: float = 5.0
    limit: int = 32
    whole: bool = False

    stream = "video.faces"
    dtype = np.uint8
    stored = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.rate <= 0 or self.limit < 1:
            raise ValueError(f"faces need a size, a rate and a limit over 0, got {self}")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3)

    def content(self, conversation: Conversation, index: int) -> str | None:
        utterance = conversation.utterances[index]
        clip, track = utterance.clip, utterance.face
        if clip is None or not clip.has_video:
            return None
        if self.whole:
            return clip.content(Modality.VIDEO)
        if track is None or not len(track.times):
            return None
        return f"{clip.content(Modality.VIDEO)} {track_hash(track)}"

    def __call__(self, items: Sequence[Item]) -> list[UInt8[np.ndarray, "_time size size 3"]]:
        return [self._crops(*item) for item in items]

    def _crops(self, conversation: Conversation, index: int) -> UInt8[np.ndarray, "time size size 3"]:
        utterance = conversation.utterances[index]
        assert utterance.clip is not None  # `content` said so
        if self.whole:
            rate = min(self.rate, self.limit / utterance.clip.duration)
            return resized(utterance.clip.frames(rate=rate)[: self.limit], self.size)
        assert utterance.face is not None
        return faces.crops(utterance.clip, utterance.face, self.rate, self.size, self.limit)


def seen_whole(extractors: Sequence[Extractor], whole: bool = True) -> tuple[Extractor, ...]:
    """The extractors for pictures that are faces already or, with `whole` false, for those of people."""
    return tuple(replace(e, whole=whole) if hasattr(e, "whole") else e for e in extractors)  # pyright: ignore


def track_hash(track: FaceTrack) -> str:
    """Of where the face is; whose it is and how well it fits the voice do not change its pictures."""
    where = (track.times, track.boxes, track.landmarks)
    return hashlib.sha256(b"".join(array.tobytes() for array in where)).hexdigest()


def resized(frames: Frames, size: int) -> UInt8[np.ndarray, "time size size 3"]:
    """The whole of each picture as a square."""
    if not len(frames) or frames.shape[1:3] == (size, size):
        return frames.reshape(-1, size, size, 3)
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
