"""SeMuL-PCD on raw clips, of people whom it has never seen: every set of modalities from one checkpoint.

`python -m benchmarks.mosi_raw [--runs DIR] [--base-epochs N]` writes docs/results/mosi_raw.json: the size
SMALL on each of five folds of MOSI's ten videos, their answers pooled, and the size BASE on the first of
them. A fold whose checkpoint is in DIR already is not trained again, and one that was stopped goes on. With
`--only small|base` or `--folds 0,1` these are trained and nothing is recorded, so that several processes can
share the work.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record

from affectline.checkpoint import load
from affectline.cli import terminal
from affectline.cli.judging import Judge
from affectline.corpora import mosi
from affectline.evaluation import Estimate, Run, Truth, bootstrap, evaluate
from affectline.evaluation.metrics import Values, Weights, mean_label, rank_metrics
from affectline.recipes import Recipe, semul_pcd, train_recipe
from affectline.types import Conversation

SUBSETS = [s for n in range(1, len(semul_pcd.ALL) + 1) for s in combinations(semul_pcd.ALL, n)]
METRICS = ("macro_f1", "map", "auroc")


@dataclass(frozen=True)
class Fold:
    """One division of the videos, and where what has learnt on its train part is or goes."""

    recipe: Recipe
    data: Path
    folder: Path

    def read(self, split: str) -> list[Conversation]:
        return self.recipe.read(self.data / self.recipe.corpus, split)

    def train(self) -> None:
        """Unless that is done."""
        if (self.folder / "config.json").is_file():
            return
        name = f"{self.folder.parent.name} {self.folder.name}"
        with terminal.Stages() as stages:
            stages.begin(name)
            train_recipe(
                self.recipe,
                self.data,
                self.folder,
                name=name,
                resume=True,
                progress=lambda stage, share, terms: stages(
                    stage, share, " ".join(f"{term} {value:.3f}" for term, value in terms.items())
                ),
            )

    def answers(self, modalities: Sequence[str]) -> Run:
        """Of the checkpoint on the test part, when it has these modalities alone."""
        checkpoint = load(self.folder)
        lost = set(semul_pcd.ALL) - set(modalities)
        talks = [c.without(*lost) for c in self.read("test")]
        with terminal.Stages() as stages:
            stages.begin(f"{checkpoint.name}, {' + '.join(modalities)}")
            return Judge(mosi, talks, checkpoint.labels).run(checkpoint, "test", stages)

    def base_rates(self) -> Run:
        """How often each label holds in the train part, said of every test utterance; the majority chosen."""
        rate = Truth.of(self.read("train"), self.recipe.labels).base_rate
        rows = np.tile(rate, (len(self.read("test")), 1))
        return Run(rows, np.broadcast_to(rows.max(axis=1, keepdims=True), rows.shape))

    def losses(self) -> dict[str, float]:
        """The training loss, all terms and the cross-entropy alone, of the first and the last epoch."""
        with (self.folder / "log.csv").open(encoding="utf-8", newline="") as log:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(log)]
        terms = [name for name in rows[0] if name not in {"epoch", "score", "best"}]
        found = {"epochs": len(rows), "best epoch": 1 + max(n for n, row in enumerate(rows) if row["best"])}
        for which, row in (("first", rows[0]), ("last", rows[-1])):
            found |= {f"{which} loss": sum(row[t] for t in terms), f"{which} bce": row["bce"]}
        return found


def fold(make: str, number: int, data: Path, runs: Path, epochs: int | None = None) -> Fold:
    """Of the recipe that this function of `semul_pcd` makes."""
    recipe = getattr(semul_pcd, make)()
    train = replace(recipe.train, epochs=epochs or recipe.train.epochs)
    read = partial(mosi.read_raw, fold=number)
    return Fold(replace(recipe, read=read, train=train), data, runs / f"semul_pcd.{make}" / f"fold{number}")


def measure(folds: Sequence[Fold]) -> dict[str, object]:
    """All subsets on the held-out videos, beside answers without input; how the loss fell.

    Videos are drawn for the intervals; clips where one fold has too few of them.
    """
    talks, labels = [fold.read("test") for fold in folds], folds[0].recipe.labels
    truth = Truth.of([c for test in talks for c in test], labels, by_speaker=len(folds) > 1)
    fold_of = np.repeat(np.arange(len(folds)), [len(test) for test in talks])
    blind = pooled([fold.base_rates() for fold in folds])
    answers = {
        "none: all zeros": replace(blind, thresholds=np.full(blind.scores.shape, 2.0)),
        "none: all ones": replace(blind, thresholds=np.zeros(blind.scores.shape)),
        "none: train majority": blind,
    }
    answers |= {" + ".join(s): pooled([fold.answers(s) for fold in folds]) for s in SUBSETS}
    return {
        "utterances": len(truth.targets),
        "videos": len({u.speaker for test in talks for c in test for u in c}),
        "rows": [{"modalities": name, **judged(truth, run, fold_of)} for name, run in answers.items()],
        "training": [{"fold": fold.folder.name, **fold.losses()} for fold in folds],
    }


def pooled(runs: Sequence[Run]) -> Run:
    """The answers of several folds, one after the other."""
    return Run(*(np.concatenate([getattr(run, name) for run in runs]) for name in ("scores", "thresholds")))


def judged(truth: Truth, run: Run, fold_of: np.ndarray) -> dict[str, object]:
    """The metrics, and whether the interval of the AUROC within folds excludes .5.

    Within, since models of several folds rank each other's answers by their own base rates, which are high
    where those of the test part are low: pooled, the train majority is under .5.
    """
    estimates = evaluate(truth, [run]).estimates
    within, ones = partial(auroc_within, truth, run, fold_of), np.ones((1, len(fold_of)))
    ((low, high),) = bootstrap(within, truth.groups).values()
    found = Estimate(float(within(ones)["auroc"][0]), None, low, high)
    return {
        **{name: estimates[name].to_json() for name in METRICS},
        "auroc_within_folds": found.to_json(),
        "above_chance": low > 0.5,
    }


def auroc_within(truth: Truth, run: Run, fold_of: np.ndarray, weights: Weights) -> dict[str, Values]:
    """The mean over folds and labels."""
    folds = [fold_of == n for n in np.unique(fold_of)]
    aurocs = [
        rank_metrics(run.scores[rows, n], truth.targets[rows, n], truth.known[rows, n], weights[:, rows])
        for rows in folds
        for n in range(run.scores.shape[1])
    ]
    return {"auroc": mean_label(np.stack([found["auroc"] for found in aurocs], axis=1))}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--runs", type=Path, default=Path("runs"), help="where trained models are and go")
    arguments.add_argument("--folds", help="of the size SMALL: train these alone")
    arguments.add_argument("--only", choices=("small", "base"), help="train this size alone")
    arguments.add_argument("--base-epochs", type=int, default=10, help="(default: 10)")
    chosen = arguments.parse_args()
    numbers = [int(n) for n in chosen.folds.split(",")] if chosen.folds else range(mosi.FOLDS)
    sizes = {
        "small": [fold("mosi_raw", n, chosen.data, chosen.runs) for n in numbers],
        "base": [fold("mosi_raw_base", 0, chosen.data, chosen.runs, chosen.base_epochs)],
    }
    part = chosen.only or ("small" if chosen.folds else None)
    for name, folds in sizes.items():
        for one in folds if part in {None, name} else ():
            one.train()
    if part is None:
        print(record("mosi_raw", {name: measure(folds) for name, folds in sizes.items()}))


if __name__ == "__main__":
    main()
