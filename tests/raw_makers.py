"""Conversations with raw pictures, sound and words, of which here and there one is missing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from affectline.batch import Batch, Features, Stream, collate
from affectline.models.semul_pcd import TINY, Config
from affectline.types import EMOTIONS, Conversation, LabelSpace, Utterance

LABELS = LabelSpace(EMOTIONS, multilabel=True)
CONFIG = replace(TINY, classes=len(EMOTIONS), samples=1024, dim=32, hidden=48, joint=16, head=24, dropout=0.0)
WORDS, SOUND, PICTURES = CONFIG.streams


def raw_features(rng: np.random.Generator, *, missing: float = 0.2) -> Features:
    """Some words, some samples, some pictures; a modality is missing with this chance, the words never."""
    words, samples, frames = rng.integers(1, 17), rng.integers(100, 1025), rng.integers(1, 9)
    samples, frames = (0 if rng.random() < missing else count for count in (samples, frames))
    return {
        WORDS: rng.integers(2, CONFIG.vocabulary, size=words),
        SOUND: rng.uniform(-1, 1, size=samples).astype(np.float32),
        PICTURES: rng.integers(0, 256, size=(frames, 32, 32, 3)).astype(np.uint8),
    }


def raw_conversations(
    lengths: Sequence[int] = (2, 1, 3), seed: int = 0, *, missing: float = 0.2
) -> tuple[list[Conversation], list[list[Features]]]:
    """Utterances with none to all of the labels."""
    rng = np.random.default_rng(seed)
    conversations, features = [], []
    for n, length in enumerate(lengths):
        shown = [frozenset(e for e in EMOTIONS if rng.random() < 0.4) for _ in range(length)]
        said = tuple(Utterance(id=f"{n}.{i}", speaker="A", emotions=e) for i, e in enumerate(shown))
        conversations.append(Conversation(str(n), said))
        features.append([raw_features(rng, missing=missing) for _ in said])
    return conversations, features


def raw_batch(lengths: Sequence[int] = (2, 1, 3), seed: int = 0, *, missing: float = 0.2) -> Batch:
    return collate(*raw_conversations(lengths, seed, missing=missing), LABELS)


def whole_windows(config: Config, count: int = 2) -> Batch:
    """Utterances that fill the window of a configuration, each a conversation."""
    rng, side = np.random.default_rng(0), config.picture
    made = [
        {
            WORDS: rng.integers(2, config.vocabulary, size=config.words),
            SOUND: rng.uniform(-1, 1, size=config.samples).astype(np.float32),
            PICTURES: rng.integers(0, 256, size=(config.frames, side, side, 3)).astype(np.uint8),
        }
        for _ in range(count)
    ]
    said = [Utterance(id=str(n), speaker="A", emotions=frozenset()) for n in range(count)]
    alone = [Conversation(u.id, (u,)) for u in said]
    return collate(alone, [[{s: features[s] for s in config.streams}] for features in made], LABELS)


def raw_spoilt(batch: Batch) -> Batch:
    """Nan, white and the last word wherever the masks say that nothing is."""
    junk = {WORDS: CONFIG.vocabulary - 1, SOUND: torch.nan, PICTURES: 255}
    streams = {}
    for name, s in batch.streams.items():
        gone = ~s.mask.view(*s.mask.shape, *[1] * (s.values.ndim - 3))
        streams[name] = Stream(s.values.masked_fill(gone, junk[name]), s.mask)
    return replace(batch, streams=streams)
