"""Words that speak for an emotion: those of the utterance, and of those around it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from affectline.explain.parts import Mask, Part, enough
from affectline.types import Conversation, Modality, Span, Utterance

ABSENT = "nothing"
"""The text without the word, as LIME has it."""
MASK_WORD = "[MASK]"
"""What stands for a word in place of nothing, where an explanation is judged."""


@dataclass(frozen=True)
class Words:
    """An utterance with words switched off. `places`: of each part which words of which utterance they are.

    `absent`: the word that stands in for them; "nothing" where they are left out.
    """

    conversation: Conversation
    index: int
    parts: tuple[Part, ...]
    places: tuple[tuple[int, tuple[int, ...]], ...]
    absent: str = ABSENT

    modality = Modality.TEXT

    @property
    def shown(self) -> dict[str, Any]:
        """Nothing but the words."""
        return {}

    def __call__(self, mask: Mask) -> Conversation:
        off: dict[int, set[int]] = {}
        for (utterance, words), on in zip(self.places, mask, strict=True):
            if not on:
                off.setdefault(utterance, set()).update(words)
        changed = list(self.conversation.utterances)
        for n, gone in off.items():
            changed[n] = _without(changed[n], gone, self.absent)
        return replace(self.conversation, utterances=tuple(changed)) if off else self.conversation

    @property
    def judge(self) -> "Words":
        """The same parts with another "absent", by which an explanation is judged."""
        return replace(self, absent=MASK_WORD)


def words(conversation: Conversation, index: int, *, around: int = 0, turns: bool = False) -> Words:
    """The words of an utterance, and of `around` utterances before it and after it.

    Args:
        conversation: read only.
        index: of the utterance that is explained.
        around: how many utterances before, and after.
        turns: each utterance around is one part, all of its words; else each of their words is one.

    Raises:
        ValueError: there are no words, or there is one alone.
    """
    own = conversation.utterances[index]
    if Modality.TEXT in own.missing or not (own.text or "").strip():
        raise ValueError(f"utterance {own.id!r} has no words; explain its sound or its picture")
    parts: list[Part] = []
    places: list[tuple[int, tuple[int, ...]]] = []
    for n in range(max(0, index - around), min(len(conversation), index + around + 1)):
        utterance = conversation.utterances[n]
        spoken = [] if Modality.TEXT in utterance.missing else (utterance.text or "").split()
        if turns and n != index and spoken:
            parts.append(Part(" ".join(spoken), utterance.id, utterance.span))
            places.append((n, tuple(range(len(spoken)))))
            continue
        spans = _spans(utterance, len(spoken))
        parts += [Part(word, utterance.id, span) for word, span in zip(spoken, spans, strict=True)]
        places += [(n, (i,)) for i in range(len(spoken))]
    enough(parts, own, "one word")
    return Words(conversation, index, tuple(parts), tuple(places))


def _spans(utterance: Utterance, count: int) -> Sequence[Span | None]:
    """When each word was said, where the utterance knows that of as many words."""
    known = len(utterance.words) == count
    return [word.span for word in utterance.words] if known else [None] * count


def _without(utterance: Utterance, gone: set[int], absent: str) -> Utterance:
    """The other words stay as they are written, and as far apart."""
    pieces = re.findall(r"\S+\s*", (utterance.text or "").lstrip())
    if absent == ABSENT:
        text = "".join(piece for n, piece in enumerate(pieces) if n not in gone).rstrip()
    else:
        masked = [re.sub(r"\S+", lambda _: absent, p) if n in gone else p for n, p in enumerate(pieces)]
        text = "".join(masked)
    aligned = len(utterance.words) == len(pieces)
    kept = tuple(word for n, word in enumerate(utterance.words) if n not in gone) if aligned else ()
    return replace(utterance, text=text, words=kept)
