"""Timelines as an analysis would make them, and worse ones."""

import random
from collections.abc import Sequence

import numpy as np

from affectline.timeline import Source, Timeline
from affectline.types import (
    EMOTIONS,
    Conversation,
    FaceTrack,
    LabelSpace,
    Modality,
    Prediction,
    Span,
    Utterance,
    Word,
)

SAID = (
    "I thought you had already told them.",
    "No. I wanted to wait until we knew for certain, and then the letter came.",
    "You got it? That's wonderful, I can't believe it!",
    "Well, they want an answer by Friday.",
    "So we would have to move. Again.",
    "I know how that sounds. I'm sorry, I should have said something before.",
    "Ugh, don't put that on the table, please.",
    "What was that noise?",
    "It's only the window.",
    "I'm not angry. I just wish I had heard it from you, and not from your sister on the phone.",
)
THRESHOLDS = {
    "neutral": 0.5,
    "joy": 0.42,
    "sadness": 0.4,
    "anger": 0.4,
    "surprise": 0.38,
    "fear": 0.3,
    "disgust": 0.3,
}


def track(times: Sequence[float] | np.ndarray, id: str = "F1", match: float | None = 0.8) -> FaceTrack:
    times_ = np.array(times, dtype=np.float64)
    boxes = np.tile(np.array([10.04, 20, 110, 140], np.float32), (len(times_), 1))
    return FaceTrack(id, times_, boxes, np.zeros((len(times_), 5, 2), np.float32), match)


def scores(rng: random.Random, strongest: str, labels: Sequence[str] = EMOTIONS) -> dict[str, float]:
    """Mostly low, one high; now and then a second one."""
    values = {name: rng.betavariate(1.2, 9) for name in labels}
    values[strongest] = rng.betavariate(5, 2.5)
    if rng.random() < 0.25:
        values[rng.choice(list(labels))] = rng.betavariate(5, 4)
    return values


def prediction(
    rng: random.Random, strongest: str, used: Sequence[Modality], abstained: bool = False
) -> Prediction:
    values = scores(rng, strongest)
    space = LabelSpace(EMOTIONS, multilabel=True)
    over = space.decode(np.array(list(values.values())), list(THRESHOLDS.values()))
    return Prediction(
        values,
        frozenset() if abstained else over,
        {m: scores(rng, strongest if rng.random() < 0.7 else rng.choice(EMOTIONS)) for m in used},
        tuple(used),
        abstained,
    )


def talk(
    size: int = 6,
    *,
    speakers: Sequence[str] = ("S1", "S2"),
    seed: int = 0,
    timed: bool = True,
    texts: Sequence[str] = SAID,
    path: str | None = "talk.mp4",
) -> Timeline:
    """A conversation of `size` utterances: moods that last, gaps, now and then a lost face, an abstention."""
    rng = random.Random(seed)
    now, mood, utterances, predictions = 0.4, "neutral", [], []
    for n in range(size):
        mood = rng.choice(EMOTIONS) if rng.random() < 0.35 else mood
        text, lost, quiet = texts[n % len(texts)], rng.random() < 0.2, rng.random() < 0.08
        span = Span(now, now + 0.6 + len(text) / 16) if timed else None
        words = tuple(Word(w) for w in text.split())
        if span is not None:
            step = span.duration / max(1, len(words))
            words = tuple(
                Word(w.text, Span(now + k * step, now + (k + 1) * step)) for k, w in enumerate(words)
            )
        now += 1 + len(text) / 16 + rng.expovariate(1.2)
        used = [Modality.TEXT] if not timed else [m for m in Modality if not (lost and m == Modality.VIDEO)]
        utterances.append(
            Utterance(
                id=f"u{n + 1:04d}",
                speaker=rng.choice(speakers),
                text=text,
                words=words,
                span=span,
                face=None if lost or span is None else track(np.arange(0, span.duration, 0.1)),
                warnings=("no face",) if timed and lost else (),
            )
        )
        predictions.append(prediction(rng, mood, used, abstained=quiet))
    return Timeline.of(
        Conversation("talk", tuple(utterances)),
        predictions,
        source=Source(path, "ab" * 32, now + 1 if timed else None),
        labels=EMOTIONS,
        checkpoint={"name": "base", "sha256": "cd" * 32},
        thresholds=THRESHOLDS,
    )
