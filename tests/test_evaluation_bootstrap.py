"""Intervals and significance on made-up data whose truth is known."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import binom

from affectline.evaluation.bootstrap import Metric, compare, p_value, resample

CONVERSATIONS, ROWS = 40, 6


def mean_of(values: np.ndarray) -> Metric:
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def runs(
    rng: np.random.Generator, hard: np.ndarray, count: int, *, luck: float, better: float = 0.0
) -> list[Metric]:
    """Trainings of a model: it has conversations that it is good at, and each training its own luck."""
    own = hard + better + np.repeat(rng.normal(size=CONVERSATIONS), ROWS)
    return [mean_of(own + luck * rng.normal() + rng.normal(size=len(own))) for _ in range(count)]


def p_of(seed: int, counts: tuple[int, int], luck: float, better: float = 0.0) -> float:
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=CONVERSATIONS * ROWS)
    groups = np.repeat(np.arange(CONVERSATIONS), ROWS)
    ours = runs(rng, hard, counts[0], luck=luck, better=better)
    theirs = runs(rng, hard, counts[1], luck=luck)
    return compare(ours, theirs, groups, 200, seed)["mean"][2]


@pytest.mark.parametrize(("counts", "luck"), [((5, 5), 0.4), ((1, 3), 0.0)])
def test_p_is_small_as_seldom_as_it_says_where_there_is_no_difference(
    counts: tuple[int, int], luck: float
) -> None:
    found = np.array([p_of(seed, counts, luck) for seed in range(150)])
    for level in (0.05, 0.2, 0.5):
        low, high = binom.interval(0.998, 150, level)
        assert low <= (found <= level).sum() <= high + 3, level  # a few seeds are not quite enough
    assert found.min() >= 2 / 201


def test_p_is_small_where_one_model_is_clearly_better() -> None:
    assert np.median([p_of(seed, (5, 5), 0.4, better=1.0) for seed in range(20)]) < 0.05


def test_the_seeds_widen_the_interval_as_the_conversations_do() -> None:
    flat = [mean_of(np.full(20, value)) for value in (0.1, 0.3, 0.2, 0.4)]
    low, high, p = compare(flat, flat[:1], np.arange(20))["mean"]
    assert (low, high) == (pytest.approx(0.1 / 3), pytest.approx(0.8 / 3))  # 0.1 twice, 0.4 twice, of three
    assert p > 0.01
    assert compare(flat[1:2], flat[:1], np.arange(20))["mean"] == (*[pytest.approx(0.2)] * 2, 2 / 1001)


def test_what_is_never_defined_has_no_p() -> None:
    def nothing(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        return {"mean": np.full(len(weights), np.nan)}

    assert np.isnan(compare([nothing], [nothing], np.arange(3))["mean"]).all()


def test_p_of_worked_cases() -> None:
    assert p_value(np.array([1.0, 2, 3, -1, np.nan])) == pytest.approx(2 * (1 + 1) / (4 + 1))
    assert p_value(np.zeros(9)) == 1


def test_the_replicates_are_the_same_however_many_come_at_once() -> None:
    groups = np.repeat(np.arange(7), 3)
    (whole,) = resample(groups, 250, seed=1)
    parts = list(resample(groups, 250, seed=1, block=100))
    assert [len(part) for part in parts] == [100, 100, 50]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
