"""Krippendorff's alpha on the worked examples of his own paper, and against the definition."""

from itertools import permutations

import numpy as np
import pytest

from affectline.evaluation.agreement import agreement, krippendorff

X = np.nan
FOUR = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
        [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
    ]
)
"""Four observers, twelve units, some of which they did not see (Krippendorff 2011, C and E)."""


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_is_that_of_the_worked_example(level: str, alpha: float) -> None:
    assert krippendorff(FOUR, level) == pytest.approx(alpha, abs=5e-4)  # pyright: ignore


def test_alpha_of_two_observers_is_that_of_the_worked_examples() -> None:
    binary = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0.0]])
    assert krippendorff(binary) == pytest.approx(0.095, abs=5e-4)
    letters = ("aabbdcccedda", "babbbccceddd")
    nominal = np.array([[float(ord(letter)) for letter in row] for row in letters])
    assert krippendorff(nominal) == pytest.approx(0.692, abs=5e-4)


def test_alpha_is_what_a_loop_over_pairs_gives() -> None:
    rng = np.random.default_rng(0)
    ratings = np.where(rng.random((4, 30)) < 0.3, X, rng.integers(0, 3, (4, 30)).astype(float))
    seen, every = [], []
    for unit in ratings.T:
        there = unit[~np.isnan(unit)]
        if len(there) > 1:
            seen += [((a - b) ** 2, 1 / (len(there) - 1)) for a, b in permutations(there, 2)]
            every += list(there)
    observed = sum(d * w for d, w in seen) / len(every)
    expected = np.mean([(a - b) ** 2 for a, b in permutations(every, 2)])
    assert krippendorff(ratings, "interval") == pytest.approx(1 - observed / expected)


def test_where_nothing_can_be_said_nothing_is() -> None:
    assert krippendorff(np.array([[1.0, X], [X, 2.0]])) is None
    assert krippendorff(np.ones((3, 4))) is None


def test_each_label_has_an_alpha_of_its_own_and_who_says_nothing_does_not_count() -> None:
    both = frozenset({"joy", "fear"})
    votes = [
        {"Ada": frozenset({"joy"}), "Ben": both},
        {"Ada": frozenset[str](), "Ben": frozenset({"fear"})},
        {"Ada": both, "Ben": frozenset({"joy"})},
        {"Ada": None, "Ben": frozenset({"joy"})},
        {"Ada": both},
    ]
    alphas = agreement(votes)
    assert alphas["joy"] == 1
    assert alphas["fear"] is not None
    assert alphas["fear"] < 0
