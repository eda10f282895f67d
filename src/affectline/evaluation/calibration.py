"""Calibrated probabilities: fitted on dev, and judged against what perfect ones would show.

References: J. Platt 1999 (a logistic curve over a classifier's output); Lipton, Elkan and Naryanaswamy 2014
(with calibrated probabilities the best threshold for F1 is half of the best F1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax

from affectline.evaluation.bootstrap import WEIGHTS, interval
from affectline.evaluation.metrics import Marks, Scores, Values, bins, calibration_error, mean_label

RESAMPLES = 1000


@dataclass(frozen=True)
class Calibration:
    """Per label, probability = sigmoid(scale * logit + bias)."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    def __call__(self, logits: Float[np.ndarray, "... label"]) -> Float[np.ndarray, "... label"]:
        return expit(np.asarray(self.scale) * logits + np.asarray(self.bias))

    def to_json(self) -> dict[str, list[float]]:
        return {"scale": list(self.scale), "bias": list(self.bias)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Sequence[float]]) -> "Calibration":
        return cls(tuple(map(float, fields["scale"])), tuple(map(float, fields["bias"])))


def fit_calibration(
    logits: Scores,
    targets: Float[np.ndarray, "row label"] | Marks,
    known: Marks,
    weights: Float[np.ndarray, " row"] | None = None,
) -> Calibration:
    """A logistic curve per label, of the greatest likelihood on these rows (dev, never train).

    Targets may be shares of annotators. A scale is never negative: logits that rank a label backwards end
    at its base rate. A normal prior of unit width around scale 1 and bias 0 counts about as much as one row,
    so that a label that is separable, or never holds, stays finite. One that is never known keeps its logits.
    """
    rows = np.ones(len(logits)) if weights is None else weights
    fitted = [
        _fit_curve(logits[known[:, n], n], targets[known[:, n], n].astype(float), rows[known[:, n]])
        for n in range(logits.shape[1])
    ]
    return Calibration(tuple(scale for scale, _ in fitted), tuple(bias for _, bias in fitted))


def fit_temperature(logits: Scores, targets: Marks, known: Marks) -> float:
    """What single-label logits are divided by so that their softmax is likeliest on these rows (dev).

    Guo et al. 2017. Between 1/20 and 20, also where the logits separate the rows perfectly; 1 where no row
    has a known label.
    """
    rows = known.all(axis=1) & targets.any(axis=1)
    if not rows.any():
        return 1.0

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits[rows] / np.exp(log_temperature), axis=1)[targets[rows]].mean())

    limit = float(np.log(20))
    found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded")
    return float(np.exp(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def _fit_curve(
    logits: Float[np.ndarray, " known"],
    targets: Float[np.ndarray, " known"],
    weights: Float[np.ndarray, " known"],
) -> tuple[float, float]:
    identity = np.array([1.0, 0.0])

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = parameters
        z = scale * logits + bias
        likelihood = weights @ (np.logaddexp(0, z) - targets * z)
        slope = weights * (expit(z) - targets)
        away = parameters - identity
        gradient = np.array([slope @ logits, slope.sum()]) + away
        return float(likelihood + (away @ away) / 2), gradient

    found = minimize(loss, identity, jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def fit_thresholds(
    scores: Scores, targets: Marks, known: Marks, prior: float = 100.0
) -> Float[np.ndarray, " label"]:
    """Per label, the threshold of the best F1 on these rows (dev).

    A threshold stands midway between two neighbouring scores; of equal ones the nearest to half the F1
    counts. With few positives the best cut is mostly luck, so it is drawn towards half of the best F1 (what
    it is for calibrated scores) as if that had been seen on `prior` more positives; 0 takes the best cut as
    it is. On drawn calibrated scores with 11 positives this gives an F1 of .309 on new rows where the best
    cut gives .288; with 1,500 both give .690. A label without a known positive gets 0.5.
    """
    return np.array(
        [
            _best_threshold(scores[known[:, n], n], targets[known[:, n], n], prior)
            for n in range(scores.shape[1])
        ]
    )


def _best_threshold(
    scores: Float[np.ndarray, " known"], targets: Bool[np.ndarray, " known"], prior: float
) -> float:
    positives = int(targets.sum())
    if not positives:
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(float)
    last = np.append(ranked[1:] != ranked[:-1], True)
    chosen = np.arange(1, len(ranked) + 1)[last]
    f1 = 2 * np.cumsum(targets[order])[last] / (chosen + positives)
    distinct = ranked[last]
    cuts = (distinct + np.append(distinct[1:], 0.0)) / 2
    half = float(f1.max()) / 2
    best = cuts[np.isclose(f1, f1.max(), rtol=0, atol=1e-12)]
    nearest = float(best[np.abs(best - half).argmin()])
    return (positives * nearest + prior * half) / (positives + prior)


@dataclass(frozen=True)
class CalibrationCheck:
    """A calibration error beside the 95 % range that perfectly calibrated scores of the same values show.

    `inside`: the error is not over the range. Even perfect scores have an error, since rates are counted on
    finitely many rows; an error under the range is luck, not a fault.
    """

    ece: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        return bool(self.ece <= self.high)

    def to_json(self) -> dict[str, float | bool]:
        return {"ece": self.ece, "low": self.low, "high": self.high, "inside": self.inside}


def check_calibration(
    scores: Scores, targets: Marks, known: Marks, seed: int = 0
) -> tuple[CalibrationCheck, list[CalibrationCheck | None]]:
    """The check of the mean over labels, and of each label (None where it is never known).

    Targets of perfectly calibrated scores are drawn from the scores themselves, labels independently.
    """
    rng = np.random.default_rng(seed)
    ones = np.ones((1, len(scores)))
    columns = range(scores.shape[1])
    ours = np.stack(
        [calibration_error(scores[:, n], targets[:, n], known[:, n], ones) for n in columns], axis=1
    )
    perfect = np.stack([_perfect_errors(scores[known[:, n], n], rng) for n in columns], axis=1)
    labels = [
        CalibrationCheck(float(ours[0, n]), *interval(perfect[:, n])) if known[:, n].any() else None
        for n in columns
    ]
    return CalibrationCheck(float(mean_label(ours)[0]), *interval(mean_label(perfect))), labels


def _perfect_errors(scores: Float[np.ndarray, " known"], rng: np.random.Generator) -> Values:
    if not len(scores):
        return np.full(RESAMPLES, np.nan)
    bin_of = bins(scores)
    errors, block = [], max(1, WEIGHTS // len(scores))
    for start in range(0, RESAMPLES, block):
        drawn = rng.random((min(block, RESAMPLES - start), len(scores))) < scores
        errors.append(np.abs((scores - drawn) @ bin_of).sum(axis=1) / len(scores))
    return np.concatenate(errors)


def reliability(
    scores: Float[np.ndarray, " row"], targets: Bool[np.ndarray, " row"], known: Bool[np.ndarray, " row"]
) -> list[dict[str, float]]:
    """The reliability curve of one label: mean score, rate and rows of each bin of equal mass."""
    if not known.any():
        return []
    bin_of = bins(scores[known])
    rows = bin_of.sum(axis=0)
    score, rate = scores[known] @ bin_of / rows, targets[known] @ bin_of / rows
    return [
        {"score": float(s), "rate": float(r), "n": int(n)} for s, r, n in zip(score, rate, rows, strict=True)
    ]
