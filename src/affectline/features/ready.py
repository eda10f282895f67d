"""Streams that a corpus brings ready-made."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from affectline.features import Item
from affectline.types import Conversation, modality_of


@dataclass(frozen=True)
class Ready:
    """The vectors of `Utterance.ready`, each as one time step; of length 0 where an utterance has none."""

    stream: str
    width: int

    dtype = np.float32
    stored = False  # the corpus has it

    def __post_init__(self) -> None:
        modality_of(self.stream)  # an unknown name is refused

    @property
    def shape(self) -> tuple[int]:
        return (self.width,)

    def content(self, conversation: Conversation, index: int) -> str | None:
        vector = conversation.utterances[index].ready.get(self.stream)
        return None if vector is None else hashlib.sha256(vector.tobytes()).hexdigest()

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "1 width"]]:
        return [conversation.utterances[index].ready[self.stream][None] for conversation, index in items]
