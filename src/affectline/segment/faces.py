"""The face of each utterance's speaker: of those in the picture, the one whose mouth moves with the sound."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32

from affectline.faces import RATE, Picture, Tracked, track_faces
from affectline.nn.mtcnn import MTCNN
from affectline.segment import speech
from affectline.types import Clip, Conversation, FaceTrack, Span, Utterance

STEP = 0.02  # seconds that one value of loudness speaks for
UNSEEN = 0.5  # seconds without the face that are worth a warning
FEWEST = 8  # pictures that say anything of a mouth

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
    return replace(conversation, utterances=tuple(_with_face(u, found, heard) for u in conversation))


def loudness(recording: Clip) -> Loudness:
    """The level of the sound in decibels, 50 times a second; of length 0 where there is none."""
    if not recording.has_audio:
        return np.zeros(0, dtype=np.float32)
    samples, levels = round(STEP * speech.RATE), []
    for _, block in speech.blocks(recording):  # a minute is a whole number of steps
        steps = np.pad(block, (0, -len(block) % samples)).reshape(-1, samples)
        levels.append(10 * np.log10(np.square(steps).mean(axis=1) + 1e-8))
    return np.concatenate(levels).astype(np.float32)


def who_speaks(
    faces: Sequence[Tracked], span: Span, heard: Loudness
) -> tuple[FaceTrack, float] | tuple[None, None]:
    """The face that speaks in a span, and how well its mouth fits the sound, 0 to 1; None without a face.

    The fit is the correlation of the mouth's motion and the loudness, both over a quarter of a second. Of
    several faces the one that fits best and moves its mouth most is chosen: a listener's is mostly still.
    """
    seen = [(face, _within(face, span)) for face in faces]
    seen = [(face, here) for face, here in seen if here.any()]
    if not seen:
        return None, None
    fits = np.array([_fit(face, here, heard) for face, here in seen])
    moves = np.array([np.nanmean([0.0, *np.maximum(0.0, face.motion[here])]) for face, here in seen])
    lasts = np.array([here.sum() for _, here in seen])
    values = (fits + moves / max(moves.sum(), 1e-6)) * lasts / lasts.max()
    best = int(values.argmax())
    return seen[best][0].track, round(float(fits[best] + 1) / 2, 3)


def _watched(recording: Clip, progress: Callable[[float], None]) -> Iterator[tuple[float, Picture]]:
    for time, picture in recording.pictures(RATE):
        progress(time / recording.duration)
        yield time, picture


def _with_face(utterance: Utterance, faces: Sequence[Tracked], heard: Loudness) -> Utterance:
    span = utterance.span
    if span is None or utterance.clip is None or not utterance.clip.has_video:
        return utterance
    track, match = who_speaks(faces, span, heard)
    if track is None:
        return replace(utterance, warnings=(*utterance.warnings, "no face found"))
    own = replace(track.window(span.start, span.duration), match=match)
    unseen = span.duration - len(own.times) / RATE
    warning = (f"no face for {unseen:.1f} s",) if unseen > UNSEEN else ()
    return replace(utterance, face=own, warnings=utterance.warnings + warning)


def _within(face: Tracked, span: Span) -> np.ndarray:
    return (face.track.times >= span.start) & (face.track.times < span.end)


def _fit(face: Tracked, here: np.ndarray, heard: Loudness) -> float:
    """The correlation of mouth and sound in the pictures that are `here`; 0 where there are too few."""
    times, motion = face.track.times[here], face.motion[here].astype(float)
    known = np.isfinite(motion) & (times < len(heard) * STEP)
    if known.sum() < FEWEST:
        return 0.0
    ends = np.minimum((times[known] / STEP).astype(int) + 1, len(heard))
    steps = round(1 / RATE / STEP)  # a motion is the change since the picture before
    level = np.array([heard[max(0, end - steps) : end].mean() for end in ends])
    mouth, sound = _smooth(motion[known]), _smooth(level)
    if mouth.std() < 1e-6 or sound.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(mouth, sound)[0, 1])


def _smooth(values: Float[np.ndarray, " picture"]) -> Float[np.ndarray, " picture"]:
    return np.convolve(values, np.ones(3) / 3, mode="same")
