"""The models of conversations: recipes trained with several seeds, judged once on their corpus' test part.

`python -m benchmarks.conversations [RECIPE...] [--seeds 0,1,2,3,4] [--runs DIR]` writes
docs/results/multiemo_mosi_text.json ... A seed whose checkpoint is in DIR already is not trained again, and
one that was stopped goes on. The MELD recipe takes hours.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record

from affectline.checkpoint import load
from affectline.cli import main
from affectline.evaluation import Run, Truth, evaluate
from affectline.recipes import Recipe
from affectline.recipes.find import find

RECIPES = ("multiemo.mosi_text", "multiemo.meld_text")


def measure(name: str, seeds: list[str], data: Path, runs: Path) -> dict[str, object]:
    """Train what is not trained, and evaluate all seeds as one model."""
    recipe = find(name)
    assert isinstance(recipe, Recipe)
    folders = [runs / name / f"seed{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        if not (folder / "config.json").is_file():
            _run("train", name, "--root", data, "--seeds", seed, "--out", folder, "--resume")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "results.json"
        _run("evaluate", *folders, recipe.corpus, "--root", data, "--out", out)
        results = json.loads(out.read_text(encoding="utf-8"))
    results["seeds"] = [int(seed) for seed in seeds]
    results["the seeds' mean as one model"] = averaged(recipe, folders, data)
    return {key: value for key, value in results.items() if key not in {"checkpoints", "without", "command"}}


def averaged(recipe: Recipe, folders: Sequence[Path], data: Path) -> dict[str, object]:
    """The probabilities of all seeds averaged: one answer, of a model so many times as large."""
    talks = recipe.read(data / recipe.corpus, "test")
    said = [[p for row in load(folder).predict(talks) for p in row] for folder in folders]
    mean = np.mean([[[p.scores[n] for n in recipe.labels.names] for p in one] for one in said], axis=0)
    run = Run(mean, np.full(len(recipe.labels.names), 0.5))
    report = evaluate(Truth.of(talks, recipe.labels), [run]).to_json()
    return {name: report[name] for name in ("accuracy", "weighted_f1", "macro_f1")}


def _run(*arguments: object) -> None:
    if main([str(a) for a in arguments]):
        sys.exit(f"affectline {' '.join(map(str, arguments))} failed")


if __name__ == "__main__":
    arguments = parser(__doc__ or "", seeds="0,1,2,3,4")
    arguments.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"default: {', '.join(RECIPES)}")
    chosen = arguments.parse_args()
    for name in chosen.recipes or RECIPES:
        results = measure(name, chosen.seeds.split(","), chosen.data, chosen.runs)
        record(name.replace(".", "_"), results)
        print(name, results["weighted_f1"])
