"""What an own corpus gives `base`: MOSI's polarity on eight of ten videos, tested on two, over all rotations.

`base` has never seen MOSI, and knows no polarity: before, its valence says it, with the threshold that is
best on the eight videos. After, it is `mine.base`, trained on six of them; two choose the epoch. Its learning
rate is chosen in each rotation by cross-validation among the eight alone: four to train, two for the epoch,
two for the log loss, four times. Words and voice; faces too with --faces, which have to be found first.

python -m benchmarks.own_corpus [--checkpoint NAME|DIR] [--rates 1e-4,...] [--faces]
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from benchmarks._record import parser, record
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from affectline.checkpoint import Checkpoint, load
from affectline.corpora import mosi
from affectline.evaluation.bootstrap import bootstrap
from affectline.features import extract
from affectline.recipes import Tuning, train_recipe
from affectline.recipes.mine import base
from affectline.types import Conversation

POSITIVE = "positive"
INNER = 4
"""Parts of two videos each that the eight of a rotation make."""
MEMO: dict[str, np.ndarray] = {}
"""The features of each clip, which is trained on many times."""
Parts = Mapping[str, Sequence[Conversation]]


@dataclass(frozen=True)
class Answers:
    """Of the utterances of test videos: how positive they are said to be, and whether that is positive."""

    scores: np.ndarray
    chosen: np.ndarray


def in_videos(root: Path, split: str, fold: int, faces: dict[str, Any]) -> list[Conversation]:
    """The clips of a part in their videos, in the order in which they were said; two labels by the sign."""
    there = {c.id for c in mosi.read_raw(root, split, fold)}
    talks = [c for part in mosi.SPLITS for c in mosi.read(root, part)]
    found = []
    for talk in talks:
        said = tuple(replace(u, face=faces.get(u.id)) for u in talk if u.id in there)
        if said:
            found.append(replace(talk, utterances=said))
    return found


def valence(checkpoint: Checkpoint, talks: Sequence[Conversation]) -> np.ndarray:
    """Of a model that knows no polarity, and is told none."""
    asked = [replace(c, utterances=tuple(replace(u, emotions=None) for u in c)) for c in talks]
    return np.array([p.valence for row in checkpoint.predict(asked, memo=MEMO) for p in row])


def truth(talks: Sequence[Conversation]) -> np.ndarray:
    return np.array([POSITIVE in (u.emotions or ()) for c in talks for u in c])


def best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    """That of the highest accuracy."""
    cuts = np.unique(scores)
    return float(cuts[np.argmax([((scores >= cut) == true).mean() for cut in cuts])])


def tuned(tuning: Tuning, rate: float, parts: Parts, out: Path, seed: int) -> Checkpoint:
    """What training on these parts gives, with this learning rate."""
    tuning = replace(
        tuning, read=lambda _, split: parts[split], train=replace(tuning.train, learning_rate=rate)
    )
    return train_recipe(tuning, out.parent, out, seed=seed)


def said(checkpoint: Checkpoint, talks: Sequence[Conversation]) -> Answers:
    found = [p for row in checkpoint.predict(talks, memo=MEMO) for p in row]
    scores = np.array([p.scores[POSITIVE] for p in found])
    return Answers(scores, np.array([POSITIVE in p.emotions for p in found]))


def losses(tuning: Tuning, rates: Sequence[float], talks: Sequence[Conversation], out: Path) -> list[float]:
    """The log loss that each learning rate gives, by cross-validation among these videos."""
    found = []
    for rate in rates:
        true, scores = [], []
        for n in range(INNER):
            test, dev = talks[n::INNER], talks[(n + 1) % INNER :: INNER]
            train = [c for c in talks if c not in test and c not in dev]
            checkpoint = tuned(tuning, rate, {"train": train, "dev": dev}, out / f"inner{n}", n)
            true.append(truth(test))
            scores.append(said(checkpoint, test).scores)
        found.append(float(log_loss(np.concatenate(true), np.concatenate(scores))))
        print(f"  {rate:g}: {found[-1]:.3f}", flush=True)
    return found


def rotation(number: int, before: Checkpoint, tuning: Tuning, options: argparse.Namespace) -> dict[str, Any]:
    """Before and after on the two videos of a rotation."""
    rates = [float(rate) for rate in options.rates.split(",")]
    parts = {split: tuning.read(options.data / "mosi", split) for split in mosi.SPLITS}
    seen = [*parts["train"], *parts["dev"]]
    cut = best_threshold(valence(before, seen), truth(seen))
    scores = valence(before, parts["test"])
    inner = losses(tuning, rates, seen, options.runs / f"fold{number}") if len(rates) > 1 else [0.0]
    rate = rates[int(np.argmin(inner))]
    began, cpu = time.monotonic(), time.process_time()
    after = tuned(tuning, rate, parts, options.runs / f"fold{number}" / "after", number)
    return {
        "true": truth(parts["test"]),
        "video": np.array([c.id for c in parts["test"] for _ in c]),
        "before": Answers(scores, scores >= cut),
        "after": said(after, parts["test"]),
        "majority": Answers(np.zeros(len(scores)), np.full(len(scores), truth(seen).mean() >= 0.5)),
        "learning_rate": rate,
        "log_loss": inner,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu,
    }


def judged(folds: Sequence[dict[str, Any]], which: str) -> dict[str, Any]:
    """Accuracy and macro F1 over all utterances, the interval over videos; AUROC within rotations."""
    true = np.concatenate([fold["true"] for fold in folds])
    chosen = np.concatenate([fold[which].chosen for fold in folds])
    videos = np.concatenate([fold["video"] for fold in folds])
    right = (true == chosen).astype(float)
    ((low, high),) = bootstrap(
        lambda weights: {"accuracy": weights @ right / weights.sum(axis=1)},
        np.unique(videos, return_inverse=True)[1],
    ).values()
    aurocs = [roc_auc_score(fold["true"], fold[which].scores) for fold in folds]
    return {
        "accuracy": {"mean": right.mean(), "low": low, "high": high},
        "macro_f1": f1_score(true, chosen, average="macro"),
        "auroc_within_rotations": float(np.mean(aurocs)),
        "by_rotation": [float((fold["true"] == fold[which].chosen).mean()) for fold in folds],
    }


def found_faces(data: Path) -> dict[str, Any]:
    """The speaker's face in each clip that shows one."""
    from affectline.nn.mtcnn import MTCNN
    from affectline.segment.faces import attach_each

    detector = MTCNN.load()
    talks = [c for split in mosi.SPLITS for c in in_videos(data / "mosi", split, 0, {})]
    return {u.id: u.face for c in talks for u in attach_each(c, detector)}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--checkpoint", default="base")
    arguments.add_argument(
        "--runs", type=Path, default=Path("runs/own_corpus"), help="where trained models go"
    )
    arguments.add_argument("--rates", default="1e-4,2e-4,5e-4,1e-3", help="learning rates to choose from")
    arguments.add_argument("--faces", action="store_true")
    options = arguments.parse_args()
    before = load(options.checkpoint)
    faces = found_faces(options.data) if options.faces else {}
    folds = []
    for number in range(mosi.FOLDS):
        read = partial(in_videos, fold=number, faces=faces)
        tuning = replace(base(), corpus="mosi", read=read, checkpoint=options.checkpoint)
        with patch("affectline.recipes.extract", partial(extract, memo=MEMO)):
            folds.append(rotation(number, before, tuning, options))
        print(number, {k: judged(folds[-1:], k)["by_rotation"] for k in ("before", "after")}, flush=True)
    results = {
        "model": type(before.model).__name__,
        "modalities": ["text", "audio", *(["video"] if options.faces else [])],
        "utterances": sum(len(fold["true"]) for fold in folds),
        "videos": len({video for fold in folds for video in fold["video"]}),
        **{which: judged(folds, which) for which in ("before", "after", "majority")},
        "learning_rates": options.rates,
        "log_loss": [fold["log_loss"] for fold in folds],
        "learning_rate": [f"{fold['learning_rate']:g}" for fold in folds],
        "seconds_a_training": float(np.mean([fold["seconds"] for fold in folds])),
        "cpu_seconds_a_training": float(np.mean([fold["cpu_seconds"] for fold in folds])),
    }
    print(record("own_corpus", results))


if __name__ == "__main__":
    main()
