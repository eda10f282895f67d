"""MultiEMO's experiments, one function for each row of the paper's tables and for the data at hand."""

from affectline.corpora import meld
from affectline.corpora import synthetic as toy
from affectline.features.text_turns import Turns
from affectline.models.multiemo import Config, MultiEMO, Objective
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
            pretrained_rate=8e-5,
            weight_decay=0.01,
            clip=1.0,
            patience=2,
        ),
        select="weighted_f1",
        data="MELD, train and dev (Poria et al. 2019), GPL-3.0",
    )
