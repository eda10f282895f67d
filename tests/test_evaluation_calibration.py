import json
from collections.abc import Callable

import numpy as np
import pytest
from evaluation_makers import (
    calibrated,
)
from scipy.special import expit, logit
from sklearn import metrics as sk

from affectline.evaluation import (
    Calibration,
    check_calibration,
    fit_calibration,
    fit_temperature,
    fit_thresholds,
)


def test_perfect_calibration_is_inside_its_range() -> None:
    means, labels = zip(*(check_calibration(*calibrated(500, seed), seed) for seed in range(12)), strict=True)
    checks = [check for row in labels for check in row]
    assert sum(check.inside for check in checks) >= 0.9 * len(checks)
    assert sum(check.inside for check in means) >= 10


@pytest.mark.parametrize("distort", [lambda z: 2.5 * z, lambda z: z + 0.8], ids=["too sure", "too high"])
def test_distorted_scores_are_outside_and_are_repaired(distort: Callable) -> None:
    scores, targets, known = calibrated(3000)
    logits = distort(logit(scores))
    mean, labels = check_calibration(expit(logits), targets, known)
    assert not mean.inside
    assert sum(check.inside for check in labels if check) <= 1
    dev, dev_targets, dev_known = calibrated(3000, seed=1)
    repaired = fit_calibration(distort(logit(dev)), dev_targets, dev_known)(logits)
    assert check_calibration(repaired, targets, known)[0].inside
    np.testing.assert_allclose(repaired, scores, atol=0.1)


def test_calibration_survives_json() -> None:
    calibration = Calibration((0.5, 1.5), (0.1, -2.0))
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_calibration_of_hopeless_labels_stays_finite() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 4))
    targets = np.stack([logits[:, 0] > 0, np.zeros(200), rng.random(200) < 0.3, logits[:, 3] < 0], axis=1) > 0
    known = np.ones((200, 4), dtype=bool)
    known[:, 2] = False
    calibration = fit_calibration(logits, targets, known)
    assert np.isfinite(calibration.scale).all()
    assert np.isfinite(calibration.bias).all()
    assert 1 < calibration.scale[0] < 100  # separable
    assert calibration(np.zeros(4))[1] < 0.03  # never holds
    assert (calibration.scale[2], calibration.bias[2]) == (1.0, 0.0)  # never known
    assert calibration(np.array([0.0, 0, 0, 5]))[3] == pytest.approx(0.5, abs=0.1)  # backwards: the base rate


def test_weights_and_shares_count_in_calibration() -> None:
    logits = np.zeros((4, 1))
    known = np.ones((4, 1), dtype=bool)
    targets = np.array([[True], [False], [False], [False]])
    heavy = fit_calibration(logits, targets, known, np.array([3000.0, 1000, 1000, 1000]))
    assert heavy(np.zeros(1)) == pytest.approx(0.5, abs=1e-3)
    shares = fit_calibration(np.zeros((2000, 1)), np.full((2000, 1), 0.7), np.ones((2000, 1), dtype=bool))
    assert shares(np.zeros(1)) == pytest.approx(0.7, abs=1e-2)


def test_the_best_cut_is_that_of_an_exhaustive_search() -> None:
    scores, targets, known = calibrated(25)
    thresholds = fit_thresholds(scores, targets, known, prior=0.0)
    for n in range(4):
        f1 = [sk.f1_score(targets[:, n], scores[:, n] >= t) for t in scores[:, n]]
        assert sk.f1_score(targets[:, n], scores[:, n] >= thresholds[n]) == pytest.approx(max(f1))


def test_a_threshold_stands_midway_between_scores() -> None:
    scores = np.array([[0.9], [0.8], [0.4], [0.1]])
    targets = np.array([[True], [True], [False], [False]])
    assert fit_thresholds(scores, targets, targets | True, prior=0.0).tolist() == pytest.approx([0.6])


def test_few_positives_draw_the_threshold_towards_half_the_best_f1() -> None:
    scores = np.array([[0.99], [0.98], [0.1], [0.1]])
    targets = np.array([[True], [False], [False], [False]])
    assert fit_thresholds(scores, targets, targets | True, prior=0.0)[0] == pytest.approx(0.985)
    assert fit_thresholds(scores, targets, targets | True)[0] == pytest.approx((0.985 + 100 * 0.5) / 101)
    assert fit_thresholds(scores, ~(targets | True), targets | True)[0] == 0.5


def test_a_temperature_undoes_what_sharpened_the_logits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = np.array([rng.choice(3, p=p) for p in chances])
    targets, known = np.eye(3, dtype=bool)[drawn], np.ones((4000, 3), dtype=bool)
    assert fit_temperature(3.0 * logits, targets, known) == pytest.approx(3.0, rel=0.1)
    assert fit_temperature(0.5 * logits, targets, known) == pytest.approx(0.5, rel=0.1)


def test_a_temperature_looks_at_known_rows_alone_and_stays_finite() -> None:
    logits, targets = np.array([[9.0, 0.0], [0.0, 9.0]]), np.eye(2, dtype=bool)
    known = np.ones((2, 2), dtype=bool)
    assert 1 / 20 < fit_temperature(logits, targets, known) < 1
    assert fit_temperature(logits, ~targets, known) == pytest.approx(20.0, rel=0.01)
    assert fit_temperature(logits, targets, np.zeros((2, 2), dtype=bool)) == 1.0
