"""SeMuL-PCD on ElderReact's sound: several labels at once, each of its losses, and what stands beside it.

`python -m benchmarks.elderreact [--seeds 0,1,2,3,4] [--runs DIR]` writes docs/results/elderreact.json and two
pictures of reliability: elderreact.svg with and without the losses, elderreact_losses.svg with each of them
alone, before dev has calibrated anything. What a row and a seed have answered is kept in DIR/elderreact and
not computed again. A row of losses is chosen on dev, as C is for the logistic regression and the SVM. Clips
of one video are drawn together: each video has clips in train, dev and test, so that how often its clips in
train show a label says something without any sound ("prior").
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from benchmarks._record import FOLDER, parser, record
from benchmarks._svm import CLASSIFIERS, Part, decided, fitted
from scipy.special import expit

from affectline.corpora.elderreact import IN_VIDEO, LABELS, READY
from affectline.evaluation import (
    Run,
    Truth,
    check_calibration,
    difference,
    evaluate,
)
from affectline.evaluation.diagrams import reliability_svg
from affectline.files import atomic_write
from affectline.machines import Machines
from affectline.models import infer
from affectline.recipes import Data, Recipe, load, run
from affectline.recipes.semul_pcd import LOSSES, elderreact_audio, elderreact_in_video

SCORES = ("weighted_f1", "macro_f1", "map", "auroc", "acc_label", "brier_skill", "ece")
OWN, NONE = "losses_10_05_10", "losses_00_00_00"
ROWS = {OWN: elderreact_audio()} | {name: elderreact_audio(name) for name in LOSSES}
SINGLE = {
    "no loss but BCE": NONE,
    "BCE and calibration": "losses_10_00_00",
    "BCE and distillation": "losses_00_10_00",
    "BCE and contrast": "losses_00_00_10",
}
CHOSEN = "SeMuL-PCD, losses chosen on dev"
SPLITS = ("train", "dev", "test")
CLAIMS = {
    "calibration helps": ("losses_10_00_00", NONE),
    "distillation helps": ("losses_00_10_00", NONE),
    "contrast helps": ("losses_00_00_10", NONE),
    "all three help": (OWN, NONE),
    "calibration is the most": ("losses_10_00_00", "losses_00_10_00"),
    "distillation helps beside the others": ("losses_10_10_10", "losses_10_00_10"),
}
"""What the paper says of its losses (Section 5, Table 5): the first row is better than the second."""


@dataclass(frozen=True)
class Answers:
    """What a trained model says of dev and test, before calibration."""

    dev: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Corpus:
    """The splits as a recipe reads them, and their truth."""

    recipe: Recipe
    data: Path

    @cached_property
    def parts(self) -> dict[str, Data]:
        return {split: load(self.recipe, self.data, split) for split in SPLITS}

    @cached_property
    def truth(self) -> dict[str, Truth]:
        parts = self.parts.items()
        return {split: Truth.of(part.conversations, LABELS, by_speaker=True) for split, part in parts}

    def answers(self, row: Recipe, seed: int, kept: Path) -> Answers:
        """As they were kept, or trained now."""
        if not kept.is_file():
            seeded = replace(row, train=replace(row.train, seed=seed))
            with tempfile.TemporaryDirectory() as folder:
                made = run(
                    seeded,
                    self.parts["train"],
                    self.parts["dev"],
                    Path(folder),
                    machines=Machines(device="cpu"),
                )
            said = {
                split: infer(made, part.conversations, part.features, LABELS).logits
                for split, part in self.parts.items()
                if split != "train"
            }
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, dev=said["dev"], test=said["test"])
        with np.load(kept) as file:
            return Answers(file["dev"], file["test"])

    def judged(self, answers: Answers) -> Run:
        """Of test, with calibration and thresholds from dev."""
        return decided(answers.dev, self.truth["dev"], answers.test)

    def on_dev(self, answers: Answers) -> Run:
        return Run(expit(answers.dev), np.full(len(LABELS.names), 0.5))

    def beside(self, stream: str) -> dict[str, Run]:
        """Classifiers on the same vectors."""
        parts = {s: Part.of(p.conversations, self.truth[s], stream) for s, p in self.parts.items()}
        return {kind: fitted(kind, *parts.values()) for kind in CLASSIFIERS}

    def prior(self) -> Run:
        """How often the clips of a video in train show each label, drawn to the rate of all clips."""
        train = self.truth["train"]
        rate = train.base_rate

        def said(split: str) -> np.ndarray:
            own = [train.groups == video for video in self.truth[split].groups]
            shares = [(train.targets[rows].sum(axis=0) + 2 * rate) / (rows.sum() + 2) for rows in own]
            return np.log(np.array(shares) / (1 - np.array(shares)))

        return self.judged(Answers(said("dev"), said("test")))


def measure(seeds: Sequence[int], data: Path, runs: Path) -> dict[str, object]:
    alone, heard = Corpus(ROWS[OWN], data), Corpus(elderreact_in_video(), data)
    folder = runs / "elderreact"

    def trained(corpus: Corpus, name: str, row: Recipe) -> list[Answers]:
        print(name, flush=True)
        return [corpus.answers(row, seed, folder / f"{name}_{seed}.npz") for seed in seeds]

    answers = {name: trained(alone, name, row) for name, row in ROWS.items()}
    on_dev = {name: _mean_ap(alone, found) for name, found in answers.items()}
    best = max(on_dev, key=lambda name: on_dev[name])
    judged = {name: [alone.judged(a) for a in found] for name, found in answers.items()}
    in_video = trained(heard, "in_video", heard.recipe)
    (clip,), (video,) = READY, IN_VIDEO
    others = {kind: [r] for kind, r in alone.beside(clip).items()}
    others |= {f"{kind}, in video": [r] for kind, r in heard.beside(video).items()}
    others["prior of the video, no sound"] = [alone.prior()]
    models = {
        "SeMuL-PCD": judged[OWN],
        CHOSEN: judged[best],
        "SeMuL-PCD, in video": [heard.judged(a) for a in in_video],
    }
    truth = alone.truth["test"]
    for name, picture in _diagrams(alone, judged, answers).items():
        atomic_write(FOLDER / name, picture)
    return {
        "rows": {name: _row(alone, said) for name, said in (models | others | _blind(alone)).items()},
        "differences": {
            f"{name} - {other}": _difference(truth, said, against)
            for name, said in models.items()
            for other, against in (others | _blind(alone)).items()
            if other in ("logistic regression", "logistic regression, in video", "RBF-SVM", "all ones")
        },
        "losses": {
            name: {"map on dev": on_dev[name], **_row(alone, judged[name]), **_raw(alone, answers[name])}
            for name in ROWS
        },
        "claims": {claim: _difference(truth, judged[a], judged[b]) for claim, (a, b) in CLAIMS.items()},
        "losses chosen on dev": best,
        "calibration": _inside(truth, judged[OWN]),
        "rates": [
            {"part": s, **dict(zip(LABELS.names, t.base_rate.tolist(), strict=True))}
            for s, t in alone.truth.items()
        ],
        "seeds": list(seeds),
    }


def _mean_ap(corpus: Corpus, found: Sequence[Answers]) -> float:
    report = evaluate(corpus.truth["dev"], [corpus.on_dev(a) for a in found], seeds=range(len(found)))
    return report.estimates["map"].mean


def _row(corpus: Corpus, runs: Sequence[Run]) -> dict[str, object]:
    rate = corpus.truth["train"].base_rate
    report = evaluate(corpus.truth["test"], runs, base_rate=rate, seeds=range(len(runs)))
    return {name: report.estimates[name].to_json() for name in SCORES}


def _raw(corpus: Corpus, answers: Sequence[Answers]) -> dict[str, object]:
    """The calibration error of what the network itself says, before dev has calibrated it."""
    half = np.full(len(LABELS.names), 0.5)
    runs = [Run(expit(a.test), half) for a in answers]
    report = evaluate(corpus.truth["test"], runs, seeds=range(len(runs)))
    return {"ece before calibration": report.estimates["ece"].to_json()}


def _blind(corpus: Corpus) -> dict[str, list[Run]]:
    """All labels, none, or the one most frequent in train, whatever is heard; scored with train's rates."""
    rate = corpus.truth["train"].base_rate
    scores = np.tile(rate, (len(corpus.truth["test"].targets), 1))
    thresholds = {
        "all ones": np.zeros_like(rate),
        "all zeros": np.ones_like(rate),
        "majority": np.where(rate == rate.max(), 0.0, 1.0),
    }
    return {name: [Run(scores, least)] for name, least in thresholds.items()}


def _difference(truth: Truth, runs: Sequence[Run], others: Sequence[Run]) -> dict[str, object]:
    found = difference(truth, runs, others)
    return {name: found[name].to_json() for name in ("macro_f1", "weighted_f1", "map", "auroc", "ece")}


def _inside(truth: Truth, runs: Sequence[Run]) -> dict[str, object]:
    """For each label: in how many seeds its error is one that perfectly calibrated scores would show."""
    checks = [check_calibration(r.scores, truth.targets, truth.known)[1] for r in runs]
    return {
        label: f"{sum(c[n] is not None and c[n].inside for c in checks)} of {len(runs)} seeds"  # pyright: ignore
        for n, label in enumerate(LABELS.names)
    }


def _diagrams(
    corpus: Corpus, judged: Mapping[str, Sequence[Run]], answers: Mapping[str, Sequence[Answers]]
) -> dict[str, str]:
    """Of the first seed."""

    def drawn(runs: Mapping[str, Run]) -> str:
        return reliability_svg({t: evaluate(corpus.truth["test"], [r]).to_json() for t, r in runs.items()})

    half = np.full(len(LABELS.names), 0.5)
    raw = {title: Run(expit(answers[row][0].test), half) for title, row in SINGLE.items()}
    calibrated = {"all losses": judged[OWN][0], "no loss but BCE": judged[NONE][0]}
    return {"elderreact.svg": drawn(calibrated), "elderreact_losses.svg": drawn(raw)}


if __name__ == "__main__":
    chosen = parser(__doc__ or "", seeds="0,1,2,3,4").parse_args()
    numbers = [int(n) for n in chosen.seeds.split(",")]
    record("elderreact", measure(numbers, chosen.data, chosen.runs))
