"""The scores of a checkpoint of `base.together`, which is to replace `base`, by corpus and by modalities.

`python -m benchmarks._together DIR [--split test]`; nothing is recorded.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import parser
from benchmarks.base import SINGLE, face_accuracy, judge_abstention, scores_of, told

from affectline.checkpoint import Checkpoint, load, subset
from affectline.corpora import ferplus, goemotions, meld, ravdess
from affectline.evaluation import Run, Truth, evaluate
from affectline.features.video_faces import seen_whole
from affectline.recipes import Data, Read, base
from affectline.recipes import load as load_split
from affectline.recipes.made_up import MADE_UP
from affectline.types import Conversation, LabelSpace, Modality, modality_of


@dataclass(frozen=True)
class Part:
    """A corpus that judges one modality, its labels, and what is drawn at once."""

    read: Read
    labels: LabelSpace
    by_speaker: bool = False


PARTS = {
    "goemotions": Part(goemotions.read, base.LABELS),
    "meld": Part(meld.read, SINGLE),
    "ferplus": Part(ferplus.read, base.LABELS),
    "ravdess": Part(ravdess.read, SINGLE, by_speaker=True),
}


def rows(data: Data, which: Callable[[Conversation], bool]) -> Data:
    kept = [n for n, c in enumerate(data.conversations) if which(c)]
    return Data([data.conversations[n] for n in kept], [data.features[n] for n in kept])


def judge(checkpoint: Checkpoint, data: Data, key: str, truth: Truth, rate: np.ndarray) -> dict[str, Any]:
    """The report of `evaluate`, with the thresholds of this set of modalities."""
    found = Run(scores_of(checkpoint.decode(data.conversations, data.features)),
                np.array(checkpoint.thresholds[key]))  # fmt: skip
    return evaluate(truth, [found], base_rate=rate, command="").to_json()


def corpora(checkpoint: Checkpoint, test: Data, root: Path) -> dict[str, tuple[Data, dict[str, Any]]]:
    """Each corpus of the mixture, and the report on it."""
    parts: dict[str, tuple[Data, dict[str, Any]]] = {}
    for corpus, part in PARTS.items():
        data = rows(test, lambda c, name=corpus: c.corpus == name)
        (modality,) = {modality_of(s) for u in data.features[0] for s, a in u.items() if len(a)}
        train = Truth.of(part.read(root / corpus, "train"), base.LABELS).base_rate
        truth = Truth.of(data.conversations, part.labels, by_speaker=part.by_speaker)
        results = judge(checkpoint, data, modality, truth, train)
        if corpus == "ferplus":
            results["ferplus_accuracy"] = face_accuracy(checkpoint, data)
        if corpus == "ravdess":
            results["by_gender"] = by_gender(checkpoint, data)
        parts[corpus] = data, results
        told(corpus, 1, {k: results[k]["mean"] for k in SHOWN if k in results})
    return parts


SHOWN = ("weighted_f1", "macro_f1", "uar", "accuracy", "map", "brier_skill", "ece")


def by_gender(checkpoint: Checkpoint, test: Data) -> dict[str, dict[str, float]]:
    """Unweighted average recall of the strongest score, of the actors of each gender."""
    predictions = checkpoint.decode(test.conversations, test.features)
    right: dict[str, dict[str, list[bool]]] = {}
    for talk, said in zip(test.conversations, predictions, strict=True):
        gender = ravdess.Take.parse(talk.utterances[0].id).gender
        true = next(iter(talk.utterances[0].emotions or ()))
        answer = max(said.scores, key=said.scores.__getitem__)
        right.setdefault(gender, {}).setdefault(true, []).append(answer == true)
    return {
        gender: {
            "uar": float(np.mean([np.mean(hits) for hits in of.values()])),
            "n": sum(map(len, of.values())),
        }
        for gender, of in right.items()
    }


def judge_subsets(checkpoint: Checkpoint, test: Data, rate: np.ndarray) -> dict[str, object]:
    """Each set of modalities: real utterances where it is one, else made-up ones that have all of it."""
    results: dict[str, object] = {}
    for kept in (s for n in (1, 2, 3) for s in combinations(Modality, n)):
        made = len(kept) > 1
        seen = with_all(rows(test, lambda c, made=made: (c.corpus == MADE_UP) == made), kept)
        found = judge(checkpoint, seen, subset(kept), Truth.of(seen.conversations, base.LABELS), rate)
        results[subset(kept)] = {k: found[k] for k in (*SHOWN, "calibration", "per_label", "n") if k in found}
        told(subset(kept), 1, {k: found[k]["mean"] for k in SHOWN if k in found})
    return results


def with_all(data: Data, kept: Collection[Modality]) -> Data:
    """With these modalities and no other; utterances that lack one are not judged."""
    features = [
        [{s: a if modality_of(s) in kept else a[:0] for s, a in u.items()} for u in row]
        for row in data.features
    ]
    talks = []
    for talk, row in zip(data.conversations, features, strict=True):
        there = [{modality_of(s) for s, a in u.items() if len(a)} == set(kept) for u in row]
        utterances = [u if t else replace(u, emotions=None) for u, t in zip(talk, there, strict=True)]
        talks.append(replace(talk, utterances=tuple(utterances)))
    return Data(talks, features)


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("checkpoint", help="the folder of a checkpoint of base.together")
    arguments.add_argument("--split", default="dev", choices=("dev", "test"))
    settings = arguments.parse_args()
    checkpoint = load(settings.checkpoint)
    recipe = replace(base.together(), extractors=seen_whole(checkpoint.extractors))
    data = load_split(recipe, settings.data, settings.split, told)
    train = recipe.read(settings.data / recipe.corpus, "train")
    parts = corpora(checkpoint, data, settings.data)
    rate = Truth.of(train, base.LABELS).base_rate
    found = {
        "corpora": {name: results for name, (_, results) in parts.items()},
        "abstention": judge_abstention(checkpoint, {name: part for name, (part, _) in parts.items()}),
        "subsets": judge_subsets(checkpoint, data, rate),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
