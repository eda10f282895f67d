"""The test-set scores of the checkpoint `base`: chosen on dev, judged once on each corpus' test part.

`python -m benchmarks.base` writes docs/results/base_text.json, base_face.json, base_audio.json,
base_joined.json and abstention.json; `--folds` trains the audio recipe on five folds of four RAVDESS actors
and writes base_audio_folds.json.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from benchmarks._record import record

from affectline import abstention
from affectline.checkpoint import Checkpoint, lengths, lengths_of, load, subset
from affectline.corpora import ferplus, goemotions, ravdess
from affectline.evaluation import AbstentionCheck, RiskCoverage, Run, Truth, evaluate
from affectline.features import extract
from affectline.features.video_faces import seen_whole
from affectline.models import infer
from affectline.models.late_fusion import LateFusion
from affectline.recipes import SELECT, Data, base, featured, joining, run
from affectline.types import EMOTIONS, Conversation, LabelSpace, Modality, Prediction

SINGLE = LabelSpace(EMOTIONS)
READERS = {"text": goemotions.read, "face": ferplus.read, "audio": ravdess.read}
FOLDERS = {"text": "goemotions", "face": "ferplus", "audio": "ravdess"}
ONLY = {"text": Modality.TEXT, "face": Modality.VIDEO, "audio": Modality.AUDIO}


def split(checkpoint: Checkpoint, root: Path, part: str, name: str) -> Data:
    """A split of the corpus of one part of `base`, with that part's modality alone."""
    conversations = READERS[part](root / FOLDERS[part], name)
    gone = [m for m in Modality if m is not ONLY[part]]
    conversations = [c.without(*gone) for c in conversations]
    return Data(conversations, extract(conversations, seen_whole(checkpoint.extractors)))


def scores_of(predictions: Sequence[Prediction]) -> np.ndarray:
    return np.array([[p.scores[e] for e in EMOTIONS] for p in predictions])


def judge(
    checkpoint: Checkpoint, data: Data, labels: LabelSpace, train_rate: np.ndarray, **kw
) -> dict[str, object]:
    """The report of `evaluate`, with the thresholds of the modalities that are there."""
    predictions = checkpoint.decode(data.conversations, data.features)
    present = [m for m, n in lengths(data.features[0][0]).items() if n]
    run_ = Run(scores_of(predictions), np.array(checkpoint.thresholds[subset(present)]))
    truth = Truth.of(data.conversations, labels, **kw)
    return evaluate(truth, [run_], base_rate=train_rate, command="").to_json()


def command() -> str:
    return "python -m benchmarks.base " + " ".join(
        a for a in sys.argv[1:] if not Path(a).is_dir() and a != "--data"
    )


def rate(conversations: Sequence[Conversation]) -> np.ndarray:
    return Truth.of(conversations, LabelSpace(EMOTIONS, multilabel=True)).base_rate


def corpora(checkpoint: Checkpoint, root: Path) -> dict[str, Data]:
    tests = {}
    for part, labels in (("text", base.LABELS), ("face", base.LABELS), ("audio", SINGLE)):
        test = split(checkpoint, root, part, "test")
        train_rate = rate(READERS[part](root / FOLDERS[part], "train"))
        results = judge(
            checkpoint, test, labels, train_rate, **({"by_speaker": True} if part == "audio" else {})
        )
        if part == "face":
            results["ferplus_accuracy"] = face_accuracy(checkpoint, test)
        record(f"base_{part}", results)
        tests[part] = test
        print(
            part,
            json.dumps(
                {k: results[k] for k in ("macro_f1", "uar", "accuracy", "map", "ece") if k in results}
            ),
        )
    return tests


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


def judge_abstention(checkpoint: Checkpoint, tests: Mapping[str, Data]) -> dict[str, object]:
    """The rule on the annotated utterances of each part: what it keeps and drops, and risk-coverage curves.

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


def judge_joined(checkpoint: Checkpoint, tests: Mapping[str, Data]) -> dict[str, object]:
    """Made-up utterances of the test parts, as the fusion weights were learned on those of dev."""
    model = checkpoint.model
    assert isinstance(model, LateFusion)
    alone = {ONLY[p]: joining.judged(model, ONLY[p], data, base.LABELS) for p, data in tests.items()}
    rows = joining.tuples(alone, 200, seed=1)
    results: dict[str, object] = {}
    for kept in [*({m} for m in alone), *joining.several(alone)]:
        out = joining.joined(model, alone, rows, kept).out
        right = out.logits.argmax(axis=1) == out.targets.argmax(axis=1)
        recall = [
            right[out.targets[:, n] > 0].mean() for n in range(len(EMOTIONS)) if out.targets[:, n].any()
        ]
        results[subset(kept)] = {"uar": float(np.mean(recall)), "n": len(right)}
    return results


def folds(root: Path, out: Path, only: Sequence[int]) -> dict[str, object]:
    """The audio recipe trained five times; each actor is tested once, the epoch is chosen on two others."""
    recipe = base.audio()
    rows: dict[str, dict[str, float]] = {}
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
            rows[str(n)] = json.loads(done.read_text())
    test = [row["test"] for row in rows.values()]
    return {
        "folds": rows,
        "mean": float(np.mean(test)),
        "sd": float(np.std(test, ddof=1)) if len(test) > 1 else None,
        "n": len(test),
    }


def told(stage: str, share: float, losses: Mapping[str, float]) -> None:
    if share >= 1:
        print(stage, {k: round(v, 4) for k, v in losses.items()}, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("AFFECTLINE_DATA", "../shared/data"))
    )
    parser.add_argument("--checkpoint", default="base")
    parser.add_argument("--folds", action="store_true", help="train and judge the five audio folds instead")
    parser.add_argument("--only", type=int, nargs="*", default=list(range(5)), help="folds to train now")
    parser.add_argument("--out", type=Path, default=Path("runs/audio_folds"))
    settings = parser.parse_args()
    if settings.folds:
        record("base_audio_folds", folds(settings.data, settings.out, settings.only))
        return
    checkpoint = load(settings.checkpoint)
    tests = corpora(checkpoint, settings.data)
    record("abstention", judge_abstention(checkpoint, tests))
    record("base_joined", judge_joined(checkpoint, tests))


if __name__ == "__main__":
    main()
