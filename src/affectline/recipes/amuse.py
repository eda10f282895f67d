"""AMuSE's experiments, one function for each row of the paper's tables and for the data at hand."""

from dataclasses import replace

from affectline.corpora import synthetic as toy
from affectline.models.amuse import AMuSE, Config, Objective
from affectline.recipes import Recipe, multiemo

SMALL = Config(classes=2, streams={}, dim=128, heads=4, layers=2, context=64, dropout=0.3)
"""For the few thousand utterances, of ready-made vectors, of the corpora at hand."""


def synthetic() -> Recipe:
    """A toy run without any corpus, in seconds: is everything installed?"""
    made = multiemo.synthetic()
    sizes = Config(
        classes=len(toy.LABELS.names), streams=made.config.streams, dim=16, heads=2, layers=1, context=16
    )
    return replace(made, model=AMuSE, config=sizes, objective=Objective())


def meld_encoded() -> Recipe:
    """MELD on the words that runs/multiemo.meld_text has learnt to read."""
    return beside(multiemo.meld_encoded())


def mosi() -> Recipe:
    """CMU-MOSI, official split: words that runs/multiemo.mosi_text has learnt to read, and the sound."""
    return beside(multiemo.mosi())


def mosi_published() -> Recipe:
    """CMU-MOSI, the division and the features of Poria et al. 2017, which have seen labels: dev is blind."""
    return beside(multiemo.mosi_published())


def beside(other: Recipe) -> Recipe:
    """AMuSE on the data, the features and the schedule of MultiEMO."""
    sizes = replace(SMALL, classes=other.config.classes, streams=other.config.streams)
    return replace(other, model=AMuSE, config=sizes, objective=Objective())
