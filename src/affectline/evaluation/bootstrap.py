"""Intervals by resampling whole groups: rows of a conversation, or of a speaker, are not independent."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from affectline.evaluation.metrics import Values, Weights

Metric = Callable[[Weights], Mapping[str, Values]]
"""From weights of rows, one row of them per replicate, to the values of metrics, one per replicate."""

BLOCK = 100
"""Replicates at once: 100 x 10,000 rows of weights are 8 MB."""


def resample(
    groups: Shaped[np.ndarray, " row"], replicates: int, seed: int = 0
) -> Iterator[Float[np.ndarray, "replicate row"]]:
    """Weights of the rows in bootstrap samples of the groups, in blocks: how often each was drawn."""
    _, group_of = np.unique(groups, return_inverse=True)
    count = int(group_of.max()) + 1
    rng = np.random.default_rng(seed)
    for start in range(0, replicates, BLOCK):
        size = min(BLOCK, replicates - start)
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
