"""Utterances that no corpus at hand has: words, a voice and a face that were annotated apart, put together.

They teach how far to trust each modality, and not how modalities agree in one person at one moment. A voice
that was acted and a face that was picked agree with the words far more often than those of people who talk,
so some of what is lent shows something else: how much is said, as `agree`, and is an assumption.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from affectline.batch import Features
from affectline.recipes import Data
from affectline.types import Utterance

MADE_UP = "made up"
"""The corpus of a conversation in which some utterance was lent something."""


@dataclass(frozen=True)
class MadeUp:
    """Adds to the conversations of `hosts` a copy of each that has what the host lacks, lent by others.

    `agree`: of each stream that is lent, the share that shows the host's emotions and no other; the rest is
    of any utterance. Nothing is lent to an utterance whose emotions are not known, or nobody else shows.
    """

    hosts: tuple[str, ...]
    agree: Mapping[str, float]
    seed: int = 0

    def __call__(self, data: Data) -> Data:
        rng = np.random.default_rng(self.seed)
        flat = [(u, f) for c, row in zip(data.conversations, data.features, strict=True)
                for u, f in zip(c, row, strict=True)]  # fmt: skip
        lenders = {stream: _Lenders.of(stream, flat) for stream in self.agree}
        talks, features = list(data.conversations), list(data.features)
        for talk, row in zip(data.conversations, data.features, strict=True):
            if talk.corpus in self.hosts:
                talks.append(replace(talk, id=f"{talk.id}, {MADE_UP}", corpus=MADE_UP))
                features.append([self._lent(u, f, lenders, rng) for u, f in zip(talk, row, strict=True)])
        return Data(talks, features)

    def _lent(
        self, host: Utterance, has: Features, lenders: Mapping[str, "_Lenders"], rng: np.random.Generator
    ) -> Features:
        if host.emotions is None:
            return has
        lent = {
            stream: lenders[stream].pick(host.emotions if rng.random() < share else None, rng)
            for stream, share in self.agree.items()
            if not len(has[stream])
        }
        return {**has, **{stream: array for stream, array in lent.items() if array is not None}}


@dataclass(frozen=True)
class _Lenders:
    """What can be lent of a stream, by the emotions that it shows."""

    every: Sequence[np.ndarray]
    showing: Mapping[frozenset[str], Sequence[np.ndarray]]

    @classmethod
    def of(cls, stream: str, rows: Sequence[tuple[Utterance, Features]]) -> "_Lenders":
        showing: dict[frozenset[str], list[np.ndarray]] = {}
        for utterance, features in rows:
            if utterance.emotions is not None and len(features[stream]):
                showing.setdefault(utterance.emotions, []).append(features[stream])
        return cls([array for some in showing.values() for array in some], showing)

    def pick(self, emotions: frozenset[str] | None, rng: np.random.Generator) -> np.ndarray | None:
        some = self.every if emotions is None else self.showing.get(emotions, ())
        return some[int(rng.integers(len(some)))] if len(some) else None
