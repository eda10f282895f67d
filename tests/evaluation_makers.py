"""Scores whose truth is known, and short forms, for the tests of evaluation."""

from typing import Any

import numpy as np
from scipy.special import expit

from affectline.evaluation import (
    Report,
    Truth,
)
from affectline.evaluation.metrics import (
    decision_metrics,
    multilabel_metrics,
)
from affectline.types import LabelSpace

NAMES = ("neutral", "joy", "anger", "fear")
MULTI, SINGLE = LabelSpace(NAMES, multilabel=True), LabelSpace(NAMES)
EMPTY: Any = 0
"""What scikit-learn's F1 is where nothing holds and nothing is chosen."""
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def calibrated(n: int = 400, seed: int = 0) -> Rows:
    """Scores, targets drawn from them, everything known."""
    rng = np.random.default_rng(seed)
    scores = expit(rng.normal([0.5, -0.5, -1.5, -2.5], 1.2, (n, 4)))
    return scores, rng.random((n, 4)) < scores, np.ones((n, 4), dtype=bool)


def single(n: int = 400, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet([2.0, 1.0, 1.0, 0.3], n)
    answer = np.array([rng.choice(4, p=row) for row in scores])
    return scores, np.eye(4, dtype=bool)[answer], np.ones((n, 4), dtype=bool)


def truth_of(targets: np.ndarray, known: np.ndarray, labels: LabelSpace = MULTI) -> Truth:
    return Truth(targets, known, np.arange(len(targets)) // 3, labels)


def decisions(*arrays: np.ndarray) -> dict[str, np.ndarray]:
    return decision_metrics(*arrays) | multilabel_metrics(*arrays)


def means(report: Report) -> dict[str, float]:
    return {name: estimate.mean for name, estimate in report.estimates.items()}


def only(values: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value[0]) for name, value in values.items()}
