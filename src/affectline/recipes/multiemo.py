"""MultiEMO's experiments, one function for each row of the paper's tables and for the data at hand."""

from dataclasses import replace

from torch import nn

from affectline.checkpoint import load
from affectline.corpora import meld, mosi
from affectline.corpora import synthetic as toy
from affectline.features.text_turns import Turns
from affectline.models.late_fusion import TextBranch
from affectline.models.multiemo import Config, MultiEMO, Objective
from affectline.nn.lora import merged
from affectline.recipes import Recipe
from affectline.training import Train


def synthetic() -> Recipe:
    """A toy run without any corpus, in seconds: is everything installed?"""
    streams = {"text.words": 8, "audio.voice": 12, "video.mien": 10}
    return Recipe(
        labels=toy.LABELS,
        corpus="synthetic",
        read=toy.read,
        extractors=tuple(toy.Pointer(stream, width) for stream, width in streams.items()),
        model=MultiEMO,
        config=Config(
            classes=len(toy.LABELS.names), streams=streams, dim=16, heads=2, layers=1, hidden=32, head=16
        ),
        objective=Objective(),
        train=Train(epochs=40, batch=4, learning_rate=1e-2),
        select="weighted_f1",
        data="made up",
    )


def from_base(model: nn.Module) -> None:
    """Begin with the MiniLM of the shipped checkpoint `base`, which GoEmotions has taught emotions."""
    words = load("base").model.get_submodule("branches.text.network")
    assert isinstance(model, MultiEMO)
    assert isinstance(words, TextBranch)
    model.contexts["text"].features.encoder.load_state_dict(merged(words.encoder))  # pyright: ignore


def meld_text() -> Recipe:
    """MELD, words alone: MiniLM reads each dialogue whole, with the names of who speaks."""
    return Recipe(
        labels=meld.LABELS,
        corpus="meld",
        read=meld.read,
        extractors=(Turns(),),
        model=MultiEMO,
        config=Config(classes=len(meld.LABELS.names), streams={"text.turns": 0}, layers=1),
        objective=Objective(mu_1=0.2, mu_2=0.0),
        train=Train(
            epochs=5,
            batch=4,
            learning_rate=5e-4,
            pretrained_rate=4e-5,
            weight_decay=0.01,
            clip=1.0,
            patience=2,
        ),
        select="weighted_f1",
        start=from_base,
        data="MELD, train and dev (Poria et al. 2019), GPL-3.0; GoEmotions, by way of `base`",
    )


def mosi_text() -> Recipe:
    """CMU-MOSI, official split, words alone: two classes by the sign of the sentiment."""
    return replace(
        meld_text(),
        labels=mosi.LABELS,
        corpus="mosi",
        read=mosi.read,
        config=Config(classes=len(mosi.LABELS.names), streams={"text.turns": 0}, layers=1),
        train=replace(meld_text().train, epochs=4, batch=2),
        data="CMU-MOSI, train and dev (Zadeh et al. 2016), for research; GoEmotions, by way of `base`",
    )
