"""The stream "text.encoded": what the text encoder of a trained MultiEMO makes of each utterance."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32

from affectline.batch import collate
from affectline.features import Item, extract
from affectline.features.text_tokens import words_hash
from affectline.features.text_turns import turn
from affectline.types import Conversation

if TYPE_CHECKING:
    from affectline.checkpoint import Checkpoint


@dataclass(frozen=True)
class Encoded:
    """One vector for each utterance, (1, width), from words that were learnt on a corpus' train part.

    So several models can be compared on the same words, in seconds each, without training the encoder again.
    `checkpoint`: the folder of a trained model whose text stream is word pieces.

    Raises:
        ValueError: once it is used, where there is no such checkpoint, it has no text encoder, or one of
            another width.
    """

    checkpoint: str
    width: int = 384

    stream = "text.encoded"
    dtype = np.float32
    stored = True

    @property
    def shape(self) -> tuple[int]:
        return (self.width,)

    def content(self, conversation: Conversation, index: int) -> str | None:
        if words_hash(conversation, index) is None:
            return None
        whole = "\n".join(turn(conversation, n) for n in range(len(conversation)))
        weights = _trained(self.checkpoint).sha256
        return hashlib.sha256(f"{weights} {index} {whole}".encode()).hexdigest()

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "1 width"]]:
        talks = {id(conversation): conversation for conversation, _ in items}
        vectors = {key: self._encode(conversation) for key, conversation in talks.items()}
        return [vectors[id(conversation)][[index]] for conversation, index in items]

    @torch.inference_mode()
    def _encode(self, conversation: Conversation) -> Float32[np.ndarray, "utterance width"]:
        found = _trained(self.checkpoint)
        silent = replace(conversation, utterances=tuple(replace(u, emotions=None) for u in conversation))
        batch = collate([silent], extract([silent], found.extractors), found.labels)
        (stream,) = (s for name, s in batch.streams.items() if name.startswith("text."))
        return _encoder(self.checkpoint)(stream.values, stream.mask)[0].numpy()


@cache
def _trained(checkpoint: str) -> "Checkpoint":
    from affectline.checkpoint import load

    return load(Path(checkpoint))


def _encoder(checkpoint: str) -> torch.nn.Module:
    from affectline.models.multiemo import MultiEMO
    from affectline.nn.conversation_encoder import ConversationEncoder
    from affectline.nn.text_encoder import TextEncoder

    model = _trained(checkpoint).model
    if isinstance(model, MultiEMO) and "text" in model.contexts:
        encoder = model.contexts["text"].features
        if isinstance(encoder, ConversationEncoder | TextEncoder):
            return encoder
    raise ValueError(f"{checkpoint!r} has no text encoder; give the folder of a trained multiemo.meld_text")
