"""The classifiers that benchmarks put beside the models."""

from collections.abc import Sequence

import numpy as np
import pytest
from benchmarks import _svm
from benchmarks._svm import COSTS, Part, fitted
from sklearn.metrics import average_precision_score, roc_auc_score

from affectline.evaluation import Truth
from affectline.types import Conversation, LabelSpace, Utterance

LABELS = LabelSpace(("outside",), multilabel=True)
STREAM = "audio.numbers"


def part(vectors: Sequence[np.ndarray | None], holds: Sequence[bool]) -> Part:
    """Each vector as an utterance of one conversation; it has no stream where there is none."""
    said = tuple(
        Utterance(
            id=str(n),
            speaker="A",
            emotions=frozenset(LABELS.names if there else ()),
            ready={} if vector is None else {STREAM: vector},
        )
        for n, (vector, there) in enumerate(zip(vectors, holds, strict=True))
    )
    talk = Conversation("talk", said)
    return Part.of([talk], Truth.of([talk], LABELS), STREAM)


def rings(count: int, seed: int, *, noise: float = 0.0) -> Part:
    """The label holds outside of a circle about (5, 5), or is drawn by lot, with the chance `noise`."""
    rng = np.random.default_rng(seed)
    x = (5 + rng.normal(size=(count, 2))).astype(np.float32)
    outside = np.linalg.norm(x - 5, axis=1) > 1.2
    holds = np.where(rng.random(count) < noise, rng.random(count) < 0.5, outside)
    return part(list(x), holds.tolist())


def test_what_the_radius_alone_tells_the_svm_learns_and_the_logistic_regression_does_not() -> None:
    train, dev, test = rings(300, 0), rings(150, 1), rings(150, 2)
    found = {
        kind: roc_auc_score(test.truth.targets[:, 0], fitted(kind, train, dev, test).scores[:, 0])
        for kind in ("RBF-SVM", "logistic regression")
    }
    assert found["RBF-SVM"] > 0.98
    assert 0.35 < found["logistic regression"] < 0.65


def test_c_is_what_is_best_on_dev_whatever_is_best_on_test(monkeypatch: pytest.MonkeyPatch) -> None:
    train, dev, test = rings(80, 1, noise=0.3), rings(40, 101, noise=0.3), rings(40, 201, noise=0.3)
    chosen = fitted("RBF-SVM", train, dev, test)
    ranked, said = {"dev": list[float](), "test": list[float]()}, []
    for cost in COSTS:
        monkeypatch.setattr(_svm, "COSTS", (cost,))
        said.append(fitted("RBF-SVM", train, dev, test))
        for name, judged in (("dev", dev), ("test", test)):
            scores = fitted("RBF-SVM", train, dev, judged).scores[:, 0]
            ranked[name].append(float(average_precision_score(judged.truth.targets[:, 0], scores)))
    best, other = (int(np.argmax(ranked[name])) for name in ("dev", "test"))
    assert best != other
    np.testing.assert_array_equal(chosen.scores, said[best].scores)
    assert not np.allclose(chosen.scores, said[other].scores)


def test_an_utterance_without_the_stream_is_answered_as_the_mean_of_train() -> None:
    train, dev = rings(80, 0), rings(60, 1)
    far = np.array([7.0, 7.0], np.float32)
    test = part([None, train.vectors.mean(axis=0), far], [False, False, True])
    nothing, mean, other = fitted("RBF-SVM", train, dev, test).scores[:, 0]
    assert nothing == pytest.approx(mean, abs=1e-4)
    assert other > nothing + 0.3
