"""Conversations with made-up vectors for the tests of the models that know context."""

from collections.abc import Mapping

import numpy as np

from affectline.batch import Batch, Features, collate
from affectline.types import EMOTIONS, Conversation, LabelSpace, Utterance

LABELS = LabelSpace(EMOTIONS)
STREAMS = {"text.words": 8, "audio.voice": 12, "video.mien": 10}


def talks(
    lengths: tuple[int, ...] = (3, 1, 7), seed: int = 0, streams: Mapping[str, int] = STREAMS
) -> tuple[list[Conversation], list[list[Features]]]:
    """Three speakers, vectors that lean towards their label, and here and there a stream that is missing."""
    rng = np.random.default_rng(seed)
    leaning = {s: rng.normal(size=(len(EMOTIONS), width)) for s, width in streams.items()}
    conversations, features = [], []
    for n, length in enumerate(lengths):
        labels = rng.integers(0, len(EMOTIONS), size=length)
        speakers = rng.choice(["A", "B", "C"], size=length)
        conversations.append(
            Conversation(
                f"{n}",
                tuple(
                    Utterance(id=f"{n}.{i}", speaker=str(who), emotions=frozenset({EMOTIONS[label]}))
                    for i, (who, label) in enumerate(zip(speakers, labels, strict=True))
                ),
            )
        )
        features.append(
            [
                {
                    s: (leaning[s][label] + 0.3 * rng.normal(size=(1, w))).astype(np.float32)[
                        : int(rng.random() < 0.8 or s == "text.words")
                    ]
                    for s, w in streams.items()
                }
                for label in labels
            ]
        )
    return conversations, features


def batch_of(lengths: tuple[int, ...] = (3, 1, 7), seed: int = 0) -> Batch:
    return collate(*talks(lengths, seed), LABELS)
