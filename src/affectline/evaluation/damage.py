"""What recordings lack, and what spoils them: changes of a part of a corpus that any model is judged under.

Each is a pure function of conversations, so that a model is asked by its ordinary path, and what reads an
utterance in the light of others finds them damaged as well. Noise is in affectline.evaluation.noise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np

from affectline.features import Extractor, content_of
from affectline.types import Conversation, modality_of

RUN = (2, 6)
"""How many utterances a stretch has, of those that a conversation has left."""

Places = list[tuple[int, int]]
"""Of utterances: which conversation, and which place in it."""


@runtime_checkable
class Damage(Protocol):
    """A frozen dataclass; what it leaves as it was stays the same object. The utterances stay in place."""

    def __call__(self, conversations: Sequence[Conversation]) -> list[Conversation]: ...


@dataclass(frozen=True)
class Mode:
    """What a model sees and may lose by itself: a modality, or one of several streams of a modality.

    `extractor`: what makes its stream.
    """

    name: str
    extractor: Extractor = field(repr=False)

    def of(self, conversations: Sequence[Conversation]) -> list[Places]:
        """Where anything of it is: per conversation, in order."""
        return [
            [(n, i) for i in range(len(c)) if content_of(self.extractor, c, i) is not None]
            for n, c in enumerate(conversations)
        ]


def modes_of(extractors: Sequence[Extractor], conversations: Sequence[Conversation]) -> tuple[Mode, ...]:
    """The modes that anything in these conversations has: streams, by the modality's name where it has one.

    Raises:
        ValueError: where there are none.
    """
    of = [modality_of(e.stream) for e in extractors]
    named = [Mode(str(m) if of.count(m) == 1 else e.stream, e) for m, e in zip(of, extractors, strict=True)]
    found = tuple(mode for mode in named if any(mode.of(conversations)))
    if not found:
        streams = ", ".join(e.stream for e in extractors)
        raise ValueError(f"no utterance has anything of {streams}: the model would answer blindly")
    return found


def find(modes: Sequence[Mode], name: str) -> tuple[Mode, ...]:
    """The mode of this name, or all modes of this modality.

    Raises:
        ValueError: where there is none.
    """
    found = tuple(m for m in modes if name in (m.name, m.extractor.stream, m.name.partition(".")[0]))
    if not found:
        there = ", ".join(mode.name for mode in modes)
        raise ValueError(f"there is no mode {name!r}: those of this checkpoint in this corpus are {there}")
    return found


@dataclass(frozen=True)
class Only:
    """The modes `kept`, everywhere; those in `gone` nowhere."""

    kept: tuple[str, ...]
    gone: tuple[str, ...]

    def __call__(self, conversations: Sequence[Conversation]) -> list[Conversation]:
        return [c.without(*self.gone) for c in conversations] if self.gone else list(conversations)


@dataclass(frozen=True)
class Lost:
    """Of the utterances that have a mode a `share` loses it, to the nearest whole one.

    Scattered, or in `stretches` of a few utterances that follow one another, as when a camera is off for a
    while; a lone clip is a stretch of one. What is lost at a share is lost at every larger one too.
    """

    mode: Mode
    share: float
    stretches: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share is from 0 to 1, got {self.share}")

    def __call__(self, conversations: Sequence[Conversation]) -> list[Conversation]:
        there = self.mode.of(conversations)
        rng = np.random.default_rng(self.seed)
        runs = [run for places in there for run in _runs(places, self.stretches, rng)]
        order = [place for n in rng.permutation(len(runs)) for place in runs[n]]
        lost = set(order[: round(self.share * len(order))])
        return [self._after(c, {i for m, i in lost if m == n}) for n, c in enumerate(conversations)]

    def _after(self, conversation: Conversation, lost: set[int]) -> Conversation:
        if not lost:
            return conversation
        left = [
            replace(u, missing=u.missing | {self.mode.name}) if i in lost else u
            for i, u in enumerate(conversation)
        ]
        return replace(conversation, utterances=tuple(left))


def _runs(places: Places, stretches: bool, rng: np.random.Generator) -> Iterator[Places]:
    """Pieces of a conversation, one after the other."""
    while places:
        size = int(rng.integers(RUN[0], RUN[1] + 1)) if stretches else 1
        yield places[:size]
        places = places[size:]
