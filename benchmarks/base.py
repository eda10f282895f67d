"""The scores of the checkpoint `base`: chosen on dev, judged once on each corpus' test part.

`python -m benchmarks.base` writes docs/results/base_text.json (comments), base_dialogues.json,
base_face.json, base_audio.json, base_subsets.json and abstention.json; `--split dev` prints what dev says,
and records nothing. `--folds` trains the audio recipe on five folds of four RAVDESS actors and writes
base_audio_folds.json.
"""

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
from affectline.recipes import SELECT, Data, Read, Recipe, base, featured, run
from affectline.recipes import load as load_split
from affectline.recipes.made_up import MADE_UP, MadeUp
from affectline.types import EMOTIONS, Conversation, LabelSpace, Modality, Prediction, modality_of

SINGLE = LabelSpace(EMOTIONS)
SHOWN = ("weighted_f1", "macro_f1", "uar", "accuracy", "map", "brier_skill", "ece")


@dataclass(frozen=True)
class Part:
    """A corpus that judges one modality: its labels, what is drawn at once, and the file of its scores."""

    read: Read
    modality: Modality
    labels: LabelSpace
    file: str
    by_speaker: bool = False


PARTS = {
    "goemotions": Part(goemotions.read, Modality.TEXT, base.LABELS, "base_text"),
    "meld": Part(meld.read, Modality.TEXT, SINGLE, "base_dialogues"),
    "ferplus": Part(ferplus.read, Modality.VIDEO, base.LABELS, "base_face"),
    "ravdess": Part(base.voices, Modality.AUDIO, SINGLE, "base_audio", by_speaker=True),
}


def scores_of(predictions: Sequence[Prediction]) -> np.ndarray:
    return np.array([[p.scores[e] for e in EMOTIONS] for p in predictions])


def rows(data: Data, which: Callable[[Conversation], bool]) -> Data:
    kept = [n for n, c in enumerate(data.conversations) if which(c)]
    return Data([data.conversations[n] for n in kept], [data.features[n] for n in kept])


def judge(checkpoint: Checkpoint, data: Data, key: str, truth: Truth, rate: np.ndarray) -> dict[str, Any]:
    """The report of `evaluate`, with the thresholds of this set of modalities."""
    predictions = checkpoint.decode(data.conversations, data.features)
    found = Run(scores_of(predictions), np.array(checkpoint.thresholds[key]))
    return evaluate(truth, [found], base_rate=rate, command="").to_json()


def read_by(checkpoint: Checkpoint) -> Recipe:
    """The mixture and what is made up of it, as a checkpoint reads it that has a stream for each modality."""
    streams = {str(modality_of(e.stream)): e.stream for e in checkpoint.extractors}
    made = MadeUp(base.MIX.hosts, {streams[modality_of(s)]: share for s, share in base.MIX.agree.items()})
    extractors = seen_whole(checkpoint.extractors)
    config = replace(base.together().config, streams={})
    return replace(base.together(), config=config, extractors=extractors, made_up=made)


def corpora(checkpoint: Checkpoint, data: Data, root: Path) -> dict[str, tuple[Data, dict[str, Any]]]:
    """Each corpus of the mixture, and the report on it."""
    parts: dict[str, tuple[Data, dict[str, Any]]] = {}
    for corpus, part in PARTS.items():
        own = rows(data, lambda c, name=corpus: c.corpus == name)
        rate = Truth.of(part.read(root / corpus, "train"), base.LABELS).base_rate
        truth = Truth.of(own.conversations, part.labels, by_speaker=part.by_speaker)
        results = judge(checkpoint, own, part.modality, truth, rate)
        if corpus == "ferplus":
            results["ferplus_accuracy"] = face_accuracy(checkpoint, own)
        if corpus == "ravdess":
            results["by_gender"] = by_gender(checkpoint, own)
        parts[corpus] = own, results
        told(corpus, 1, {k: results[k]["mean"] for k in SHOWN if k in results})
    return parts


def face_accuracy(checkpoint: Checkpoint, data: Data) -> dict[str, float]:
    """Strongest score against the most voted class, on the faces that the corpus' definition counts."""
    counted = ferplus.accuracy_mask(data.conversations)
    leaders = ferplus.most_voted(data.conversations)
    hits = np.array(
        [_strongest(p) == leader for p, leader in zip(_said(checkpoint, data), leaders, strict=True)]
    )
    hits, rng = hits[counted], np.random.default_rng(0)
    draws = [hits[rng.integers(len(hits), size=len(hits))].mean() for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"mean": float(hits.mean()), "low": float(low), "high": float(high), "n": int(counted.sum())}


def by_gender(checkpoint: Checkpoint, data: Data) -> dict[str, dict[str, float]]:
    """Unweighted average recall of the strongest score, of the actors of each gender."""
    right: dict[str, dict[str, list[bool]]] = {}
    for talk, said in zip(data.conversations, _said(checkpoint, data), strict=True):
        gender = ravdess.Take.parse(talk.utterances[0].id).gender
        true = next(iter(talk.utterances[0].emotions or ()))
        right.setdefault(gender, {}).setdefault(true, []).append(_strongest(said) == true)
    return {
        gender: {
            "uar": float(np.mean([np.mean(hits) for hits in of.values()])),
            "n": sum(map(len, of.values())),
        }
        for gender, of in right.items()
    }


def _said(checkpoint: Checkpoint, data: Data) -> list[Prediction]:
    return checkpoint.decode(data.conversations, data.features)


def _strongest(prediction: Prediction) -> str:
    return max(prediction.scores, key=prediction.scores.__getitem__)


def judge_subsets(checkpoint: Checkpoint, data: Data, rate: np.ndarray) -> dict[str, dict[str, Any]]:
    """Each set of modalities: real utterances where it is one, else made-up ones that have all of it.

    `calibration_error_over`: how far that of each label is over the most that a perfectly calibrated model
    with these scores has (97.5 %); below 0 it is calibrated as far as can be told.
    """
    results: dict[str, dict[str, Any]] = {"scores": {}, "brier_skill": {}, "calibration_error_over": {}}
    for kept in (s for n in (1, 2, 3) for s in combinations(Modality, n)):
        made, key = len(kept) > 1, subset(kept)
        seen = with_all(rows(data, lambda c, made=made: (c.corpus == MADE_UP) == made), kept)
        found = judge(checkpoint, seen, key, Truth.of(seen.conversations, base.LABELS), rate)
        results["scores"][key] = {"n": found["n"], **{k: found[k] for k in SHOWN}}
        results["brier_skill"][key] = {k: found["per_label"][k]["brier_skill"] for k in EMOTIONS}
        errors = found["calibration"]
        results["calibration_error_over"][key] = {k: errors[k]["ece"] - errors[k]["high"] for k in EMOTIONS}
        told(key, 1, {k: found[k]["mean"] for k in SHOWN})
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


def judge_abstention(checkpoint: Checkpoint, tests: Mapping[str, Data]) -> dict[str, object]:
    """The rule on each test part: what it keeps and drops, and its risk-coverage curve beside others'.

    `eighty`: the same where the fifth with the highest risk is dropped.
    """
    assert checkpoint.abstention is not None
    results: dict[str, object] = {}
    for name, data in tests.items():
        predictions = _said(checkpoint, data)
        found = lengths_of(data.conversations, data.features)
        evidence = np.stack([abstention.evidence(p, n) for p, n in zip(predictions, found, strict=True)])
        truth = [u.emotions or frozenset() for c in data.conversations for u in c]
        losses = abstention.wrong(predictions, truth).astype(float)
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


def folds(root: Path, out: Path, only: Sequence[int]) -> dict[str, object]:
    """The audio recipe trained five times; each actor is tested once, the epoch is chosen on two others."""
    recipe = base.voice()
    scores: dict[str, dict[str, float]] = {}
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
            scores[str(n)] = json.loads(done.read_text())
    test = [row["test"] for row in scores.values()]
    return {
        "folds": scores,
        "mean": float(np.mean(test)),
        "sd": float(np.std(test, ddof=1)) if len(test) > 1 else None,
        "n": len(test),
    }


def told(stage: str, share: float, losses: Mapping[str, float]) -> None:
    if share >= 1:
        print(stage, {k: round(v, 4) for k, v in losses.items()}, file=sys.stderr, flush=True)


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--checkpoint", default="base")
    arguments.add_argument("--split", default="test", choices=("dev", "test"))
    arguments.add_argument(
        "--folds", action="store_true", help="train and judge the five audio folds instead"
    )
    arguments.add_argument("--only", type=int, nargs="*", default=list(range(5)), help="folds to train now")
    arguments.add_argument("--out", type=Path, default=Path("runs/audio_folds"))
    settings = arguments.parse_args()
    if settings.folds:
        record("base_audio_folds", folds(settings.data, settings.out, settings.only))
        return
    checkpoint = load(settings.checkpoint)
    recipe = read_by(checkpoint)
    data = load_split(recipe, settings.data, settings.split, told)
    rate = Truth.of(recipe.read(settings.data / recipe.corpus, "train"), base.LABELS).base_rate
    parts = corpora(checkpoint, data, settings.data)
    found = {PARTS[name].file: results for name, (_, results) in parts.items()}
    found["abstention"] = judge_abstention(checkpoint, {name: part for name, (part, _) in parts.items()})
    found["base_subsets"] = judge_subsets(checkpoint, data, rate)
    for name, results in found.items():
        if settings.split == "test":
            record(name, results)
        else:
            print(name, json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
