"""From scores and truth to the results that a command or a benchmark writes (DESIGN.md 4, 'Results')."""

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from affectline.evaluation import metrics
from affectline.evaluation.bootstrap import Metric, bootstrap, compare, mean_over
from affectline.evaluation.calibration import check_calibration, reliability
from affectline.evaluation.metrics import Counts, Marks, Scores, Thresholds, Values, Weights
from affectline.evaluation.selective import RiskCoverage, binary_entropy
from affectline.files import atomic_write
from affectline.types import Conversation, LabelSpace


def hardware() -> str:
    """The processor's name and how many cores of it this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    named = [line.split(":", maxsplit=1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Truth:
    """What is true of each utterance, and which utterances belong together.

    `groups`: the conversation (or speaker) of each row, which the bootstrap draws whole. `some`: labels whose
    weighted F1 is a metric of its own, by the name of the metric.
    """

    targets: Marks
    known: Marks
    groups: Shaped[np.ndarray, " row"]
    labels: LabelSpace
    some: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        conversations: Sequence[Conversation],
        labels: LabelSpace,
        *,
        by_speaker: bool = False,
        some: Mapping[str, Sequence[str]] | None = None,
    ) -> "Truth":
        """One row per utterance, in order. A label is known where its corpus annotates it.

        `by_speaker` draws speakers in place of conversations: for lone clips of few people. Of `some`, what
        names a label that is not in `labels` is left out.
        """
        rows = [(c, u) for c in conversations for u in c]
        targets = [labels.encode(u.emotions or ()) > 0 for _, u in rows]
        annotated = [[c.labels is None or n in c.labels for n in labels.names] for c, _ in rows]
        known = [
            a if u.emotions is not None else [False] * len(a)
            for a, (_, u) in zip(annotated, rows, strict=True)
        ]
        groups = [u.speaker if by_speaker else c.id for c, u in rows]
        kept = {metric: names for metric, names in (some or {}).items() if set(names) <= set(labels.names)}
        return cls(np.array(targets, dtype=bool), np.array(known, dtype=bool), np.array(groups), labels, kept)

    @property
    def base_rate(self) -> Float[np.ndarray, " label"]:
        """How often each label holds where it is known; 0 where it never is."""
        return (self.targets & self.known).sum(axis=0) / np.maximum(self.known.sum(axis=0), 1)


@dataclass(frozen=True)
class Run:
    """Calibrated probabilities of one trained model (one seed), and its thresholds, which dev chose."""

    scores: Scores
    thresholds: Thresholds

    def choose(self, truth: Truth) -> Marks:
        """The labels chosen: those over their threshold, or the best where one holds."""
        if truth.labels.multilabel:
            return metrics.choose(self.scores, truth.known, self.thresholds)
        return metrics.choose_one(self.scores, truth.known)

    def wrong(self, truth: Truth) -> Float[np.ndarray, " row"]:
        """1 where any known label is chosen wrongly: the loss that abstention is judged by."""
        return (truth.known & (self.choose(truth) != truth.targets)).any(axis=1).astype(float)


@dataclass(frozen=True)
class Estimate:
    """A metric: its mean and standard deviation over seeds, and the bootstrap 95 % interval of the mean.

    `sd` is None with one seed.
    """

    mean: float
    sd: float | None
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """With null for what is not defined."""
        values = {"mean": self.mean, "low": self.low, "high": self.high}
        return {"sd": self.sd} | {name: _number(value) for name, value in values.items()}


@dataclass(frozen=True)
class Difference:
    """How much better a metric is than another model's, its 95 % interval, and the p of no difference.

    What is drawn, and what p means, is said in `bootstrap.compare`.
    """

    mean: float
    low: float
    high: float
    p: float

    def to_json(self) -> dict[str, float | None]:
        """With null for what is not defined."""
        values = {"mean": self.mean, "low": self.low, "high": self.high, "p": self.p}
        return {name: _number(value) for name, value in values.items()}


@dataclass(frozen=True)
class Report:
    """The results of an evaluation; `to_json` and `write` give the flat form that others read.

    What has no seeds (per label, calibration, reliability, risk_coverage, confusion) is of the first run.
    `at_half`: of several labels, what hangs on thresholds, with 0.5 in place of those that dev chose.
    `baselines`: the same metrics of answers that see no input. `selection`: on what the checkpoint, its
    calibration and its thresholds were chosen.
    """

    estimates: Mapping[str, Estimate]
    at_half: Mapping[str, Estimate]
    n: int
    support: Mapping[str, int]
    per_label: Mapping[str, Mapping[str, float | None]]
    calibration: Mapping[str, object]
    reliability: Mapping[str, Sequence[Mapping[str, float]]]
    risk_coverage: RiskCoverage
    confusion: Sequence[Sequence[int]] | None
    baselines: Mapping[str, Mapping[str, float | None]]
    command: str
    seeds: Sequence[int]
    selection: str = "validation"
    hardware: str = field(default_factory=hardware)

    def to_json(self) -> dict[str, object]:
        stamp: dict[str, object] = {} if self.selection == "validation" else {"stamp": "LEAKY"}
        return stamp | {
            **{name: estimate.to_json() for name, estimate in self.estimates.items()},
            "at_half": {name: estimate.to_json() for name, estimate in self.at_half.items()},
            "n": self.n,
            "support": dict(self.support),
            "per_label": {name: dict(values) for name, values in self.per_label.items()},
            "calibration": dict(self.calibration),
            "reliability": {name: list(points) for name, points in self.reliability.items()},
            "risk_coverage": self.risk_coverage.to_json(),
            "confusion": self.confusion,
            "baselines": {name: dict(values) for name, values in self.baselines.items()},
            "selection": self.selection,
            "command": self.command,
            "hardware": self.hardware,
            "seeds": list(self.seeds),
        }

    def write(self, path: Path) -> None:
        atomic_write(path, json.dumps(self.to_json(), indent=1, allow_nan=False))


def evaluate(
    truth: Truth,
    runs: Sequence[Run],
    *,
    base_rate: Float[np.ndarray, " label"] | None = None,
    seeds: Sequence[int] = (0,),
    command: str = "",
    selection: str = "validation",
    replicates: int = 1000,
) -> Report:
    """Judge one run per seed on the same rows. Rows and labels that are not known do not count.

    `base_rate`, from the training part, makes the baselines; the Brier skill is over the base rate of the
    judged rows themselves, which is harder.

    Raises:
        ValueError: where shapes disagree, nothing is known, or a known score is no probability.
    """
    _check(truth, runs, seeds)
    measures = [_measure(truth, run.choose(truth), run.scores) for run in runs]
    half = [replace(run, thresholds=np.full(len(truth.labels.names), 0.5)) for run in runs]
    at_half = [_decided(truth, run.choose(truth)) for run in half if truth.labels.multilabel]
    first, chosen = runs[0], runs[0].choose(truth)
    counted = truth.known.any(axis=1)
    names = truth.labels.names
    return Report(
        estimates=_estimates(truth, measures, replicates),
        at_half=_estimates(truth, at_half, replicates) if at_half else {},
        n=int(counted.sum()),
        support=dict(zip(names, map(int, (truth.targets & truth.known).sum(axis=0)), strict=True)),
        per_label=_per_label(truth, first, chosen),
        calibration=_calibration(truth, first.scores),
        reliability={
            name: reliability(first.scores[:, n], truth.targets[:, n], truth.known[:, n])
            for n, name in enumerate(names)
        },
        risk_coverage=RiskCoverage.of(first.wrong(truth)[counted], _uncertainty(truth, first)[counted]),
        confusion=None if truth.labels.multilabel else confusion(truth, chosen),
        baselines=_baselines(truth, truth.base_rate if base_rate is None else base_rate),
        command=command,
        seeds=seeds,
        selection=selection,
    )


def difference(
    truth: Truth, runs: Sequence[Run], others: Sequence[Run], *, replicates: int = 1000
) -> dict[str, Difference]:
    """Each metric of `runs` (their mean) minus that of `others`, both judged on the same bootstrap samples.

    Raises:
        ValueError: where shapes disagree, nothing is known, or a known score is no probability.
    """
    ours, theirs = (_measures(truth, side, _measure) for side in (runs, others))
    return _differences(truth, ours, theirs, replicates)


def headline(labels: LabelSpace) -> str:
    """The metric that stands for all: of several labels the macro F1, of one the weighted."""
    return "macro_f1" if labels.multilabel else "weighted_f1"


def compare_headlines(
    truth: Truth, runs: Sequence[Run], others: Sequence[Run], *, replicates: int = 1000
) -> tuple[Estimate, Difference]:
    """The headline metric of `runs`, and how much better it is than that of `others`: as above, but fast.

    Raises:
        ValueError: where shapes disagree, nothing is known, or a known score is no probability.
    """
    ours, theirs = (_measures(truth, side, _headline) for side in (runs, others))
    name = headline(truth.labels)
    return _estimates(truth, ours, replicates)[name], _differences(truth, ours, theirs, replicates)[name]


def _differences(
    truth: Truth, ours: Sequence[Metric], theirs: Sequence[Metric], replicates: int
) -> dict[str, Difference]:
    found = compare(ours, theirs, truth.groups, replicates)
    ones = np.ones((1, len(truth.targets)))
    a, b = (mean_over(side)(ones) for side in (ours, theirs))
    return {name: Difference(float((a[name] - b[name])[0]), *found[name]) for name in a}


def _measures(
    truth: Truth, runs: Sequence[Run], measure: Callable[[Truth, Marks, Scores], Metric]
) -> list[Metric]:
    _check(truth, runs, range(len(runs)))
    return [measure(truth, run.choose(truth), run.scores) for run in runs]


def _headline(truth: Truth, chosen: Marks, _: Scores) -> Metric:
    name = headline(truth.labels)

    def measure(weights: Weights) -> dict[str, Values]:
        counts = Counts.of(chosen, truth.targets, truth.known, weights)
        several = truth.labels.multilabel
        f1 = metrics.mean_label(counts.f1) if several else metrics.weighted_mean(counts.f1, counts.support)
        return {name: f1}

    return measure


def confusion(truth: Truth, chosen: Marks) -> list[list[int]]:
    """Single-label: how often the row's label was answered by the column's."""
    return (truth.targets & truth.known).astype(int).T.dot(chosen.astype(int)).tolist()


def _check(truth: Truth, runs: Sequence[Run], seeds: Sequence[int]) -> None:
    if len(runs) != len(seeds):
        raise ValueError(f"{len(runs)} runs but {len(seeds)} seeds: each run needs its own")
    if not truth.known.any():
        raise ValueError("no label of any row is known: there is nothing to judge by")
    for seed, run in zip(seeds, runs, strict=True):
        if run.scores.shape != truth.targets.shape:
            raise ValueError(
                f"the scores of seed {seed} are {run.scores.shape}, the truth is {truth.targets.shape}: "
                "both need one row per utterance and one column per label"
            )
        judged = run.scores[truth.known]
        if not ((judged >= 0) & (judged <= 1)).all():
            raise ValueError(f"scores of seed {seed} are no probabilities: calibrate them first")


def _measure(truth: Truth, chosen: Marks, scores: Scores) -> Metric:
    decided = _decided(truth, chosen)

    def measure(weights: Weights) -> dict[str, Values]:
        ranked = metrics.score_metrics(scores, truth.targets, truth.known, weights)
        return {**decided(weights), **ranked}

    return measure


def _decided(truth: Truth, chosen: Marks) -> Metric:
    """What hangs on the labels chosen alone."""

    def measure(weights: Weights) -> dict[str, Values]:
        values = metrics.decision_metrics(chosen, truth.targets, truth.known, weights)
        if truth.labels.multilabel:
            values |= metrics.multilabel_metrics(chosen, truth.targets, truth.known, weights)
        for name, labels in truth.some.items():
            columns = np.array([truth.labels.names.index(label) for label in labels])
            values[name] = metrics.weighted_f1_of(columns, chosen, truth.targets, truth.known, weights)
        return values

    return measure


def _estimates(truth: Truth, measures: Sequence[Metric], replicates: int) -> dict[str, Estimate]:
    ones = np.ones((1, len(truth.targets)))
    values = [{name: float(v[0]) for name, v in measure(ones).items()} for measure in measures]
    ranges = bootstrap(mean_over(measures), truth.groups, replicates)
    if "ece" in ranges:
        ranges["ece"] = _centred(ranges["ece"], float(np.mean([v["ece"] for v in values])))
    return {name: _estimate([v[name] for v in values], ranges[name]) for name in values[0]}


def _estimate(values: Sequence[float], bounds: tuple[float, float]) -> Estimate:
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Estimate(float(np.mean(values)), sd, *bounds)


def _centred(bounds: tuple[float, float], value: float) -> tuple[float, float]:
    """The interval moved to its value: resampled rows scatter more about a curve, which adds to its error."""
    half = (bounds[1] - bounds[0]) / 2
    return max(0.0, value - half), value + half


def _per_label(truth: Truth, run: Run, chosen: Marks) -> dict[str, dict[str, float | None]]:
    ones = np.ones((1, len(chosen)))
    counts = Counts.of(chosen, truth.targets, truth.known, ones)
    brier, reference = metrics.brier_scores(run.scores, truth.targets, truth.known, ones)
    limits = np.broadcast_to(run.thresholds, run.scores.shape).T
    table = {}
    for n, name in enumerate(truth.labels.names):
        rank = metrics.rank_metrics(run.scores[:, n], truth.targets[:, n], truth.known[:, n], ones)
        table[name] = {
            "f1": _number(counts.f1[0, n]),
            "precision": _number(counts.precision[0, n]),
            "recall": _number(counts.recall[0, n]),
            "accuracy": _number(counts.accuracy[0, n]),
            "wf1_bin": _number(counts.f1_both_classes[0, n]),
            "ap": _number(rank["ap"][0]),
            "auroc": _number(rank["auroc"][0]),
            "brier_skill": _number(1 - brier[0, n] / reference[0, n]) if reference[0, n] > 0 else None,
            "threshold": _number(limits[n].min())
            if truth.labels.multilabel and np.ptp(limits[n]) == 0
            else None,
        }
    return table


def _number(value: float) -> float | None:
    """JSON has no nan: what is not defined is null."""
    return None if np.isnan(value) else float(value)


def _calibration(truth: Truth, scores: Scores) -> dict[str, object]:
    mean, labels = check_calibration(scores, truth.targets, truth.known)
    checks = zip(("mean", *truth.labels.names), (mean, *labels), strict=True)
    return {name: None if check is None else check.to_json() for name, check in checks}


def _uncertainty(truth: Truth, run: Run) -> Float[np.ndarray, " row"]:
    return binary_entropy(np.where(truth.known, run.scores, 0.0))


def _baselines(truth: Truth, base_rate: Float[np.ndarray, " label"]) -> dict[str, dict[str, float | None]]:
    """The metrics of answers without input (the commonest label, none, all), scored with the base rate."""
    shape = truth.targets.shape
    rate = np.broadcast_to(base_rate, shape).astype(float)
    commonest = np.arange(shape[1]) == int(base_rate.argmax())
    answers = {"majority": np.broadcast_to(commonest, shape)}
    if truth.labels.multilabel:
        answers |= {"all_zeros": np.zeros(shape, dtype=bool), "all_ones": np.ones(shape, dtype=bool)}
    ones = np.ones((1, shape[0]))
    measured = {name: _measure(truth, truth.known & a, rate)(ones) for name, a in answers.items()}
    return {name: {k: _number(v[0]) for k, v in values.items()} for name, values in measured.items()}
