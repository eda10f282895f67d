"""What several checkpoints say of the same recording, utterance by utterance."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from affectline.timeline import Entry, Timeline

STRONGEST = 3
"""Scores that are shown of each answer."""


@dataclass(frozen=True)
class Answer:
    """Of one checkpoint: what holds, and its strongest scores, the highest first."""

    emotions: tuple[str, ...]
    abstained: bool
    strongest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Row:
    """An utterance of the first timeline; an answer is None where another one heard something else there.

    `differ`: two answers do not name the same of the labels that both checkpoints know, or one abstains.
    """

    id: str
    speaker: str
    start: float | None
    end: float | None
    text: str | None
    answers: tuple[Answer | None, ...]
    differ: bool


@dataclass(frozen=True)
class Agreement:
    """Of two timelines, by their number: in how many utterances both have an answer, and it is the same."""

    first: int
    second: int
    utterances: int
    same: int


def side_by_side(timelines: Sequence[Timeline]) -> tuple[tuple[Row, ...], tuple[Agreement, ...]]:
    """A row for each utterance of the first. Another's is the one of the same id and the same times.

    Corrections are in none of them: it is what the checkpoints say.
    """
    by_id = [{u.id: u for u in timeline.utterances} for timeline in timelines]
    known = [set(timeline.labels) for timeline in timelines]
    pairs = list(combinations(range(len(timelines)), 2))
    judged, same = dict.fromkeys(pairs, 0), dict.fromkeys(pairs, 0)
    rows: list[Row] = []
    for u in timelines[0].utterances:
        found = [_same_place(of.get(u.id), u) for of in by_id]
        differ = False
        for a, b in pairs:
            one, two = found[a], found[b]
            if one is None or two is None:
                continue
            alike = _shows(one, known[b]) == _shows(two, known[a])
            differ |= not alike
            judged[a, b] += 1
            same[a, b] += alike
        answers = tuple(_answer(entry) for entry in found)
        rows.append(Row(u.id, timelines[0].speaker(u.speaker).label, u.start, u.end, u.text, answers, differ))
    return tuple(rows), tuple(Agreement(*pair, judged[pair], same[pair]) for pair in pairs)


def document(names: Sequence[dict[str, Any]], timelines: Sequence[Timeline]) -> dict[str, Any]:
    """As plain JSON; `names`: what is said of each analysis, beside its checkpoint and labels."""
    rows, agreement = side_by_side(timelines)
    return {
        "recording": timelines[0].source.path,
        "analyses": [
            {**name, "checkpoint": dict(t.checkpoint), "labels": list(t.labels)}
            for name, t in zip(names, timelines, strict=True)
        ],
        "agreement": [asdict(one) for one in agreement],
        "utterances": [asdict(row) for row in rows],
    }


def _same_place(other: Entry | None, u: Entry) -> Entry | None:
    return other if other is not None and other.span == u.span else None


def _shows(u: Entry, known: set[str]) -> frozenset[str] | None:
    return None if u.abstained else frozenset(u.emotions) & known


def _answer(u: Entry | None) -> Answer | None:
    if u is None:
        return None
    strongest = sorted(u.scores.items(), key=lambda pair: (-pair[1], pair[0]))[:STRONGEST]
    return Answer(u.emotions, u.abstained, tuple(strongest))
