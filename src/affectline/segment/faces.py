"""The face of each utterance's speaker: of those in the picture, the one whose mouth moves with the sound."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32

from affectline.faces import RATE, Picture, Tracked, track_faces
from affectline.nn.mtcnn import MTCNN
from affectline.segment import speech
from affectline.types import Clip, Conversation, FaceTrack, Span, Utterance

STEP = 0.02  # seconds that one value of loudness speaks for
UNSEEN = 0.5  # seconds without the face that are worth a warning
FEWEST = 8  # pictures that say anything of a mouth
WEIGHTS = (1.5, 1.0, 1.0)  # of closing, and of the changes of the lips and of the corners of the mouth
MOVES = 0.15  # what all of the motion counts beside a perfect fit
"""Both chosen on pairs of clips of the first five videos of MOSI (benchmarks/who_speaks.py --tune)."""

Loudness = Float32[np.ndarray, " step"]


def attach(
    conversation: Conversation,
    recording: Clip,
    detector: MTCNN,
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Conversation:
    """The conversation with the face of the speaker in every utterance that shows one, cut to its stretch.

    All faces are followed through the recording in one pass. Utterances are warned of as "no face found" or
    "no face for 1.2 s". A face is chosen even where it is the only one: `FaceTrack.match` says how well its
    mouth fits the sound.
    """
    if not recording.has_video:
        return conversation
    found = track_faces(_watched(recording, progress), detector)
    heard = loudness(recording)
    shown = [u for u in conversation if u.span and u.clip and u.clip.has_video]
    seen = [fits(found, u.span, heard) for u in shown if u.span]
    chosen = dict(zip([u.id for u in shown], who_speaks(seen, [u.speaker for u in shown]), strict=True))
    return replace(
        conversation,
        utterances=tuple(_with_face(u, chosen[u.id]) if u.id in chosen else u for u in conversation),
    )


def loudness(recording: Clip) -> Loudness:
    """The level of the sound in decibels, 50 times a second; of length 0 where there is none."""
    if not recording.has_audio:
        return np.zeros(0, dtype=np.float32)
    samples, levels = round(STEP * speech.RATE), []
    for _, block in speech.blocks(recording):  # a minute is a whole number of steps
        steps = np.pad(block, (0, -len(block) % samples)).reshape(-1, samples)
        levels.append(10 * np.log10(np.square(steps).mean(axis=1) + 1e-8))
    return np.concatenate(levels).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Fit:
    """How well a face fits the sound of an utterance.

    `match`: of its mouth alone, 0 to 1, 0.5 where nothing can be said. `value`: what faces are compared by.
    """

    track: FaceTrack
    match: float
    value: float


def fits(faces: Sequence[Tracked], span: Span, heard: Loudness) -> tuple[Fit, ...]:
    """Every face that is seen in a span for at least half as long as any: does its mouth speak the sound?

    A mouth that speaks changes where the sound is loud, a picture ahead of it, and closes after (`_sync`);
    and it moves more than that of a listener.
    """
    seen = [(face, _within(face, span)) for face in faces]
    longest = max((here.sum() for _, here in seen), default=0)
    seen = [(face, here) for face, here in seen if here.any() and 2 * here.sum() >= longest]
    moves = np.array([np.nanmean([0.0, *np.maximum(0.0, face.motion[here])]) for face, here in seen])
    shares = moves / max(moves.sum(), 1e-6)
    synced = [_sync(face, here, heard) for face, here in seen]
    return tuple(
        Fit(face.track, round((sync + 1) / 2, 3), sync + MOVES * float(share))
        for (face, _), sync, share in zip(seen, synced, shares, strict=True)
    )


def who_speaks(seen: Sequence[Sequence[Fit]], speakers: Sequence[str]) -> list[Fit | None]:
    """The face that speaks in each utterance, of those that `fits` gave for it; None where there is none.

    A face speaks for one speaker: of those in the picture it is the one that fits best over all utterances
    of the same speaker.
    """
    belief: dict[tuple[str, str], float] = {}
    for found, speaker in zip(seen, speakers, strict=True):
        for fit in found:
            of = speaker, fit.track.id
            belief[of] = belief.get(of, 0.0) + fit.value
    return [
        max(found, key=lambda fit, of=speaker: belief[of, fit.track.id], default=None)
        for found, speaker in zip(seen, speakers, strict=True)
    ]


def _watched(recording: Clip, progress: Callable[[float], None]) -> Iterator[tuple[float, Picture]]:
    for time, picture in recording.pictures(RATE):
        progress(time / recording.duration)
        yield time, picture


def _with_face(utterance: Utterance, fit: Fit | None) -> Utterance:
    if fit is None:
        return replace(utterance, warnings=(*utterance.warnings, "no face found"))
    span = utterance.span
    assert span is not None
    own = replace(fit.track.window(span.start, span.duration), match=fit.match)
    unseen = span.duration - len(own.times) / RATE
    warning = (f"no face for {unseen:.1f} s",) if unseen > UNSEEN else ()
    return replace(utterance, face=own, warnings=utterance.warnings + warning)


def _within(face: Tracked, span: Span) -> Bool[np.ndarray, " time"]:
    return (face.track.times >= span.start) & (face.track.times < span.end)


def _sync(face: Tracked, here: Bool[np.ndarray, " time"], heard: Loudness) -> float:
    """How the mouth goes with the sound in the pictures that are `here`, -1 to 1; 0 where they are too few.

    The sound of a picture is the loudness since the picture before. Correlated with it are the closing of the
    mouth into the next picture, and how much lips and corners changed into the picture before.
    """
    here = here & (face.track.times < len(heard) * STEP)
    if here.sum() < FEWEST:
        return 0.0
    steps = round(1 / RATE / STEP)
    ends = np.minimum((face.track.times[here] / STEP).astype(int) + 1, len(heard))
    level = np.array([heard[max(0, end - steps) : end].mean() for end in ends])
    marks = face.track.landmarks[here]
    eyes, corners = (np.linalg.norm(marks[:, n + 1] - marks[:, n], axis=1) for n in (0, 3))
    opening, stretch = np.diff(face.contrast[here]), np.abs(np.diff(corners / eyes))
    closes = _correlation(-opening, level[:-1])
    changes = [_correlation(change[:-1], level[2:]) for change in (np.abs(opening), stretch)]
    return float(np.average([closes, *changes], weights=WEIGHTS))


def _correlation(mouth: Float[np.ndarray, " n"], sound: Float[np.ndarray, " n"]) -> float:
    """Both smoothed over two pictures; 0 where one does not change."""
    a, b = (np.convolve(x, [0.5, 0.5], mode="valid") for x in (mouth, sound))
    if min(a.std(), b.std()) < 1e-6:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
