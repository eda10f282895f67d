"""The stream "text.words": words by their number in a vocabulary of the train part (SeMuL-PCD)."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from affectline.features import Item
from affectline.types import Conversation, Span, Utterance

UNKNOWN = 1  # 0 is padding
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True)
class Words:
    """The first `limit` words of an utterance, in lower case and without punctuation, by their numbers.

    0 is padding, 1 a word that `vocabulary` does not have, 2 its first word. `fitted` takes it from
    conversations: those of the train part, and of no other. Of words whose times are known only those that
    sound in the middle `seconds`, as the picture and the sound are.

    Paper: (SeMuL-PCD, Section 4.5) a vocabulary of 2^10, 48 words at most.
    Code:  a vocabulary that grows over all splits, 32 words.
    """

    vocabulary: tuple[str, ...] = ()
    limit: int = 48
    seconds: float = 3.2

    stream = "text.words"
    shape = ()
    dtype = np.int64
    stored = False

    @property
    def size(self) -> int:
        """How many numbers there are: of the words, of padding and of a word that is unknown."""
        return len(self.vocabulary) + UNKNOWN + 1

    def fitted(self, train: Iterable[Conversation], size: int = 1024) -> "Words":
        """With the most frequent words of these conversations; `size` counts the two that are none."""
        counts = Counter(word for c in train for u in c for word in words(u.text))
        frequent = sorted(counts, key=lambda word: (-counts[word], word))
        return replace(self, vocabulary=tuple(frequent[: size - 2]))

    def content(self, conversation: Conversation, index: int) -> str | None:
        said = " ".join(self._said(conversation.utterances[index]))
        return hashlib.sha256(said.encode()).hexdigest() if said else None

    def __call__(self, items: Sequence[Item]) -> list[Int64[np.ndarray, " _time"]]:
        if not self.vocabulary:
            raise ValueError(
                "text.words has no vocabulary yet: take .fitted(conversations of the train part)"
            )
        number = {word: n for n, word in enumerate(self.vocabulary, start=UNKNOWN + 1)}
        texts = [self._said(conversation.utterances[index])[: self.limit] for conversation, index in items]
        return [np.array([number.get(w, UNKNOWN) for w in text], np.int64) for text in texts]

    def _said(self, utterance: Utterance) -> list[str]:
        whole = utterance.span
        if whole is None or whole.duration <= self.seconds:
            return words(utterance.text)
        start = whole.start + (whole.duration - self.seconds) / 2
        return words(within(utterance, Span(start, start + self.seconds)).text)


def within(utterance: Utterance, span: Span) -> Utterance:
    """With the words alone that sound in a stretch of the recording; with all where no times are known."""
    if not utterance.words or any(word.span is None for word in utterance.words):
        return utterance
    kept = tuple(word for word in utterance.words if word.span and word.span.overlap(span) > 0)
    return replace(utterance, words=kept, text=" ".join(word.text for word in kept))


def words(text: str | None) -> list[str]:
    """Runs of letters and digits, in lower case; an apostrophe inside one stays."""
    return WORD.findall((text or "").lower().replace("\u2019", "'"))
