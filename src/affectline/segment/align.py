"""Rows without times, laid in their order over the speech of a recording.

Proportional allocation with boundaries snapped to pauses by dynamic programming. A row of weight w (its
estimated syllables) is expected to take w/W of the D seconds of speech. The times between rows are those
that minimise

    sum_i (d_i - e_i)^2 / (2 s^2 e_i)  -  sum_i gain(pause_i)

where d_i is the speech that row i gets, e_i = D w_i / W what it should get, s^2 how unevenly people speak
(seconds of variance per second) and gain(p) = log(1 + p / 50 ms) what a pause of p seconds is worth as a
boundary. Candidates for each boundary are the pauses near where it is expected, and the expected place
itself, so that there is an answer for any rows and any speech.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from affectline.types import Span

UNEVEN = 0.25  # s^2; chosen on RAVDESS actors 1-14 and five videos of MOSI (benchmarks/alignment.py)
BREATH = 0.05  # seconds of pause that are worth log 2
REACH = 4.0  # standard deviations of the expected boundary within which pauses are considered
NEAREST = 24  # pauses considered for one boundary at most

Rows = Float64[np.ndarray, " row"]
Bounds = Float64[np.ndarray, " bound"]
Pauses = Float64[np.ndarray, " pause"]
Places = Float64[np.ndarray, " place"]


def lay(texts: Sequence[str], speech: Sequence[Span]) -> list[Span]:
    """The span of each text: in order, each begins and ends in speech, and together they cover all of it."""
    if not texts or not speech:
        raise ValueError(
            f"{len(texts)} rows cannot be laid over {len(speech)} spans of speech; both are needed"
        )
    weights = np.array([weight(text) for text in texts])
    lengths = np.array([span.duration for span in speech])
    expected = lengths.sum() * np.cumsum(weights) / weights.sum()  # the end of each row, in seconds of speech
    inner = _snapped(expected, np.cumsum(lengths)[:-1], _pauses(speech)) if len(texts) > 1 else expected[:0]
    bounds = np.concatenate([[0.0], inner, [lengths.sum()]])
    starts, ends = (
        _on_the_clock(bounds[:-1], speech, late=True),
        _on_the_clock(bounds[1:], speech, late=False),
    )
    return [Span(float(a), float(b)) for a, b in zip(starts, ends, strict=True)]


def weight(text: str) -> float:
    """Syllables by groups of vowels, and one more for the breath around a row; letters where it has none."""
    syllables = len(re.findall(r"[aeiouyäöüáéíóúàèìòùâêîôûåæøœãõ]+", text.lower()))
    return 1.0 + (syllables or sum(c.isalnum() for c in text))


def _pauses(speech: Sequence[Span]) -> Pauses:
    return np.array([max(0.0, b.start - a.end) for a, b in pairwise(speech)])


def _on_the_clock(times: Rows, speech: Sequence[Span], *, late: bool) -> Rows:
    """From seconds of speech to seconds of the recording; at a pause its end (`late`) or its beginning."""
    ends = np.cumsum([span.duration for span in speech])
    begins = np.concatenate([[0.0], ends[:-1]])
    which = np.searchsorted(ends, times + (1e-9 if late else -1e-9), side="left").clip(0, len(speech) - 1)
    starts = np.array([span.start for span in speech])
    stops = np.array([span.end for span in speech])
    return np.clip(starts[which] + times - begins[which], starts[which], stops[which])


def _snapped(expected: Rows, places: Pauses, pauses: Pauses) -> Bounds:
    """The best boundary after each row but the last; all times are in seconds of speech."""
    total, lengths = expected[-1], np.diff(expected, prepend=0.0)
    gains = np.log1p(pauses / BREATH)
    before, cost, choices = np.zeros(1), np.zeros(1), []
    for n, end in enumerate(expected[:-1]):
        here, gain = _candidates(end, total, places, gains)
        steps = _cost(here[None, :] - before[:, None], lengths[n]) + cost[:, None]
        best = steps.argmin(axis=0)
        choices.append((here, best))
        before, cost = here, steps[best, np.arange(len(here))] - gain
    cost = cost + _cost(total - before, lengths[-1])
    state, bounds = int(cost.argmin()), []
    for here, best in reversed(choices):
        bounds.append(here[state])
        state = int(best[state])
    return np.array(bounds[::-1])


def _candidates(end: float, total: float, places: Pauses, gains: Pauses) -> tuple[Places, Places]:
    """Places for a boundary and what each is worth: the expected one and the pauses in its reach."""
    spread = REACH * np.sqrt(UNEVEN * end * (1 - end / total)) + 0.3  # that of a Brownian bridge
    low, high = np.searchsorted(places, [end - spread, end + spread])
    near = np.arange(low, high)
    if len(near) > NEAREST:
        value = gains[near] - (places[near] - end) ** 2 / (spread / REACH) ** 2 / 2
        near = np.sort(near[np.argsort(value)[-NEAREST:]])
    return np.append(places[near], end), np.append(gains[near], 0.0)


def _cost(durations: Float64[np.ndarray, "..."], expected: float) -> Float64[np.ndarray, "..."]:
    cost = (durations - expected) ** 2 / (2 * UNEVEN * expected)
    return np.where(durations > 1e-6, cost, np.inf)
