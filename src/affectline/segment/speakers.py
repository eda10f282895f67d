"""Who speaks when: voices compared and put together, without the network; or pyannote."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from scipy.cluster.hierarchy import fcluster, linkage

from affectline.segment.speech import RATE, Block, Speech, blocks, cut
from affectline.segment.voice import FRAMES_PER_SECOND, WINDOW, Vectors, Voice, best_voice, mel
from affectline.types import Clip, Span

HOP = 0.4  # seconds between windows
RELIABLE = 0.8  # seconds of speech that a window needs to help in finding the speakers
LEAST = 1.5  # seconds of speech that a speaker needs
MOST = 8  # speakers that are looked for
STEP = 0.1  # seconds: the grid that turns begin and end on
STAY = 0.5  # what a change of speaker costs, as cosines over the steps after it
KEPT = 2000  # windows that are clustered at most; the distances of these take 16 MB


@dataclass(frozen=True)
class Turn:
    """A stretch in which one speaker speaks."""

    span: Span
    speaker: str


Diariser = Callable[[Clip, Speech, int | None], tuple[Turn, ...]]
"""Gives the turns of a recording in order; the number of speakers is None where that is unknown."""


@dataclass(frozen=True, eq=False)
class Voices:
    """The voice in overlapping windows of speech: seconds, and one vector of length one each."""

    starts: Float[np.ndarray, " window"]
    ends: Float[np.ndarray, " window"]
    vectors: Vectors


def by_voice(
    recording: Clip, speech: Speech, speakers: int | None = None, voice: Voice | None = None
) -> tuple[Turn, ...]:
    """The turns by the voices alone.

    A voice is heard in windows of 1.6 s every 0.4 s (by `affectline.segment.voice.best_voice` where none is
    given). Ward's clustering of the vectors gives the speakers: as many as asked for, else the most that are
    all apart. Then each stretch of speech is given to speakers by Viterbi's algorithm, so that turns can
    change inside it. Two who talk at once are heard as one of them. Measured in benchmarks/diarisation.py.
    """
    stretches = cut(speech.spans, speech.probability, longest=float("inf"))
    if not stretches:
        return ()
    if speakers == 1:
        return tuple(Turn(span, "S1") for span in stretches)
    voice = voice or best_voice()
    voices = listen(recording, stretches, voice)
    centres = _refined(voices, cluster(voices, speakers, voice.apart))
    return tuple(turn for span in stretches for turn in _turns(span, voices, centres))


def speaker_of(span: Span, turns: Sequence[Turn]) -> str:
    """Who speaks most of a span; who speaks nearest to it where nobody does."""
    shares: dict[str, float] = {}
    for turn in turns:
        shares[turn.speaker] = shares.get(turn.speaker, 0.0) + span.overlap(turn.span)
    best = max(shares, key=lambda name: shares[name])
    if shares[best] > 0:
        return best
    return min(turns, key=lambda t: max(t.span.start - span.end, span.start - t.span.end)).speaker


def listen(recording: Clip, stretches: Sequence[Span], voice: Voice) -> Voices:
    """The voices in stretches of speech; a stretch shorter than a window is heard over and over."""
    starts, ends, vectors = [], [], []
    for stretch, sound in _sounds(recording, stretches):
        spectrum = mel(sound)
        length = round(WINDOW * FRAMES_PER_SECOND)
        if len(spectrum) < length:
            windows = np.resize(spectrum, (1, length, spectrum.shape[1]))
            firsts = np.zeros(1)
        else:
            count = 1 + int(np.ceil((len(spectrum) - length) / (HOP * FRAMES_PER_SECOND)))
            at = np.unique(np.linspace(0, len(spectrum) - length, count).round().astype(int))
            windows, firsts = np.stack([spectrum[a : a + length] for a in at]), at / FRAMES_PER_SECOND
        starts += (stretch.start + firsts).tolist()
        ends += np.minimum(stretch.start + firsts + WINDOW, stretch.end).tolist()
        vectors.append(voice.embed(windows.astype(np.float32)))
    return Voices(np.array(starts), np.array(ends), voice.compare(np.concatenate(vectors)))


def _sounds(recording: Clip, stretches: Sequence[Span]) -> Iterator[tuple[Span, Block]]:
    """The sound of each stretch, of stretches in order, with one minute of the recording read at a time."""
    held, first, waiting = np.zeros(0, dtype=np.float32), 0.0, list(stretches)

    def cut(span: Span) -> tuple[Span, Block]:
        return span, held[round((span.start - first) * RATE) : round((span.end - first) * RATE)]

    for start, block in blocks(recording):
        held = np.concatenate([held, block])
        until = start + len(block) / RATE
        while waiting and waiting[0].end <= until + 1e-6:
            yield cut(waiting.pop(0))
        keep = max(first, min(waiting[0].start, until)) if waiting else until
        held, first = held[round((keep - first) * RATE) :], keep
    yield from map(cut, waiting)  # the sound may be over a little before the recording is


def cluster(voices: Voices, speakers: int | None, apart: float) -> Float32[np.ndarray, "speaker dim"]:
    """The mean voice of each speaker, by Ward's clustering of the windows that hold enough speech."""
    lengths = voices.ends - voices.starts
    clear = np.flatnonzero(lengths >= min(RELIABLE, lengths.max()))
    clear = clear[np.linspace(0, len(clear) - 1, min(len(clear), KEPT)).round().astype(int)]
    vectors = voices.vectors[clear]
    if len(clear) == 1:
        return vectors
    seconds = np.minimum(np.diff(voices.starts[clear], append=np.inf), lengths[clear])
    tree = linkage(vectors, "ward")
    for count in range(min(speakers or MOST, len(clear)), 0, -1):
        labels = fcluster(tree, count, "maxclust") - 1
        found = int(labels.max()) + 1  # fewer than asked for where windows are the same
        centres = _centres(vectors, labels, found)
        least = min(seconds[labels == n].sum() for n in range(found))
        alike = (centres @ centres.T - 2 * np.eye(len(centres))).max()
        if speakers or (alike < apart and least >= LEAST):
            return centres
    return _centres(vectors, np.zeros(len(vectors), dtype=int), 1)


def _refined(
    voices: Voices, centres: Float32[np.ndarray, "speaker dim"]
) -> Float32[np.ndarray, "speaker dim"]:
    """One step of k-means over all windows."""
    nearest = (voices.vectors @ centres.T).argmax(axis=1)
    if len(np.unique(nearest)) < len(centres):
        return centres
    return _centres(voices.vectors, nearest, len(centres))


def _centres(
    vectors: Vectors, labels: Int[np.ndarray, " window"], count: int
) -> Float32[np.ndarray, "speaker dim"]:
    means = np.stack([vectors[labels == n].mean(axis=0) for n in range(count)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def _turns(stretch: Span, voices: Voices, centres: Float32[np.ndarray, "speaker dim"]) -> Iterator[Turn]:
    """The turns in one stretch: each 0.1 s is scored by the windows around it, nearer ones counting more."""
    inside = slice(*np.searchsorted(voices.starts, [stretch.start - 1e-6, stretch.end - 1e-6]))
    scores = voices.vectors[inside] @ centres.T
    middles = (voices.starts[inside] + voices.ends[inside]) / 2
    grid = np.arange(stretch.start, stretch.end, STEP) + STEP / 2
    nearness = np.maximum(1e-6, 1 - np.abs(grid[:, None] - middles) / (WINDOW / 2))
    best = viterbi((nearness @ scores) / nearness.sum(axis=1, keepdims=True), STAY)
    changes = np.flatnonzero(np.diff(best)) + 1
    bounds = [stretch.start, *(stretch.start + changes * STEP), stretch.end]
    for n, first in enumerate([0, *changes]):
        if bounds[n + 1] > bounds[n]:
            yield Turn(Span(float(bounds[n]), float(bounds[n + 1])), f"S{best[first] + 1}")


def viterbi(scores: Float[np.ndarray, "time state"], stay: float) -> Int[np.ndarray, " time"]:
    """The states with the greatest sum of scores, less `stay` for every change."""
    total, came = scores[0].copy(), np.zeros(scores.shape, dtype=int)
    for t in range(1, len(scores)):
        best = total.argmax()
        changed = total[best] - stay > total
        came[t] = np.where(changed, best, np.arange(scores.shape[1]))
        total = np.where(changed, total[best] - stay, total) + scores[t]
    path = [int(total.argmax())]
    for t in range(len(scores) - 1, 0, -1):
        path.append(int(came[t, path[-1]]))
    return np.array(path[::-1])


@dataclass(frozen=True)
class Pyannote:
    """pyannote.audio's pipeline (extra `diarization`): better with many speakers and where they overlap.

    The model is downloaded; its conditions must be accepted on the hub, which then gives a `token`.
    """

    token: str | None = None
    model: str = "pyannote/speaker-diarization-community-1"
    device: str = "cpu"

    def __call__(self, recording: Clip, speech: Speech, speakers: int | None = None) -> tuple[Turn, ...]:
        """The turns of its exclusive diarisation: one speaker at a time. Needs all the sound in memory."""
        sound = torch.from_numpy(np.concatenate([block for _, block in blocks(recording)]))
        found = self._pipeline()({"waveform": sound[None], "sample_rate": RATE}, num_speakers=speakers)
        return tuple(
            Turn(Span(max(0.0, segment.start), min(segment.end, recording.duration)), str(label))
            for segment, _, label in found.exclusive_speaker_diarization.itertracks(yield_label=True)
        )

    def _pipeline(self) -> Any:
        try:
            from pyannote.audio import Pipeline  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'this needs pyannote.audio: pip install "affectline[diarization]";'
                " without it, speakers are told apart by affectline's own voices"
            ) from error
        pipeline = Pipeline.from_pretrained(self.model, token=self.token)
        if pipeline is None:
            raise ValueError(
                f"{self.model} could not be loaded; accept its conditions on huggingface.co, give a token"
            )
        return pipeline.to(torch.device(self.device))
