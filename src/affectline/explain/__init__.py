"""Which words, sounds and regions of a picture speak for an emotion, and how far that can be trusted.

A perturbation switches parts of an utterance off; a model, of which nothing is known but its predictions, is
asked about many such; a linear model of its answers weighs the parts. Probabilities are explained.
"""

from collections.abc import Callable, Collection

import numpy as np

from affectline.explain.answers import BATCH, Answers
from affectline.explain.parts import Explanation, Faithfulness, Mask, Part, Perturbation, Predict, find
from affectline.explain.surrogate import METHODS, fitted, stable

__all__ = [
    "Answers",
    "Explanation",
    "Faithfulness",
    "Mask",
    "Part",
    "Perturbation",
    "Predict",
    "explain",
    "find",
]

FIRST = 125  # samples before which nobody asks whether weights are stable; from there on they double


def explain(
    perturbation: Perturbation,
    predict: Predict,
    *,
    emotions: Collection[str] | None = None,
    method: str = "lime",
    samples: int = 1000,
    seed: int = 0,
    until_stable: bool = True,
    answers: Answers | None = None,
    batch: int = BATCH,
    progress: Callable[[int], None] = lambda _asked: None,
) -> Explanation:
    """The weights of all parts for these emotions, from one run of the model over the samples.

    Args:
        perturbation: the utterance and its parts, from `words`, `sounds` or `regions`.
        predict: the model; several conversations at a time.
        emotions: those to explain; where None, those that the model says hold, or its strongest.
        method: "lime" or "shap".
        samples: how many at most.
        seed: of the samples.
        until_stable: stop as soon as twice the samples move no emotion's weights by over a fifth.
        answers: what has been asked before, of the same perturbation and model.
        batch: conversations that the model is given at once.
        progress: is told how many different samples have been asked.

    Raises:
        ValueError: the method or an emotion is unknown, or there are too few samples.
        ImportError: the extra "explain" is not installed.
    """
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
    parts = len(perturbation.parts)
    if samples <= parts + 1:
        raise ValueError(f"{samples} samples cannot weigh {parts} parts; take {10 * parts} or more")
    answers = answers or Answers(perturbation, predict, emotions, batch=batch, progress=progress)
    count = min(samples, max(FIRST, 2 * parts)) if until_stable else samples
    found = fitted(method, answers, parts, count, seed=seed)
    while count < samples:
        count, before = min(samples, 2 * count), found
        found = fitted(method, answers, parts, count, seed=seed)
        if stable(before, found):
            break
    (whole,) = answers(np.ones((1, parts), bool))
    return Explanation(
        utterance=perturbation.conversation.utterances[perturbation.index].id,
        modality=perturbation.modality,
        method=method,
        absent=perturbation.absent,
        parts=perturbation.parts,
        weights=dict(zip(answers.emotions, found.weights, strict=True)),
        fit={name: float(fit) for name, fit in zip(answers.emotions, found.fit, strict=True)},
        probabilities={name: float(p) for name, p in zip(answers.emotions, whole, strict=True)},
        samples=count,
        seed=seed,
        shown=perturbation.shown,
    )
