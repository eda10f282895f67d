"""Models of which all is known, for explanations: functions of what is said, heard or seen."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from affectline.explain import Predict
from affectline.media import MemoryClip
from affectline.types import Conversation, FaceTrack, Modality, Prediction, Span, Utterance

RATE = 16_000


def model(score: Callable[[Conversation, int], Mapping[str, float]]) -> Predict:
    """Says of an utterance what the function gives; what is over a half holds."""

    def predict(conversations: Sequence[Conversation]) -> list[list[Prediction]]:
        return [[_said(score(c, n), c.utterances[n]) for n in range(len(c))] for c in conversations]

    return predict


def _said(scores: Mapping[str, float], utterance: Utterance) -> Prediction:
    there = tuple(m for m in Modality if m not in utterance.missing)
    return Prediction(dict(scores), frozenset(n for n, p in scores.items() if p > 0.5), {}, there)


def linear(weights: Mapping[str, float], bias: float = 0.3, emotion: str = "joy") -> Predict:
    """The probability is a bias and a weight for each word that is said; anger is what joy is not."""

    def score(conversation: Conversation, index: int) -> dict[str, float]:
        said = set((conversation.utterances[index].text or "").split())
        p = bias + sum(w for word, w in weights.items() if word in said)
        return {emotion: p, "anger": 1 - p}

    return model(score)


def spoken(*texts: str) -> Conversation:
    """Two people who say these in turn."""
    said = [
        Utterance(id=f"u{n + 1:04}", speaker="AB"[n % 2], text=text, missing=frozenset({"audio", "video"}))
        for n, text in enumerate(texts)
    ]
    return Conversation("talk", tuple(said))


def with_sound(wave: np.ndarray) -> Conversation:
    clip = MemoryClip(wave.astype(np.float32), RATE)
    span = Span(10.0, 10.0 + clip.duration)
    return Conversation("sound", (Utterance(id="u0001", speaker="A", clip=clip, span=span),))


def with_face(pictures: np.ndarray, rate: float = 5.0) -> Conversation:
    """A face that stands still in the middle of pictures of 120 pixels, 80 pixels of it."""
    landmarks = 20 + 80 * np.array([[0.31, 0.40], [0.69, 0.40], [0.50, 0.615], [0.34, 0.79], [0.66, 0.79]])
    times = np.arange(len(pictures)) / rate
    track = FaceTrack(
        "F1",
        times,
        np.tile(np.array([20, 20, 100, 100], np.float32), (len(times), 1)),
        np.tile(landmarks.astype(np.float32), (len(times), 1, 1)),
    )
    clip = MemoryClip(None, RATE, pictures, rate)
    return Conversation("face", (Utterance(id="u0001", speaker="A", clip=clip, face=track),))
