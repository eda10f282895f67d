"""The stream "text.tokens": what a text encoder that is trained along reads."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from affectline.features import Item
from affectline.nn.minilm import load_tokenizer
from affectline.types import Conversation

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Tokens:
    """The numbers of all-MiniLM-L6-v2's word pieces, from [CLS] to [SEP]; with these two at most `limit`.

    An utterance without words, or of white space alone, has none.
    """

    limit: int = 80

    stream = "text.tokens"
    shape = ()
    dtype = np.int64
    stored = False

    def __post_init__(self) -> None:
        if not 3 <= self.limit <= 512:
            raise ValueError(f"the encoder reads 3 to 512 word pieces, got limit={self.limit}")

    def content(self, conversation: Conversation, index: int) -> str | None:
        return words_hash(conversation, index)

    def __call__(self, items: Sequence[Item]) -> list[Int64[np.ndarray, " _time"]]:
        texts = [conversation.utterances[index].text or "" for conversation, index in items]
        return [np.array(e.ids, np.int64) for e in _tokenizer(self.limit).encode_batch_fast(texts)]

    def pieces(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The numbers of a text's word pieces, and from where to where in it each lies; the ends nowhere."""
        found = _tokenizer(self.limit).encode(text)
        return found.ids, found.offsets


def words_hash(conversation: Conversation, index: int) -> str | None:
    """A hash of the words of an utterance; None where it has none."""
    text = conversation.utterances[index].text
    return hashlib.sha256(text.encode()).hexdigest() if text and text.strip() else None


@cache
def _tokenizer(limit: int) -> "Tokenizer":
    tokenizer = load_tokenizer()
    tokenizer.enable_truncation(limit)
    return tokenizer
