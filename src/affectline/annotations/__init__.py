"""Annotations that others made, in ELAN, Praat, WebVTT, RTTM or a table, as rows of a corpus of your own.

Tiers are told apart by their names: `words@Ada` is what Ada says, `emotions@Ada` what is seen in her, and
`emotions@Ada@Carl` what Carl sees in her. So name the tiers of ELAN and of Praat; a tier of another name is
not read, and said. Where there are no words, what the first annotator of a speaker marks is an utterance.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from affectline.annotations.formats import READERS, Mark
from affectline.corpora.mine import COLUMNS, NONE

WORDS, EMOTIONS = "words", "emotions"
ONE = "S1"
"""A speaker whom nobody names."""


@dataclass(frozen=True)
class Turn:
    """A stretch in which one speaker is judged, in seconds; `votes`: what each annotator sees.

    An annotator who says nothing of it is not among them; one who sees nothing has an empty set.
    """

    start: float
    end: float
    speaker: str
    text: str
    votes: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Annotated:
    """What a file of annotations says, in order of time; `ignored`: tiers that were not read."""

    turns: tuple[Turn, ...]
    ignored: tuple[str, ...] = ()


def read(path: Path) -> Annotated:
    """The turns of a file.

    Raises:
        ValueError: its format is unknown, it is damaged, or nothing in it can be read.
        ImportError: what reads the format is not installed.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: annotations are read from {', '.join(READERS)}")
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        marks = reader(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error}); save it so") from error
    for mark in marks:
        if not 0 <= mark.start < mark.end < float("inf"):
            raise ValueError(
                f"{path}: {mark.tier!r} has a stretch from {mark.start} to {mark.end} s, which is none"
            )
    turns = tuple(sorted(_turns(marks), key=lambda turn: (turn.start, turn.end, turn.speaker)))
    ignored = tuple(dict.fromkeys(m.tier for m in marks if m.kind not in (WORDS, EMOTIONS)))
    if not turns:
        raise ValueError(
            f"{path} has no tier {WORDS!r} or {EMOTIONS!r}, alone or as {EMOTIONS}@SPEAKER, but "
            f"{', '.join(ignored) or 'none at all'}; name its tiers so"
        )
    return Annotated(turns, ignored)


def _turns(marks: Sequence[Mark]) -> Iterator[Turn]:
    """Of each speaker the words, or where there are none what the first annotator marks, with all votes."""
    for speaker in dict.fromkeys(m.speaker or ONE for m in marks):
        own = [m for m in marks if (m.speaker or ONE) == speaker]
        said = [m for m in own if m.kind == WORDS]
        seen = [m for m in own if m.kind == EMOTIONS]
        if not said and seen:
            said = [replace(m, value="") for m in seen if m.annotator == seen[0].annotator]
        for mark in said:
            yield Turn(mark.start, mark.end, speaker, " ".join(mark.value.split()), _votes(mark, seen))


def _votes(turn: Mark, seen: Sequence[Mark]) -> dict[str, frozenset[str]]:
    """What is seen in a turn: in at least half of it, or of what was marked where that is shorter."""
    votes: dict[str, frozenset[str]] = {}
    for mark in seen:
        both = min(turn.end, mark.end) - max(turn.start, mark.start)
        if 2 * both >= min(turn.end - turn.start, mark.end - mark.start):
            before = votes.get(mark.annotator, frozenset[str]())
            votes[mark.annotator] = before | labels_of(mark.value)
    return votes


def labels_of(cell: str) -> frozenset[str]:
    """Labels that are joined by "|", "," or ";"; none of "none", "abstained" or nothing at all."""
    names = {name.strip().casefold() for name in cell.replace(",", "|").replace(";", "|").split("|")}
    return frozenset(names - {"", NONE, "abstained"})


def rows(annotated: Annotated, clip: str, conversation: str) -> Iterator[dict[str, str]]:
    """Rows of utterances.csv (see `affectline.corpora.mine`), one for each annotator of each turn."""
    speakers = {turn.speaker for turn in annotated.turns}
    ids: set[str] = set()
    for turn in annotated.turns:
        name = f"{conversation}_{turn.start:08.3f}" + (f"_{turn.speaker}" if len(speakers) > 1 else "")
        id = _free(name, ids)
        for annotator, labels in (turn.votes or {"": None}).items():
            cells = {
                "id": id,
                "conversation": conversation,
                "clip": clip,
                "start": f"{turn.start:.3f}",
                "end": f"{turn.end:.3f}",
                # a name such as S1 is one person in its own recording alone
                "speaker": turn.speaker if turn.speaker != ONE else f"{conversation} {ONE}",
                "text": turn.text,
                "labels": "" if labels is None else "|".join(sorted(labels)) or NONE,
                "annotator": annotator,
            }
            yield {column: cells.get(column, "") for column in COLUMNS}


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def tiers(annotated: Annotated) -> Collection[str]:
    """Who annotated."""
    return list(dict.fromkeys(name for turn in annotated.turns for name in turn.votes))
