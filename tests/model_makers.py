"""Small batches for the tests of models: spectrograms, faces and words that show their label."""

import numpy as np

from affectline.batch import Batch, Features, collate
from affectline.types import EMOTIONS, Conversation, LabelSpace, Utterance

LABELS = LabelSpace(EMOTIONS, multilabel=True)


def utterance_features(label: int, rng: np.random.Generator, *, steps: int = 40, faces: int = 2) -> Features:
    """A loud band, a bright row and a token that say which label it is."""
    mel = rng.normal(size=(steps, 64)).astype(np.float32)
    mel[:, 8 * label : 8 * label + 6] += 4 * np.sin(np.arange(steps) * (label + 1) / 4)[:, None]
    picture = rng.integers(0, 120, size=(faces, 48, 48, 3)).astype(np.uint8)
    picture[:, 6 * label : 6 * label + 5] += 120
    tokens = np.array([101, 2000 + 7 * label, 2500 + label, 102])
    return {"text.tokens": tokens, "audio.mel": mel, "video.faces": picture}


def conversations_with_features(
    count: int, seed: int = 0, turns: int = 3
) -> tuple[list[Conversation], list[list[Features]]]:
    rng = np.random.default_rng(seed)
    conversations, features = [], []
    for n in range(count):
        labels = rng.integers(0, len(EMOTIONS), size=rng.integers(1, turns + 1))
        utterances = tuple(
            Utterance(id=f"{n}.{i}", speaker="AB"[i % 2], emotions=frozenset({EMOTIONS[label]}))
            for i, label in enumerate(labels)
        )
        conversations.append(Conversation(str(n), utterances))
        features.append([utterance_features(label, rng, steps=int(rng.integers(30, 60))) for label in labels])
    return conversations, features


def batch_of(count: int = 3, seed: int = 0) -> Batch:
    return collate(*conversations_with_features(count, seed), LABELS)
