"""Splits as data: made by speakers, by sessions, by a seed; and refused where something is in two parts."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from affectline.doctor.copies import PARTS, Copy
from affectline.doctor.manifest import Row

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}
LARGEST = 0.6
"""Of all utterances: a group of people with more than these cannot be divided from the others."""
NAMED = 3


@dataclass(frozen=True)
class Leak:
    """Something that is in several parts: a conversation, a speaker, or a recording that is there twice.

    `official`: the corpus was published so, and none of it has been moved.
    """

    corpus: str
    what: str
    name: str
    parts: dict[str, int]
    official: bool

    def __str__(self) -> str:
        parts = " and ".join(f"{part} ({n:,})" for part, n in self.parts.items())
        return f"{self.what} {self.name} of {self.corpus} is in {parts}"


KEYS: dict[str, Callable[[Row], str | None]] = {
    "conversation": lambda row: row.conversation,
    "speaker": lambda row: row.speaker,
    "recording": lambda row: row.content,
}
"""What must not be in two parts, by what it is called."""


def leaks(rows: Iterable[Row]) -> list[Leak]:
    """All that is in several parts."""
    rows = list(rows)
    found = []
    for what, key in KEYS.items():
        groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            if (name := key(row)) is not None:
                groups[row.corpus, name].append(row)
        for (corpus, name), members in groups.items():
            counts = Counter(row.split for row in members)
            if len(counts) > 1:
                shown = " = ".join(row.id for row in members[:NAMED]) if what == "recording" else name
                parts = {part: counts[part] for part in PARTS if counts[part]}
                official = all(row.split == row.official for row in members)
                found.append(Leak(corpus, what, shown, parts, official))
    return found


def check(rows: Iterable[Row]) -> dict[str, int]:
    """How much of what the corpora were published with is in several parts, by what it is.

    Raises:
        ValueError: something else is in several parts; names it.
    """
    found = leaks(rows)
    made = [leak for leak in found if not leak.official]
    if made:
        kinds = {what: [leak for leak in made if leak.what == what] for what in KEYS}
        shown = [str(leak) for of_kind in kinds.values() for leak in of_kind[:NAMED]]
        counted = ", ".join(f"{len(of_kind):,} by {what}" for what, of_kind in kinds.items() if of_kind)
        raise ValueError(
            f"these parts leak ({counted}): {'; '.join(shown)}. What is judged would be learnt: put all of a "
            "group into one part, or leave out what is there twice"
        )
    return {what: sum(leak.what == what for leak in found) for what in KEYS}


def told(shared: Mapping[str, int]) -> str:
    """Of official parts: what is in several of them."""
    found = [f"{n:,} {what}{'s' if n > 1 else ''}" for what, n in shared.items() if n]
    return f"; as published, {' and '.join(found)} are in several parts" if found else ""


def divided(rows: Sequence[Row], copy: Copy, how: str, *, seed: int = 0, test: str = "") -> list[Row]:
    """The rows in other parts: "official", "speakers" by a seed, or "sessions" of which one is for `test`.

    Raises:
        ValueError: there is no such way, or the corpus cannot be divided so.
    """
    if how == "official":
        return list(rows)
    if how == "speakers":
        return _by_speakers(rows, seed)
    if how == "sessions":
        return _by_session(rows, copy, test)
    raise ValueError(f"there is no way {how!r} to divide a corpus; there are official, speakers and sessions")


def _by_speakers(rows: Sequence[Row], seed: int) -> list[Row]:
    """Whoever speaks with one another stays together, and so does what is there twice."""
    groups = sorted(_connected(rows), key=min)
    largest = max(groups, key=len)
    if len(groups) < len(PARTS) or len(largest) > LARGEST * len(rows):
        people = sorted({rows[n].speaker or rows[n].conversation for n in largest})
        raise ValueError(
            f"it cannot be divided by speakers: {len(largest) / len(rows):.0%} of its utterances are of "
            f"people who speak with one another ({', '.join(people[:NAMED])} ...)"
        )
    random.Random(seed).shuffle(groups)
    have = dict.fromkeys(PARTS, 0)
    part_of: dict[int, str] = {}
    for group in groups:
        part = min(PARTS, key=lambda part: have[part] / SHARES[part])
        have[part] += len(group)
        part_of |= dict.fromkeys(group, part)
    return [replace(row, split=part_of[n]) for n, row in enumerate(rows)]


def _connected(rows: Sequence[Row]) -> list[list[int]]:
    """Numbers of rows that share a conversation, a speaker or a recording, directly or through others."""
    leader = list(range(len(rows)))

    def find(n: int) -> int:
        while leader[n] != n:
            leader[n] = n = leader[leader[n]]
        return n

    first: dict[tuple[str, str], int] = {}
    for n, row in enumerate(rows):
        for what, key in KEYS.items():
            if (name := key(row)) is not None:
                leader[find(n)] = find(first.setdefault((what, name), n))
    groups: dict[int, list[int]] = defaultdict(list)
    for n in range(len(rows)):
        groups[find(n)].append(n)
    return list(groups.values())


def _by_session(rows: Sequence[Row], copy: Copy, test: str) -> list[Row]:
    """One session judges; the next one chooses, so that nobody is in two parts."""
    session = getattr(copy.module, "session", None)
    if session is None:
        raise ValueError(f"{copy.corpus} was not recorded in sessions; divide it by speakers")
    of = {placed.id: session(placed.utterance) for placed in copy.utterances}
    names = sorted(set(of.values()))
    if test not in names:
        raise ValueError(f"--test names the session that judges: {', '.join(names)}; got {test!r}")
    dev = names[(names.index(test) + 1) % len(names)]
    return [replace(row, split={test: "test", dev: "dev"}.get(of[row.id], "train")) for row in rows]
