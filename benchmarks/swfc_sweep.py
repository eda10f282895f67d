"""The three settings of SWFC, one after the other: the sweep that MultiEMO's limitations ask for.

`python -m benchmarks.swfc_sweep [--seeds 0,1,2] [--runs DIR]` writes docs/results/swfc_sweep.json: weighted
F1 on MELD's dev part of `multiemo.meld_encoded`, the words as DIR/multiemo.meld_text/seedN has learnt to read
them. The test part is not looked at: this is how settings are chosen.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record
from benchmarks.side_by_side import of_seed, read

from affectline.machines import Machines
from affectline.models import infer
from affectline.recipes import SELECT, Recipe, multiemo, run

SETTINGS = {
    "temperature": (0.1, 0.2, 0.4, 0.8, 1.4),
    "power": (0.0, 0.4, 0.8, 1.2),
    "focus": (0.0, 1.0, 2.0, 3.0),
    "mu_1": (0.0, 0.2, 0.4, 0.6),
}
"""Tau, alpha and gamma of Eqs. 18-19, and the weight of the loss."""


def rows() -> Iterator[tuple[str, float, Recipe]]:
    """Each setting by itself, the others as the recipe has them."""
    recipe = multiemo.meld_encoded()
    for name, values in SETTINGS.items():
        for value in values:
            changed = replace(recipe.objective, **{name: value})  # pyright: ignore
            yield name, value, replace(recipe, objective=changed)


def score(recipe: Recipe, seed: int, data: Path, runs: Path) -> float:
    """On dev, in the best epoch."""
    extractors = tuple(of_seed(e, seed, runs) for e in recipe.extractors)
    seeded = replace(recipe, extractors=extractors, train=replace(recipe.train, seed=seed))
    train, dev = (read(seeded, data, split) for split in ("train", "dev"))
    with tempfile.TemporaryDirectory() as folder:
        model = run(seeded, train, dev, Path(folder), machines=Machines(device="cpu"))
    return SELECT[recipe.select](infer(model, dev.conversations, dev.features, recipe.labels))


if __name__ == "__main__":
    arguments = parser(__doc__ or "", seeds="0,1,2")
    chosen = arguments.parse_args()
    seeds = [int(n) for n in chosen.seeds.split(",")]
    found = []
    for name, value, recipe in rows():
        scores = [score(recipe, seed, chosen.data, chosen.runs) for seed in seeds]
        found.append(
            {
                "setting": name,
                "value": value,
                "dev weighted_f1": float(np.mean(scores)),
                "sd": float(np.std(scores, ddof=1)),
            }
        )
        print(found[-1], flush=True)
    record("swfc_sweep", {"rows": found, "seeds": seeds})
