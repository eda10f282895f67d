"""A recording at a glance: who showed what how much, what followed what, and how two recordings differ.

It speaks of what is perceived in a recording, not of causes. `summarise` makes it of a timeline, `compare` of
two; all is numpy, in seconds, and the same for the same timeline.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from affectline.summary.comparison import Comparison, compare
from affectline.summary.order import GAP, Cell, Order, following, transitions
from affectline.summary.permutations import BLOCK, LEAST_PAIRS, LEAST_SHOWN, LEVEL, PERMUTATIONS, SEED
from affectline.summary.shares import Share, Shown, shares
from affectline.timeline import Timeline

__all__ = [
    "Cell",
    "Comparison",
    "Order",
    "Share",
    "Shown",
    "Summary",
    "compare",
    "document",
    "following",
    "shares",
    "summarise",
    "transitions",
]

NOTES = (
    "It is what a model says that people would perceive, not what anyone felt, and nothing of it is a cause: "
    "what follows an emotion may answer it, or something that both reacted to.",
    "A checkpoint that reads an utterance with those around it, as base does, may itself carry an emotion "
    "from one to the next.",
)
SETTINGS: Mapping[str, Any] = {
    "permutations": PERMUTATIONS,
    "seed": SEED,
    "block": BLOCK,
    "least_pairs": LEAST_PAIRS,
    "least_shown": LEAST_SHOWN,
    "gap": GAP,
    "level": LEVEL,
}
"""How it was tested; see `affectline.summary.permutations`."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """`everyone`: all speakers together. `transitions` are of one speaker each, `following` of one after
    another.
    """

    timeline: Timeline
    speakers: tuple[Shown, ...]
    everyone: Shown
    transitions: tuple[Order, ...]
    following: tuple[Order, ...]
    notes: tuple[str, ...] = NOTES


def summarise(timeline: Timeline) -> Summary:
    """The summary of a timeline; the tests take seconds for hours of talk."""
    everyone, speakers = shares(timeline)
    return Summary(
        timeline=timeline,
        speakers=speakers,
        everyone=everyone,
        transitions=transitions(timeline),
        following=following(timeline),
    )


def document(summary: Summary, other: Summary | None = None, *, speaker: str | None = None) -> dict[str, Any]:
    """The summary as plain dictionaries and lists; of two also "other" and "comparison", of a speaker alone
    where one is named.

    Raises:
        ValueError: nobody is called so in one of them.
    """
    found = _one(summary)
    if other is not None:
        found["other"] = _one(other)
        found["comparison"] = asdict(compare(summary.timeline, other.timeline, speaker))
    return found


def _one(summary: Summary) -> dict[str, Any]:
    timeline = summary.timeline
    return {
        "recording": timeline.source.path,
        "checkpoint": dict(timeline.checkpoint),
        "labels": list(timeline.labels),
        "everyone": asdict(summary.everyone),
        "speakers": [asdict(one) for one in summary.speakers],
        "transitions": [order.document(timeline.labels) for order in summary.transitions],
        "following": [order.document(timeline.labels) for order in summary.following],
        "settings": dict(SETTINGS),
        "notes": list(summary.notes),
    }
