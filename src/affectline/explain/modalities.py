"""How much each modality moved the decision: exact Shapley values over the sets of modalities."""

from collections.abc import Collection
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

from affectline.explain.answers import Answers
from affectline.explain.parts import Explanation, Mask, Part, Predict, enough
from affectline.types import Conversation, Modality

ALL = "all"
"""The modality of an explanation whose parts are the modalities."""


class Modalities:
    """An utterance whose conversation lacks modalities. Parts are those of which the model saw anything."""

    modality = ALL
    absent = "missing"

    def __init__(self, conversation: Conversation, index: int, seen: Collection[Modality]) -> None:
        own = conversation.utterances[index]
        self.conversation, self.index = conversation, index
        self.parts = tuple(Part(m, own.id) for m in Modality if m in seen)
        enough(self.parts, own, "one modality" if seen else "nothing that can be judged")

    @property
    def shown(self) -> dict[str, Any]:
        """Nothing but their names."""
        return {}

    def __call__(self, mask: Mask) -> Conversation:
        lost = [part.name for part, on in zip(self.parts, mask, strict=True) if not on]
        return self.conversation.without(*lost) if lost else self.conversation


def modalities(
    conversation: Conversation, index: int, predict: Predict, *, emotions: Collection[str] | None = None
) -> Explanation:
    """The mean over all orders of what a modality adds to each probability when it comes (Shapley 1953).

    The conversation loses it as a whole. The weights sum to what the probability is over that of nothing at
    all; so `fit` is 1.

    Raises:
        ValueError: an emotion is unknown, or the model saw less than two modalities of the utterance.
    """
    ((*_, seen),) = [predict([conversation])[0][: index + 1]]
    perturbation = Modalities(conversation, index, seen.modalities)
    answers = Answers(perturbation, predict, emotions)
    count = len(perturbation.parts)
    sets = [frozenset(s) for size in range(count + 1) for s in combinations(range(count), size)]
    masks = np.array([[n in s for n in range(count)] for s in sets])
    value = dict(zip(sets, answers(masks), strict=True))
    weights = np.zeros((count, len(answers.emotions)))
    for n in range(count):
        for s in sets:
            if n not in s:
                orders = factorial(len(s)) * factorial(count - len(s) - 1) / factorial(count)
                weights[n] += orders * (value[s | {n}] - value[s])
    whole = value[frozenset(range(count))]
    return Explanation(
        utterance=conversation.utterances[index].id,
        modality=ALL,
        method="shapley",
        absent=perturbation.absent,
        parts=perturbation.parts,
        weights=dict(zip(answers.emotions, weights.T, strict=True)),
        fit=dict.fromkeys(answers.emotions, 1.0),
        probabilities={name: float(p) for name, p in zip(answers.emotions, whole, strict=True)},
        samples=len(sets),
        seed=0,
    )
