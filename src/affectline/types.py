"""The nouns of the library. Everything upstream makes Conversations; everything downstream reads them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

EMOTIONS = ("neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust")
"""The seven labels that the shipped checkpoint knows. Corpora map their names to these; match by name."""


class Modality(StrEnum):
    TEXT = "text"
    AUDIO = "audio"
    VIDEO = "video"


def modality_of(stream: str) -> Modality:
    """The modality that a stream such as "audio.mel" belongs to, and is lost with."""
    return Modality(stream.split(".", maxsplit=1)[0])


@dataclass(frozen=True, order=True)
class Span:
    """A stretch of a recording, in seconds."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end < float("inf"):
            raise ValueError(f"a span needs 0 <= start < end, got start={self.start}, end={self.end}")

    @property
    def duration(self) -> float:
        return self.end - self.start

    def overlap(self, other: "Span") -> float:
        """Seconds that both cover."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


Frames = UInt8[np.ndarray, "time height width 3"]
Waveform = Float32[np.ndarray, " samples"]


@runtime_checkable
class Clip(Protocol):
    """Sound and pictures that can be decoded on demand: a stretch of a file, or arrays in memory.

    Times are seconds from the start of the clip. Pictures are RGB, upright (rotation is applied).
    """

    @property
    def duration(self) -> float: ...
    @property
    def has_audio(self) -> bool: ...
    @property
    def has_video(self) -> bool: ...

    def waveform(self, rate: int) -> Waveform:
        """Mono sound in [-1, 1] at `rate` samples per second; of length 0 where there is no sound."""
        ...

    def frames(self, *, count: int | None = None, rate: float | None = None) -> Frames:
        """`count` pictures evenly over the clip, or `rate` pictures per second; 0 where there are none."""
        ...

    def pictures(
        self, rate: float, *, max_side: int | None = None
    ) -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
        """Time and picture, `rate` per second at most, one at a time: for clips too long for memory.

        Pictures whose shorter side is longer than `max_side` are made smaller.
        """
        ...

    def window(self, start: float, duration: float) -> "Clip":
        """The part of this clip from `start` on; sound and picture stay together."""
        ...

    def content(self, modality: Modality) -> str:
        """A hash of the sound, or of the picture: two clips with the same content decode to the same."""
        ...


@dataclass(frozen=True)
class Word:
    """A spoken word; `span` is None where its time is not known. Seconds of the recording."""

    text: str
    span: Span | None = None


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face over time, as it was found in the pictures of a clip.

    Times are seconds from the start of the *clip* that the track belongs to, boxes x0, y0, x1, y1 and
    landmarks (left eye, right eye, nose, left and right corner of the mouth, as seen in the picture) are
    pixels of its upright pictures. `match`: how well this face fits the voice, 0 to 1.
    """

    id: str
    times: Float64[np.ndarray, " time"]
    boxes: Float32[np.ndarray, "time 4"]
    landmarks: Float32[np.ndarray, "time 5 2"]
    match: float | None = None

    def window(self, start: float, duration: float) -> "FaceTrack":
        """The part of the track from `start` on, its times counted from there."""
        keep = (self.times >= start) & (self.times < start + duration)
        return replace(
            self, times=self.times[keep] - start, boxes=self.boxes[keep], landmarks=self.landmarks[keep]
        )


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What one speaker says in one turn.

    `emotions`: the true ones; None = not known, empty = known to show none. `ratings`: the share of
    annotators who saw each label. `sentiment`: -3 to 3. `span`: where in the recording, in seconds, None
    where that is not known. `missing`: modalities or streams that are lost. `ready`: streams that the corpus
    brings ready-made, one vector each. `window`: which of several windows of one utterance this is; 0 begins
    an utterance. `warnings`: what a reader must know about how this utterance was made,
    such as "approximate_times".
    """

    id: str
    speaker: str
    text: str | None = None
    text_source: str = "given"  # given | recognised | none
    words: tuple[Word, ...] = ()
    clip: Clip | None = None
    span: Span | None = None
    face: FaceTrack | None = None
    emotions: frozenset[str] | None = None
    ratings: Mapping[str, float] | None = None
    sentiment: float | None = None
    missing: frozenset[str] = frozenset()
    ready: Mapping[str, Float32[np.ndarray, " dim"]] = field(default_factory=dict, compare=False, repr=False)
    window: int = 0
    warnings: tuple[str, ...] = ()

    def has(self, stream: str) -> bool:
        """Whether a stream, or all of a modality, is not declared missing."""
        return stream not in self.missing and modality_of(stream) not in self.missing


@dataclass(frozen=True)
class Conversation:
    """Utterances in the order they were spoken. A lone clip is a conversation of one.

    `labels`: the emotions that its annotators could name, where those are fewer than are asked for later.
    `corpus`: of several that are read together, which one it is of.
    """

    id: str
    utterances: tuple[Utterance, ...]
    labels: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()
    corpus: str = ""

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Each speaker once, in order of first appearance."""
        return tuple(dict.fromkeys(u.speaker for u in self))

    def edit(self, index: int, **changes: object) -> "Conversation":
        """The same conversation with one utterance changed."""
        edited = replace(self.utterances[index], **changes)  # pyright: ignore[reportArgumentType]
        return replace(self, utterances=(*self.utterances[:index], edited, *self.utterances[index + 1 :]))

    def without(self, *what: str) -> "Conversation":
        """The same conversation as a system would see it with these modalities or streams lost."""
        for name in what:
            modality_of(name)  # an unknown name is refused
        return replace(self, utterances=tuple(replace(u, missing=u.missing | {*what}) for u in self))


@dataclass(frozen=True)
class LabelSpace:
    """The emotions a corpus names, and whether several may hold at once."""

    names: tuple[str, ...]
    multilabel: bool = False

    def encode(self, emotions: Collection[str]) -> Float32[np.ndarray, " classes"]:
        unknown = set(emotions) - set(self.names)
        if unknown:
            raise ValueError(f"unknown emotions {sorted(unknown)}; this label space has {list(self.names)}")
        return np.array([name in emotions for name in self.names], dtype=np.float32)

    def decode(
        self, scores: Float[np.ndarray, " classes"], thresholds: float | Sequence[float] = 0.5
    ) -> frozenset[str]:
        """The emotions that hold: all at or over their threshold, or, single-label, the first of the best."""
        if self.multilabel:
            over = scores >= np.broadcast_to(np.asarray(thresholds), scores.shape)
            return frozenset(n for n, hold in zip(self.names, over, strict=True) if hold)
        return frozenset({self.names[int(np.argmax(scores))]})


@dataclass(frozen=True)
class Prediction:
    """What a model says of one utterance: calibrated probabilities, one per label, not summing to one.

    `modalities`: those that it saw anything of. `by_modality`: what each of these says by itself, where the
    model tells them apart.
    """

    scores: Mapping[str, float]
    emotions: frozenset[str]
    by_modality: Mapping[Modality, Mapping[str, float]] = field(default_factory=dict)
    modalities: tuple[Modality, ...] = ()
    abstained: bool = False

    @property
    def uncertainty(self) -> float:
        """The mean binary entropy of the scores, in bits: 0 = sure of every label, 1 = of none."""
        p = np.clip(np.array(list(self.scores.values()), dtype=float), 1e-12, 1 - 1e-12)
        return float(np.mean(-p * np.log2(p) - (1 - p) * np.log2(1 - p)))

    @property
    def valence(self) -> float:
        """P(joy) minus the mean of anger, disgust, fear, sadness: -1 to 1."""
        unpleasant = [self.scores[e] for e in ("anger", "disgust", "fear", "sadness") if e in self.scores]
        return self.scores.get("joy", 0.0) - (sum(unpleasant) / len(unpleasant) if unpleasant else 0.0)
