"""The stream "audio.mel": a log-mel spectrogram."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from affectline.features import Item
from affectline.types import Conversation, Modality, Waveform

_FRAMES = 8192  # transformed at once, which bounds the memory however long a sound is


@dataclass(frozen=True)
class Mel:
    """The natural logarithm of the power in mel bands, floored at 1e-8, 100 time steps per second.

    Sound at 16 kHz, Hann windows of 25 ms every 10 ms, a transform of 512 points; triangles of height one
    with straight sides in hertz, evenly spaced on HTK's mel scale, 2595 log10(1 + hz / 700), from `low` to
    `high` hertz (Young et al., The HTK Book, 5.4). The floor is about the power of 16-bit rounding noise.
    Sound that stays under `silent` (-80 dB of full scale) says nothing and has no steps: a model would take
    silence for a voice. Step `t` starts at t * 10 ms; a sound shorter than one window is padded to one with
    zeros. Loudness is kept: a model that must not hear it subtracts the mean.
    """

    bands: int = 64
    low: float = 20.0
    high: float = 8000.0

    stream = "audio.mel"
    dtype = np.float32
    stored = True
    rate: ClassVar[int] = 16000
    window: ClassVar[int] = 400  # samples
    hop: ClassVar[int] = 160
    points: ClassVar[int] = 512
    floor: ClassVar[float] = 1e-8
    silent: ClassVar[float] = 1e-4

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise ValueError(
                f"mel bands need 0 <= low < high <= {self.rate // 2} Hz, got low={self.low}, high={self.high}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.bands,)

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip = conversation.utterances[index].clip
        return clip.content(Modality.AUDIO) if clip is not None and clip.has_audio else None

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time bands"]]:
        clips = [conversation.utterances[index].clip for conversation, index in items]
        return [self.spectrogram(clip.waveform(self.rate)) for clip in clips if clip is not None]

    def spectrogram(self, waveform: Waveform) -> Float32[np.ndarray, "time bands"]:
        """Of sound at 16 kHz; of length 0 where there is none, or silence."""
        if not (np.abs(waveform) >= self.silent).any():
            return np.zeros((0, self.bands), np.float32)
        padding = max(0, self.window - len(waveform))
        sound = torch.nn.functional.pad(torch.from_numpy(waveform), (0, padding))
        windows = sound.unfold(0, self.window, self.hop)
        return torch.cat([self._log_mel(part) for part in windows.split(_FRAMES)]).numpy()

    def _log_mel(self, windows: Float[Tensor, "time samples"]) -> Float[Tensor, "time bands"]:
        hann = torch.hann_window(self.window)
        power = torch.fft.rfft(windows * hann, n=self.points).abs().square()
        return (power @ filterbank(self.bands, self.low, self.high)).clamp(min=self.floor).log()


@cache
def filterbank(bands: int, low: float, high: float) -> Float[Tensor, "frequencies bands"]:
    """The weight of each frequency of the transform in each band: triangles between neighbouring centres."""
    frequencies = torch.linspace(0, Mel.rate / 2, Mel.points // 2 + 1, dtype=torch.float64)[:, None]
    edges = _hertz(torch.linspace(_mels(low), _mels(high), bands + 2, dtype=torch.float64))
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def _mels(hertz: float) -> float:
    return 2595 * float(np.log10(1 + hertz / 700))


def _hertz(mels: Float[Tensor, " edges"]) -> Float[Tensor, " edges"]:
    return 700 * (10 ** (mels / 2595) - 1)
