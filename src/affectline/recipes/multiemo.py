"""MultiEMO's experiments, one function for each row of the paper's tables and for the data at hand."""

from dataclasses import replace

from torch import nn

from affectline.checkpoint import load
from affectline.corpora import meld
from affectline.corpora import mosi as corpus
from affectline.corpora import synthetic as toy
from affectline.features.ready import Ready
from affectline.features.text_encoded import Encoded
from affectline.features.text_turns import Turns
from affectline.models.late_fusion import TextBranch
from affectline.models.multiemo import Config, MultiEMO, Objective
from affectline.nn.lora import merged
from affectline.recipes import Recipe
from affectline.training import Train

SMALL = Config(classes=2, streams={}, dim=128, heads=4, layers=2, hidden=256, head=128, dropout=0.3)
"""For the few thousand utterances, of ready-made vectors, of the corpora at hand."""
QUICK = Train(epochs=20, batch=16, learning_rate=5e-4, weight_decay=0.01, clip=1.0, patience=20)


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
        labels=corpus.LABELS,
        corpus="mosi",
        read=corpus.read,
        config=Config(classes=len(corpus.LABELS.names), streams={"text.turns": 0}, layers=1),
        train=replace(meld_text().train, epochs=4, batch=2),
        data="CMU-MOSI, train and dev (Zadeh et al. 2016), for research; GoEmotions, by way of `base`",
    )


def meld_encoded() -> Recipe:
    """MELD on the words that runs/multiemo.meld_text has learnt to read: as any other model sees them."""
    return replace(
        meld_text(),
        extractors=(Encoded("runs/multiemo.meld_text"),),
        config=replace(SMALL, classes=len(meld.LABELS.names), streams={"text.encoded": 384}),
        train=QUICK,
        start=None,
    )


def mosi() -> Recipe:
    """CMU-MOSI, official split: words that runs/multiemo.mosi_text has learnt to read, and the sound."""
    return replace(
        mosi_text(),
        extractors=(Encoded("runs/multiemo.mosi_text"), Ready("audio.published", 73)),
        config=replace(SMALL, classes=2, streams={"text.encoded": 384, "audio.published": 73}),
        objective=Objective(mu_1=0.2, mu_2=0.1),
        train=QUICK,
        start=None,
    )


def mosi_published() -> Recipe:
    """CMU-MOSI, the division and the features of Poria et al. 2017: they have seen labels, so is dev blind.

    Settings and number of epochs are those of `mosi`, fixed beforehand; the last epoch is kept.
    """
    return replace(
        mosi(),
        read=corpus.read_published,
        extractors=tuple(Ready(stream, width) for stream, width in corpus.READY.items()),
        config=replace(mosi().config, streams=dict(corpus.READY)),
        train=replace(QUICK, keep="last"),
        data="CMU-MOSI (Zadeh et al. 2016), features of Poria et al. 2017, for research",
    )
