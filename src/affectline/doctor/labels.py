"""Labels, words and features as they are: how often, which together, and which are no good."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from affectline.corpora import Fault
from affectline.doctor.copies import Copy

FEW = 30
"""Utterances of a label: fewer say little of how well it is found."""
GARBLED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\N{REPLACEMENT CHARACTER}]")


@dataclass(frozen=True)
class Labels:
    """How often each label is in a part, how many utterances have none and of how many it is not known.

    `together`: for each two labels, in how many utterances both are.
    """

    support: dict[str, int]
    none: int
    unknown: int
    together: dict[tuple[str, str], int]


def labels_of(copy: Copy, part: str) -> Labels:
    """Of one part, the labels in the order of the corpus."""
    shown = [u.emotions for c in copy.parts[part] for u in c]
    known = [emotions for emotions in shown if emotions is not None]
    single = Counter(name for emotions in known for name in emotions)
    pairs = Counter(pair for emotions in known for pair in combinations(sorted(emotions), 2))
    return Labels(
        support={name: single[name] for name in copy.module.LABELS.names},
        none=sum(not emotions for emotions in known),
        unknown=len(shown) - len(known),
        together=dict(pairs.most_common()),
    )


def of_labels(copy: Copy) -> Iterator[Fault]:
    """Labels that a part lacks, or has too few of to be judged by."""
    for part in copy.parts:
        for name, count in labels_of(copy, part).support.items():
            if not count:
                yield Fault(part, part, f"{name} is never there", "as it is", "no-label")
            elif count < FEW and part != "train":
                yield Fault(part, part, f"{count} utterances of {name}", "as it is", "rare")


def of_words(copy: Copy) -> Iterator[Fault]:
    """Utterances without words where most have some, and characters that stand for nothing."""
    texts = [(p, p.utterance.text or "") for p in copy.utterances]
    spoken = 2 * sum(bool(text.strip()) for _, text in texts) > len(texts)
    for placed, text in texts:
        if spoken and not text.strip():
            yield Fault(placed.part, placed.id, "has no words", "read without", "no-words")
        if found := GARBLED.findall(text):
            what = f"holds {', '.join(sorted({f'U+{ord(c):04X}' for c in found}))}"
            yield Fault(placed.part, placed.id, what, "kept", "garbled")


def of_features(copy: Copy) -> Iterator[Fault]:
    """Vectors that the corpus brings: not finite, or of nothing but zeros."""
    for placed in copy.utterances:
        for stream, vector in placed.utterance.ready.items():
            if not np.isfinite(vector).all():
                yield Fault(placed.part, placed.id, f"{stream} is not finite", "refused", "not-finite")
            elif not vector.any():
                yield Fault(placed.part, placed.id, f"{stream} is all 0", "kept", "zeros")


def alone(copy: Copy) -> Iterator[Fault]:
    """Conversations of one utterance, in a corpus of conversations: no context to learn from."""
    if copy.in_conversations:
        for part, conversations in copy.parts.items():
            for conversation in conversations:
                if len(conversation) == 1:
                    yield Fault(part, conversation.id, "has one utterance", "kept", "alone")
