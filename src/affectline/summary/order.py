"""What came after what: one speaker's emotions from utterance to utterance, and one's after another's."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from affectline.summary.permutations import (
    BLOCK,
    LEAST_PAIRS,
    LEAST_SHOWN,
    LEVEL,
    ByChance,
    adjusted,
    kinds_of,
    tested,
)
from affectline.timeline import Entry, Timeline

GAP = 60.0
"""Seconds of silence after which a conversation is taken to be another one: nothing follows over it."""
TOO_FEW = f"too few pairs to test: {LEAST_PAIRS} are needed"
TOO_RARE = f"too few emotions to test: none was shown {LEAST_SHOWN} times by each"

Pairs = Mapping[tuple[str, str], list[tuple[int, int]]]
"""By speaker and speaker: which unit came before which."""


@dataclass(frozen=True)
class Cell:
    """A pair of emotions that was tested: `count` pairs showed it, `expected` would by chance.

    `p` is two-sided, `adjusted` holds for all pairs of emotions that were tested beside it.
    """

    first: str
    then: str
    count: int
    expected: float
    p: float
    adjusted: float

    @property
    def finding(self) -> bool:
        return self.adjusted <= LEVEL


@dataclass(frozen=True)
class Order:
    """What `then` showed after what `first` had shown: ids of speakers, of one where both are the same.

    `pairs`: how many there are, n. `counts`: pairs by what the first of them shows (rows) and the second
    (columns); a pair of which either shows several emotions counts for each. `reason`: why nothing was
    tested.
    """

    first: str
    then: str
    pairs: int
    counts: tuple[tuple[int, ...], ...]
    cells: tuple[Cell, ...] = ()
    reason: str | None = None

    def document(self, labels: Sequence[str]) -> dict[str, Any]:
        """As plain JSON."""
        rows = (dict(zip(labels, row, strict=True)) for row in self.counts)
        return {
            "first": self.first,
            "then": self.then,
            "pairs": self.pairs,
            "counts": dict(zip(labels, rows, strict=True)),
            "tested": [asdict(cell) for cell in self.cells],
            "reason": self.reason,
        }


def transitions(timeline: Timeline) -> tuple[Order, ...]:
    """Of each speaker, from an utterance to their next one, whoever spoke between them.

    There is no pair where the model abstained from either, and none over a silence of `GAP` seconds. The
    null hypothesis: the order of what a speaker said in a stretch of talk does not matter. The labels are
    dealt out anew among the answered utterances of the same speaker and stretch.
    """
    units = [_Unit(u.speaker, stretch, (u,)) for u, stretch in _stretches(timeline)]
    pairs: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    last: dict[tuple[str, int], int] = {}
    for n, unit in enumerate(units):
        key = (unit.speaker, unit.stretch)
        if key in last:
            pairs[unit.speaker, unit.speaker].append((last[key], n))
        last[key] = n
    wanted = [(s.id, s.id) for s in timeline.speakers]
    return _orders(timeline, units, pairs, wanted, block=1)


def following(timeline: Timeline) -> tuple[Order, ...]:
    """Of each speaker after each other one: from a turn to the turn that comes next.

    A turn is all that a speaker says until another one speaks, and shows what any of its answered utterances
    does. There is no pair where nothing of either was answered, and none over a silence of `GAP` seconds. The
    null hypothesis: neither heeds the other. The turns of each speaker and stretch change places in blocks
    of `BLOCK`, as both their moods may last, which would else look like an answer.
    """
    units: list[_Unit] = []
    for u, stretch in _stretches(timeline):
        if units and (units[-1].speaker, units[-1].stretch) == (u.speaker, stretch):
            units[-1] = replace(units[-1], said=(*units[-1].said, u))
        else:
            units.append(_Unit(u.speaker, stretch, (u,)))
    pairs: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for n, (a, b) in enumerate(pairwise(units)):
        if a.stretch == b.stretch:
            pairs[a.speaker, b.speaker].append((n, n + 1))
    ids = [s.id for s in timeline.speakers]
    wanted = [(a, b) for a in ids for b in ids if (a, b) in pairs]
    return _orders(timeline, units, pairs, wanted, block=BLOCK)


@dataclass(frozen=True)
class _Unit:
    speaker: str
    stretch: int
    said: tuple[Entry, ...]

    @property
    def answered(self) -> bool:
        return not all(u.abstained for u in self.said)

    def shows(self, labels: Sequence[str]) -> list[bool]:
        held = {name for u in self.said if not u.abstained for name in u.emotions}
        return [name in held for name in labels]


def _stretches(timeline: Timeline) -> list[tuple[Entry, int]]:
    """The utterances in order of time, each with the number of its stretch of talk."""
    said = list(timeline.utterances)
    if all(u.span for u in said):
        said.sort(key=lambda u: (u.start, u.end))
    found: list[tuple[Entry, int]] = []
    stretch, end = 0, None
    for u in said:
        if end is not None and u.start is not None and u.start - end > GAP:
            stretch += 1
        end = u.end if end is None or u.end is None else max(end, u.end)
        found.append((u, stretch))
    return found


def _orders(
    timeline: Timeline,
    all_units: Sequence[_Unit],
    pairs: Pairs,
    wanted: Sequence[tuple[str, str]],
    block: int,
) -> tuple[Order, ...]:
    """Of each pair of speakers that is `wanted`; p are adjusted over all of them."""
    place = {n: k for k, n in enumerate(n for n, unit in enumerate(all_units) if unit.answered)}
    units = [all_units[n] for n in place]
    shape = (len(units), len(timeline.labels))
    labels = np.array([unit.shows(timeline.labels) for unit in units], dtype=bool).reshape(shape)
    sets, kinds = kinds_of(labels)
    counting: dict[tuple[str, str], _Counts] = {}
    for who in wanted:
        answered = [(place[a], place[b]) for a, b in pairs.get(who, ()) if a in place and b in place]
        counting[who] = _Counts(np.array(answered, dtype=int).reshape(-1, 2), sets)
    enough = {who: of for who, of in counting.items() if len(of.pairs) >= LEAST_PAIRS}
    by_chance = tested(_groups(units), kinds, block, enough)
    shown = {s.id: labels[[u.speaker == s.id for u in units]].sum(axis=0) for s in timeline.speakers}
    found: list[Order] = []
    for who, of in counting.items():
        rows = tuple(map(tuple, of(kinds[None])[0].round().astype(int).tolist()))
        found.append(Order(*who, len(of.pairs), rows, reason=TOO_FEW))
        if who in by_chance:
            found[-1] = _judged(found[-1], timeline.labels, shown, by_chance[who])
    return _adjusted(found)


def _groups(units: Sequence[_Unit]) -> list[Int[np.ndarray, " _"]]:
    """The units of each speaker in each stretch of talk, in order."""
    members: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for n, unit in enumerate(units):
        members[unit.speaker, unit.stretch].append(n)
    return [np.array(group) for group in members.values()]


@dataclass(frozen=True)
class _Counts:
    """Of how many of the pairs the first shows one label, and the second another, in several orders."""

    pairs: Int[np.ndarray, "pair 2"]
    sets: Float[np.ndarray, "kind label"]

    def __call__(self, kinds: Int[np.ndarray, "draw unit"]) -> Float[np.ndarray, "draw label label"]:
        draws, size = len(kinds), len(self.sets)
        both = kinds[:, self.pairs[:, 0]] * size + kinds[:, self.pairs[:, 1]]
        both += np.arange(draws)[:, None] * size**2
        counts = np.bincount(both.ravel(), minlength=draws * size**2).reshape(draws, size, size)
        return self.sets.T @ counts.astype(float) @ self.sets


def _judged(
    order: Order, names: Sequence[str], shown: Mapping[str, Int[np.ndarray, " label"]], by_chance: ByChance
) -> Order:
    """`shown`: how often each speaker showed each label in all, which no order changes."""
    expected, p = by_chance.expected, by_chance.p
    cells = [
        Cell(names[a], names[b], order.counts[a][b], round(float(expected[a, b]), 2), float(p[a, b]), 1.0)
        for a, b in product(range(len(names)), repeat=2)
        if min(shown[order.first][a], shown[order.then][b]) >= LEAST_SHOWN
    ]
    return replace(order, cells=tuple(cells), reason=None if cells else TOO_RARE)


def _adjusted(orders: Sequence[Order]) -> tuple[Order, ...]:
    values = iter(adjusted([cell.p for order in orders for cell in order.cells]))

    def of(cell: Cell) -> Cell:
        return replace(cell, p=round(cell.p, 5), adjusted=round(next(values), 5))

    return tuple(replace(order, cells=tuple(map(of, order.cells))) for order in orders)
