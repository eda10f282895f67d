"""How much of what each speaker said showed which emotion."""

from collections.abc import Sequence
from dataclasses import dataclass

from affectline.timeline import Entry, Timeline

NONE = "none"
"""Of utterances that the model answered and in which no emotion reached its threshold."""


@dataclass(frozen=True)
class Share:
    """One emotion. `utterances`: how many show it; `of_utterances`: as a share of those that were answered.

    `of_time`: as a share of their seconds; None where a conversation has no times. Several emotions may hold
    at once, so shares may sum to more than one.
    """

    label: str
    utterances: int
    of_utterances: float | None
    of_time: float | None


@dataclass(frozen=True)
class Shown:
    """What a speaker showed. `id` is None, and so is `name`, for all of them together.

    Where the model abstained it says nothing: such utterances are counted as `abstained`, in `seconds`, and
    in no share.
    """

    id: str | None
    name: str | None
    utterances: int
    answered: int
    abstained: int
    seconds: float | None
    seconds_answered: float | None
    shares: tuple[Share, ...]


def shares(timeline: Timeline) -> tuple[Shown, tuple[Shown, ...]]:
    """All together, and each speaker in the order of the timeline."""
    everyone = _shown(timeline, timeline.utterances, None, None)
    each = (
        _shown(timeline, [u for u in timeline.utterances if u.speaker == s.id], s.id, s.label)
        for s in timeline.speakers
    )
    return everyone, tuple(each)


def _shown(timeline: Timeline, said: Sequence[Entry], id: str | None, name: str | None) -> Shown:
    answered = [u for u in said if not u.abstained]
    whole = _seconds(answered)
    labels = (*timeline.labels, NONE)
    held = {label: [u for u in answered if label in (u.emotions or (NONE,))] for label in labels}
    return Shown(
        id=id,
        name=name,
        utterances=len(said),
        answered=len(answered),
        abstained=len(said) - len(answered),
        seconds=_rounded(_seconds(said), 3),
        seconds_answered=_rounded(whole, 3),
        shares=tuple(
            Share(label, len(of), _share(len(of), len(answered)), _share(_seconds(of) or 0.0, whole))
            for label, of in held.items()
        ),
    )


def _seconds(utterances: Sequence[Entry]) -> float | None:
    """None where one has no place in time: of the others alone it would be another share."""
    spans = [u.span for u in utterances]
    return None if None in spans or not spans else sum(s.duration for s in spans if s)


def _share(part: float, whole: float | None) -> float | None:
    return round(part / whole, 4) if whole else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
