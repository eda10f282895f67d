"""A corpus made of arithmetic: small, deterministic, learnable. For tests and a first run without data."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from affectline.corpora import Source
from affectline.types import Conversation, LabelSpace, Utterance

SOURCE = Source(name="synthetic", page="affectline itself", licence="Apache-2.0", layout="nothing on disk")
SPLITS = ("train", "dev", "test")
LABELS = LabelSpace(("neutral", "joy", "anger"))
MULTILABEL = LabelSpace(LABELS.names, multilabel=True)


def read(
    root: Path | None = None, split: str = "train", *, conversations: int = 8, labels: LabelSpace = LABELS
) -> list[Conversation]:
    """Conversations of two to five utterances that say what they show; `root` is not read.

    With a multi-label space none, one or several emotions hold in an utterance.
    """
    seed = SPLITS.index(SOURCE.one_of(split, SPLITS))
    rng = np.random.default_rng(seed)
    return [_conversation(f"{split}{n}", rng, labels) for n in range(conversations)]


def _conversation(name: str, rng: np.random.Generator, labels: LabelSpace) -> Conversation:
    shown = [_emotions(rng, labels) for _ in range(rng.integers(2, 6))]
    return Conversation(
        name,
        tuple(
            Utterance(
                id=f"{name}.{n}",
                speaker="AB"[n % 2],
                text=" ".join(["I feel", *emotions]),
                emotions=frozenset(emotions),
            )
            for n, emotions in enumerate(shown)
        ),
    )


def _emotions(rng: np.random.Generator, labels: LabelSpace) -> list[str]:
    if labels.multilabel:
        return [name for name in labels.names if rng.random() < 0.4]
    return [str(rng.choice(labels.names))]


@dataclass(frozen=True)
class Pointer:
    """A pretend extractor of any modality: its vector points at the emotion words of the text."""

    stream: str
    dim: int
    noise: float = 0.1

    dtype = np.float32
    stored = False

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)

    def content(self, conversation: Conversation, index: int) -> str | None:
        utterance = conversation.utterances[index]
        if not utterance.text or not utterance.has(self.stream):
            return None
        return sha256(f"{utterance.id}\n{utterance.text}".encode()).hexdigest()

    def __call__(self, items: Sequence[tuple[Conversation, int]]) -> list[Float32[np.ndarray, "time dim"]]:
        return [self._point(*item) for item in items]

    def _point(self, conversation: Conversation, index: int) -> Float32[np.ndarray, "time dim"]:
        content = self.content(conversation, index)
        if content is None:
            return np.zeros((0, self.dim), dtype=np.float32)
        said = {word for word in (conversation.utterances[index].text or "").split() if word in LABELS.names}
        rng = np.random.default_rng([int(content[:8], 16), sum(map(ord, self.stream))])
        noise = self.noise * rng.standard_normal((1, self.dim))
        return (np.resize(LABELS.encode(said), (1, self.dim)) + noise).astype(np.float32)
