"""Whether ElderReact's sound beside the other corpora helps what joins the modalities of `base`.

`python -m benchmarks.elders [--seeds 0,1,2] [--runs DIR]` trains `base.together` and `base.elders` on what
the networks of the installed `base` say, and writes docs/results/elders.json: each corpus' dev part, by which
it is decided, and ElderReact's test part, judged once. DIR/elders keeps the trainings, minutes each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record
from benchmarks.base import PARTS, rows, scores_of, told, with_all

from affectline.checkpoint import Checkpoint, load, subset
from affectline.corpora import elderreact
from affectline.evaluation import Run, Truth, difference, evaluate
from affectline.features.video_faces import seen_whole
from affectline.machines import Machines
from affectline.recipes import Data, Recipe, base, decisions, run
from affectline.recipes import load as load_split
from affectline.recipes.made_up import MADE_UP
from affectline.types import Modality

SHOWN = ("map", "macro_f1", "weighted_f1", "auroc", "brier_skill", "ece")
ELDERS = "elderreact"
BOTH = {"without": base.together, "with": base.elders}


def on_base(recipe: Recipe) -> Recipe:
    """The recipe on the networks of the installed `base`, which are not trained again."""
    networks = {e.stream: e for e in seen_whole(load("base").extractors)}
    own = tuple(networks.get(e.stream, e) for e in recipe.extractors)
    return replace(recipe, encoders={}, extractors=own)


def trained(recipe: Recipe, train: Data, dev: Data, seed: int, folder: Path) -> Checkpoint:
    """Trained now, or as it was trained before into this folder."""
    seeded = replace(recipe, train=replace(recipe.train, seed=seed))
    model = run(seeded, train, dev, folder, machines=Machines(device="cpu"), resume=True, progress=told)
    return decisions.finish(seeded, model, dev, name=folder.name)


def said(checkpoint: Checkpoint, data: Data, key: str) -> Run:
    predictions = checkpoint.decode(data.conversations, data.features)
    return Run(scores_of(predictions), np.array(checkpoint.thresholds[key]))


def parts(dev: Data) -> Mapping[str, tuple[str, Data]]:
    """Each corpus by itself with the modality that it has, and made-up dialogues with all three."""
    alone = {name: part.modality for name, part in PARTS.items()}
    every = with_all(rows(dev, lambda c: c.corpus == MADE_UP), Modality)
    own = {name: (subset([m]), rows(dev, lambda c, n=name: c.corpus == n)) for name, m in alone.items()}
    return {**own, MADE_UP: (subset(Modality), every)}


def judged(checkpoints: Sequence[Checkpoint], data: Data, key: str) -> dict[str, object]:
    truth = Truth.of(data.conversations, base.LABELS)
    runs = [said(c, data, key) for c in checkpoints]
    found = evaluate(truth, runs, seeds=range(len(runs))).estimates
    return {name: found[name].to_json() for name in SHOWN if name in found}


def compared(found: Mapping[str, Sequence[Checkpoint]], dev: Data) -> dict[str, object]:
    """By dev, with ElderReact and without, and what it changes."""
    results: dict[str, object] = {}
    for name, (key, data) in parts(dev).items():
        truth = Truth.of(data.conversations, base.LABELS)
        runs = {which: [said(c, data, key) for c in some] for which, some in found.items()}
        change = difference(truth, runs["with"], runs["without"])
        results[name] = {which: judged(some, data, key) for which, some in found.items()} | {
            "change": {name: change[name].to_json() for name in SHOWN if name in change}
        }
        told(name, 1, {metric: change[metric].mean for metric in ("map", "macro_f1")})
    return results


def elders(found: Sequence[Checkpoint], data: Data, gender: Mapping[str, str]) -> dict[str, object]:
    """Of a part of ElderReact's clips, and of those in which each gender is seen."""
    key = subset([Modality.AUDIO])
    genders = sorted({*gender.values()})
    parts = {g: rows(data, lambda c, g=g: gender[c.utterances[0].id] == g) for g in genders}
    return {
        name: {**judged(found, own, key), "n": len(own.conversations)}
        for name, own in {"all": data, **parts}.items()
    }


def measure(seeds: Sequence[int], root: Path, runs: Path) -> dict[str, object]:
    recipe = on_base(base.elders())
    train, dev = (load_split(recipe, root, split, told) for split in ("train", "dev"))
    found: dict[str, list[Checkpoint]] = {}
    for which, make in BOTH.items():
        ours, theirs = (data if which == "with" else without(data) for data in (train, dev))
        folders = {seed: runs / "elders" / f"{which}_{seed}" for seed in seeds}
        found[which] = [trained(on_base(make()), ours, theirs, n, folder) for n, folder in folders.items()]
    clips = {
        "dev": rows(dev, lambda c: c.corpus == ELDERS),
        "test": rows(load_split(recipe, root, "test", told), lambda c: c.corpus == ELDERS),
    }
    return {
        "dev": compared(found, dev),
        "ElderReact": {
            split: elders(found["with"], data, elderreact.genders(root / ELDERS, split))
            for split, data in clips.items()
        },
        "seeds": list(seeds),
    }


def without(data: Data) -> Data:
    """Without ElderReact's clips and its stream."""
    (stream,) = elderreact.READY
    others = rows(data, lambda c: c.corpus != ELDERS)
    features = [[{s: a for s, a in u.items() if s != stream} for u in row] for row in others.features]
    return Data(others.conversations, features)


if __name__ == "__main__":
    chosen = parser(__doc__ or "", seeds="0,1,2").parse_args()
    record("elders", measure([int(n) for n in chosen.seeds.split(",")], chosen.data, chosen.runs))
