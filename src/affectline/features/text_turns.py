"""The stream "text.turns": who speaks and what is said, for an encoder that reads a whole conversation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from affectline.features import Item
from affectline.features.text_tokens import words_hash
from affectline.nn.minilm import load_tokenizer
from affectline.types import Conversation

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Turns:
    """The word pieces of "NAME: words" from [CLS] to [SEP], at most `limit`; those of MiniLM.

    The name is that of the speaker (Kim and Vossen 2021, EmoBERTa), and is left out where nobody else speaks.
    An utterance without words has no pieces.
    """

    limit: int = 100

    stream = "text.turns"
    shape = ()
    dtype = np.int64
    stored = False

    def content(self, conversation: Conversation, index: int) -> str | None:
        said = words_hash(conversation, index)
        return said and hashlib.sha256(turn(conversation, index).encode()).hexdigest()

    def __call__(self, items: Sequence[Item]) -> list[Int64[np.ndarray, " _time"]]:
        found = _tokenizer(self.limit).encode_batch_fast([turn(*item) for item in items])
        return [np.array(e.ids, np.int64) for e in found]


def context_hash(conversation: Conversation, index: int, stream: str) -> str | None:
    """A hash of an utterance in all that is said around it, and by whom; None where it has no words.

    What others say counts but for those that lost `stream`.
    """
    if words_hash(conversation, index) is None:
        return None
    said = [turn(conversation, n) if u.has(stream) else "" for n, u in enumerate(conversation)]
    whole = "\n".join(said)
    return hashlib.sha256(f"{index} {whole}".encode()).hexdigest()


def turn(conversation: Conversation, index: int) -> str:
    utterance = conversation.utterances[index]
    name = f"{utterance.speaker}: " if len(conversation.speakers) > 1 else ""
    return f"{name}{utterance.text}"


@cache
def _tokenizer(limit: int) -> "Tokenizer":
    tokenizer = load_tokenizer()
    tokenizer.enable_truncation(limit)
    return tokenizer
