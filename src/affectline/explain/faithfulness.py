"""How far an explanation can be trusted: does the model answer as the weights say it should?

Deletion and insertion: Petsiuk et al., RISE, BMVC 2018. Random weights: Adebayo et al., Sanity Checks for
Saliency Maps, NeurIPS 2018.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import spearmanr

from affectline.explain import explain
from affectline.explain.answers import BATCH, Answers, Known
from affectline.explain.parts import Explanation, Faithfulness, Perturbation, Predict

ORDERS = 30
"""Random orders, the mean of whose areas an explanation must be better than."""
SANE = 250
"""Samples of a model of random weights at most: that it says something else shows by then."""


@runtime_checkable
class Judged(Perturbation, Protocol):
    """A perturbation that an explanation of it can be judged with."""

    @property
    def judge(self) -> Perturbation: ...  # the same parts, with something else in place of those that are off


def judge(
    explanation: Explanation,
    perturbation: Judged,
    predict: Predict,
    *,
    orders: int = ORDERS,
    stability: bool = True,
    randomised: Predict | Explanation | None = None,
    answers: Answers | None = None,
    known: dict[bytes, Known] | None = None,
    batch: int = BATCH,
    progress: Callable[[int], None] = lambda _asked: None,
) -> Explanation:
    """The explanation with its faithfulness, for each of its emotions.

    Args:
        explanation: of this perturbation and model.
        perturbation: whose `judge` says what stands for parts that are off here.
        predict: the model.
        orders: how many random ones.
        stability: compare with the weights from as many samples of another seed.
        randomised: the model with random weights, or an explanation of it; None: that check is left out.
        answers: what has been asked of the perturbation itself.
        known: what has been answered to its `judge`, by another method say, which is added to.
        batch: conversations that the model is given at once.
        progress: is told how many sets of parts have been asked, of each of the questions.

    Raises:
        ValueError: there are no orders.
    """
    if orders < 1:
        raise ValueError(f"faithfulness needs random orders to compare with, got {orders}")
    options: dict[str, Any] = {"batch": batch, "progress": progress, "known": known}
    asked = Answers(perturbation.judge, predict, explanation.emotions, **options)
    rng = np.random.default_rng(explanation.seed)
    drawn = [rng.permutation(len(explanation.parts)) for _ in range(orders)]
    chance = np.mean([_area(_curves(asked, order)) for order in drawn], axis=0)
    again = (explanation, perturbation, predict, explanation.samples)
    stable = _alike(*again, seeds=1, answers=answers, batch=batch) if stability else {}
    few = min(explanation.samples, max(SANE, 2 * len(explanation.parts)))
    if isinstance(randomised, Explanation):
        sane = _correlations(explanation, randomised)
    else:
        sane = _alike(explanation, perturbation, randomised, few, batch=batch) if randomised else {}
    found: dict[str, Faithfulness] = {}
    for n, (emotion, weights) in enumerate(explanation.weights.items()):
        order = np.argsort(-weights, kind="stable")
        gone, come = _curves(asked, order), _curves(asked, order[::-1])[::-1]
        found[emotion] = Faithfulness(
            deletion=float(_area(gone)[n]),
            insertion=float(_area(come)[n]),
            random_deletion=float(chance[n]),
            deletion_curve=tuple(map(float, gone[:, n])),
            insertion_curve=tuple(map(float, come[:, n])),
            orders=orders,
            absent=perturbation.judge.absent,
            stability=stable.get(emotion),
            sanity=sane.get(emotion),
        )
    return replace(explanation, faithfulness=found)


def _curves(answers: Answers, order: Int[np.ndarray, " part"]) -> Float[np.ndarray, "step emotion"]:
    """The answers while parts go one by one, from all of them to none."""
    masks = np.ones((len(order) + 1, len(order)), bool)
    for step, part in enumerate(order, start=1):
        masks[step:, part] = False
    return answers(masks)


def _area(curves: Float[np.ndarray, "step emotion"]) -> Float[np.ndarray, " emotion"]:
    """Under each curve over the share of the parts, from 0 to 1."""
    return np.trapezoid(curves, dx=1 / (len(curves) - 1), axis=0)


def _alike(
    explanation: Explanation,
    perturbation: Perturbation,
    predict: Predict,
    samples: int,
    *,
    batch: int,
    seeds: int = 0,
    answers: Answers | None = None,
) -> dict[str, float]:
    """The rank correlation with the weights from so many samples of another model, or of another seed."""
    other = explain(
        perturbation,
        predict,
        emotions=explanation.emotions,
        method=explanation.method,
        samples=samples,
        seed=explanation.seed + seeds,
        until_stable=False,
        answers=answers,
        batch=batch,
    )
    return _correlations(explanation, other)


def _correlations(one: Explanation, other: Explanation) -> dict[str, float]:
    return {name: correlation(weights, other.weights[name]) for name, weights in one.weights.items()}


def correlation(a: Float[np.ndarray, " part"], b: Float[np.ndarray, " part"]) -> float:
    """Spearman's, from -1 to 1; 0 where one of the two has no order at all."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    found: Any = spearmanr(a, b)  # scipy has no stubs
    return float(found.statistic)


def summary(explained: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Of the explanations of timelines: how many are better than random, by modality and method.

    Those that were not judged, or have under four parts, do not count.
    """
    groups: dict[tuple[str, str], list[dict[str, object]]] = {}
    for one in explained:
        parts = one.get("parts")
        if one.get("random_deletion") is not None and isinstance(parts, list) and len(parts) >= LEAST:
            groups.setdefault((str(one["modality"]), str(one["method"])), []).append(one)
    return [{"modality": m, "method": how, **_of(rows)} for (m, how), rows in sorted(groups.items())]


LEAST = 4
"""Parts of an explanation that counts in a summary."""


def _of(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    def column(name: str) -> Float[np.ndarray, " n"]:
        return np.array([float(row[name]) for row in rows if row.get(name) is not None])  # pyright: ignore

    deletion, insertion, chance = (column(n) for n in ("deletion", "insertion", "random_deletion"))
    lower, higher = deletion < chance, insertion > chance
    means = {name: column(name) for name in ("fit", "samples", "stability", "sanity")}
    return {
        "n": len(rows),
        "deletion_better": float(lower.mean()),
        "insertion_better": float(higher.mean()),
        "both_better": float((lower & higher).mean()),
        "deletion": float(deletion.mean()),
        "insertion": float(insertion.mean()),
        "random": float(chance.mean()),
        **{name: float(values.mean()) if len(values) else None for name, values in means.items()},
    }
