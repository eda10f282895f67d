"""The stream "text.windows": each utterance with what was said before and after it, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from affectline.features import Item
from affectline.features.text_tokens import words_hash
from affectline.features.text_turns import context_hash, turn
from affectline.nn.text_encoder import MINILM, load_pieces
from affectline.types import Conversation

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Windows:
    """Word pieces of past, current and future utterances, each "NAME: words", at most `limit` in all.

    `<s> past </s></s> current </s></s> future </s>` for RoBERTa, `[CLS] past [SEP] current [SEP] future
    [SEP]` for BERT and MiniLM: the one stage of MultiEMO 3.3.1, after EmoBERTa (Kim and Vossen 2021). The
    utterances around are taken outwards from both sides, `past` and `future` of them at most, until one has
    no room. `encoder`: whose pieces; a name on the hub, a folder, or "minilm".

    Paper: (EmoBERTa) joins the utterances of a side with a space and splits the whole into pieces.
    Here:  each utterance by itself, as if a space were before it: the same pieces but for the first.
    """

    encoder: str = MINILM
    limit: int = 512
    past: int = 512
    future: int = 512

    stream = "text.windows"
    shape = ()
    dtype = np.int64
    stored = False

    def content(self, conversation: Conversation, index: int) -> str | None:
        return context_hash(conversation, index, self.stream)

    def __call__(self, items: Sequence[Item]) -> list[Int64[np.ndarray, " _time"]]:
        return [self._window(conversation, index) for conversation, index in items]

    def _window(self, conversation: Conversation, index: int) -> Int64[np.ndarray, " _time"]:
        first, between, last = _marks(self.encoder)
        room = self.limit - len(first) - 2 * len(between) - len(last)
        own = self._turn(conversation, index)[:room]
        past, future, room = list[int](), list[int](), room - len(own)
        for n in range(1, len(conversation)):
            before = self._turn(conversation, index - n) if n <= self.past else ()
            after = self._turn(conversation, index + n) if n <= self.future else ()
            room -= len(before) + len(after)
            if room < 0:
                break
            past, future = [*before, *past], [*future, *after]
        return np.array([*first, *past, *between, *own, *between, *future, *last], np.int64)

    def _turn(self, conversation: Conversation, index: int) -> tuple[int, ...]:
        """None where nobody spoke, without words, and where they are lost."""
        spoken = 0 <= index < len(conversation) and words_hash(conversation, index) is not None
        there = spoken and conversation.utterances[index].has(self.stream)
        return _pieces(self.encoder, turn(conversation, index)) if there else ()


@cache
def _marks(encoder: str) -> tuple[list[int], list[int], list[int]]:
    """What stands at the start of a text, between two, and at the end, as the tokeniser itself has it."""
    alone, pair = _tokenizer(encoder).encode("").ids, _tokenizer(encoder).encode("", "").ids
    return alone[:1], pair[1:-1], alone[1:]


@cache
def _pieces(encoder: str, text: str) -> tuple[int, ...]:
    return tuple(_tokenizer(encoder).encode(f" {text}", add_special_tokens=False).ids)


@cache
def _tokenizer(encoder: str) -> "Tokenizer":
    return load_pieces(encoder)
