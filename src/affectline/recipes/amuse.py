"""AMuSE's experiments, one function for each row of the paper's tables and for the data at hand."""

from dataclasses import replace
from typing import Any

from affectline.corpora import iemocap, meld
from affectline.corpora import synthetic as toy
from affectline.features.audio_passt import PaSST
from affectline.features.text_mpnet import MPNet
from affectline.features.video_aus import ActionUnits
from affectline.features.video_scene import Scene
from affectline.models.amuse import AMuSE, Config, Objective
from affectline.recipes import Read, Recipe, multiemo, only
from affectline.training import Train
from affectline.types import LabelSpace

SMALL = Config(classes=2, streams={}, dim=128, heads=4, layers=2, context=64, dropout=0.3)
"""For the few thousand utterances, of ready-made vectors, of the corpora at hand."""


def synthetic() -> Recipe:
    """A toy run without any corpus, in seconds: is everything installed?"""
    made = multiemo.synthetic()
    sizes = Config(
        classes=len(toy.LABELS.names), streams=made.config.streams, dim=16, heads=2, layers=1, context=16
    )
    return replace(made, model=AMuSE, config=sizes, objective=Objective())


def paper_meld(row: str = "") -> Recipe:
    """The paper on MELD (Tables I, III, IV and V)."""
    return _row(_paper(meld.LABELS, "meld", meld.read, batch=16), row)


def paper_iemocap(row: str = "") -> Recipe:
    """The paper on IEMOCAP (Tables II-V)."""
    return _row(_paper(iemocap.LABELS, "iemocap", iemocap.read, batch=2), row)


def _paper(labels: LabelSpace, corpus: str, read: Read, batch: int) -> Recipe:
    """Section III; the paper gives no optimiser: that of the release."""
    return Recipe(
        labels=labels,
        corpus=corpus,
        read=read,
        extractors=(MPNet(), PaSST(), ActionUnits(), Scene()),
        model=AMuSE,
        config=Config(
            classes=len(labels.names),
            streams={"text.mpnet": 768, "audio.passt": 768, "video.aus": 12, "video.scene": 2048},
        ),
        objective=Objective(),
        train=Train(
            epochs=200, batch=batch, learning_rate=5e-4, weight_decay=2e-4, optimizer="adam", patience=20
        ),
        select="weighted_f1",
        data=f"{corpus.upper()}, for research",
    )


def _row(recipe: Recipe, row: str) -> Recipe:
    return ROWS[row](recipe) if row else recipe


def _sized(recipe: Recipe, **sizes: Any) -> Recipe:
    return replace(recipe, config=replace(recipe.config, **sizes))


def concat(recipe: Recipe) -> Recipe:
    """Each mode by itself (III-A), their descriptors concatenated."""
    return _sized(recipe, layers=0, alpha="none")


def text(recipe: Recipe) -> Recipe:
    """Words alone."""
    return concat(only(recipe, "text"))


def audio(recipe: Recipe) -> Recipe:
    """Voices alone."""
    return concat(only(recipe, "audio"))


def video(recipe: Recipe) -> Recipe:
    """Pictures alone."""
    return concat(only(recipe, "video"))


def concat_text_audio(recipe: Recipe) -> Recipe:
    """Words and voices, concatenated."""
    return concat(only(recipe, "text", "audio"))


def concat_text_video(recipe: Recipe) -> Recipe:
    """Words and pictures, concatenated."""
    return concat(only(recipe, "text", "video"))


def concat_audio_video(recipe: Recipe) -> Recipe:
    """Voices and pictures, concatenated."""
    return concat(only(recipe, "audio", "video"))


def man_concat(recipe: Recipe) -> Recipe:
    """MAN, its descriptors concatenated."""
    return _sized(recipe, alpha="none")


def alpha_random(recipe: Recipe) -> Recipe:
    """Table III, Test-1: the weights of the fusion at random."""
    return _sized(recipe, alpha="random")


def alpha_equal(recipe: Recipe) -> Recipe:
    """Table III, Test-2: the weights of the fusion all the same."""
    return _sized(recipe, alpha="equal")


def layers_1(recipe: Recipe) -> Recipe:
    """Table V: one layer of MAN."""
    return _sized(recipe, layers=1)


def layers_2(recipe: Recipe) -> Recipe:
    """Two layers of MAN, which Table V leaves out."""
    return _sized(recipe, layers=2)


def layers_3(recipe: Recipe) -> Recipe:
    """Table V: three layers of MAN."""
    return _sized(recipe, layers=3)


def layers_5(recipe: Recipe) -> Recipe:
    """Table V: five layers of MAN."""
    return _sized(recipe, layers=5)


def gamma_50(recipe: Recipe) -> Recipe:
    """Table IV: focus 0.5."""
    return replace(recipe, objective=Objective(gamma=0.5))


def gamma_75(recipe: Recipe) -> Recipe:
    """Table IV: focus 0.75."""
    return replace(recipe, objective=Objective(gamma=0.75))


def gamma_125(recipe: Recipe) -> Recipe:
    """Table IV: focus 1.25."""
    return replace(recipe, objective=Objective(gamma=1.25))


def informative(recipe: Recipe) -> Recipe:
    """Informative samples count twice (III-E): of the train part, not of the validation pool."""
    return replace(recipe, objective=Objective(informative=1.0))


ROWS = {
    row.__name__: row
    for row in (
        *(text, audio, video, concat_text_audio, concat_text_video, concat_audio_video, concat, man_concat),
        *(
            alpha_random,
            alpha_equal,
            layers_1,
            layers_2,
            layers_3,
            layers_5,
            gamma_50,
            gamma_75,
            gamma_125,
            informative,
        ),
    )
}
"""Of Tables I-V; Test-3, four layers and a focus of 1 are the recipe itself."""


def meld_encoded() -> Recipe:
    """MELD on the words that runs/multiemo.meld_text has learnt to read."""
    return beside(multiemo.meld_encoded())


def mosi() -> Recipe:
    """CMU-MOSI, official split: words that runs/multiemo.mosi_text has learnt to read, and the sound."""
    return beside(multiemo.mosi())


def mosi_videos() -> Recipe:
    """CMU-MOSI's videos with clips, as the networks of `base` see them: for any recording."""
    return beside(multiemo.mosi_videos())


def mosi_published() -> Recipe:
    """CMU-MOSI, the division and the features of Poria et al. 2017, which have seen labels: dev is blind."""
    made = beside(multiemo.mosi_published())
    return replace(made, train=replace(made.train, epochs=20))


def beside(other: Recipe) -> Recipe:
    """AMuSE on the data, the features and the schedule of MultiEMO."""
    sizes = replace(SMALL, classes=other.config.classes, streams=other.config.streams)
    return replace(other, model=AMuSE, config=sizes, objective=Objective())
