"""Networks of one modality each, trained first; what comes after reads their vectors, or joins them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from affectline.checkpoint import Checkpoint, load, save
from affectline.checkpoint.vectors import Vectors
from affectline.features import Extractor
from affectline.machines import Machines
from affectline.nn.ranks import leads
from affectline.recipes import Progress, Recipe, train_recipe
from affectline.types import Modality


def train_parts(
    parts: Mapping[Modality, Recipe],
    root: Path,
    out: Path,
    *,
    seed: int,
    machines: Machines | None,
    resume: bool,
    progress: Progress,
) -> dict[Modality, Checkpoint]:
    """Train each in the folder of its name below `out`, where it is kept in 16 bits.

    With `resume`, those that are there are not trained again.
    """
    found: dict[Modality, Checkpoint] = {}
    for modality, recipe in parts.items():
        folder = out / modality
        if not (resume and (folder / "config.json").exists()):
            told: Progress = lambda stage, *rest, m=modality: progress(f"{m}: {stage}", *rest)  # noqa: E731
            settings: dict[str, Any] = {
                "seed": seed,
                "machines": machines,
                "resume": resume,
                "progress": told,
            }
            made = train_recipe(recipe, root, folder, **settings)
            if leads():
                save(made, folder, half=True)
        found[modality] = load(folder)
    return found


def encoded(recipe: Recipe, out: Path) -> Recipe:
    """The recipe that reads the vectors of the encoders in the folders below `out`."""

    def read(extractor: Extractor) -> Extractor:
        if isinstance(extractor, Vectors) and extractor.modality in recipe.encoders:
            return replace(extractor, checkpoint=str(out / extractor.modality))
        return extractor

    return replace(recipe, extractors=tuple(map(read, recipe.extractors)))
