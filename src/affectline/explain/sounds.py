"""Stretches of sound that speak for an emotion: segments of time, each of several components.

After audioLIME (Haunschmid et al., audioLIME: Listenable Explanations Using Source Separation, 2020), with
harmonic and percussive sound and bands of frequency in place of the sources of music.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import median_filter
from scipy.signal import istft, stft

from affectline.explain.parts import Mask, Part, enough
from affectline.media import ChangedClip
from affectline.types import Clip, Conversation, Modality, Span, Waveform

BANDS = (0.0, 500.0, 2000.0)
"""Hertz from which on a band of the harmonic sound reaches: pitch, the vowels, what makes a voice sharp."""
COMPONENTS = ("tone under 500 Hz", "tone 500 to 2000 Hz", "tone over 2000 Hz", "noise and knocks")
SECONDS, MOST, LEAST = 1.0, 10, 3
"""How long a segment is, and how many there are at most, and at least."""
SHORT = 0.2  # seconds a segment has at least
FADE = 0.01  # seconds in which a part comes and goes, that it does not click
WINDOW, KERNEL = 0.064, 17  # seconds of a spectrum, and spectra or frequencies that a median is of
SILENT = 1e-4  # -80 dB of full scale: what stays under it is silence
QUIET = 0.1  # of a component's loudness, that of the noise in its place
ENVELOPE = 240  # stretches of the waveform that is shown
RATE = 16000  # samples a second that silence is looked for at


@dataclass(frozen=True)
class Sounds:
    """An utterance with stretches of its sound switched off, in `count` segments of equal length.

    Parts are segment after segment, in each the components. `absent`: silence, or noise.
    """

    conversation: Conversation
    index: int
    parts: tuple[Part, ...]
    count: int
    absent: str = "silence"

    modality = Modality.AUDIO

    def __call__(self, mask: Mask) -> Conversation:
        clip = self.conversation.utterances[self.index].clip
        if mask.all() or clip is None:
            return self.conversation
        on = mask.reshape(self.count, len(COMPONENTS))
        changed = ThinnedClip(clip, clip, on, noisy=self.absent == "noise")
        return self.conversation.edit(self.index, clip=changed)

    @property
    def judge(self) -> "Sounds":
        """The same parts with another "absent", by which an explanation is judged."""
        return replace(self, absent="noise")

    @property
    def shown(self) -> dict[str, Any]:
        """The envelope of the waveform: the largest value of equal stretches, 1 that of all."""
        clip = self.conversation.utterances[self.index].clip
        assert clip is not None  # `sounds` has seen it
        loud = np.abs(clip.waveform(RATE))
        peaks = [float(stretch.max(initial=0.0)) for stretch in np.array_split(loud, ENVELOPE)]
        return {"envelope": [round(peak / max(peaks), 3) for peak in peaks]}


def sounds(conversation: Conversation, index: int, *, segments: int | None = None) -> Sounds:
    """The sound of an utterance: a segment for each second, three to ten of them, of four components.

    Args:
        conversation: read only.
        index: of the utterance that is explained.
        segments: how many, where not as said.

    Raises:
        ValueError: there is no sound, or silence.
    """
    own = conversation.utterances[index]
    if Modality.AUDIO in own.missing or own.clip is None or not own.clip.has_audio:
        raise ValueError(f"utterance {own.id!r} has no sound; explain its words or its picture")
    if not (np.abs(own.clip.waveform(RATE)) >= SILENT).any():
        raise ValueError(f"utterance {own.id!r} is silent; explain its words or its picture")
    length, begin = own.clip.duration, own.span.start if own.span else 0.0
    count = segments or max(1, min(max(LEAST, ceil(length / SECONDS - 0.5)), MOST, int(length / SHORT)))
    step = length / count
    spans = [Span(begin + n * step, begin + (n + 1) * step) for n in range(count)]
    parts = tuple(Part(name, own.id, span) for span in spans for name in COMPONENTS)
    enough(parts, own, "one stretch of sound")
    return Sounds(conversation, index, parts, count)


@dataclass(frozen=True, eq=False)
class ThinnedClip(ChangedClip):
    """A clip without some of its sound. `whole`: the utterance that it is a stretch of, from `start` on.

    `on`: which components each segment of the whole has.
    """

    whole: Clip
    on: Bool[np.ndarray, "segment component"]
    noisy: bool = False
    start: float = 0.0

    def waveform(self, rate: int) -> Waveform:
        """As that of the clip; where nothing is off, it is that."""
        first, samples = round(self.start * rate), round(self.clip.duration * rate)
        found, instead = components(self.whole, rate), _noise(self.whole, rate) if self.noisy else 0.0
        changed = found.sum(axis=0) + ((1 - _gains(self.on, found.shape[1], rate)) * (instead - found)).sum(
            axis=0
        )
        changed = changed[first : first + samples]
        return np.pad(changed, (0, samples - len(changed))).astype(np.float32)

    def window(self, start: float, duration: float) -> "ThinnedClip":
        return replace(self, clip=self.clip.window(start, duration), start=self.start + start)

    def content(self, modality: Modality) -> str:
        own = self.clip.content(modality)
        if modality is not Modality.AUDIO:
            return own
        off = "".join("01"[int(x)] for x in self.on.flatten())
        what = f"{self.whole.content(modality)} {off} {self.noisy} {self.start:.6f}"
        return hashlib.sha256(f"{own} {what}".encode()).hexdigest()


@lru_cache(maxsize=16)
def components(clip: Clip, rate: int) -> Float32[np.ndarray, "component samples"]:
    """The sound of a clip taken apart, in the order of `COMPONENTS`; their sum is the sound.

    Harmonic is what lasts, percussive what is broad: the medians of the spectrogram along time and along
    frequency say how much of each a place has (Fitzgerald, Harmonic/Percussive Separation Using Median
    Filtering, DAFx 2010), squared and normalised.
    """
    sound = clip.waveform(rate)
    hertz, spectra = _spectra(sound, rate)
    loud = np.abs(spectra)
    lasting, broad = (median_filter(loud, shape) ** 2 for shape in ((1, KERNEL), (KERNEL, 1)))
    share = lasting / np.maximum(lasting + broad, 1e-20)
    bands = np.stack([(hertz >= low) & (hertz < high) for low, high in pairwise((*BANDS, np.inf))])
    tones = _sound(spectra * share * bands[:, :, None], rate, len(sound))
    rest = sound - np.sum(tones, axis=0)
    return np.stack([*tones, rest]).astype(np.float32)


def _gains(
    on: Bool[np.ndarray, "segment component"], samples: int, rate: int
) -> Float32[np.ndarray, "component samples"]:
    """1 where a component is there and 0 where it is not, with a fade at the edges."""
    edges = np.arange(len(on) + 1) * samples // len(on)
    gains = np.repeat(on.T.astype(np.float32), np.diff(edges), axis=1)
    half = min(round(FADE * rate / 2), int(np.diff(edges).min()) // 2)
    up = (np.arange(2 * half, dtype=np.float32) + 0.5) / max(1, 2 * half)
    for n, edge in enumerate(edges[1:-1]):
        before, after = on[n, :, None], on[n + 1, :, None]
        gains[:, edge - half : edge + half] = before * (1 - up) + after * up
    return gains


@lru_cache(maxsize=16)
def _noise(clip: Clip, rate: int) -> Float32[np.ndarray, "component samples"]:
    """Hiss in place of each component: of its spectrum, and a tenth as loud, as it is over the whole clip.

    White noise would be heard in the bands of all other components, of which only one is off.
    """
    found = components(clip, rate)
    hiss = np.random.default_rng(0).normal(size=found.shape)
    _, spectra = _spectra(found, rate)
    _, white = _spectra(hiss, rate)
    shape = np.sqrt(np.mean(np.abs(spectra) ** 2, axis=-1, keepdims=True))
    shaped = _sound(white * shape, rate, found.shape[1])
    loud, now = (np.sqrt(np.mean(x**2, axis=1, keepdims=True)) for x in (found, shaped))
    return (QUIET * loud * shaped / np.maximum(now, 1e-20)).astype(np.float32)


def _spectra(sound: Float[np.ndarray, "*any samples"], rate: int) -> tuple[Any, Any]:
    """The hertz of a spectrum, and one spectrum after another, on the last two axes."""
    hertz, _, found = stft(sound, rate, **_windows(sound.shape[-1], rate))
    return hertz, found


def _sound(spectra: Any, rate: int, samples: int) -> Float[np.ndarray, "*any samples"]:
    """What has these spectra, as long as it was."""
    _, found = istft(spectra, rate, **_windows(samples, rate))
    missing = [(0, 0)] * (found.ndim - 1) + [(0, max(0, samples - found.shape[-1]))]
    return np.pad(found, missing)[..., :samples]


def _windows(samples: int, rate: int) -> dict[str, Any]:
    """Of the short-time Fourier transform: how long they are, and how far they overlap."""
    size = min(round(WINDOW * rate), max(16, samples))
    return {"nperseg": size, "noverlap": size - size // 4}
