"""The test-set scores of the checkpoint `base`: chosen on dev, judged once on each corpus' test part.

`python -m benchmarks.base` writes docs/results/base_text.json (comments), base_dialogues.json,
base_face.json, base_audio.json, base_subsets.json and abstention.json; `--folds` trains the audio recipe on
five folds of four RAVDESS actors and writes base_audio_folds.json.
"""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import parser, record

from affectline import abstention
from affectline.checkpoint import Checkpoint, lengths_of, load, subset
from affectline.corpora import ferplus, goemotions, meld, ravdess
from affectline.evaluation import AbstentionCheck, RiskCoverage, Run, Truth, evaluate
from affectline.features.video_faces import seen_whole
from affectline.models import infer
from affectline.recipes import SELECT, Data, Read, base, featured, run
from affectline.recipes import load as load_split
from affectline.recipes.made_up import MADE_UP
from affectline.types import EMOTIONS, Conversation, LabelSpace, Modality, Prediction, modality_of

SINGLE = LabelSpace(EMOTIONS)
READERS: Mapping[str, Read] = {"text": goemotions.read, "face": ferplus.read, "audio": ravdess.read}
FOLDERS = {"text": "goemotions", "face": "ferplus", "audio": "ravdess"}
ONLY = {"text": Modality.TEXT, "face": Modality.VIDEO, "audio": Modality.AUDIO}


@dataclass(frozen=True)
class Part:
    """A corpus that judges one modality, the name of its results, its labels, and what is drawn at once."""

    name: str
    read: Read
    labels: LabelSpace
    by_speaker: bool = False


PARTS = {
    "goemotions": Part("base_text", goemotions.read, base.LABELS),
    "meld": Part("base_dialogues", meld.read, SINGLE),
    "ferplus": Part("base_face", ferplus.read, base.LABELS),
    "ravdess": Part("base_audio", ravdess.read, SINGLE, by_speaker=True),
}


def scores_of(predictions: Sequence[Prediction]) -> np.ndarray:
    return np.array([[p.scores[e] for e in EMOTIONS] for p in predictions])


def rows(data: Data, which: Callable[[Conversation], bool]) -> Data:
    kept = [n for n, c in enumerate(data.conversations) if which(c)]
    return Data([data.conversations[n] for n in kept], [data.features[n] for n in kept])


def judge(checkpoint: Checkpoint, data: Data, key: str, truth: Truth, rate: np.ndarray) -> dict[str, Any]:
    """The report of `evaluate`, with the thresholds of this set of modalities."""
    found = Run(scores_of(checkpoint.decode(data.conversations, data.features)),
                np.array(checkpoint.thresholds[key]))  # fmt: skip
    return evaluate(truth, [found], base_rate=rate, command="").to_json()


def corpora(checkpoint: Checkpoint, test: Data, root: Path) -> dict[str, Data]:
    parts: dict[str, Data] = {}
    for corpus, part in PARTS.items():
        parts[corpus] = data = rows(test, lambda c, name=corpus: c.corpus == name)
        (modality,) = {modality_of(s) for u in data.features[0] for s, a in u.items() if len(a)}
        train = Truth.of(part.read(root / corpus, "train"), base.LABELS).base_rate
        truth = Truth.of(data.conversations, part.labels, by_speaker=part.by_speaker)
        results = judge(checkpoint, data, modality, truth, train)
        if corpus == "ferplus":
            results["ferplus_accuracy"] = face_accuracy(checkpoint, data)
        if corpus == "ravdess":
            results["by_gender"] = by_gender(checkpoint, data)
        record(part.name, results)
        told(corpus, 1, {k: results[k]["mean"] for k in SHOWN if k in results})
    return parts


SHOWN = ("weighted_f1", "macro_f1", "uar", "accuracy", "map", "brier_skill", "ece")


def face_accuracy(checkpoint: Checkpoint, test: Data) -> dict[str, float]:
    """Strongest score against the most voted class, on the faces that the corpus' definition counts."""
    counted = ferplus.accuracy_mask(test.conversations)
    leaders = ferplus.most_voted(test.conversations)
    predictions = checkpoint.decode(test.conversations, test.features)
    right = np.array(
        [
            max(p.scores, key=p.scores.__getitem__) == leader
            for p, leader in zip(predictions, leaders, strict=True)
        ]
    )
    rng = np.random.default_rng(0)
    hits = right[counted]
    draws = [hits[rng.integers(len(hits), size=len(hits))].mean() for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"mean": float(hits.mean()), "low": float(low), "high": float(high), "n": int(counted.sum())}


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


def judge_abstention(checkpoint: Checkpoint, tests: Mapping[str, Data]) -> dict[str, object]:
    """The rule on each test part: what it keeps and drops, and its risk-coverage curve beside others'.

    `eighty`: the same where the fifth with the highest risk is dropped.
    """
    assert checkpoint.abstention is not None
    results: dict[str, object] = {}
    for name, data in tests.items():
        every = [u.emotions for c in data.conversations for u in c]
        known = [n for n, emotions in enumerate(every) if emotions is not None]
        said = checkpoint.decode(data.conversations, data.features)
        found = lengths_of(data.conversations, data.features)
        predictions = [said[n] for n in known]
        evidence = np.stack([abstention.evidence(said[n], found[n]) for n in known])
        losses = abstention.wrong(predictions, [every[n] or frozenset() for n in known]).astype(float)
        risk = checkpoint.abstention.risk(evidence)
        results[name] = {
            "rule": vars(AbstentionCheck.of(losses, checkpoint.abstention(evidence))),
            "eighty": vars(AbstentionCheck.of(losses, risk > np.quantile(risk, 0.8))),
            "by_risk": RiskCoverage.of(losses, risk).to_json(),
            "by_entropy": RiskCoverage.of(losses, np.array([p.uncertainty for p in predictions])).to_json(),
            "by_maximum": RiskCoverage.of(losses, 1 - scores_of(predictions).max(axis=1)).to_json(),
            "n": len(losses),
        }
    return results


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


def folds(root: Path, out: Path, only: Sequence[int]) -> dict[str, object]:
    """The audio recipe trained five times; each actor is tested once, the epoch is chosen on two others."""
    recipe = base.audio()
    found: dict[str, dict[str, float]] = {}
    for n, fold in enumerate(ravdess.folds(root / "ravdess")):
        done = out / f"fold{n}" / "uar.json"
        if n in only and not done.exists():
            parts = [featured(recipe, cs, "") for cs in (fold.train, fold.dev, fold.test)]
            model = run(recipe, parts[0], parts[1], done.parent, resume=True, progress=told)
            uar = {
                name: SELECT["uar"](infer(model, d.conversations, d.features, recipe.labels))
                for name, d in zip(("dev", "test"), parts[1:], strict=True)
            }
            done.write_text(json.dumps(uar))
        if done.exists():
            found[str(n)] = json.loads(done.read_text())
    test = [row["test"] for row in found.values()]
    return {
        "folds": found,
        "mean": float(np.mean(test)),
        "sd": float(np.std(test, ddof=1)) if len(test) > 1 else None,
        "n": len(test),
    }


def told(stage: str, share: float, losses: Mapping[str, float]) -> None:
    if share >= 1:
        print(stage, {k: round(v, 4) for k, v in losses.items()}, file=sys.stderr, flush=True)


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument(
        "--folds", action="store_true", help="train and judge the five audio folds instead"
    )
    arguments.add_argument("--only", type=int, nargs="*", default=list(range(5)), help="folds to train now")
    arguments.add_argument("--out", type=Path, default=Path("runs/audio_folds"))
    settings = arguments.parse_args()
    if settings.folds:
        record("base_audio_folds", folds(settings.data, settings.out, settings.only))
        return
    checkpoint = load("base")
    recipe = replace(base.together(), extractors=seen_whole(checkpoint.extractors))
    test = load_split(recipe, settings.data, "test", told)
    tests = corpora(checkpoint, test, settings.data)
    record("abstention", judge_abstention(checkpoint, tests))
    train = recipe.read(settings.data / recipe.corpus, "train")
    record("base_subsets", judge_subsets(checkpoint, test, Truth.of(train, base.LABELS).base_rate))


if __name__ == "__main__":
    main()
