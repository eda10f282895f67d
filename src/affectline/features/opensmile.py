"""The streams "audio.egemaps" and "audio.compare": openSMILE's functionals of a whole utterance.

openSMILE is free for private, academic and research use alone: its licence (audEERING GmbH, 2020) forbids
commercial use without a contract. Nothing on the default path needs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from affectline.features import Item
from affectline.types import Conversation, Modality, Waveform

if TYPE_CHECKING:
    from opensmile import Smile

_RATE = 16000
_SHORTEST = 960  # samples: the 60 ms window in which both sets look for a pitch


class Functionals:
    """One vector per utterance, (1, dim), from sound at 16 kHz.

    A sound shorter than 60 ms has no functionals: length 0. A functional for which openSMILE writes a NaN or
    an infinity is 0 here, which is what it writes itself where no pitch was heard.

    Raises:
        ImportError: if the extra `opensmile` is not installed.
    """

    dtype = np.float32
    stored = True
    stream: str
    shape: tuple[int, ...]
    feature_set: str

    @property
    def names(self) -> tuple[str, ...]:
        """Of the functionals, in the order of the vector, as openSMILE calls them."""
        return tuple(_smile(self.feature_set).feature_names)

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip = conversation.utterances[index].clip
        return clip.content(Modality.AUDIO) if clip is not None and clip.has_audio else None

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time dim"]]:
        clips = [conversation.utterances[index].clip for conversation, index in items]
        return [self.of(clip.waveform(_RATE)) for clip in clips if clip is not None]

    def of(self, waveform: Waveform) -> Float32[np.ndarray, "time dim"]:
        """The functionals of sound at 16 kHz."""
        if len(waveform) < _SHORTEST:
            return np.zeros((0, *self.shape), np.float32)
        values = _smile(self.feature_set).process_signal(waveform, _RATE).to_numpy(np.float32)
        return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


@dataclass(frozen=True)
class EGeMAPS(Functionals):
    """The extended Geneva minimalistic set, version 02: 88 functionals (Eyben et al. 2016)."""

    stream = "audio.egemaps"
    shape = (88,)
    feature_set = "eGeMAPSv02"


@dataclass(frozen=True)
class ComParE(Functionals):
    """The set of the 2016 paralinguistics challenge: 6373 functionals (Schuller et al. 2016)."""

    stream = "audio.compare"
    shape = (6373,)
    feature_set = "ComParE_2016"


@cache
def _smile(feature_set: str) -> "Smile":
    try:
        import opensmile
    except ModuleNotFoundError as error:
        raise ImportError(
            "openSMILE is not installed (its licence allows research only, so it is never installed "
            'unasked); pip install "affectline[opensmile]" brings it'
        ) from error

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[feature_set], feature_level=opensmile.FeatureLevel.Functionals
    )
