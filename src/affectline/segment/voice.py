"""What a voice sounds like: a vector for each 1.6 s of speech, alike where the voice is the same.

`Network` is that of Resemblyzer (generalized end-to-end loss for speaker verification, Wan et al. 2018):
three LSTM layers over a 40-band mel spectrogram and a projection; the module and the front end are ours, the
weights are read from the installed package, which is not imported. Its own dependencies need a compiler and
are not used either, hence INSTALL. `Cepstra` needs no weights and tells fewer voices apart.
Both are measured in benchmarks/diarisation.py.
"""

import hashlib
import importlib.util
import io
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from scipy.fft import dct
from torch import Tensor, nn

from affectline.segment.speech import RATE
from affectline.types import Waveform

WINDOW = 1.6  # seconds that the network was trained on
FRAMES_PER_SECOND = 100
BANDS = 40
LEVEL = 10 ** (-30 / 20)  # root mean square up to which quiet speech is raised
BATCH = 64
COEFFICIENTS = 20

INSTALL = "pip install --no-deps Resemblyzer==0.1.4"
SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
"""Of resemblyzer/pretrained.pt in that version: Apache-2.0, Copyright 2019 Resemble.AI."""

Windows = Float32[np.ndarray, "window time 40"]
Vectors = Float32[np.ndarray, "window dim"]


@runtime_checkable
class Voice(Protocol):
    """Makes vectors of voices. `apart`: the cosine of two speakers from which on they are one."""

    apart: float

    def embed(self, windows: Windows) -> Vectors:
        """A vector for each window of a stretch of speech, from `mel`."""
        ...

    def compare(self, vectors: Vectors) -> Vectors:
        """The vectors of a whole recording, of length one, as their cosines are to be taken."""
        ...


class Network:
    """The speaker network; its vectors can be compared as they are."""

    apart = 0.8

    @torch.inference_mode()
    def embed(self, windows: Windows) -> Vectors:
        parts = torch.from_numpy(windows).split(BATCH)
        return torch.cat([encoder()(part) for part in parts]).numpy()

    def compare(self, vectors: Vectors) -> Vectors:
        return vectors


class Cepstra:
    """Means and deviations of cepstra and of their differences, standardised within the recording.

    That takes the room and the microphone out, which all voices share.
    """

    apart = 0.1

    def embed(self, windows: Windows) -> Vectors:
        found = np.asarray(dct(np.log(windows + 1e-6), norm="ortho", axis=2))[:, :, 1 : COEFFICIENTS + 1]
        steps = np.diff(found, axis=1)
        parts = [found.mean(axis=1), found.std(axis=1), steps.mean(axis=1), steps.std(axis=1)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def compare(self, vectors: Vectors) -> Vectors:
        standard = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-3)
        return standard / (np.linalg.norm(standard, axis=1, keepdims=True) + 1e-9)


def best_voice() -> Network | Cepstra:
    """The network where its weights are installed."""
    return Cepstra() if weights() is None else Network()


def weights() -> Path | None:
    """The file of the network's weights in the installed package, or None without it."""
    package = importlib.util.find_spec("resemblyzer")
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / "pretrained.pt"
    return path if path.is_file() else None


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


@cache
def encoder() -> VoiceEncoder:
    """The network with its weights.

    Raises:
        ValueError: the file is not that of Resemblyzer 0.1.4.
    """
    path = weights()
    assert path is not None
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} is not of version 0.1.4 (sha256 {found[:12]}...); install that: {INSTALL}")
    state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)["model_state"]
    network = VoiceEncoder()
    network.load_state_dict({n: v for n, v in state.items() if n.startswith(("lstm.", "linear."))})
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
