"""What an own corpus gives `base`: MOSI's polarity on eight of ten videos, tested on two, over all rotations.

`base` has never seen MOSI, and knows no polarity: before, its valence says it, with the threshold that is
best on the eight videos. After, it is `mine.base`, trained on six of them; two choose the epoch. Words and
voice; faces too with --faces, which have to be found first.

python -m benchmarks.own_corpus [--checkpoint NAME|DIR] [--faces]
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import parser, record
from sklearn.metrics import f1_score, roc_auc_score

from affectline.checkpoint import Checkpoint, load
from affectline.corpora import mosi
from affectline.evaluation.bootstrap import bootstrap
from affectline.recipes import Tuning, train_recipe
from affectline.recipes.mine import base
from affectline.types import Conversation

POSITIVE = "positive"


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
    return np.array([p.valence for row in checkpoint.predict(talks) for p in row])


def truth(talks: Sequence[Conversation]) -> np.ndarray:
    return np.array([POSITIVE in (u.emotions or ()) for c in talks for u in c])


def best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    """That of the highest accuracy."""
    cuts = np.unique(scores)
    return float(cuts[np.argmax([((scores >= cut) == true).mean() for cut in cuts])])


def rotation(number: int, before: Checkpoint, tuning: Tuning, options: argparse.Namespace) -> dict[str, Any]:
    """Before and after on the two videos of a rotation."""
    parts = {split: tuning.read(options.data / "mosi", split) for split in mosi.SPLITS}
    seen = [*parts["train"], *parts["dev"]]
    cut = best_threshold(valence(before, seen), truth(seen))
    scores = valence(before, parts["test"])
    began, cpu = time.monotonic(), time.process_time()
    tuned = train_recipe(tuning, options.data, options.runs / f"fold{number}", seed=number)
    took = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu}
    said = [p for row in tuned.predict(parts["test"]) for p in row]
    after = np.array([p.scores[POSITIVE] for p in said])
    return {
        "true": truth(parts["test"]),
        "video": np.array([c.id for c in parts["test"] for _ in c]),
        "before": Answers(scores, scores >= cut),
        "after": Answers(after, np.array([POSITIVE in p.emotions for p in said])),
        "majority": Answers(np.zeros(len(after)), np.full(len(after), truth(seen).mean() >= 0.5)),
        **took,
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
    arguments.add_argument("--faces", action="store_true")
    options = arguments.parse_args()
    before = load(options.checkpoint)
    faces = found_faces(options.data) if options.faces else {}
    folds = []
    for number in range(mosi.FOLDS):
        read = partial(in_videos, fold=number, faces=faces)
        tuning = replace(base(), corpus="mosi", read=read, checkpoint=options.checkpoint)
        folds.append(rotation(number, before, tuning, options))
        print(number, {k: judged(folds[-1:], k)["by_rotation"] for k in ("before", "after")}, flush=True)
    results = {
        "model": type(before.model).__name__,
        "modalities": ["text", "audio", *(["video"] if options.faces else [])],
        "utterances": sum(len(fold["true"]) for fold in folds),
        "videos": len({video for fold in folds for video in fold["video"]}),
        **{which: judged(folds, which) for which in ("before", "after", "majority")},
        "seconds_a_training": float(np.mean([fold["seconds"] for fold in folds])),
        "cpu_seconds_a_training": float(np.mean([fold["cpu_seconds"] for fold in folds])),
    }
    print(record("own_corpus", results))


if __name__ == "__main__":
    main()
