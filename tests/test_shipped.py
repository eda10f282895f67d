"""The checkpoint in the package is what its recipe says, and says what it is made of."""

import hashlib
import json
from itertools import combinations
from pathlib import Path

import pytest

from affectline.checkpoint import alone, installed, load, subset
from affectline.features.video_faces import seen_whole
from affectline.recipes import Recipe
from affectline.recipes.encoders import encoded
from affectline.recipes.find import find
from affectline.types import Modality

SHA256 = {
    ".": "7f2ce081f03247c31a770ec7fe982e1ab2d5978ef2c57fe6f73e8f1782ef8d61",
    "text": "951ea9930a36af0eff27ab1c29e31f35d03fe2fce55e6a1fb1e0b74d6223a922",
    "audio": "1102363b210e78916a97500fa9a14d6a600ea0d91dac4f47e0286b8cb0edfca8",
    "video": "5add8e65bb631dfd178ff2baa46f9f5347f87ed0435e903c87019d88ec21059e",
}
"""Of the weights, and of those of the encoders; changed where the checkpoint is, and nowhere else."""
FOLDER = installed()["base"]
LICENCES = ("GoEmotions", "CC BY 4.0", "MELD", "GPL-3.0", "RAVDESS", "CC BY-NC-SA 4.0", "FER+", "MIT")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    found = find("base.together")
    assert isinstance(found, Recipe)
    return found


def test_its_settings_are_those_of_its_recipe(recipe: Recipe) -> None:
    base = load("base")
    assert base.model.config == recipe.config
    assert base.extractors == seen_whole(encoded(recipe, FOLDER).extractors, False)
    assert base.labels == recipe.labels
    assert base.about["data"] == [recipe.data]


def test_its_encoders_are_those_of_its_recipe(recipe: Recipe) -> None:
    for modality, part in recipe.encoders.items():
        found = load(FOLDER / modality)
        assert isinstance(part, Recipe)
        assert found.model.config == part.config
        assert found.extractors == part.extractors
        assert found.about["data"] == [part.data]


def test_its_weights_are_those_that_were_measured_and_fit_into_the_package() -> None:
    assert {part: sha256_of(FOLDER / part / "model.safetensors") for part in SHA256} == SHA256
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 10e6


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_has_thresholds_and_calibration_for_every_set_of_modalities_and_a_rule_to_abstain() -> None:
    base = load("base")
    every = {subset(s) for n in (1, 2, 3) for s in combinations(Modality, n)}
    assert set(base.thresholds) == every
    assert set(base.calibration) == every | {alone(m) for m in Modality}
    assert base.abstention is not None


def test_its_card_names_the_licence_of_each_corpus() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for what in (*LICENCES, "for research"):
        assert what in card, what
    assert json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))["name"] == "base"
