"""The checkpoint in the package is what its recipe says, and says what it is made of."""

import hashlib
import json
from itertools import combinations

from affectline.checkpoint import Checkpoint, installed, load, subset
from affectline.recipes import Fusion
from affectline.recipes.find import find
from affectline.types import Modality

SHA256 = "7f20ea2f17744ea791a6e8512d16fe8c55b1897e5a047a00279920906b3599af"
"""Of the weights; changed where the checkpoint is, and nowhere else."""
FOLDER = installed()["base"]


def shipped() -> tuple[Checkpoint, Fusion]:
    recipe = find("base.fuse")
    assert isinstance(recipe, Fusion)
    return load("base"), recipe


def test_its_settings_are_those_of_its_recipe() -> None:
    base, recipe = shipped()
    assert base.model.config == recipe.config
    assert base.extractors == recipe.extractors
    assert {base.labels} == {part.labels for part in recipe.parts.values()}
    assert base.about["data"] == [part.data for part in recipe.parts.values()]


def test_its_weights_are_those_that_were_measured_and_fit_into_the_package() -> None:
    weights = (FOLDER / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == SHA256
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 10e6


def test_it_has_thresholds_for_every_set_of_modalities_and_a_rule_to_abstain() -> None:
    base, _ = shipped()
    every = {subset(s) for n in (1, 2, 3) for s in combinations(Modality, n)}
    assert set(base.thresholds) == every
    assert base.abstention is not None


def test_its_card_names_the_licence_of_each_corpus() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for what in ("GoEmotions", "CC BY 4.0", "RAVDESS", "CC BY-NC-SA 4.0", "FER+", "MIT", "for research"):
        assert what in card, what
    assert json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))["name"] == "base"
