"""Intervals by resampling whole groups: rows of a conversation, or of a speaker, are not independent."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from affectline.evaluation.metrics import Values, Weights

Metric = Callable[[Weights], Mapping[str, Values]]
"""From weights of rows, one row of them per replicate, to the values of metrics, one per replicate."""

WEIGHTS = 1_000_000
"""Of rows, in all the replicates that are judged at once: 8 MB."""
DRAWN = 100
"""Replicates at once where runs are drawn beside groups: another number would draw others."""


def resample(
    groups: Shaped[np.ndarray, " row"], replicates: int, seed: int = 0, block: int | None = None
) -> Iterator[Float[np.ndarray, "replicate row"]]:
    """Weights of the rows in bootstrap samples of the groups: how often each was drawn.

    So many replicates come at once as `WEIGHTS` allows, or `block`; they are the same replicates.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    count = int(group_of.max()) + 1
    rng = np.random.default_rng(seed)
    block = block or max(1, WEIGHTS // len(groups))
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=size)
        yield drawn[:, group_of].astype(float)


def bootstrap(
    metric: Metric,
    groups: Shaped[np.ndarray, " row"],
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """The percentile interval of each value of `metric` over bootstrap samples of whole groups.

    A replicate in which a value is not defined (no positive was drawn) is left out of that value's interval.
    """
    blocks = [metric(weights) for weights in resample(groups, replicates, seed)]
    names = blocks[0]
    return {name: interval(np.concatenate([block[name] for block in blocks]), level) for name in names}


def interval(values: Values, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of the values that are defined; nan where none is."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def mean_over(metrics: Sequence[Metric]) -> Metric:
    """The mean of several runs' metrics on the same samples: how far a result over seeds can be trusted."""

    def mean(weights: Weights) -> Mapping[str, Values]:
        values = [metric(weights) for metric in metrics]
        return {name: np.mean([v[name] for v in values], axis=0) for name in values[0]}

    return mean


def compare(
    ours: Sequence[Metric],
    theirs: Sequence[Metric],
    groups: Shaped[np.ndarray, " row"],
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float, float]]:
    """The interval of each value's mean over `ours` minus that over `theirs`, and the p of no difference.

    Metrics are of runs, one for each seed. Each replicate draws whole groups, the same for both sides, and
    the runs of each side anew: the Multi-Bootstrap of Sellam et al. 2022 ("The MultiBERTs"), since another
    training would give another difference as other conversations would. With one run on each side p speaks
    of these two runs alone. Of k runs k - 1 are drawn, by which the variance of their mean is not too small
    (Rao and Wu 1988). p is two-sided and goes with the percentile interval: under .05 where that of 95 %
    excludes 0; never under 2 / (replicates + 1). With two runs, or with fewer than some 15 groups, it is too
    small.
    """
    rng = np.random.default_rng((seed, len(ours), len(theirs)))
    blocks = []
    for weights in resample(groups, replicates, seed, DRAWN):
        a, b = (_mean_of_drawn([metric(weights) for metric in side], rng) for side in (ours, theirs))
        blocks.append({name: a[name] - b[name] for name in a})
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return {name: (*interval(values), p_value(values)) for name, values in drawn.items()}


def _mean_of_drawn(values: Sequence[Mapping[str, Values]], rng: np.random.Generator) -> dict[str, Values]:
    """Per replicate the mean over runs that are drawn from the given ones."""
    runs = len(values)
    size, draws = len(next(iter(values[0].values()))), max(1, runs - 1)
    share = rng.multinomial(draws, np.full(runs, 1 / runs), size=size) / draws
    return {name: (share * np.stack([v[name] for v in values], axis=1)).sum(axis=1) for name in values[0]}


def p_value(differences: Values) -> float:
    """Two-sided, of replicates of a difference: how often they lie on the other side of 0; nan of none."""
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return float("nan")
    beyond = min((defined <= 0).sum(), (defined >= 0).sum())
    return min(1.0, 2 * float(beyond + 1) / (len(defined) + 1))
