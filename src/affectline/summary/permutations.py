"""How often a count comes about by chance: labels dealt out anew, within the same speaker.

The null hypothesis keeps every speaker's own rates: the labels of what they said stay theirs, and only come
in another order. All labels of an utterance, or of a turn, stay together: they are a kind.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

PERMUTATIONS = 9999
SEED = 0
LEVEL = 0.05
"""The adjusted p up to which something is called a finding: so many of the findings are false on average."""
BLOCK = 8
"""Turns, or utterances, that stay together where moods that last would else look like a connection.

Where two speakers of 100 turns keep a mood with a probability of 0.7 from turn to turn and neither heeds the
other, p is under 0.05 for 17 % of the pairs of emotions if single turns are dealt out, for 7 % in blocks of 4
and 4 % in blocks of 8; with 0.85 it is 36 %, 17 % and 9 %: moods that last much longer than a block still
deceive.
"""
LEAST_PAIRS = 20
"""Pairs of utterances or turns below which nothing is tested."""
LEAST_SHOWN = 5
"""How often either emotion must be shown, at least, for a pair of emotions to be tested."""
VALUES = 2_000_000
"""Numbers that are drawn or counted at once."""

Kinds = Int[np.ndarray, "draw unit"]
Statistic = Callable[[Kinds], Float[np.ndarray, "draw ..."]]
"""Of the kinds of all units in several orders of them."""
Who = tuple[str, str]
"""A speaker and a speaker, or a recording and a recording."""


@dataclass(frozen=True)
class ByChance:
    """The mean of a statistic over all orders, and the p of the order that is."""

    expected: Float[np.ndarray, " *cell"]
    p: Float[np.ndarray, " *cell"]


def kinds_of(
    labels: Bool[np.ndarray, "unit label"],
) -> tuple[Float[np.ndarray, "kind label"], Int[np.ndarray, " unit"]]:
    """The sets of labels that occur, and which of them each unit shows."""
    if not len(labels):
        return np.zeros((0, labels.shape[1])), np.zeros(0, dtype=int)
    sets, kinds = np.unique(labels, axis=0, return_inverse=True)
    return sets.astype(float), kinds.reshape(-1)


def drawn(
    groups: Sequence[Int[np.ndarray, " _"]], units: int, count: int, block: int, rng: np.random.Generator
) -> Int[np.ndarray, "draw unit"]:
    """So many orders of the units, in which members of a group stay in it.

    The members are turned in a circle by a random number, cut into blocks of `block` that follow one another,
    and the blocks change places; what is left over comes last. For blocks of 1 these are all orders, and the
    test is exact. For longer ones it is not quite, as few moods end where a block does.
    """
    order = np.tile(np.arange(units), (count, 1))
    for members in groups:
        size, many = len(members), len(members) // block
        turned = (np.arange(size) + rng.integers(size, size=(count, 1))) % size
        blocks = turned[:, : many * block].reshape(count, many, block)
        places = rng.permuted(np.tile(np.arange(many), (count, 1)), axis=1)
        dealt = np.take_along_axis(blocks, places[..., None], axis=1).reshape(count, -1)
        order[:, members] = members[np.concatenate([dealt, turned[:, many * block :]], axis=1)]
    return order


def orders(
    groups: Sequence[Int[np.ndarray, " _"]], kinds: Int[np.ndarray, " unit"], block: int
) -> Iterator[Kinds]:
    """The kinds in `PERMUTATIONS` orders, some at a time."""
    rng, left = np.random.default_rng(SEED), PERMUTATIONS
    size = max(1, len(kinds), (1 + int(kinds.max(initial=0))) ** 2)  # of an order, and of a count of pairs
    while left:
        count = min(left, max(1, VALUES // size))
        yield kinds[drawn(groups, len(kinds), count, block, rng)]
        left -= count


def tested(
    groups: Sequence[Int[np.ndarray, " _"]],
    kinds: Int[np.ndarray, " unit"],
    block: int,
    statistics: Mapping[Who, Statistic],
) -> dict[Who, ByChance]:
    """Each statistic of the kinds against what it is in other orders; p is two-sided.

    p is (1 + those at least as far out) / (1 + all of them), on the side where fewer are, twice: the order
    that is counts as one of them, so p is never 0 (Phipson and Smyth 2010). scipy.stats.permutation_test
    knows no groups.
    """
    if not statistics:
        return {}
    observed = {name: of(kinds[None])[0] for name, of in statistics.items()}
    over, under, total = ({n: np.zeros(o.shape) for n, o in observed.items()} for _ in range(3))
    for some in orders(groups, kinds, block):
        for name, of in statistics.items():
            values = of(some)
            over[name] += (values >= observed[name] - 1e-9).sum(axis=0)
            under[name] += (values <= observed[name] + 1e-9).sum(axis=0)
            total[name] += values.sum(axis=0)
    return {
        name: ByChance(total[name] / PERMUTATIONS, two_sided(over[name], under[name], PERMUTATIONS))
        for name in observed
    }


def two_sided(over: Any, under: Any, draws: int) -> Any:
    """From how many of the draws were at least as high, and at least as low: p, of arrays or numbers."""
    return np.minimum(1.0, 2 * (1 + np.minimum(over, under)) / (draws + 1))


def adjusted(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg 1995, as scipy.stats.false_discovery_control, which a server need not load."""
    values = np.asarray(p, dtype=float)
    ranked = np.argsort(values)[::-1]
    raised = values[ranked] * len(values) / np.arange(len(values), 0, -1)
    found = np.empty(len(values))
    found[ranked] = np.minimum.accumulate(np.minimum(raised, 1.0))
    return found.tolist()
