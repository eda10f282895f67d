"""What a voice sounds like: the speaker network of Resemblyzer, with a front end and a module of our own.

Generalized end-to-end loss for speaker verification (Wan et al. 2018): three LSTM layers over 1.6 s of a
40-band mel spectrogram, a projection, a vector of length one; windows of one voice point the same way.

The weights `voice.safetensors` beside this file are those of the package Resemblyzer 0.1.4 (Copyright 2019
Resemble.AI, Apache-2.0), trained on LibriSpeech and VoxCeleb: its network alone, without the state of its
optimiser, in half precision. benchmarks/voice_weights.py makes the file again. The package itself is not
used: it needs a compiler.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from safetensors.torch import load_file
from torch import Tensor, nn

from affectline.segment.speech import RATE
from affectline.types import Waveform

WINDOW = 1.6  # seconds that the network was trained on
FRAMES_PER_SECOND = 100
BANDS = 40
LEVEL = 10 ** (-30 / 20)  # root mean square up to which quiet speech is raised
BATCH = 64

WEIGHTS = Path(__file__).with_name("voice.safetensors")


class VoiceEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mels: Float[Tensor, "window time 40"]) -> Float[Tensor, "window 256"]:
        _, (hidden, _) = self.lstm(mels)
        return nn.functional.normalize(self.linear(hidden[-1]).relu())


def mel(sound: Waveform) -> Float32[np.ndarray, "time 40"]:
    """Energies (no logarithm) in 40 mel bands, 100 times a second, of speech at 16 kHz."""
    level = float(np.sqrt(np.mean(np.square(sound)))) if len(sound) else 0.0
    louder = torch.from_numpy(sound) * max(1.0, LEVEL / max(level, 1e-6))
    spectrum = torch.stft(
        louder,
        RATE // 40,
        RATE // FRAMES_PER_SECOND,
        window=torch.hann_window(RATE // 40),
        pad_mode="constant",
        return_complex=True,
    )
    return (_bands() @ spectrum.abs().square()).T.numpy()


@torch.inference_mode()
def embed(mels: Float32[np.ndarray, "window time 40"]) -> Float32[np.ndarray, "window 256"]:
    """The vectors of windows, each of length one."""
    parts = torch.from_numpy(mels).split(BATCH)
    return torch.cat([encoder()(part) for part in parts]).numpy()


@cache
def encoder() -> VoiceEncoder:
    network = VoiceEncoder()
    network.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return network.eval().requires_grad_(False)


@cache
def _bands() -> Float[Tensor, "40 frequency"]:
    """Triangles on Slaney's mel scale, linear up to 1 kHz and then logarithmic, each of area one."""
    linear, step = 15.0, np.log(6.4) / 27  # mels up to 1 kHz; the logarithm of the ratio of two mels after it
    mels = np.linspace(0.0, linear + np.log(RATE / 2 / 1000) / step, BANDS + 2)
    edges = np.where(mels < linear, mels * 1000 / linear, 1000 * np.exp((mels - linear) * step))
    frequencies = np.linspace(0.0, RATE / 2, RATE // 40 // 2 + 1)
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    shape = np.minimum((frequencies - low) / (peak - low), (high - frequencies) / (high - peak))
    return torch.from_numpy((np.maximum(0.0, shape) * 2 / (high - low)).astype(np.float32))
