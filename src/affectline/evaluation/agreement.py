"""How far annotators agree: Krippendorff's alpha.

Krippendorff, Computing Krippendorff's Alpha-Reliability (University of Pennsylvania, 2011). Symbols:
    o_ck   the coincidences of the values c and k, over all pairs of annotators of a unit
    n_c    how often c is paired with anything
    D      the differences of pairs that are seen, and of those that chance would make; alpha = 1 - D_o / D_e
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Ratings = Float[np.ndarray, "annotator unit"]
Differences = Float[np.ndarray, "value value"]
Vote = frozenset[str] | None


def krippendorff(ratings: Ratings, level: Level = "nominal") -> float | None:
    """Alpha of numbers, NaN where somebody says nothing: 1 is agreement, 0 chance, less is contradiction.

    None where nothing can be said: no unit has two ratings, or all ratings are the same.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=0).astype(float)  # unit, value
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return None
    m_u = counts.sum(axis=1, keepdims=True)
    o_ck = counts.T @ (counts / (m_u - 1)) - np.diag((counts / (m_u - 1)).sum(axis=0))
    n_c = o_ck.sum(axis=1)
    difference = DIFFERENCES[level](values, n_c)
    d_e = (np.outer(n_c, n_c) - np.diag(n_c)) * difference
    if not d_e.sum():
        return None
    return float(1 - (n_c.sum() - 1) * (o_ck * difference).sum() / d_e.sum())


def _ordinal(values: Float[np.ndarray, " value"], n_c: Float[np.ndarray, " value"]) -> Differences:
    """How many ratings lie between two values, half of those of the two themselves."""
    below = np.cumsum(n_c) - n_c / 2
    return np.subtract.outer(below, below) ** 2


def _ratio(values: Float[np.ndarray, " value"], n_c: Float[np.ndarray, " value"]) -> Differences:
    total = np.add.outer(values, values)
    apart = np.subtract.outer(values, values)
    return np.divide(apart, total, out=np.zeros_like(total), where=total != 0) ** 2


DIFFERENCES: Mapping[str, Callable[..., Differences]] = {
    "nominal": lambda values, n_c: 1.0 - np.eye(len(values)),
    "ordinal": _ordinal,
    "interval": lambda values, n_c: np.subtract.outer(values, values) ** 2,
    "ratio": _ratio,
}


def agreement(votes: Sequence[Mapping[str, Vote]]) -> dict[str, float | None]:
    """Alpha of each label, which holds or not in the eyes of each annotator, by name.

    `votes`: of each utterance the labels that each annotator sees; None, or nobody, where that is not known.
    """
    people = sorted({name for vote in votes for name in vote})
    names = sorted({label for vote in votes for seen in vote.values() for label in seen or ()})
    found: dict[str, float | None] = {}
    for label in names:
        rows = [[_holds(vote.get(name), label) for vote in votes] for name in people]
        found[label] = krippendorff(np.array(rows, dtype=float))
    return found


def _holds(seen: Vote, label: str) -> float:
    return np.nan if seen is None else float(label in seen)
