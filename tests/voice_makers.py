"""Sounds that the speech detector takes for speech: pulses through formants, cut into syllables."""

import numpy as np
from scipy.signal import lfilter

RATE = 16_000


def voice(seconds: float, *, pitch: float = 120.0, tract: float = 1.0, seed: int = 0) -> np.ndarray:
    """Babble: `pitch` in Hz, `tract` scales the formants (a longer throat has lower ones)."""
    rng = np.random.default_rng(seed)
    parts, made = [], 0
    while made < seconds * RATE:
        length = int(rng.uniform(0.12, 0.22) * RATE)
        parts.append(_syllable(length, pitch * rng.uniform(0.9, 1.15), tract, rng))
        made += length
    return (0.2 * np.concatenate(parts)[: round(seconds * RATE)]).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return (1e-4 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def _syllable(length: int, pitch: float, tract: float, rng: np.random.Generator) -> np.ndarray:
    slide = pitch * np.linspace(1.0, rng.uniform(0.85, 1.1), length)
    pulses = (np.diff(np.floor(np.cumsum(slide) / RATE), prepend=0.0) > 0).astype(float)
    sound = lfilter([1.0], [1.0, -0.97], pulses) + 0.01 * rng.standard_normal(length)
    formants = [(700, 1200, 2500), (350, 2200, 2900), (400, 800, 2400), (550, 1700, 2500)][rng.integers(4)]
    for centre, width in zip(formants, (80, 100, 150), strict=True):
        radius = np.exp(-np.pi * width / RATE)
        sound = lfilter(
            [1 - radius], [1.0, -2 * radius * np.cos(2 * np.pi * centre * tract / RATE), radius**2], sound
        )
    envelope = np.minimum(1.0, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.03 * RATE))
    return sound * envelope / (np.abs(sound).max() + 1e-9)
