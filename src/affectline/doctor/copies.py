"""A copy of a corpus, as its reader sees it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from zipfile import BadZipFile

from affectline.archives import require_finished
from affectline.corpora import Fault, find
from affectline.types import Conversation, Utterance

PARTS = ("train", "dev", "test")


@dataclass(frozen=True)
class Placed:
    """An utterance with where it is."""

    part: str
    conversation: Conversation
    utterance: Utterance

    @property
    def id(self) -> str:
        return self.utterance.id


@dataclass(frozen=True)
class Copy:
    """The parts of a corpus that could be read, and why others could not."""

    corpus: str
    root: Path
    module: ModuleType
    parts: Mapping[str, Sequence[Conversation]]
    unread: tuple[Fault, ...]

    @classmethod
    def read(cls, corpus: str, data: Path) -> "Copy":
        """The corpus in the folder of its name below `data`.

        Raises:
            ValueError: there is no such corpus, or no such folder.
        """
        root = find_folder(corpus, data)
        module = find(corpus, root)
        parts: dict[str, Sequence[Conversation]] = {}
        unread: list[Fault] = []
        for part in PARTS:
            try:
                parts[part] = module.read(root, part)
            except (ValueError, OSError, EOFError, BadZipFile) as error:  # the last two are numpy's
                unread.append(Fault(part, part, str(error), "not examined", "unread"))
        return cls(corpus, root, module, parts, tuple(unread))

    @cached_property
    def utterances(self) -> tuple[Placed, ...]:
        """All of them, those of train first."""
        return tuple(Placed(part, c, u) for part, cs in self.parts.items() for c in cs for u in c)

    @cached_property
    def has_speakers(self) -> bool:
        """Whether it says who speaks: one name for all says nothing."""
        return len({p.utterance.speaker for p in self.utterances}) > 1

    @cached_property
    def in_conversations(self) -> bool:
        """Whether utterances come in conversations, and not as lone clips."""
        return any(len(c) > 1 for conversations in self.parts.values() for c in conversations)

    def faults(self) -> list[Fault]:
        """What only this corpus can have wrong, as its reader says, and what could not be read."""
        own = getattr(self.module, "faults", None)
        if own is None or self.unread:  # the reader's own list needs all of the parts
            return list(self.unread)
        return [*self.unread, *own(self.root)]

    @property
    def cuts(self) -> Path | None:
        """The file that says which stretches of clips utterances are, where there is one."""
        path = self.root / getattr(self.module, "CUTS", "")
        return path if path.is_file() else None

    def stretches(self) -> Mapping[str, object]:
        """For each utterance the stretch of its recording, where the corpus says so beside the times."""
        own = getattr(self.module, "stretches", None)
        return {} if own is None or self.unread else own(self.root)

    def part_of(self, fault: Fault) -> str:
        """The part in which a fault is; "" where it is in none of them."""
        return self._where.get(fault.where) or next(
            (p for p in PARTS if p in re.split("[^a-z]+", fault.file.lower())), ""
        )

    @cached_property
    def _where(self) -> dict[str, str]:
        names = {p.conversation.id: p.part for p in self.utterances} | {p.id: p.part for p in self.utterances}
        return names | {part: part for part in PARTS}


def find_folder(corpus: str, data: Path) -> Path:
    """The folder of a corpus in the one that holds them all.

    Raises:
        ValueError: there is no such corpus, no such folder, or one that is half unpacked.
    """
    find(corpus)
    require_finished(data / corpus)
    if (data / corpus).is_dir() or corpus == "synthetic":
        return data / corpus
    inside = sorted(p.name for p in data.iterdir() if p.is_dir()) if data.is_dir() else []
    meant = f" Is {data} the corpus itself? Then give --root {data.parent}." if data.name == corpus else ""
    raise ValueError(
        f"there is no folder {corpus!r} in {data}, which holds {', '.join(inside[:8]) or 'no folders'}. "
        f"--root is the folder that the corpora are in.{meant}"
    )


def relative(copy: Copy, path: Path) -> str:
    """A path as seen from the folder of the corpus, with "/"."""
    return path.relative_to(copy.root).as_posix()


def ids_of(copy: Copy) -> Iterator[Fault]:
    """Ids that are there more than once: nothing that names an utterance would be sure."""
    counts = Counter(p.id for p in copy.utterances)
    for placed in copy.utterances:
        if counts[placed.id] > 1:
            counts[placed.id] = 0
            yield Fault(placed.part, placed.id, "is the id of several utterances", "all kept", "same-id")


def counts_of(copy: Copy) -> Iterator[Fault]:
    """Parts, or "all" of them, that have not as much as was published."""
    published = getattr(copy.module, "PUBLISHED", {})
    whole = [c for conversations in copy.parts.values() for c in conversations]
    for part, conversations in {**copy.parts, "all": whole}.items():
        expected = published.get(part)
        found = {"conversations": len(conversations), "utterances": sum(map(len, conversations))}
        if expected is None:
            continue
        if expected.conversations == expected.utterances:
            found.pop("conversations")
        for what, n in found.items():
            should = getattr(expected, what)
            if should is not None and n != should:
                yield Fault(part, part, f"{n:,} {what}, not {should:,}", "read as it is", "count")


def unique(faults: Sequence[Fault]) -> list[Fault]:
    """Each fault of a kind at a place once: the first, which is the reader's own."""
    found: dict[tuple[str, str, str], Fault] = {}
    for fault in faults:
        found.setdefault((fault.kind, fault.where, "" if fault.kind == "missing" else fault.what), fault)
    return list(found.values())
