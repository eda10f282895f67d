"""What is there more than once: recordings, words, speakers; and what of it is both learnt and judged."""

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from typing import Final

from affectline.corpora import Fault
from affectline.doctor.clips import Decoded, is_file
from affectline.doctor.copies import Copy, Placed
from affectline.types import Modality

WORDS: Final = re.compile(r"\w+")
SHOWN = 3
"""Of those who speak in two parts, how many are named."""


def folded(text: str) -> str:
    """Words without case and punctuation."""
    return " ".join(WORDS.findall(text.casefold()))


def contents(copy: Copy, decoded: Mapping[str, Decoded]) -> dict[str, dict[str, Hashable]]:
    """What makes each utterance the same as another one, the surest first: stretch, sound, picture,
    ready-made features or words.

    Words alone do not, where there is a recording or a conversation around them.
    """
    stretches = copy.stretches()
    return {p.id: dict(_contents(p, stretches.get(p.id), decoded.get(p.id))) for p in copy.utterances}


def _contents(placed: Placed, stretch: object, heard: Decoded | None) -> Iterator[tuple[str, Hashable]]:
    utterance = placed.utterance
    if stretch is not None:
        yield "stretch", repr(stretch)
    if heard is not None and heard.sound and not heard.silent:
        yield "sound", heard.sound
    if utterance.clip is not None and not is_file(utterance.clip):
        yield "picture", utterance.clip.content(Modality.VIDEO)
    if utterance.ready:
        yield "features", b"".join(vector.tobytes() for vector in utterance.ready.values())
    if len(placed.conversation) == 1 and utterance.clip is None and stretch is None and utterance.text:
        yield "words", utterance.text


def again(copy: Copy, found: Mapping[str, Mapping[str, Hashable]]) -> Iterator[Fault]:
    """Utterances that are one before: once more, in another part, with other labels."""
    first: dict[tuple[str, Hashable], Placed] = {}
    for placed in copy.utterances:
        before = {
            name: first.setdefault((name, key), placed) for name, key in found.get(placed.id, {}).items()
        }
        name, other = next(((n, p) for n, p in before.items() if p.id != placed.id), ("", placed))
        if other is placed:
            continue
        what = f"the same {name} as {other.id} of {other.part}"
        yield Fault(placed.part, placed.id, what, "both kept", "duplicate")
        if placed.part != other.part:
            yield Fault(placed.part, placed.id, what, "both kept", "leak")
        mine, theirs = placed.utterance.emotions, other.utterance.emotions
        if mine is not None and theirs is not None and mine != theirs:
            labels = f"{_named(mine)}, not {_named(theirs)}"
            yield Fault(placed.part, placed.id, f"{what}, with {labels}", "both kept", "conflict")


def _named(emotions: frozenset[str]) -> str:
    return " and ".join(sorted(emotions)) or "none"


def words_in_train(copy: Copy) -> Iterator[Fault]:
    """Words of dev and test that train has; not where everybody says the same few sentences."""
    if not getattr(copy.module, "DIVERSE", True):
        return
    said: dict[str, str] = {}
    for placed in copy.utterances:
        words = folded(placed.utterance.text or "")
        if placed.part == "train":
            said.setdefault(words, placed.id)
        elif words and words in said:
            yield Fault(placed.part, placed.id, f"the words of {said[words]}", "kept", "words-in-train")


def speakers(copy: Copy) -> Iterator[Fault]:
    """Who speaks in dev or test and in train, by name."""
    if not copy.has_speakers or "train" not in copy.parts:
        return
    by_part = {
        part: Counter(u.speaker for c in conversations for u in c)
        for part, conversations in copy.parts.items()
    }
    for part in (name for name in by_part if name != "train"):
        said = by_part[part]
        both = Counter({name: n for name, n in said.items() if name in by_part["train"]})
        if both:
            most = ", ".join(f"{name} {n / said.total():.1%}" for name, n in both.most_common(SHOWN))
            what = f"{len(both)} of its {len(said)} speakers, who say {both.total() / said.total():.1%} of it"
            yield Fault(part, part, f"{what}, are in train too: {most}", "kept", "speaker")
