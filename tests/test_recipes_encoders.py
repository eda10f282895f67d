"""A recipe whose encoders are trained before it, on corpora of which each lacks a modality."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from affectline.checkpoint import load, trained
from affectline.checkpoint.vectors import Vectors
from affectline.corpora import synthetic
from affectline.features import extract
from affectline.machines import Machines
from affectline.models.emoje import Config, EmoJE, Objective
from affectline.models.late_fusion import Config as LateConfig
from affectline.models.late_fusion import LateFusion
from affectline.models.late_fusion import Objective as Several
from affectline.nn.augment import Gaps
from affectline.recipes import Read, Recipe, train_recipe
from affectline.recipes import load as load_split
from affectline.recipes.made_up import MADE_UP, MadeUp
from affectline.recipes.mixture import Part, mixed
from affectline.training import Train
from affectline.types import Conversation, Modality

LABELS = synthetic.MULTILABEL
STREAMS = {Modality.TEXT: "text.words", Modality.AUDIO: "audio.voice"}
CPU = Machines(device="cpu")


def lacking(*modalities: str) -> Read:
    """The toy corpus as one without these modalities."""

    def read(root: Path, split: str) -> list[Conversation]:
        return [c.without(*modalities) for c in synthetic.read(root, split, conversations=12)]

    return read


CORPORA = {"said": Part(lacking("audio"), synthetic.LABELS), "heard": Part(lacking("text"), synthetic.LABELS)}


def encoder(modality: Modality) -> Recipe:
    """A small network on one modality of one corpus."""
    stream = STREAMS[modality]
    return Recipe(
        labels=LABELS,
        corpus="",
        read=CORPORA["said" if modality == Modality.TEXT else "heard"].read,
        extractors=(synthetic.Pointer(stream, 6),),
        model=LateFusion,
        config=LateConfig(classes=len(LABELS.names), vectors={stream: 6}),
        objective=Several(),
        train=Train(epochs=2, batch=4, learning_rate=1e-2),
        select="map",
    )


RECIPE = Recipe(
    labels=LABELS,
    corpus=".",
    read=mixed(CORPORA, LABELS),
    encoders={m: encoder(m) for m in STREAMS},
    extractors=tuple(Vectors(f"./{m}", m, 256) for m in STREAMS),
    made_up=MadeUp(("said",), {"audio.vector": 0.8}),
    draw={"heard": 6, MADE_UP: 9},
    augment=Gaps(),
    model=EmoJE,
    config=Config(
        classes=len(LABELS.names),
        streams={f"{m}.vector": 256 for m in STREAMS},
        dim=8,
        attention=1,
        heads=2,
        layers=1,
        context=6,
        joint=4,
        several=True,
    ),
    objective=Objective(ratings=0.5),
    train=Train(epochs=2, batch=8, learning_rate=3e-3),
    select="map",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    train_recipe(RECIPE, Path(), out, machines=CPU)
    return out


def test_its_encoders_come_with_the_checkpoint_and_are_what_it_was_trained_on(folder: Path) -> None:
    found = load(folder)
    assert [e.checkpoint for e in found.extractors if isinstance(e, Vectors)] == [
        str(folder / m) for m in STREAMS
    ]
    assert {m: type(load(folder / m).model) for m in STREAMS} == dict.fromkeys(STREAMS, LateFusion)
    ((said, *_),) = found.predict([synthetic.read(split="test")[0]])
    assert set(said.modalities) == set(STREAMS) == set(said.by_modality)


def test_each_set_of_modalities_is_calibrated_and_one_alone_on_real_utterances_only(folder: Path) -> None:
    found = load(folder)
    assert set(found.thresholds) == {"text", "audio", "audio+text"}
    assert {"text", "audio", "audio+text", "text alone", "audio alone"} == set(found.calibration)
    recipe = replace(RECIPE, extractors=found.extractors)
    dev = load_split(recipe, Path(), "dev")
    made = [n for n, c in enumerate(dev.conversations) if c.corpus == MADE_UP]
    assert len(made) == 12
    assert all(len(u["text.vector"]) for n in made for u in dev.features[n])
    assert any(len(u["audio.vector"]) for n in made for u in dev.features[n])


def test_what_is_there_is_not_trained_again(folder: Path) -> None:
    before = {m: (folder / m / "model.safetensors").stat().st_mtime_ns for m in STREAMS}
    train_recipe(RECIPE, Path(), folder, machines=CPU, resume=True)
    assert before == {m: (folder / m / "model.safetensors").stat().st_mtime_ns for m in STREAMS}


@torch.no_grad()
def test_only_what_changed_is_encoded_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(folder)
    talk = synthetic.read(split="test")[0]
    memo: dict[str, object] = {}
    extract([talk], found.extractors, memo=memo)  # pyright: ignore[reportArgumentType]
    asked: list[int] = []
    ask = Vectors.__call__

    def counted(self: Vectors, items: list[tuple[Conversation, int]]) -> list[object]:
        asked.append(len(items))
        return ask(self, items)  # pyright: ignore[reportReturnType]

    monkeypatch.setattr(Vectors, "__call__", counted)
    other = talk.edit(0, text="I feel anger and joy")
    extract([other], found.extractors, memo=memo)  # pyright: ignore[reportArgumentType]
    assert asked == [1, 1]


def test_a_recipe_goes_on_from_the_one_before_it(tmp_path: Path) -> None:
    first = encoder(Modality.TEXT)
    later = replace(first, before=first, train=replace(first.train, learning_rate=1e-9))
    train_recipe(later, Path(), tmp_path / "later", machines=CPU, half=True)
    once, again = (trained(load(folder).model) for folder in (tmp_path / "later/before", tmp_path / "later"))
    learnt = next(name for name, weights in once.items() if weights.ndim > 1)
    assert torch.equal(once[learnt], again[learnt])
    assert not torch.equal(once[learnt], trained(LateFusion(first.config))[learnt])
