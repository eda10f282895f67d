"""What an explanation is made of: pieces of an utterance that can be switched off, and what they weigh."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from affectline.types import Conversation, Prediction, Span, Utterance

Predict = Callable[[Sequence[Conversation]], Sequence[Sequence[Prediction]]]
"""Any model: a prediction for each utterance of each conversation."""

Mask = Bool[np.ndarray, " part"]
"""Which parts are there."""

FEWEST = 2
"""Parts without which there is nothing to tell apart."""


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of the input that can be switched off: a word, a stretch of sound, a region of the picture.

    `utterance`: the id of the one it belongs to. `span`: seconds of the recording, where they are known.
    `region`: where it lies in the picture that the explanation shows.
    """

    name: str
    utterance: str
    span: Span | None = None
    region: Bool[np.ndarray, "height width"] | None = None


@runtime_checkable
class Perturbation(Protocol):
    """An utterance in its conversation with any of its parts switched off.

    With all of them on it is the conversation as it was. What it does not touch stays the same object, so
    its streams are computed once.
    """

    @property
    def conversation(self) -> Conversation: ...
    @property
    def index(self) -> int: ...  # of the utterance that is explained
    @property
    def modality(self) -> str: ...  # or "all", where the parts are modalities
    @property
    def parts(self) -> tuple[Part, ...]: ...
    @property
    def absent(self) -> str: ...  # what stands in place of a part that is off
    @property
    def shown(self) -> Mapping[str, Any]: ...  # plain JSON that a picture of the explanation needs

    def __call__(self, mask: Mask) -> Conversation:
        """The conversation with those parts alone that are true in the mask."""
        ...


@dataclass(frozen=True)
class Faithfulness:
    """How far the weights for one emotion can be trusted.

    `deletion`: the mean probability while parts go, the weightiest first: low is good. `insertion`: while
    they come: high is good. Both are areas under the curves beside them, the share of parts on the other
    axis, with `absent` in place of what is off. `random_deletion`: the mean area of `orders` random orders,
    in which parts may as well come as go, so it is that of insertion too. `stability`: the rank correlation
    with weights from other samples. `sanity`: that with the weights for a model of random weights, which
    should be near zero; None where none was asked.
    """

    deletion: float
    insertion: float
    random_deletion: float
    deletion_curve: tuple[float, ...]
    insertion_curve: tuple[float, ...]
    orders: int
    absent: str
    stability: float | None = None
    sanity: float | None = None

    @property
    def better(self) -> tuple[bool, bool]:
        """Whether deletion, and insertion, are better than random."""
        return self.deletion < self.random_deletion, self.insertion > self.random_deletion


@dataclass(frozen=True, eq=False)
class Explanation:
    """What each part of an utterance says for each emotion: by how much it moves its probability.

    `weights`: by emotion, one for each part; over zero speaks for it. `fit`: how much of what the model
    answers to the samples the weights explain (R2, weighted as the samples are). `probabilities`: of the
    utterance as it is. `samples`: how many were asked for the weights, equal ones counted each time.
    `shown`: what a picture of it needs beside the parts, as plain JSON.
    """

    utterance: str
    modality: str
    method: str
    absent: str
    parts: tuple[Part, ...]
    weights: Mapping[str, Float[np.ndarray, " part"]]
    fit: Mapping[str, float]
    probabilities: Mapping[str, float]
    samples: int
    seed: int
    shown: Mapping[str, Any] = field(default_factory=dict)
    faithfulness: Mapping[str, Faithfulness] = field(default_factory=dict)

    @property
    def emotions(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def top(self, emotion: str, count: int = 3) -> list[str]:
        """The names of the parts that speak most for an emotion, the first of them first."""
        order = np.argsort(-self.weights[emotion], kind="stable")
        return [self.parts[n].name for n in order[:count]]

    def documents(self) -> list[dict[str, Any]]:
        """Plain JSON for the timeline, an object for each emotion: see docs/contracts.md."""
        return [self._document(emotion) for emotion in self.emotions]

    def _document(self, emotion: str) -> dict[str, Any]:
        found = {
            "modality": str(self.modality),
            "emotion": emotion,
            "method": self.method,
            "absent": self.absent,
            "samples": self.samples,
            "seed": self.seed,
            "probability": round(self.probabilities[emotion], 4),
            "fit": round(self.fit[emotion], 4),
            "parts": [
                _part(part, float(weight))
                for part, weight in zip(self.parts, self.weights[emotion], strict=True)
            ],
        }
        found |= self.shown
        judged = self.faithfulness.get(emotion)
        return found if judged is None else found | _faithful(judged)


def find(conversation: Conversation, utterance: str) -> int:
    """The place of an utterance in its conversation.

    Raises:
        ValueError: no utterance has this id.
    """
    ids = [u.id for u in conversation]
    if utterance not in ids:
        here = f"{ids[0]} to {ids[-1]}" if ids else "none"
        raise ValueError(f"there is no utterance {utterance!r} in {conversation.id!r}; there are {here}")
    return ids.index(utterance)


def enough(parts: Sequence[Part], utterance: Utterance, what: str) -> None:
    """Refuse what has too few parts to tell them apart.

    Raises:
        ValueError: there are fewer than two.
    """
    if len(parts) < FEWEST:
        raise ValueError(
            f"utterance {utterance.id!r} has {what}: of a single part nothing can be told apart; choose "
            "another utterance or modality"
        )


def _part(part: Part, weight: float) -> dict[str, Any]:
    return {
        "name": part.name,
        "weight": round(weight, 5),
        "utterance": part.utterance,
        "start": part.span and round(part.span.start, 3),
        "end": part.span and round(part.span.end, 3),
        "region": None if part.region is None else runs(part.region),
    }


def runs(region: Bool[np.ndarray, "height width"]) -> list[list[int]]:
    """A region row by row: [row, first column, the one after the last]."""
    found: list[list[int]] = []
    for y, row in enumerate(region):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
        found += [[y, int(a), int(b)] for a, b in edges.reshape(-1, 2)]
    return found


def _faithful(judged: Faithfulness) -> dict[str, Any]:
    def short(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {
        "deletion": round(judged.deletion, 7),  # which of two is larger shows where a modality moves little
        "insertion": round(judged.insertion, 7),
        "random_deletion": round(judged.random_deletion, 7),
        "random_orders": judged.orders,
        "judged_with": judged.absent,
        "deletion_curve": [short(p) for p in judged.deletion_curve],
        "insertion_curve": [short(p) for p in judged.insertion_curve],
        "stability": short(judged.stability),
        "sanity": short(judged.sanity),
    }
