"""From conversations to arrays. Each extractor makes one stream; `extract` is the only place they are run."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from affectline.batch import Features
from affectline.features.store import Store
from affectline.types import Conversation

Item = tuple[Conversation, int]
"""An utterance in its conversation."""


@runtime_checkable
class Extractor(Protocol):
    """A frozen dataclass: its fields are its settings, and with `content` the key of what it makes."""

    @property
    def stream(self) -> str: ...  # "audio.compare": the modality, a dot, what it is
    @property
    def shape(self) -> tuple[int, ...]: ...  # of one time step

    def content(self, conversation: Conversation, index: int) -> str | None:
        """A hash of all that this extractor reads of the utterance; None where there is nothing to read."""
        ...

    def __call__(self, items: Sequence[Item]) -> list[Shaped[np.ndarray, "time ..."]]:
        """One array per utterance, each (time, *shape)."""
        ...
