"""Timelines whose emotions are known."""

import random
from collections.abc import Sequence
from dataclasses import replace

from affectline.timeline import Entry, Source, Speaker, Timeline
from affectline.types import Span

LABELS = ("neutral", "joy", "anger")
Said = tuple[str, str]
"""A speaker, and what an utterance shows: "joy", "joy|anger", "" for none, "?" where the model abstained."""


def told(said: Sequence[Said], *, timed: bool = True, seconds: float = 2.0, sha256: str = "a") -> Timeline:
    """A conversation of utterances that follow one another at once."""
    entries = tuple(_entry(n, speaker, shows, timed, seconds) for n, (speaker, shows) in enumerate(said))
    return Timeline(
        source=Source("talk.mp4", sha256 * 64),
        duration=len(said) * seconds if timed else None,
        labels=LABELS,
        checkpoint={"name": "base", "sha256": "c" * 64},
        speakers=tuple(map(Speaker, dict.fromkeys(speaker for speaker, _ in said))),
        utterances=entries,
        thresholds={},
    )


def _entry(n: int, speaker: str, shows: str, timed: bool, seconds: float) -> Entry:
    return Entry(
        id=f"u{n + 1:04d}",
        speaker=speaker,
        span=Span(n * seconds, (n + 1) * seconds) if timed else None,
        text=f"said {n}",
        text_source="given",
        words=(),
        modalities=(),
        scores=dict.fromkeys(LABELS, 0.5),
        emotions=tuple(shows.split("|")) if shows not in ("", "?") else (),
        valence=0.0,
        uncertainty=0.5,
        abstained=shows == "?",
        by_modality={},
    )


def lasting(rng: random.Random, size: int, stay: float = 0.0) -> list[str]:
    """Moods of one person, each kept with the probability `stay`."""
    moods = [rng.choice(LABELS)]
    while len(moods) < size:
        moods.append(moods[-1] if rng.random() < stay else rng.choice(LABELS))
    return moods


def dialogue(first: Sequence[str], second: Sequence[str]) -> list[Said]:
    """Ada and Ben in turn."""
    return [said for a, b in zip(first, second, strict=True) for said in (("Ada", a), ("Ben", b))]


def later(timeline: Timeline, number: int, seconds: float) -> Timeline:
    """From an utterance on everything is said so much later."""
    moved = tuple(
        replace(u, span=Span(u.span.start + seconds, u.span.end + seconds)) if u.span and n >= number else u
        for n, u in enumerate(timeline.utterances)
    )
    return replace(timeline, utterances=moved, duration=None)
