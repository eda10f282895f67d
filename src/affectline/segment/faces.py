"""The face of each utterance's speaker: of those in the picture, the one whose mouth moves with the sound."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from affectline.faces import EVERY, RATE, Picture, Tracked, track_faces
from affectline.nn.mtcnn import MTCNN
from affectline.segment import speech
from affectline.types import Clip, Conversation, FaceTrack, Span, Utterance

STEP = 0.02  # seconds that one value of loudness speaks for
SIDE = 360  # pixels of the shorter side that faces are looked for in, as in the recordings this was chosen on
UNSEEN = 0.5  # seconds without the face that are worth a warning
FEWEST = 12  # pictures that say anything of a mouth
DEPTH = 20.0  # decibels under the loudest: what is softer is silence
MOVES = 0.15  # what all of the motion counts beside a perfect fit
"""Chosen, as the lags in `_sync`, on clips of five videos of MOSI (benchmarks/who_speaks.py --tune)."""

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
    return attach_found(conversation, recording, follow(recording, detector, progress=progress))


def attach_found(conversation: Conversation, recording: Clip, found: Sequence[Tracked]) -> Conversation:
    """As `attach`, of faces that were followed before."""
    heard = loudness(recording)
    shown = [u for u in conversation if u.span and u.clip and u.clip.has_video]
    seen = [fits(found, u.span, heard) for u in shown if u.span]
    chosen = dict(zip([u.id for u in shown], who_speaks(seen, [u.speaker for u in shown]), strict=True))
    return replace(
        conversation,
        utterances=tuple(_with_face(u, chosen[u.id]) if u.id in chosen else u for u in conversation),
    )


def attach_each(conversation: Conversation, detector: MTCNN) -> Conversation:
    """The same for utterances that are recordings of their own, as a corpus has them: each by itself.

    One that has a face already keeps it. Utterances are not warned of.
    """
    return replace(conversation, utterances=tuple(_in_own_clip(u, detector) for u in conversation))


def _in_own_clip(utterance: Utterance, detector: MTCNN) -> Utterance:
    clip = utterance.clip
    if clip is None or utterance.face is not None or not clip.has_video:
        return utterance
    whole = replace(utterance, span=Span(0.0, clip.duration))
    return replace(utterance, face=attach(Conversation("", (whole,)), clip, detector).utterances[0].face)


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

    A mouth that speaks moves ahead of the sound and closes after it (`_sync`), and it moves more than that
    of a listener.
    """
    seen = [(face, _within(face, span)) for face in faces]
    longest = max((here.sum() for _, here in seen), default=0)
    seen = [(face, here) for face, here in seen if here.any() and 2 * here.sum() >= longest]
    moves = np.array([_motion(face.mouths[here]).sum() / here.sum() for face, here in seen])
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


def follow(
    recording: Clip,
    detector: MTCNN,
    *,
    progress: Callable[[float], None] = lambda share: None,
    every: float = EVERY,
    doubtful: bool = False,
) -> list[Tracked]:
    """All faces of a recording, looked for in pictures that may be smaller; see `track_faces`."""

    def watched() -> Iterator[tuple[float, Picture]]:
        for time, picture in recording.pictures(RATE, max_side=SIDE):
            progress(time / recording.duration)
            yield time, picture

    found = track_faces(watched(), detector, every=every, doubtful=doubtful)
    whole, seen = (next(recording.pictures(RATE, max_side=side))[1].shape for side in (None, SIDE))
    larger = np.array([whole[1] / seen[1], whole[0] / seen[0]], np.float32)

    def in_whole(track: FaceTrack) -> FaceTrack:
        return replace(track, boxes=track.boxes * np.tile(larger, 2), landmarks=track.landmarks * larger)

    return [replace(face, track=in_whole(face.track)) for face in found]


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

    Two things are correlated with the loudness: how much the mouth changes into the next picture, 60 ms ahead
    of the sound, and how much it closes (what is between the lips gets lighter), 40 ms after.
    """
    here = here & (face.track.times + 2 / RATE < len(heard) * STEP)
    if here.sum() < FEWEST:
        return 0.0
    times, mouths = face.track.times[here], face.mouths[here]
    between = np.quantile(mouths[:, 1:7, 2:10].reshape(len(mouths), -1), 0.25, axis=1)
    follow = np.diff(times) < 1.5 / RATE  # the face was not lost between
    changes = ((_motion(mouths), 0.1), (np.diff(between), 0.0))
    fits = [_correlation(x[follow], _level(heard, times[:-1][follow] + lag)) for x, lag in changes]
    return float(np.mean(fits))


def _motion(mouths: UInt8[np.ndarray, "time rows columns"]) -> Float[np.ndarray, " _changes"]:
    """The mean change of the pixels into the next picture, but for that of the light."""
    shapes = mouths - mouths.mean(axis=(1, 2), keepdims=True)
    return np.abs(np.diff(shapes, axis=0)).mean(axis=(1, 2))


def _level(heard: Loudness, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The mean loudness of the 80 ms about each time, in decibels; of silence, `DEPTH` under the loudest."""
    first = np.rint(times / STEP).astype(int)[:, None] + np.arange(-2, 2)
    level = heard[np.clip(first, 0, len(heard) - 1)]
    return np.maximum(level, level.max(initial=-np.inf) - DEPTH).mean(axis=1)


def _correlation(mouth: Float[np.ndarray, " n"], sound: Float[np.ndarray, " n"]) -> float:
    """Of the mouth, smoothed over three pictures, and the sound; 0 where one does not change."""
    if len(mouth) < FEWEST - 1:
        return 0.0
    smooth = np.convolve(np.pad(mouth, 1, mode="edge"), [1 / 3] * 3, mode="valid")
    if min(smooth.std(), sound.std()) < 1e-6:
        return 0.0
    return float(np.corrcoef(smooth, sound)[0, 1])
