"""Answering less and better: risk against coverage, and rules that abstain (Geifman and El-Yaniv 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def binary_entropy(scores: Float[np.ndarray, "row label"]) -> Float[np.ndarray, " row"]:
    """The mean binary entropy of each row's scores, in bits: `Prediction.uncertainty` for many rows."""
    p = np.clip(scores.astype(float), 1e-12, 1 - 1e-12)  # in 32 bits 1 - 1e-12 is 1
    return np.mean(-p * np.log2(p) - (1 - p) * np.log2(1 - p), axis=1)


def risk_coverage(
    losses: Float[np.ndarray, " row"], uncertainty: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " row"]:
    """The mean loss of the k surest rows, for k = 1 ... all.

    Rows that are equally sure count in an order that does not matter: each with their mean loss.
    """
    _, tie, size = np.unique(uncertainty, return_inverse=True, return_counts=True)
    mean = np.bincount(tie, losses) / size
    return np.cumsum(np.repeat(mean, size)) / np.arange(1, len(losses) + 1)


@dataclass(frozen=True)
class RiskCoverage:
    """How much abstaining by an uncertainty gains.

    `aurc`: the area under the curve of risk against coverage, lower is better; `random`: that of an order
    that knows nothing (the mean loss); `oracle`: that of the order by the losses themselves. `gain`: the
    share of the way from random to oracle, 0 to 1. `risk`: at each coverage.
    """

    aurc: float
    random: float
    oracle: float
    risk: dict[float, float]

    @classmethod
    def of(
        cls,
        losses: Float[np.ndarray, " row"],
        uncertainty: Float[np.ndarray, " row"],
        coverages: Sequence[float] = COVERAGES,
    ) -> "RiskCoverage":
        curve = risk_coverage(losses, uncertainty)
        at = {c: float(curve[max(1, round(c * len(losses))) - 1]) for c in coverages}
        oracle = risk_coverage(losses, losses)
        return cls(float(curve.mean()), float(losses.mean()), float(oracle.mean()), at)

    @property
    def gain(self) -> float:
        room = self.random - self.oracle
        return (self.random - self.aurc) / room if room > 0 else 0.0

    def to_json(self) -> dict[str, object]:
        risk = {str(coverage): risk for coverage, risk in self.risk.items()}
        return {
            "aurc": self.aurc,
            "random": self.random,
            "oracle": self.oracle,
            "gain": self.gain,
            "risk": risk,
        }


@dataclass(frozen=True)
class AbstentionCheck:
    """What a rule that abstains does: the risk of the rows it keeps beside that of all and of those it drops.

    `low`, `high`: the 95 % range of the kept rows' risk if as many had been dropped at random; a rule that
    is worth having is under it. Risks are nan where a rule keeps, or drops, no row.
    """

    coverage: float
    risk: float
    risk_kept: float
    risk_dropped: float
    low: float
    high: float

    @classmethod
    def of(
        cls,
        losses: Float[np.ndarray, " row"],
        abstained: Bool[np.ndarray, " row"],
        replicates: int = 1000,
        seed: int = 0,
    ) -> "AbstentionCheck":
        rng = np.random.default_rng(seed)
        kept = int((~abstained).sum())
        draws = [_mean(rng.permutation(losses)[:kept]) for _ in range(replicates)]
        low, high = np.quantile(draws, [0.025, 0.975]) if kept else (np.nan, np.nan)
        return cls(
            coverage=kept / len(losses),
            risk=_mean(losses),
            risk_kept=_mean(losses[~abstained]),
            risk_dropped=_mean(losses[abstained]),
            low=float(low),
            high=float(high),
        )


def _mean(values: Float[np.ndarray, " row"]) -> float:
    return float(values.mean()) if len(values) else float("nan")
