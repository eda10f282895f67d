"""The validation scores by which an epoch is chosen."""

from collections.abc import Callable, Mapping

import numpy as np

from affectline.evaluation.metrics import choose_one, decision_metrics
from affectline.models import Inferred


def _mean_average_precision(dev: Inferred) -> float:
    from sklearn.metrics import average_precision_score

    scores = [
        average_precision_score(dev.targets[rows, label], dev.logits[rows, label])
        for label, rows in enumerate(dev.known.T)
        if dev.targets[rows, label].any()
    ]
    return float(np.mean(scores))


def _leading(dev: Inferred) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted label of the utterances that one label leads, by ratings or by truth."""
    best = dev.ratings.max(axis=1, keepdims=True)
    led = ((dev.ratings == best).sum(axis=1) == 1) & dev.known.all(axis=1)
    return dev.ratings[led].argmax(axis=1), dev.logits[led].argmax(axis=1)


def _accuracy(dev: Inferred) -> float:
    true, predicted = _leading(dev)
    return float((true == predicted).mean())


def _unweighted_average_recall(dev: Inferred) -> float:
    true, predicted = _leading(dev)
    return float(np.mean([(predicted[true == label] == label).mean() for label in np.unique(true)]))


def _weighted_f1(dev: Inferred) -> float:
    targets, ones = dev.targets > 0, np.ones((1, len(dev.targets)))
    chosen = choose_one(dev.logits, dev.known)
    return float(decision_metrics(chosen, targets, dev.known, ones)["weighted_f1"][0])


SELECT: Mapping[str, Callable[[Inferred], float]] = {
    "map": _mean_average_precision,
    "accuracy": _accuracy,
    "uar": _unweighted_average_recall,
    "weighted_f1": _weighted_f1,
}
