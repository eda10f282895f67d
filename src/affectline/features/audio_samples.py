"""The stream "audio.samples": the waveform itself, for a network that begins with it (SeMuL-PCD)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from affectline.features import Item
from affectline.features.video_frames import middle
from affectline.types import Conversation, Modality


@dataclass(frozen=True)
class Samples:
    """Mono sound in [-1, 1] at `rate` samples a second, the middle `seconds` of a longer clip.

    Paper: (SeMuL-PCD, Section 4.5) 48 kHz, in time with the pictures.
    Code:  as many samples, but evenly from all of the clip, which leaves nothing of its pitch.
    """

    rate: int = 48_000
    seconds: float = 3.2

    stream = "audio.samples"
    shape = ()
    dtype = np.float32
    stored = False

    def __post_init__(self) -> None:
        if self.rate < 1 or self.seconds <= 0:
            raise ValueError(f"sound needs a rate and seconds over 0, got {self}")

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip = conversation.utterances[index].clip
        return clip.content(Modality.AUDIO) if clip is not None and clip.has_audio else None

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, " _time"]]:
        clips = [conversation.utterances[index].clip for conversation, index in items]
        most = round(self.rate * self.seconds)
        return [middle(c, self.seconds).waveform(self.rate)[:most] for c in clips if c is not None]
