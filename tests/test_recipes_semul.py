"""SeMuL-PCD's recipes: each builds at full size, and one goes from clips to a checkpoint that answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from media_makers import make_video, tone_of

from affectline import checkpoint
from affectline.corpora import mosi
from affectline.features.even_windows import EvenWindows
from affectline.features.ready import Ready
from affectline.features.text_words import Words
from affectline.machines import Machines
from affectline.media import FileClip
from affectline.models.semul_pcd import TINY
from affectline.recipes import Recipe, fitted, load, semul_pcd, train_recipe
from affectline.recipes.find import find, names
from affectline.types import Conversation, Utterance

NAMES = [name for name in names() if name.startswith("semul_pcd.")]
SAID = {"positive": "a good film", "negative": "a bad film"}


def test_every_recipe_builds_and_reads_what_its_extractors_make() -> None:
    reads: dict[str, list[str]] = {}  # many recipes train the same model otherwise: it is built once
    for name in NAMES:
        recipe = find(name)
        assert isinstance(recipe, Recipe)
        config = replace(recipe.config, layers=1)
        if (same := repr((recipe.model, config))) not in reads:
            with torch.device("meta"):
                reads[same] = list(recipe.model(config).streams)  # pyright: ignore
        assert reads[same] == [e.stream for e in recipe.extractors], name
        assert recipe.config.classes == len(recipe.labels.names), name
        assert bool(recipe.view) != any(isinstance(e, Ready) for e in recipe.extractors), name


def test_a_row_is_there_where_there_is_something_to_leave_out() -> None:
    assert "semul_pcd.mosei.text_audio" in NAMES
    assert not {"semul_pcd.emoreact.text", "semul_pcd.elderreact_audio.frames"} & {*NAMES}
    row = find("semul_pcd.elderreact_audio.losses_10_05_05")
    assert isinstance(row, Recipe)
    weights = row.objective
    assert (weights.calibration, weights.distillation, weights.contrast) == (1.0, 0.5, 0.5)  # pyright: ignore


def test_the_window_is_as_long_in_pictures_as_in_sound() -> None:
    for name in ("semul_pcd.mosi_raw", "semul_pcd.mosi_raw_base", "semul_pcd.paper_mosei.frames"):
        recipe = find(name)
        assert isinstance(recipe, Recipe)
        words, sound, pictures = recipe.extractors
        seconds = recipe.view.seconds  # pyright: ignore
        assert (words.seconds, sound.seconds, pictures.seconds) == (seconds,) * 3  # pyright: ignore
        assert recipe.windows == EvenWindows(1, seconds)
        assert recipe.config.samples == sound.rate * seconds  # pyright: ignore
        assert (recipe.config.frames, recipe.config.picture) == (pictures.count, pictures.size)  # pyright: ignore


@pytest.fixture
def small(tmp_path: Path) -> Recipe:
    """`mosi_raw`, made small, on clips that are bright and loud where they are positive."""
    clips = {}
    for label, grey in (("positive", 220), ("negative", 30)):
        clips[label] = make_video(
            tmp_path / f"{label}.mp4",
            seconds=2.0,
            rate=5,
            size=(64, 64),
            wave=tone_of(440, 2.0, 48_000) * np.float32(grey / 255),
            draw=lambda _n, size, g=grey: np.full((size[1], size[0], 3), g, np.uint8),
        )

    def read(_root: Path, split: str) -> list[Conversation]:
        return [
            Conversation(
                f"{split}{n}",
                (
                    Utterance(
                        id=f"{split}{n}",
                        speaker="A",
                        text=f"{SAID[label]} {split}",
                        clip=FileClip(clips[label]),
                        emotions=frozenset({label}),
                    ),
                ),
            )
            for n, label in enumerate(["positive", "negative"] * 4)
        ]

    recipe = semul_pcd._raw(replace(semul_pcd.MOSI, read=read), TINY, semul_pcd._small(epochs=6))
    return replace(recipe, train=replace(recipe.train, batch=8, learning_rate=3e-3), workers=0)


def test_from_clips_to_a_checkpoint_that_answers_with_each_set_of_modalities(
    small: Recipe, tmp_path: Path
) -> None:
    made = train_recipe(small, tmp_path, tmp_path / "out", machines=Machines(device="cpu"))
    sets = {"audio", "text", "video", "audio+text", "audio+video", "text+video", "audio+text+video"}
    assert set(made.thresholds) == sets
    assert set(made.calibration) == sets | {"audio alone", "text alone", "video alone"}
    loaded = checkpoint.load(tmp_path / "out")
    assert loaded.calibration == made.calibration
    talks = small.read(tmp_path, "test")
    for conversation, (said,) in zip(talks, loaded.predict(talks), strict=True):
        strongest = max(said.scores, key=said.scores.__getitem__)
        assert conversation.utterances[0].emotions == {strongest}
        assert set(said.by_modality) == {"text", "audio", "video"}
    (blind,) = loaded.predict([talks[0].without("video", "audio")])[0]
    assert set(blind.by_modality) == {"text"}


def test_a_size_that_does_not_fit_is_refused_before_it_is_built(small: Recipe, tmp_path: Path) -> None:
    vast = replace(small, config=replace(small.config, layers=100_000))
    with pytest.raises(ValueError, match=r"GiB, .* are free, .* too few: take .*a smaller preset"):
        train_recipe(vast, tmp_path, tmp_path / "out", machines=Machines(device="cpu"))


def test_the_vocabulary_is_that_of_the_train_part_alone(small: Recipe, tmp_path: Path) -> None:
    words = fitted(small, tmp_path).extractors[0]
    assert isinstance(words, Words)
    assert set(words.vocabulary) == {"a", "good", "bad", "film", "train"}


def test_more_words_than_the_model_has_numbers_for_are_refused_before_anything_is_trained(
    small: Recipe, tmp_path: Path
) -> None:
    enough = replace(small.config, vocabulary=7)  # a good bad film train, padding and what is unknown
    load(fitted(replace(small, config=enough), tmp_path), tmp_path, "train")
    fewer = replace(small, config=replace(enough, vocabulary=6))
    with pytest.raises(ValueError, match=r"config\.vocabulary is 6, and text\.words has 7 numbers; change"):
        train_recipe(fewer, tmp_path, tmp_path / "out", machines=Machines(device="cpu"))
    assert not (tmp_path / "out").exists()


def test_mosi_has_two_labels_of_which_none_may_hold() -> None:
    assert semul_pcd.mosi_raw().labels == mosi.RAW_LABELS
