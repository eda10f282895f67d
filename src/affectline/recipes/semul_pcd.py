"""SeMuL-PCD's experiments: the rows of the paper's tables, and what runs on the data at hand.

Paper: 25 layers, 2,048 wide, for each corpus: 3.8 billion parameters, on as few as 615 clips.
Here:  `paper_mosei` and so on are that; `mosei` and so on are the same rows at the size BASE, 35 million.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from affectline.corpora import elderreact as elders
from affectline.corpora import emoreact as children
from affectline.corpora import mosei as reviews
from affectline.corpora import mosi as opinions
from affectline.corpora import ravdess as takes
from affectline.features.audio_samples import Samples
from affectline.features.even_windows import EvenWindows
from affectline.features.random_views import RandomViews
from affectline.features.ready import Ready
from affectline.features.text_words import Words
from affectline.features.video_frames import Pixels
from affectline.models.semul_pcd import BASE, PAPER, SMALL, Config, Objective, SeMuLPCD
from affectline.recipes import Read, Recipe, one_by_one, only
from affectline.recipes.rows import audio, audio_video, text, text_audio, text_video, video
from affectline.training import Train
from affectline.types import LabelSpace

SECONDS = 3.2  # of the window


@dataclass(frozen=True)
class Corpus:
    """What is read, and which of its modalities there are."""

    name: str
    labels: LabelSpace
    read: Read
    modalities: tuple[str, ...]
    data: str


ALL, SEEN_AND_HEARD = ("text", "audio", "video"), ("audio", "video")
MOSEI = Corpus(
    "mosei", reviews.LABELS, one_by_one(reviews.read), ALL, "CMU-MOSEI (Zadeh et al. 2018), for research"
)
EMOREACT = Corpus(
    "emoreact",
    children.LABELS,
    children.read,
    SEEN_AND_HEARD,
    "EmoReact (Nojavanasghari et al. 2016), for research",
)
ELDERREACT = Corpus(
    "elderreact", elders.LABELS, elders.read, SEEN_AND_HEARD, "ElderReact (Ma et al. 2019), for research"
)
MOSI = Corpus(
    "mosi", opinions.RAW_LABELS, opinions.read_raw, ALL, "CMU-MOSI (Zadeh et al. 2016), for research"
)
RAVDESS = Corpus(
    "ravdess",
    LabelSpace(takes.LABELS.names, multilabel=True),
    takes.read,
    ("audio",),
    "RAVDESS speech (Livingstone and Russo 2018), CC BY-NC-SA 4.0",
)


def paper_mosei(row: str = "") -> Recipe:
    """The paper on CMU-MOSEI (Tables 1, 3, 5 and 6)."""
    return _row(_raw(MOSEI, PAPER, _paper(0.0065)), row)


def paper_emoreact(row: str = "") -> Recipe:
    """The paper on EmoReact (Tables 2, 3, 5 and 6): pictures and sound."""
    return _row(_raw(EMOREACT, PAPER, _paper(0.1)), row)


def paper_elderreact(row: str = "") -> Recipe:
    """The paper on ElderReact (Tables 2, 3, 5 and 6): pictures and sound."""
    return _row(_raw(ELDERREACT, PAPER, _paper(0.17)), row)


def mosei(row: str = "") -> Recipe:
    """CMU-MOSEI at the size BASE."""
    return _row(_raw(MOSEI, BASE, _small(epochs=30)), row)


def emoreact(row: str = "") -> Recipe:
    """EmoReact at the size BASE: pictures and sound."""
    return _row(_raw(EMOREACT, BASE, _small(epochs=150)), row)


def elderreact(row: str = "") -> Recipe:
    """ElderReact at the size BASE: pictures and sound."""
    return _row(_raw(ELDERREACT, BASE, _small(epochs=150)), row)


def mosi_raw() -> Recipe:
    """The raw clips of CMU-MOSI with their words, at the size SMALL; one of five divisions of the videos."""
    return _raw(MOSI, SMALL, _small(epochs=12))


def mosi_raw_base() -> Recipe:
    """The raw clips of CMU-MOSI with their words, at the size BASE."""
    return _raw(MOSI, BASE, _small(epochs=30))


def ravdess_raw() -> Recipe:
    """RAVDESS by the waveform alone, at the size SMALL; actors 1-14 train, 15-16 choose, 17-20 judge."""
    return _raw(RAVDESS, SMALL, _small(epochs=30))


def elderreact_audio(row: str = "") -> Recipe:
    """ElderReact by its 148 COVAREP features as one token of sound."""
    return _row(_covarep(elders.read, elders.READY), row)


def elderreact_in_video() -> Recipe:
    """ElderReact by the same, beside how the video that a clip is from sounds otherwise."""
    return _covarep(elders.read_in_videos, elders.IN_VIDEO)


def _covarep(read: Read, streams: Mapping[str, int]) -> Recipe:
    config = Config(
        classes=len(elders.LABELS.names),
        streams=dict(streams),
        dim=64,
        layers=1,
        heads=4,
        hidden=128,
        joint=32,
        head=64,
        dropout=0.3,
    )
    extractors = tuple(Ready(stream, width) for stream, width in streams.items())
    train = Train(
        epochs=40, batch=64, learning_rate=2e-3, weight_decay=0.05, clip=1.0, patience=40, average=0.95
    )
    recipe = _raw(ELDERREACT, config, train)
    return replace(recipe, read=read, config=config, extractors=extractors, view=None, windows=None)


def _paper(warmup: float) -> Train:
    """Section 4.5: 5,000 steps of warm-up, which is `warmup` of all; 16 at once, as in the release."""
    return Train(
        epochs=750,
        batch=16,
        learning_rate=1e-4,
        lowest=0.1,
        weight_decay=2e-4,
        optimizer="adam",
        warmup=warmup,
        clip=1.0,
        patience=50,
        precision="bf16-mixed",
    )


def _small(epochs: int) -> Train:
    return Train(
        epochs=epochs,
        batch=16,
        learning_rate=3e-4,
        lowest=0.1,
        weight_decay=0.05,
        warmup=0.05,
        clip=1.0,
        patience=15,
    )


def _raw(corpus: Corpus, config: Config, train: Train) -> Recipe:
    """Words, sound and pictures of one window, as long as the size's pictures and samples."""
    seconds = SECONDS / 2 if config is SMALL else SECONDS
    extractors = (
        Words(limit=config.words, seconds=seconds),
        Samples(rate=round(config.samples / seconds), seconds=seconds),
        Pixels(size=config.picture, count=config.frames, rate=config.frames / seconds),
    )
    recipe = Recipe(
        labels=corpus.labels,
        corpus=corpus.name,
        read=corpus.read,
        extractors=extractors,
        model=SeMuLPCD,
        config=replace(config, classes=len(corpus.labels.names)),
        objective=Objective(),
        train=train,
        select="map",
        view=RandomViews(size=config.picture, seconds=seconds),
        workers=2,
        windows=EvenWindows(seconds=seconds),
        data=corpus.data,
    )
    return recipe if corpus.modalities == ALL else only(recipe, *corpus.modalities)


def _row(recipe: Recipe, row: str) -> Recipe:
    return ROWS[row](recipe) if row else recipe


def frames(recipe: Recipe) -> Recipe:
    """Table 6: patches of eight pictures evenly over the window, in place of tubelets."""
    config, (_, high, wide) = recipe.config, recipe.config.tubelet
    pictures = [e for e in recipe.extractors if isinstance(e, Pixels)]
    fewer = {e: replace(e, count=8, rate=8 * e.rate / e.count) for e in pictures}
    return replace(
        recipe,
        config=replace(config, frames=8, tubelet=(1, high, wide)),
        extractors=tuple(fewer.get(e, e) for e in recipe.extractors),  # pyright: ignore
    )


def _weighted(calibration: float, distillation: float, contrast: float) -> Callable[[Recipe], Recipe]:
    def row(recipe: Recipe) -> Recipe:
        weights = {"calibration": calibration, "distillation": distillation, "contrast": contrast}
        return replace(recipe, objective=replace(recipe.objective, **weights))  # pyright: ignore

    row.__doc__ = f"Tables 3 and 5: lambda_C {calibration}, lambda_K {distillation}, lambda_S {contrast}."
    return row


WEIGHTS = (
    *((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0)),
    *((0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (1.0, 0.5, 0.5), (0.5, 1.0, 0.5), (1.0, 1.0, 0.5), (0.5, 1.0, 1.0)),
    (0.0, 0.0, 0.0),
)
"""Lambda_C, lambda_K and lambda_S of Tables 3 and 5; the recipes' own are 1, .5 and 1. At last: none."""
LOSSES = {
    "losses_" + "_".join(f"{10 * weight:02.0f}" for weight in weights): _weighted(*weights)
    for weights in WEIGHTS
}
PAIR = {row.__name__: row for row in (audio, video, frames)} | LOSSES
ROWS = {row.__name__: row for row in (text, text_audio, text_video, audio_video)} | PAIR
"""Of Tables 1, 2, 3, 5 and 6: `semul_pcd.mosei.losses_10_05_05` has lambda_C 1, lambda_K and lambda_S .5."""
ROWS_OF = dict.fromkeys(("paper_emoreact", "paper_elderreact", "emoreact", "elderreact"), PAIR)
ROWS_OF |= {"elderreact_audio": LOSSES}
"""Where there is less to leave out."""
