"""MultiEMO's experiments, one function for each row of the paper's tables and for the data at hand."""

from dataclasses import replace

from torch import nn

from affectline.checkpoint import installed, load
from affectline.corpora import iemocap, meld
from affectline.corpora import mosi as corpus
from affectline.corpora import synthetic as toy
from affectline.features.opensmile import ComParE
from affectline.features.ready import Ready
from affectline.features.text_encoded import Encoded
from affectline.features.text_turns import Turns
from affectline.features.text_windows import Windows
from affectline.features.video_c3d import Motion
from affectline.features.video_visextnet import VisExtNet
from affectline.models.late_fusion import TextBranch
from affectline.models.multiemo import Config, MultiEMO, Objective
from affectline.nn.lora import merged
from affectline.recipes import Read, Recipe, base
from affectline.recipes.rows import audio, text, text_audio, text_video, video
from affectline.training import Train
from affectline.types import LabelSpace, Modality

ROBERTA = "FacebookAI/roberta-base"
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
    """Begin with the MiniLM of the shipped checkpoint `base`, taught emotions by comments and dialogues."""
    words = load(installed()["base"] / Modality.TEXT).model.get_submodule("branches.text.network")
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
            epochs=4,
            batch=4,
            learning_rate=1e-3,
            pretrained_rate=8e-5,
            weight_decay=0.01,
            clip=1.0,
            average=0.99,
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
        train=replace(meld_text().train, batch=2, learning_rate=5e-4, pretrained_rate=4e-5, average=0.9),
        data="CMU-MOSI, train and dev (Zadeh et al. 2016), for research; GoEmotions, by way of `base`",
    )


def paper_meld(row: str = "") -> Recipe:
    """The paper on MELD (Tables 2 and 3), with RoBERTa trained along."""
    return _row(_paper(meld.LABELS, "meld", meld.read, batch=100), row)


def paper_iemocap(row: str = "") -> Recipe:
    """The paper on IEMOCAP (Tables 1 and 3), with RoBERTa trained along."""
    return _row(_paper(iemocap.LABELS, "iemocap", iemocap.read, batch=64), row)


def authors_meld(row: str = "") -> Recipe:
    """The settings of the authors' release for MELD, which differ from the paper's; chosen on dev."""
    paper = paper_meld()
    objective = Objective(mu_1=0.3, mu_2=0.3, temperature=1.4, power=1.2, focus=2.0, norm="l1")
    config = replace(paper.config, layers=2, bidirectional=False, dropout=0.0, head=512)
    train = replace(paper.train, epochs=15, beta_2=0.999, schedule="plateau", decay=0.95, every=10)
    return _row(replace(paper, objective=objective, config=config, train=train), row)


def authors_iemocap(row: str = "") -> Recipe:
    """The settings of the authors' release for IEMOCAP, which differ from the paper's; chosen on dev."""
    paper = paper_iemocap()
    objective = Objective(mu_1=0.4, mu_2=0.4, temperature=0.8, power=1.1, focus=2.4, norm="l1")
    config = replace(paper.config, recurrent=("text", "audio", "video"), dropout=0.0)
    train = replace(paper.train, beta_2=0.999, schedule="plateau", decay=0.95, every=10)
    return _row(replace(paper, objective=objective, config=config, train=train), row)


def _paper(labels: LabelSpace, corpus: str, read: Read, batch: int) -> Recipe:
    """Section 4.3. What of RoBERTa's own rate is not said: 1e-5, as Kim and Vossen 2021 have it."""
    return Recipe(
        labels=labels,
        corpus=corpus,
        read=read,
        extractors=(Windows(ROBERTA), ComParE(), VisExtNet()),
        model=MultiEMO,
        config=Config(
            classes=len(labels.names),
            streams={"text.windows": 0, "audio.compare": 6373, "video.visextnet": 2048},
            encoder=ROBERTA,
        ),
        objective=Objective(mu_1=0.4, mu_2=0.3, hgr="paper", weights="batch", norm="none"),
        train=Train(
            epochs=100,
            batch=batch,
            learning_rate=1e-4,
            pretrained_rate=1e-5,
            weight_decay=1e-5,
            optimizer="adam",
            beta_2=0.99,
            schedule="steps",
            decay=0.95,
            every=10,
            warmup=0.0,
            patience=100,
        ),
        select="weighted_f1",
        data=f"{corpus.upper()}, for research",
    )


def _row(recipe: Recipe, row: str) -> Recipe:
    return ROWS[row](recipe) if row else recipe


def without_multiattn(recipe: Recipe) -> Recipe:
    """Without MultiAttn: the modalities side by side."""
    return replace(recipe, config=replace(recipe.config, layers=0))


def without_swfc(recipe: Recipe) -> Recipe:
    """Without the contrast: its share goes to cross-entropy."""
    return replace(recipe, objective=replace(recipe.objective, mu_1=0.0))  # pyright: ignore


def without_visextnet(recipe: Recipe) -> Recipe:
    """A 3-D CNN in place of VisExtNet."""
    streams = {s: w for s, w in recipe.config.streams.items() if s != "video.visextnet"}
    config = replace(recipe.config, streams=streams | {"video.c3d": 4096})
    return replace(recipe, config=config, extractors=(*recipe.extractors[:2], Motion()))


def two_stage(recipe: Recipe) -> Recipe:
    """The two stages of 3.3.1: RoBERTa reads each utterance alone, another transformer the dialogue."""
    alone = Windows(ROBERTA, past=0, future=0)
    config = replace(recipe.config, two_stage=("text",))
    return replace(recipe, config=config, extractors=(alone, *recipe.extractors[1:]))


ROWS = {
    row.__name__: row
    for row in (
        *(text, audio, video, text_audio, text_video),
        *(without_visextnet, without_multiattn, without_swfc, two_stage),
    )
}
"""Of Tables 1-3 and Section 3.3.1: `affectline train multiemo.paper_meld.text`."""


def meld_encoded() -> Recipe:
    """MELD on the words that runs/multiemo.meld_text has learnt to read: as any other model sees them."""
    return replace(
        meld_text(),
        extractors=(Encoded("runs/multiemo.meld_text"),),
        config=replace(SMALL, classes=len(meld.LABELS.names), streams={"text.encoded": 384}),
        train=replace(QUICK, epochs=6),  # the encoder has seen the train part: little is left to learn
        start=None,
    )


def authors_meld_text() -> Recipe:
    """The settings of the release for MELD on the words of runs/multiemo.meld_text; chosen on dev."""
    authors, words = text(authors_meld()), meld_encoded()
    config = replace(authors.config, streams=words.config.streams)
    return replace(authors, config=config, extractors=words.extractors, data=words.data)


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


def mosi_videos() -> Recipe:
    """CMU-MOSI's videos with clips, as the networks of `base` see them: for any recording.

    Six videos train, so each is a step. Weighted F1 on the two of dev, as a mean of two seeds: MultiEMO .77,
    AMuSE .80, late fusion .71; at the rate of `QUICK` .72, .77 and .69; in batches of 16 they learn nothing.
    """
    seen = base.together()
    return replace(
        mosi(),
        read=corpus.read_videos,
        encoders={m: installed()["base"] / m for m in Modality},
        extractors=seen.extractors,
        config=replace(SMALL, classes=2, streams=seen.config.streams),
        train=replace(QUICK, batch=1, learning_rate=2e-3),
        data="CMU-MOSI, videos with clips (Zadeh et al. 2016), for research; what `base` was trained on",
    )


def mosi_published() -> Recipe:
    """CMU-MOSI, the division and the features of Poria et al. 2017: they have seen labels, so is dev blind.

    Settings are those of `mosi`. The last epoch is kept, of as many as were best on the dev part of `mosi`.
    """
    return replace(
        mosi(),
        read=corpus.read_published,
        extractors=tuple(Ready(stream, width) for stream, width in corpus.READY.items()),
        config=replace(mosi().config, streams=dict(corpus.READY)),
        train=replace(QUICK, epochs=8, keep="last"),
        data="CMU-MOSI (Zadeh et al. 2016), features of Poria et al. 2017, for research",
    )
