"""Networks of one modality each, trained first; what comes after reads their vectors, or joins them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any, TypeVar

from torch import Tensor

from affectline.checkpoint import Checkpoint, load, trained
from affectline.checkpoint.vectors import Vectors
from affectline.features import Extractor
from affectline.machines import Machines
from affectline.recipes import Progress, Recipe, train_recipe

Name = TypeVar("Name", bound=str)


def train_parts(
    parts: Mapping[Name, Recipe | Path],
    root: Path,
    out: Path,
    *,
    seed: int,
    machines: Machines | None,
    resume: bool,
    progress: Progress,
) -> dict[Name, Checkpoint]:
    """Train each in the folder of its name below `out`, where it is kept in 16 bits.

    One that is a folder is trained already, and is copied: it goes wherever what reads it goes. With
    `resume`, those that are there are not trained again.
    """
    found: dict[Name, Checkpoint] = {}
    for name, recipe in parts.items():
        folder = out / name
        if isinstance(recipe, Path):
            copytree(recipe, folder, dirs_exist_ok=True)
        elif not (resume and (folder / "config.json").exists()):
            told: Progress = lambda stage, *rest, n=name: progress(f"{n}: {stage}", *rest)  # noqa: E731
            settings: dict[str, Any] = {"seed": seed, "machines": machines, "resume": resume}
            train_recipe(recipe, root, folder, half=True, progress=told, **settings)
        found[name] = load(folder)
    return found


def first(recipe: Recipe, root: Path, out: Path, **how: Any) -> Mapping[str, Tensor]:
    """The weights of what is trained before the recipe, in the folder of that name; none where nothing is."""
    if recipe.before is None:
        return {}
    return trained(train_parts({"before": recipe.before}, root, out, **how)["before"].model)


def encoded(recipe: Recipe, out: Path) -> Recipe:
    """The recipe that reads the vectors of the encoders in the folders below `out`."""

    def read(extractor: Extractor) -> Extractor:
        if isinstance(extractor, Vectors) and extractor.modality in recipe.encoders:
            return replace(extractor, checkpoint=str(out / extractor.modality))
        return extractor

    return replace(recipe, extractors=tuple(map(read, recipe.extractors)))
