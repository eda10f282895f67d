"""Metrics of scores against what is true, for many weightings of the rows at once.

Rows are utterances, columns labels. Every metric takes `weights` of shape (replicate, row) and gives one
value per replicate: all ones is the metric itself, the counts of a bootstrap sample are its value on that
sample. That is why they are written here: a thousand replicates cost one matrix product. They equal
scikit-learn's, to which the tests hold them.

`known` says which entries are annotated. What stands in scores and targets elsewhere, nan too, never matters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

Scores = Float[np.ndarray, "row label"]
Marks = Bool[np.ndarray, "row label"]
Weights = Float[np.ndarray, "replicate row"]
PerLabel = Float[np.ndarray, "replicate label"]
Values = Float[np.ndarray, " replicate"]

BINS = 15
"""Of equal mass, for calibration errors and curves; equal scores stay in one bin."""

Thresholds = Float[np.ndarray, "*#rows label"]
"""One per label, or one per row and label where it hangs on what each row is judged by."""


def choose(scores: Scores, known: Marks, thresholds: Thresholds) -> Marks:
    """Multi-label: the known labels at or over their threshold."""
    return known & (scores >= thresholds)


def choose_one(scores: Scores, known: Marks) -> Marks:
    """Single-label: the first of the best known labels; none in a row where nothing is known."""
    masked = np.where(known, scores, -np.inf)
    return known & (np.arange(scores.shape[1]) == masked.argmax(axis=1)[:, None])


@dataclass(frozen=True)
class Counts:
    """Weighted hits, false alarms, misses and correct rejections of each label among its known rows."""

    tp: PerLabel
    fp: PerLabel
    fn: PerLabel
    tn: PerLabel

    @classmethod
    def of(cls, chosen: Marks, targets: Marks, known: Marks, weights: Weights) -> "Counts":
        return cls(
            weights @ (known & chosen & targets),
            weights @ (known & chosen & ~targets),
            weights @ (known & ~chosen & targets),
            weights @ (known & ~chosen & ~targets),
        )

    @property
    def support(self) -> PerLabel:
        return self.tp + self.fn

    @property
    def total(self) -> PerLabel:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> PerLabel:
        return self._where_known(_ratio(self.tp, self.tp + self.fp, empty=0.0))

    @property
    def recall(self) -> PerLabel:
        """Nan for a label that never holds."""
        return _ratio(self.tp, self.support)

    @property
    def f1(self) -> PerLabel:
        """0 for a label that neither holds nor is chosen, as scikit-learn has it; nan for one never known."""
        return self._where_known(_ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn, empty=0.0))

    @property
    def accuracy(self) -> PerLabel:
        """Of "holds" and "holds not"; nan for a label that is never known."""
        return _ratio(self.tp + self.tn, self.total)

    @property
    def f1_both_classes(self) -> PerLabel:
        """F1 of "holds" and of "holds not", weighted by their support."""
        negative = _ratio(2 * self.tn, 2 * self.tn + self.fp + self.fn, empty=0.0)
        share = _ratio(self.support, self.total)
        return share * self.f1 + (1 - share) * negative

    def _where_known(self, values: PerLabel) -> PerLabel:
        return np.where(self.total > 0, values, np.nan)


def decision_metrics(chosen: Marks, targets: Marks, known: Marks, weights: Weights) -> dict[str, Values]:
    """What depends on the labels chosen alone, single-label or multi-label.

    accuracy: rows with all known labels right (with one label per row the usual accuracy, with several
    the subset accuracy); weighted_f1, macro_f1, micro_f1 over the positives of each label; uar: mean recall
    over the labels that hold somewhere.
    """
    counts = Counts.of(chosen, targets, known, weights)
    right = (known & (chosen != targets)).sum(axis=1) == 0
    hits, errors = counts.tp.sum(axis=1), (counts.fp + counts.fn).sum(axis=1)
    return {
        "accuracy": _mean_row(right.astype(float), known, weights),
        "weighted_f1": weighted_mean(counts.f1, counts.support),
        "macro_f1": mean_label(counts.f1),
        "micro_f1": _ratio(2 * hits, 2 * hits + errors, empty=0.0),
        "uar": mean_label(counts.recall),
    }


def weighted_f1_of(
    some: Shaped[np.ndarray, " some"], chosen: Marks, targets: Marks, known: Marks, weights: Weights
) -> Values:
    """F1 of the labels at the indices `some` alone, weighted by how often they hold; every row counts.

    Rows where another label holds are not left out: to answer them with one of these is a false alarm.
    """
    counts = Counts.of(chosen, targets, known, weights)
    return weighted_mean(counts.f1[:, some], counts.support[:, some])


def multilabel_metrics(chosen: Marks, targets: Marks, known: Marks, weights: Weights) -> dict[str, Values]:
    """What only makes sense where several labels may hold.

    f1_samples and jaccard: the mean over rows of F1 and of intersection over union of the two sets (0 where
    both are empty, as scikit-learn has it); wf1_bin: the mean over labels of the two-class support-weighted
    F1; acc_label: the mean over labels of binary accuracy, which is 1 less the Hamming loss.

    Paper: SeMuL-PCD gives a "wF1" without saying which.
    Here:  each reading has its name: weighted_f1 is over the positives, f1_samples over the rows, wf1_bin
           over both classes of each label. They are far apart: where labels are rare, to answer nothing has a
           weighted_f1 of 0 and a high wf1_bin.
    """
    counts = Counts.of(chosen, targets, known, weights)
    both = (known & chosen & targets).sum(axis=1).astype(float)
    either = (known & (chosen | targets)).sum(axis=1).astype(float)
    return {
        "f1_samples": _mean_row(_ratio(2 * both, both + either, empty=0.0), known, weights),
        "jaccard": _mean_row(_ratio(both, either, empty=0.0), known, weights),
        "wf1_bin": mean_label(counts.f1_both_classes),
        "acc_label": mean_label(counts.accuracy),
    }


def score_metrics(
    scores: Scores,
    targets: Marks,
    known: Marks,
    weights: Weights,
    base_rate: Float[np.ndarray, " label"] | None = None,
) -> dict[str, Values]:
    """What depends on the scores: map, auroc, brier, brier_skill, ece.

    map and auroc: means over the labels that have positives, and both classes. brier: the mean over labels;
    brier_skill: 1 - brier / that of the base rate, which is that of the weighted rows themselves (the best
    constant there is for them) unless it is given. ece: the mean over labels of `calibration_error`.
    """
    brier, reference = brier_scores(scores, targets, known, weights, base_rate)
    rank = [rank_metrics(scores[:, n], targets[:, n], known[:, n], weights) for n in range(scores.shape[1])]
    error = [
        calibration_error(scores[:, n], targets[:, n], known[:, n], weights) for n in range(scores.shape[1])
    ]
    return {
        "map": mean_label(np.stack([r["ap"] for r in rank], axis=1)),
        "auroc": mean_label(np.stack([r["auroc"] for r in rank], axis=1)),
        "brier": mean_label(brier),
        "brier_skill": 1 - _ratio(mean_label(brier), mean_label(reference)),
        "ece": mean_label(np.stack(error, axis=1)),
    }


def brier_scores(
    scores: Scores,
    targets: Marks,
    known: Marks,
    weights: Weights,
    base_rate: Float[np.ndarray, " label"] | None = None,
) -> tuple[PerLabel, PerLabel]:
    """Mean squared error of the scores, and of the base rate, per label."""
    total = weights @ known
    rate = _ratio(weights @ (known & targets), total)
    if base_rate is None:
        reference = rate * (1 - rate)
    else:
        reference = rate * (1 - base_rate) ** 2 + (1 - rate) * base_rate**2
    return _ratio(weights @ np.where(known, (scores - targets) ** 2, 0.0), total), reference


def rank_metrics(
    scores: Float[np.ndarray, " row"],
    targets: Bool[np.ndarray, " row"],
    known: Bool[np.ndarray, " row"],
    weights: Weights,
) -> Mapping[str, Values]:
    """Average precision ("ap") and area under the ROC curve ("auroc") of one label.

    Nan where no row is positive; the area also where none is negative.
    """
    order = np.flatnonzero(known)[np.argsort(-scores[known], kind="stable")]
    ranked, holds = scores[order], targets[order]
    if not holds.any():
        return {"ap": np.full(len(weights), np.nan), "auroc": np.full(len(weights), np.nan)}
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))  # equal scores pass together
    steps = np.flatnonzero(np.add.reduceat(holds, first))  # of the runs of equal scores, those that find any
    last = np.append(first[1:], len(order)) - 1
    in_order = weights[:, order]
    passed = np.cumsum(in_order, axis=1)
    run = np.repeat(np.arange(len(first)), last - first + 1)[holds]
    starts = np.flatnonzero(np.append(True, run[1:] != run[:-1]))
    gain = np.add.reduceat(in_order[:, holds], starts, axis=1)  # positives found at each step
    hits = np.cumsum(gain, axis=1)
    falls = passed[:, last[steps]] - hits
    before = passed[:, first[steps]] - in_order[:, first[steps]] - (hits - gain)  # falls before the run
    positives, negatives = hits[:, -1], passed[:, -1] - hits[:, -1]
    beaten = negatives[:, None] - (falls + before) / 2  # negatives ranked lower; half of those in the run
    return {
        "ap": _ratio((gain * _ratio(hits, hits + falls, empty=0.0)).sum(axis=1), positives),
        "auroc": _ratio((gain * beaten).sum(axis=1), positives * negatives),
    }


def bins(scores: Float[np.ndarray, " row"], count: int = BINS) -> Float[np.ndarray, "row bin"]:
    """Each score's bin, as ones and zeros: `count` bins of equal mass, fewer where scores repeat."""
    edges = np.sort(scores)[np.arange(1, count) * len(scores) // count]  # the first score of each bin but one
    bin_of = np.searchsorted(edges, scores, side="right")
    return (bin_of[:, None] == np.unique(bin_of)).astype(float)


def calibration_error(
    scores: Float[np.ndarray, " row"],
    targets: Bool[np.ndarray, " row"],
    known: Bool[np.ndarray, " row"],
    weights: Weights,
) -> Values:
    """Expected calibration error of one label: |mean score - rate|, averaged over bins of equal mass."""
    if not known.any():
        return np.full(len(weights), np.nan)
    gaps = (scores[known] - targets[known])[:, None] * bins(scores[known])
    return _ratio(np.abs(weights[:, known] @ gaps).sum(axis=1), weights[:, known].sum(axis=1))


def weighted_mean(values: PerLabel, support: PerLabel) -> Values:
    """The mean over labels, weighted by how often they hold; nan where none ever does."""
    return _ratio(np.nansum(support * values, axis=1), support.sum(axis=1))


def mean_label(values: PerLabel) -> Values:
    """The mean over the labels that have a value; nan where none has."""
    there = ~np.isnan(values)
    return _ratio(np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1).astype(float))


def _mean_row(values: Float[np.ndarray, " row"], known: Marks, weights: Weights) -> Values:
    counted = known.any(axis=1)
    return _ratio(weights[:, counted] @ values[counted], weights[:, counted].sum(axis=1))


def _ratio(
    a: Float[np.ndarray, "*n"], b: Float[np.ndarray, "*m"], empty: float = np.nan
) -> Float[np.ndarray, "*n"]:
    """The ratio a / b, and `empty` where b is 0."""
    out = np.full(np.broadcast_shapes(a.shape, b.shape), empty)
    return np.divide(a, b, out=out, where=b != 0)
