"""The shipped checkpoint `base`: a classifier for words, voice and face each, then their fusion."""

from affectline.corpora import ferplus, goemotions, ravdess
from affectline.features.audio_mel import Mel
from affectline.features.text_tokens import Tokens
from affectline.features.video_faces import Faces
from affectline.models.late_fusion import Config, LateFusion, Objective
from affectline.nn import augment
from affectline.recipes import Fusion, Recipe
from affectline.training import Train
from affectline.types import EMOTIONS, LabelSpace, Modality

LABELS = LabelSpace(EMOTIONS, multilabel=True)


def text() -> Recipe:
    """Words: MiniLM with adapters on GoEmotions, its 28 labels grouped to our seven."""
    return Recipe(
        labels=LABELS,
        corpus="goemotions",
        read=goemotions.read,
        extractors=(Tokens(),),
        model=LateFusion,
        config=Config(classes=len(EMOTIONS), text=32, dropout=0.2),
        objective=Objective(),
        train=Train(
            epochs=3, batch=64, learning_rate=1e-3, weight_decay=0.01, clip=1.0, average=0.998, patience=2
        ),
        select="map",
        data="GoEmotions (Demszky et al. 2020), CC BY 4.0",
    )


def audio() -> Recipe:
    """Voice: a small network from scratch on RAVDESS, actors 1-14; 15-16 choose, 17-20 judge."""
    return Recipe(
        labels=LABELS,
        corpus="ravdess",
        read=ravdess.read,
        extractors=(Mel(),),
        model=LateFusion,
        config=Config(classes=len(EMOTIONS), audio=24, dropout=0.3),
        objective=Objective(ratings=1.0),
        train=Train(epochs=50, batch=24, learning_rate=3e-3, weight_decay=0.05, average=0.98, patience=50),
        select="uar",
        data="RAVDESS speech, actors 1-16 (Livingstone and Russo 2018), CC BY-NC-SA 4.0",
        augment=augment.Spectrograms(),
    )


def face() -> Recipe:
    """Faces: a small network from scratch on the votes of FER+."""
    return Recipe(
        labels=LABELS,
        corpus="ferplus",
        read=ferplus.read,
        extractors=(Faces(size=48, whole=True),),
        model=LateFusion,
        config=Config(classes=len(EMOTIONS), face=48, dropout=0.3),
        objective=Objective(ratings=1.0),
        train=Train(epochs=26, batch=128, learning_rate=2e-3, weight_decay=0.05, average=0.998, patience=26),
        select="accuracy",
        data="FER+ (Barsoum et al. 2016), labels MIT; images of FER2013, for research",
        augment=augment.Faces(),
    )


def fuse() -> Fusion:
    """The checkpoint `base`: the three above, joined, and what dev decides about their fusion."""
    return Fusion(
        parts={Modality.TEXT: text(), Modality.AUDIO: audio(), Modality.VIDEO: face()},
        config=Config(
            classes=len(EMOTIONS),
            text=text().config.text,
            audio=audio().config.audio,
            face=face().config.face,
        ),
        extractors=(Tokens(), Mel(), Faces(size=48)),
    )
