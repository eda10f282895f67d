"""What stands beside the models on ready-made vectors: a logistic regression and an RBF-SVM for each label.

Vectors are standardised on train; C is chosen on dev for each label, by average precision. An utterance
without the stream has the mean of train.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from affectline.evaluation import Run, Truth, fit_calibration, fit_thresholds
from affectline.types import Conversation

CLASSIFIERS: Mapping[str, Callable[[float], ClassifierMixin]] = {
    "logistic regression": lambda c: LogisticRegression(C=c, class_weight="balanced", max_iter=5000),
    "RBF-SVM": lambda c: SVC(C=c, class_weight="balanced"),
}
COSTS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)


@dataclass(frozen=True)
class Part:
    """The vectors of a split, one row per utterance, and its truth."""

    vectors: np.ndarray
    truth: Truth

    @classmethod
    def of(cls, conversations: Sequence[Conversation], truth: Truth, stream: str) -> "Part":
        found = [u.ready.get(stream) for c in conversations for u in c]
        width = next(len(v) for v in found if v is not None)
        return cls(np.stack([np.full(width, np.nan) if v is None else v for v in found]), truth)


def fitted(kind: str, train: Part, dev: Part, test: Part) -> Run:
    """What a classifier of a kind says of test: calibrated, its C and thresholds chosen on dev."""
    models = [_best(kind, train, dev, n) for n in range(len(train.truth.labels.names))]
    on_dev, on_test = (np.stack([_said(m, p.vectors) for m in models], axis=1) for p in (dev, test))
    return decided(on_dev, dev.truth, on_test)


def decided(on_dev: np.ndarray, dev: Truth, on_test: np.ndarray) -> Run:
    """What a model says of test by its logits; calibration and thresholds are fitted on dev."""
    calibration = fit_calibration(on_dev, dev.targets, dev.known)
    return Run(calibration(on_test), fit_thresholds(calibration(on_dev), dev.targets, dev.known))


def _best(kind: str, train: Part, dev: Part, label: int) -> Pipeline:
    known, holds = train.truth.known[:, label], train.truth.targets[:, label]
    there = known & np.isfinite(train.vectors).all(axis=1)
    on = dev.truth.known[:, label]

    def score(model: Pipeline) -> float:
        return float(average_precision_score(dev.truth.targets[on, label], _said(model, dev.vectors[on])))

    models = [make_pipeline(StandardScaler(), CLASSIFIERS[kind](c)) for c in COSTS]
    return max((m.fit(train.vectors[there], holds[there]) for m in models), key=score)


def _said(model: Pipeline, vectors: np.ndarray) -> np.ndarray:
    mean = model.named_steps["standardscaler"].mean_
    return model.decision_function(np.where(np.isfinite(vectors), vectors, mean))
