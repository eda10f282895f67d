"""Each recipe on made-up files in its corpus' own layout, through its own reader and extractors."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from corpus_makers import made_meld, made_mosi
from media_makers import make_video

from affectline.checkpoint import installed, load
from affectline.checkpoint.vectors import Vectors
from affectline.corpora import meld
from affectline.features import extract
from affectline.features.ready import Ready
from affectline.features.text_encoded import Encoded
from affectline.machines import Machines
from affectline.recipes import Recipe, amuse, late_fusion, multiemo, one_by_one, train_recipe
from affectline.recipes.find import find
from affectline.types import Conversation, Modality


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora in their own layouts."""
    folder = tmp_path_factory.mktemp("corpora")
    made_meld(folder / "meld")
    made_mosi(folder / "mosi")
    clip = make_video(folder / "clip.mp4", seconds=0.5, size=(96, 96), rate=5, tone=200.0)
    (folder / "mosi" / "clips").mkdir()
    for video in ("train0", "train1", "train2", "val0", "test0"):
        copy(clip, folder / "mosi" / "clips" / f"{video}_1.mp4")
    return folder


@pytest.fixture(scope="module")
def encoders(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipes of end-to-end training leave: runs/multiemo.meld_text, runs/multiemo.mosi_text."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("multiemo.meld_text", "multiemo.mosi_text"):
        train(name, root, folder / name)
    return folder


def train(name: str, root: Path, out: Path, changes: Sequence[str] = ()) -> Recipe:
    recipe = find(name, ["train.epochs=1", *changes])
    assert isinstance(recipe, Recipe)
    train_recipe(recipe, root, out, machines=Machines(device="cpu"))
    return recipe


def answers_are_distributions(run: Path, talks: Sequence[Conversation]) -> None:
    answers = load(run).predict(talks)
    assert [len(row) for row in answers] == [len(talk) for talk in talks]
    for answer in (a for row in answers for a in row):
        assert len(answer.emotions) == 1
        assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["multiemo.meld_text", "multiemo.mosi_text"])
def test_what_reads_the_words_itself_answers_from_its_checkpoint(
    name: str, root: Path, encoders: Path
) -> None:
    recipe = find(name)
    assert isinstance(recipe, Recipe)
    answers_are_distributions(encoders / name, recipe.read(root / recipe.corpus, "test"))


@pytest.mark.parametrize(
    ("model", "row"),
    [
        *((m, row) for m in ("multiemo", "amuse") for row in ("synthetic", "meld_encoded")),
        *((m, row) for m in ("multiemo", "amuse", "emoje") for row in ("mosi", "mosi_published")),
        ("emoje", "synthetic"),
    ],
)
def test_a_recipe_trains_on_its_corpus_and_its_checkpoint_answers(
    model: str, row: str, root: Path, encoders: Path, tmp_path: Path
) -> None:
    of = {"meld_encoded": "multiemo.meld_text", "mosi": "multiemo.mosi_text"}
    changes = [f"extractors.0.checkpoint={encoders / of[row]}"] if row in of else []
    recipe = train(f"{model}.{row}", root, tmp_path, changes)
    answers_are_distributions(tmp_path, recipe.read(root / recipe.corpus, "test"))


def test_a_model_on_the_networks_of_base_takes_them_along(root: Path, tmp_path: Path) -> None:
    whole = multiemo.mosi_videos()
    recipe = replace(
        whole,
        read=lambda root, split: [
            replace(c, utterances=c.utterances[:2]) for c in whole.read(root, split)[:1]
        ],
        train=replace(whole.train, epochs=1),
    )
    train_recipe(recipe, root, tmp_path, machines=Machines(device="cpu"))
    answers_are_distributions(tmp_path, recipe.read(root / "mosi", "test"))
    read = {e.modality: e for e in load(tmp_path).extractors if isinstance(e, Vectors)}
    assert {m: Path(e.checkpoint) for m, e in read.items()} == {m: tmp_path / m for m in Modality}
    assert load(tmp_path / "text").sha256 == load(installed()["base"] / "text").sha256
    for other in (amuse.mosi_videos(), late_fusion.mosi_videos()):
        assert (other.encoders, other.extractors) == (whole.encoders, whole.extractors)


def test_what_a_trained_encoder_says_is_the_same_whoever_asks(root: Path, encoders: Path) -> None:
    (talk, other, _) = meld.read(root / "meld", "test")
    folder = str(encoders / "multiemo.meld_text")
    (alone,), (_, together) = (extract(t, [Encoded(folder)]) for t in ([talk], [other, talk]))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a["text.encoded"], b["text.encoded"], atol=1e-5)
    assert alone[0]["text.encoded"].shape == (1, 384)
    assert np.ptp([row["text.encoded"][0, 0] for row in alone]) > 0


def test_who_lost_the_words_says_nothing_to_the_others_either(root: Path, encoders: Path) -> None:
    talk, memo = meld.read(root / "meld", "test")[0], {}
    encoded = Encoded(str(encoders / "multiemo.meld_text"))
    lost = [talk.edit(1, missing=frozenset({name})) for name in ("text", "text.encoded")]
    talks = [talk, talk.edit(1, text=None), *lost]
    whole, silent, *others = (extract([t], [encoded], memo=memo)[0] for t in talks)
    for other in others:
        for a, b in zip(silent, other, strict=True):
            np.testing.assert_allclose(a["text.encoded"], b["text.encoded"], atol=1e-5)
    assert np.abs(whole[0]["text.encoded"] - silent[0]["text.encoded"]).max() > 1e-4


def test_a_run_without_a_text_encoder_is_no_source_of_words(root: Path, tmp_path: Path) -> None:
    train("multiemo.synthetic", root, tmp_path)
    with pytest.raises(ValueError, match="has no text encoder; give the folder of a trained"):
        extract(meld.read(root / "meld", "test"), [Encoded(str(tmp_path))])


def test_a_stream_that_the_train_part_has_nowhere_is_refused(root: Path, tmp_path: Path) -> None:
    featureless = replace(multiemo.mosi_published(), extractors=(Ready("video.c", 3),))
    with pytest.raises(ValueError, match=r"mosi, part 'train', has anything of video\.c"):
        train_recipe(featureless, root, tmp_path)


def test_utterances_apart_lose_their_neighbours_and_nothing_else(root: Path) -> None:
    whole, apart = meld.read(root / "meld", "dev"), one_by_one(meld.read)(root / "meld", "dev")
    assert [u for c in whole for u in c] == [u for c in apart for u in c]
    assert {len(c) for c in apart} == {1}
    assert len({c.id for c in apart}) == len(apart)


def test_the_last_epoch_is_kept_where_validation_is_blind(root: Path, tmp_path: Path) -> None:
    train("multiemo.mosi_published", root, tmp_path, ["train.epochs=3", "train.patience=0"])
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["best"] for row in rows] == ["1", "1", "1"]
