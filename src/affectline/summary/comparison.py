"""Two recordings beside each other: of how much of what was said each emotion is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from affectline.summary.permutations import (
    BLOCK,
    LEAST_PAIRS,
    LEAST_SHOWN,
    LEVEL,
    adjusted,
    kinds_of,
    tested,
)
from affectline.summary.shares import NONE
from affectline.timeline import Speaker, Timeline

UNKNOWN = re.compile(r"S\d+")
LEAST = LEAST_PAIRS
"""Answered utterances of each recording below which nothing is tested."""


@dataclass(frozen=True)
class Compared:
    """An emotion in both: in how many utterances, and which share of those that were answered.

    `difference`: the share in the first less that in the second. `p` is two-sided, `adjusted` holds for all
    labels that were tested; both are None where none was.
    """

    label: str
    utterances: tuple[int, int]
    shares: tuple[float | None, float | None]
    difference: float | None
    p: float | None = None
    adjusted: float | None = None

    @property
    def finding(self) -> bool:
        return self.adjusted is not None and self.adjusted <= LEVEL


@dataclass(frozen=True)
class Comparison:
    """`answered`: utterances of each, n. `left_out`: labels that only one of the checkpoints knows.

    `reason`: why nothing was tested. `notes`: why a difference may be none of the recordings. `speaker`: who
    alone was compared; None: all.
    """

    answered: tuple[int, int]
    labels: tuple[Compared, ...]
    left_out: tuple[str, ...]
    reason: str | None
    notes: tuple[str, ...]
    speaker: str | None = None


def compare(first: Timeline, second: Timeline, speaker: str | None = None) -> Comparison:
    """The shares of all speakers together, or of one who is in both, over the labels that both have.

    The null hypothesis: it does not matter which recording an utterance is of. Blocks of `BLOCK` utterances
    that follow one another change recordings, as moods last; those left over at the end of each stay.

    Raises:
        ValueError: nobody is called so in one of them.
    """
    if speaker is not None:
        first, second = (said_by(timeline, speaker) for timeline in (first, second))
    names = [name for name in first.labels if name in second.labels]
    shown = [_labels(timeline, names) for timeline in (first, second)]
    counts = [labels.sum(axis=0).tolist() for labels in shown]
    n = (len(shown[0]), len(shown[1]))
    found = [_compared(name, (counts[0][k], counts[1][k]), n) for k, name in enumerate([*names, NONE])]
    reason = _reason(first, second, n)
    if reason is None:
        found = _with_p(found, shown)
    left_out = [name for name in (*first.labels, *second.labels) if name not in names]
    notes = _notes(first, second, reason is None)
    return Comparison(n, tuple(found), tuple(left_out), reason, notes, speaker)


def said_by(timeline: Timeline, name: str) -> Timeline:
    """What a speaker says who is called so.

    Raises:
        ValueError: nobody is, or two are.
    """
    ids = [one.id for one in timeline.speakers if _known(one) and one.label == name]
    if len(ids) != 1:
        known = ", ".join(names(timeline)) or "nobody has a name"
        how_many = "nobody" if not ids else "more than one speaker"
        raise ValueError(f"{how_many} is called {name!r:.80} in {timeline.source.path}; there: {known}")
    return replace(timeline, utterances=tuple(u for u in timeline.utterances if u.speaker == ids[0]))


def names(timeline: Timeline) -> list[str]:
    """What speakers are called, by a transcript or a correction."""
    return [one.label for one in timeline.speakers if _known(one)]


def _known(speaker: Speaker) -> bool:
    """S1 is no name: elsewhere it is another person."""
    return speaker.name is not None or not UNKNOWN.fullmatch(speaker.id)


def _labels(timeline: Timeline, names: Sequence[str]) -> Bool[np.ndarray, "utterance label"]:
    """Of the answered utterances in order, with one more column for those that show nothing."""
    rows = [
        [*(name in u.emotions for name in names), not u.emotions]
        for u in timeline.utterances
        if not u.abstained
    ]
    return np.array(rows, dtype=bool).reshape(len(rows), len(names) + 1)


def _compared(label: str, counts: tuple[int, int], n: tuple[int, int]) -> Compared:
    a, b = (count / of if of else None for count, of in zip(counts, n, strict=True))
    difference = None if a is None or b is None else round(a - b, 4)
    return Compared(label, counts, (_rounded(a), _rounded(b)), difference)


def _reason(first: Timeline, second: Timeline, n: tuple[int, int]) -> str | None:
    if first.source.sha256 is not None and first.source.sha256 == second.source.sha256:
        return "both are of the same recording: what differs is how it was analysed"
    if min(n) == 0:
        which = "the first" if n[0] == 0 else "the second"
        return f"{which} recording has no utterance that was answered, so there is nothing to compare"
    if min(n) < LEAST:
        return f"{min(n)} answered utterances are too few to test; {LEAST} of each recording are needed"
    return None


def _with_p(found: Sequence[Compared], shown: Sequence[Bool[np.ndarray, "_ label"]]) -> list[Compared]:
    whole = [len(labels) // BLOCK * BLOCK for labels in shown]
    n = len(shown[0])
    members = np.concatenate([np.arange(whole[0]), n + np.arange(whole[1])])
    sets, kinds = kinds_of(np.concatenate(shown))
    (found_by_chance,) = tested([members], kinds, BLOCK, {("first", "second"): _Difference(n, sets)}).values()
    p = found_by_chance.p
    enough = [k for k, one in enumerate(found) if sum(one.utterances) >= LEAST_SHOWN]
    values = dict(zip(enough, adjusted([float(p[k]) for k in enough]), strict=True))
    return [
        replace(one, p=round(float(p[k]), 5), adjusted=round(values[k], 5)) if k in values else one
        for k, one in enumerate(found)
    ]


@dataclass(frozen=True)
class _Difference:
    """The share of each label in the first `n` utterances less that in the others, in several orders."""

    n: int
    sets: Float[np.ndarray, "kind label"]

    def __call__(self, kinds: Int[np.ndarray, "draw unit"]) -> Float[np.ndarray, "draw label"]:
        return self._share(kinds[:, : self.n]) - self._share(kinds[:, self.n :])

    def _share(self, kinds: Int[np.ndarray, "draw some"]) -> Float[np.ndarray, "draw label"]:
        draws, size = len(kinds), len(self.sets)
        both = kinds + np.arange(draws)[:, None] * size
        counts = np.bincount(both.ravel(), minlength=draws * size).reshape(draws, size)
        return counts @ self.sets / kinds.shape[1]


def _notes(first: Timeline, second: Timeline, judged: bool) -> tuple[str, ...]:
    notes = ["p speaks of these two recordings, not of other ones of the same people."] if judged else []
    if dict(first.checkpoint) != dict(second.checkpoint):
        notes.append("They were analysed by different checkpoints, which alone may make a difference.")
    elif first.settings.get("modalities") != second.settings.get("modalities"):
        notes.append("They were read from different modalities, which alone may make a difference.")
    return tuple(notes)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
