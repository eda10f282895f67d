"""Recipes for your own corpus: see docs/own-corpus.md."""

from affectline.corpora import mine
from affectline.recipes import Tuning
from affectline.training import Train


def base() -> Tuning:
    """A corpus of your own: the checkpoint `base` goes on with it, in minutes on a CPU."""
    return Tuning(
        corpus="mine",
        read=mine.read,
        train=Train(
            epochs=12, batch=16, learning_rate=3e-4, weight_decay=0.05, clip=1.0, average=0.9, patience=6
        ),
    )
