"""Models beside one another on the same ready-made features, each with several seeds.

`python -m benchmarks.compare [FAMILY...] [--seeds 0,1,2,3,4] [--runs DIR]` writes
docs/results/compare_mosi_published.json ... The families meld and mosi read the words as runs/ has learnt to
(`python -m benchmarks.conversations` trains that). mosi_published keeps the last of a fixed number of epochs;
what the best epoch by the test part would have given stands beside it as LEAKY.
"""

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record
from benchmarks.bc_lstm import BcLSTM, objective
from benchmarks.bc_lstm import Config as BcConfig
from scipy.special import softmax

from affectline.evaluation import Run, Truth, evaluate
from affectline.features.text_encoded import Encoded
from affectline.models import infer, late_fusion
from affectline.models.late_fusion import LateFusion, OneLabel
from affectline.models.multiemo import Objective
from affectline.recipes import Data, Recipe, amuse, load, multiemo, one_by_one, only, run
from affectline.training import Machines
from affectline.types import modality_of

FAMILIES: Mapping[str, Callable[[], Recipe]] = {
    "mosi_published": multiemo.mosi_published,
    "mosi": multiemo.mosi,
    "meld": multiemo.meld_encoded,
}


def of_multiemo(recipe: Recipe) -> Recipe:
    return recipe


def dialogue_rnn(recipe: Recipe) -> Recipe:
    """Every modality's DialogueRNN, their states side by side: MultiEMO without fusion and contrast."""
    everything = tuple(modality_of(s) for s in recipe.config.streams)
    config = replace(recipe.config, recurrent=everything, layers=0)
    return replace(recipe, config=config, objective=Objective(mu_1=0.0, mu_2=0.0))


def fused_late(recipe: Recipe) -> Recipe:
    config = late_fusion.Config(classes=recipe.config.classes, vectors=recipe.config.streams)
    return replace(recipe, model=LateFusion, config=config, objective=OneLabel())


def bc_lstm(recipe: Recipe) -> Recipe:
    config = BcConfig(classes=recipe.config.classes, streams=recipe.config.streams)
    return replace(recipe, model=BcLSTM, config=config, objective=objective)


MODELS: Mapping[str, Callable[[Recipe], Recipe]] = {
    "MultiEMO": of_multiemo,
    "AMuSE": amuse.beside,
    "DialogueRNN": dialogue_rnn,
    "bc-LSTM": bc_lstm,
    "late fusion": fused_late,
}
WITHOUT_CONTEXT = ("MultiEMO", "AMuSE")


def measure(recipe: Recipe, seeds: Sequence[int], data: Path, runs: Path) -> dict[str, object]:
    """Every model on every subset of the recipe's modalities; two also without the dialogues."""
    found: dict[str, object] = {}
    modalities = [modality_of(s) for s in recipe.config.streams]
    subsets = [s for n in range(1, len(modalities) + 1) for s in combinations(modalities, n)]
    for name, make in MODELS.items():
        for subset in subsets:
            key = f"{name}: {'+'.join(subset)}"
            found[key] = judged(make(only(recipe, *subset)), seeds, data, runs)
            print(key, found[key], flush=True)
    for name in WITHOUT_CONTEXT:
        alone = replace(recipe, read=one_by_one(recipe.read), train=replace(recipe.train, batch=160))
        found[f"{name} without dialogues"] = judged(MODELS[name](alone), seeds, data, runs)
        print(name, found[f"{name} without dialogues"], flush=True)
    return found


def judged(recipe: Recipe, seeds: Sequence[int], data: Path, runs: Path) -> dict[str, object]:
    """The test part's scores with every seed, the epoch being chosen on dev or fixed."""
    answers, leaky = list[Run](), list[float]()
    truth = Truth.of(recipe.read(data / recipe.corpus, "test"), recipe.labels)
    for seed in seeds:
        extractors = tuple(_of_seed(e, seed, runs) for e in recipe.extractors)
        seeded = replace(recipe, extractors=extractors, train=replace(recipe.train, seed=seed))
        train, dev, test = (read(seeded, data, split) for split in ("train", "dev", "test"))
        chosen_on = test if recipe.train.keep == "last" else dev  # the last epoch is no choice
        with tempfile.TemporaryDirectory() as folder:
            model = run(seeded, train, chosen_on, Path(folder), machines=Machines(device="cpu"))
            with (Path(folder) / "log.csv").open(encoding="utf-8", newline="") as log:
                scores = [float(row["score"]) for row in csv.DictReader(log)]
        out = infer(model, test.conversations, test.features, recipe.labels)
        answers.append(Run(softmax(out.logits, axis=1), np.full(len(recipe.labels.names), 0.5)))
        leaky.append(max(scores))
    results = evaluate(truth, answers, seeds=seeds, command="").to_json()
    kept = {name: results[name] for name in ("accuracy", "weighted_f1", "macro_f1")}
    best = {"weighted_f1_best_test_epoch_LEAKY": sum(leaky) / len(leaky)}
    return kept | (best if recipe.train.keep == "last" else {})


def _of_seed(extractor: object, seed: int, runs: Path) -> object:
    if isinstance(extractor, Encoded):
        return Encoded(str(runs / Path(extractor.checkpoint).name / f"seed{seed}"))
    return extractor


_read: dict[tuple[object, ...], Data] = {}


def read(recipe: Recipe, data: Path, split: str) -> Data:
    """Each split once for all models that see the same of it."""
    key = (recipe.extractors, getattr(recipe.read, "__qualname__", ""), split)
    if key not in _read:
        _read[key] = load(recipe, data, split)
    return _read[key]


if __name__ == "__main__":
    arguments = parser(__doc__ or "")
    arguments.add_argument("families", nargs="*", metavar="FAMILY", help=f"default: {', '.join(FAMILIES)}")
    arguments.add_argument("--seeds", default="0,1,2,3,4")
    arguments.add_argument("--runs", type=Path, default=Path("runs"), help="where the encoders are")
    chosen = arguments.parse_args()
    for family in chosen.families or FAMILIES:
        seeds = [int(n) for n in chosen.seeds.split(",")]
        rows = measure(FAMILIES[family](), seeds, chosen.data, chosen.runs)
        record(f"compare_{family}", {"rows": rows, "seeds": seeds})
