"""What spoils sound, pictures and words: babble, blur, and the errors of a recogniser.

Ready-made vectors stay as they are: what they were made from is gone.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from affectline.media import ChangedClip, ViewedClip
from affectline.media.pictures import Picture, resized, size
from affectline.types import Clip, Conversation, Modality, Utterance, Waveform, Word

VOICES = 4
"""Of which babble is made: fewer are words that one follows, more are a hum."""
ERRORS = {"substituted": 0.6, "deleted": 0.25, "inserted": 0.15}
"""Of a recogniser's errors. Ours: most are substitutions, and more words are lost than made up."""


@dataclass(frozen=True)
class Babble:
    """Other people talk: to each utterance's sound that of some utterances of other speakers is added.

    `decibels`: the power of the utterance's sound over that of the babble, both over the whole utterance.

    Raises:
        ValueError: once it is used, where all that sounds is said by one speaker.
    """

    decibels: float
    seed: int = 0

    def __call__(self, conversations: Sequence[Conversation]) -> list[Conversation]:
        sounding = [(u, u.clip) for c in conversations for u in c if u.clip is not None and u.clip.has_audio]
        if sounding and len({u.speaker for u, _ in sounding}) == 1:
            raise ValueError(f"babble needs other voices, and all is said by {sounding[0][0].speaker!r}")
        rng = np.random.default_rng(self.seed)

        def changed(u: Utterance) -> Utterance:
            if u.clip is None or not u.clip.has_audio:
                return u
            voices: list[Clip] = []
            while len(voices) < VOICES:
                other, clip = sounding[rng.integers(len(sounding))]
                voices += [clip] if other.speaker != u.speaker else []
            return replace(u, clip=Noisy(u.clip, u.clip, tuple(voices), self.decibels))

        return _each(conversations, changed)


@dataclass(frozen=True)
class Blur:
    """Pictures out of focus: a Gaussian of `sigma` pixels. Where faces are is known as before."""

    sigma: float

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise ValueError(f"blur needs a sigma over 0 pixels, got {self.sigma}")

    def __call__(self, conversations: Sequence[Conversation]) -> list[Conversation]:
        def changed(u: Utterance) -> Utterance:
            seen = u.clip is not None and u.clip.has_video
            return (
                replace(u, clip=Blurred(u.clip, Gaussian(self.sigma))) if u.clip is not None and seen else u
            )

        return _each(conversations, changed)


@dataclass(frozen=True)
class Misheard:
    """Words as a recogniser gets them that errs in a share of `rate` of them.

    Substituted and inserted words are drawn from all that is said in these conversations, as often as they
    are said. Words that are misheard at a rate are so at every larger one too. Who says a single word may
    lose it, and with it all that was said.
    """

    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"a rate of word errors is from 0 to 1, got {self.rate}")

    def __call__(self, conversations: Sequence[Conversation]) -> list[Conversation]:
        spoken = [word.text for c in conversations for u in c for word in _words(u)]
        rng, count = np.random.default_rng(self.seed), len(spoken)
        chances, places = rng.random(count).tolist(), rng.permutation(count).tolist()
        kinds = rng.choice([*ERRORS], size=count, p=[*ERRORS.values()]).tolist()
        fate = zip(chances, kinds, places, strict=True)

        def heard(word: Word) -> list[Word]:
            chance, kind, place = next(fate)
            if chance >= self.rate:
                return [word]
            other = replace(word, text=_another(spoken, place, word.text))
            return {"substituted": [other], "deleted": [], "inserted": [word, other]}[kind]

        def changed(u: Utterance) -> Utterance:
            before = _words(u)
            after = tuple(w for word in before for w in heard(word))
            if after == before:
                return u
            timed = after if u.words else ()
            return replace(u, text=" ".join(w.text for w in after), words=timed)

        return _each(conversations, changed)


def _each(
    conversations: Sequence[Conversation], change: Callable[[Utterance], Utterance]
) -> list[Conversation]:
    return [replace(c, utterances=tuple(change(u) for u in c)) for c in conversations]


def _words(utterance: Utterance) -> tuple[Word, ...]:
    return utterance.words or tuple(Word(text) for text in (utterance.text or "").split())


def _another(spoken: Sequence[str], start: int, word: str) -> str:
    """The first from `start` on that is another word; the same where no other is said anywhere."""
    after = (spoken[(start + n) % len(spoken)] for n in range(len(spoken)))
    return next((w for w in after if w.casefold() != word.casefold()), word)


@dataclass(frozen=True)
class Noisy(ChangedClip):
    """A clip in whose sound others talk. `whole`: the utterance that it is a stretch of, from `start` on."""

    whole: Clip
    voices: tuple[Clip, ...]
    decibels: float
    start: float = 0.0

    def waveform(self, rate: int) -> Waveform:
        """As that of the clip; what is too loud is cut off."""
        sound, first = self.clip.waveform(rate), round(self.start * rate)
        babble = _babble(self.whole, self.voices, rate)[first : first + len(sound)]
        babble = np.pad(babble, (0, len(sound) - len(babble)))
        return np.clip(sound + np.float32(10 ** (-self.decibels / 20)) * babble, -1, 1)

    def window(self, start: float, duration: float) -> "Noisy":
        return replace(self, clip=self.clip.window(start, duration), start=self.start + start)

    def content(self, modality: Modality) -> str:
        """That of the clip; of the sound one of all that is heard."""
        own = self.clip.content(modality)
        if modality is not Modality.AUDIO:
            return own
        heard = [c.content(modality) for c in (self.whole, *self.voices)]
        return _hash("babble", own, *heard, repr(self.decibels), f"{self.start:.6f}")


@lru_cache(maxsize=64)
def _babble(whole: Clip, voices: tuple[Clip, ...], rate: int) -> Waveform:
    """Voices as loud as one another, over and over; together as loud as the whole."""
    sound = whole.waveform(rate)
    babble = np.zeros(len(sound), dtype=np.float32)
    for voice in (v.waveform(rate) for v in voices):
        loud = _level(voice)
        babble += np.resize(voice, len(sound)) / np.float32(loud) if loud else 0
    loud = _level(babble)
    return babble * np.float32(_level(sound) / loud) if loud else babble


def _level(sound: Waveform) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0


@dataclass(frozen=True)
class Gaussian:
    """A picture out of focus by `sigma` of its own pixels."""

    sigma: float

    def __call__(self, picture: Picture) -> Picture:
        exact = gaussian_filter(picture.astype(np.float32), (self.sigma, self.sigma, 0))
        return exact.round().astype(np.uint8)


@dataclass(frozen=True)
class Blurred(ViewedClip):
    """A clip whose pictures are out of focus; the view is in pixels of the clip's own pictures."""

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, Picture]]:
        """Blurred at their own size, then made smaller."""
        for time, picture in self.clip.pictures(rate):
            yield time, resized(self.view(picture), size(picture.shape[0], picture.shape[1], max_side))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
