"""A recipe that sees exactly the utterances which a manifest names."""

from dataclasses import replace

from affectline.doctor.manifest import Manifest, selected
from affectline.recipes import Fusion, Recipe, Tuning


def held_to(recipe: Recipe | Fusion | Tuning, manifest: Manifest) -> Recipe | Fusion | Tuning:
    """The recipe, its parts and its encoders, with the data of a manifest, which its checkpoint names."""
    if isinstance(recipe, Fusion):
        return replace(recipe, parts={m: _held(part, manifest) for m, part in recipe.parts.items()})
    if isinstance(recipe, Tuning):
        read = selected(recipe.read, manifest, recipe.corpus)
        return replace(recipe, read=read, manifest=manifest.about())
    return _held(recipe, manifest)


def _held(recipe: Recipe, manifest: Manifest) -> Recipe:
    return replace(
        recipe,
        read=selected(recipe.read, manifest, recipe.corpus),
        before=recipe.before and _held(recipe.before, manifest),
        encoders={
            m: _held(part, manifest) if isinstance(part, Recipe) else part
            for m, part in recipe.encoders.items()
        },
        manifest=manifest.about(),
    )
