"""What MOSI's polarity needs of `base`: nothing is trained, a logistic regression tells it from what it says.

The rotations are those of benchmarks/own_corpus.py: eight videos, tested on two. Weights are shrunk, by as
much as gives each of the eight the least log loss when the other seven are learnt from. `seven`: of the log
odds of the seven labels, with which `mine.base` begins. `valence`: of valence alone. `both`: of the seven,
and of valence, which is free. `chosen inside`: whichever of these has the least log loss among the eight.

python -m benchmarks.own_corpus_layer [--checkpoint NAME|DIR]
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from benchmarks._record import parser, record
from benchmarks.own_corpus import Answers, in_videos, judged, truth
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from affectline.checkpoint import Checkpoint, load
from affectline.corpora import mosi
from affectline.types import Conversation

FREE = 30.0
"""By so much what is not shrunk is larger than what is."""
LEAST = 1e-4
"""A probability is no nearer to 0 or 1."""
STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
WAYS = {"valence": (1.0, 0.0), "seven": (0.0, 1.0), "both": (FREE, 1.0)}
"""What valence and what the seven count."""


@dataclass(frozen=True)
class Part:
    """Utterances: valence and seven log odds, whether they are positive, and of which video."""

    told: np.ndarray
    true: np.ndarray
    video: np.ndarray

    @classmethod
    def of(cls, checkpoint: Checkpoint, talks: Sequence[Conversation]) -> "Part":
        asked = [replace(c, utterances=tuple(replace(u, emotions=None) for u in c)) for c in talks]
        found = [p for row in checkpoint.predict(asked) for p in row]
        scores = np.array([[p.scores[label] for label in checkpoint.labels.names] for p in found])
        odds = np.clip(scores, LEAST, 1 - LEAST)
        told = np.column_stack([[p.valence for p in found], np.log(odds / (1 - odds))])
        return cls(told, truth(talks), np.array([c.id for c in talks for _ in c]))

    def where(self, some: np.ndarray) -> "Part":
        return Part(self.told[some], self.true[some], self.video[some])


def scores(learnt: Part, asked: Part, way: str, strength: float) -> np.ndarray:
    """How likely each utterance is positive."""
    mean, sd = learnt.told.mean(axis=0), learnt.told.std(axis=0)
    valence, seven = WAYS[way]
    scale = np.array([valence, *[seven] * (learnt.told.shape[1] - 1)]) / (sd + 1e-6)
    layer = LogisticRegression(C=strength, max_iter=2000)
    layer.fit((learnt.told - mean) * scale, learnt.true)
    return layer.predict_proba((asked.told - mean) * scale)[:, 1]


def inner(seen: Part, way: str, strength: float) -> float:
    """Log loss of each video by the others."""
    found = np.empty(len(seen.true))
    for video in np.unique(seen.video):
        there = seen.video == video
        found[there] = scores(seen.where(~there), seen.where(there), way, strength)
    return float(log_loss(seen.true, found))


def rotation(seen: Part, test: Part) -> dict[str, Any]:
    """What each way says of the test videos, and how it did inside the others."""
    fold: dict[str, Any] = {"true": test.true, "video": test.video}
    losses: dict[str, float] = {}
    for way in WAYS:
        losses[way], strength = min((inner(seen, way, s), s) for s in STRENGTHS)
        found = scores(seen, test, way, strength)
        fold[way] = Answers(found, found >= 0.5)
    fold["chosen inside"] = fold[min(losses, key=lambda way: losses[way])]
    return {**fold, "log_loss": losses}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--checkpoint", default="base")
    options = arguments.parse_args()
    root, checkpoint = options.data / "mosi", load(options.checkpoint)
    whole = Part.of(checkpoint, [c for split in mosi.SPLITS for c in in_videos(root, split, 0, {})])
    folds = []
    for number in range(mosi.FOLDS):
        test = np.isin(whole.video, [c.id for c in in_videos(root, "test", number, {})])
        folds.append(rotation(whole.where(~test), whole.where(test)))
    results = {
        **{way: judged(folds, way) for way in (*WAYS, "chosen inside")},
        "log_loss_inside": {way: [round(fold["log_loss"][way], 4) for fold in folds] for way in WAYS},
    }
    print(record("own_corpus_layer", results))


if __name__ == "__main__":
    main()
