"""What comes out: a conversation with what a model says of it, as JSON (version 1) and as a table.

Seconds of the recording everywhere. Scores are calibrated probabilities, one per label, not summing to one.
Keys that are not named here may be added to the JSON; a reader ignores those that it does not know.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectline.checked import NULL, each, numbers, parse_json, take, texts
from affectline.files import atomic_write, relative_to
from affectline.types import Conversation, FaceTrack, Modality, Prediction, Span, Utterance, Word

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
NOTHING = "nothing of it could be judged"
"""The warning of an utterance of which the model saw no words, no sound and no picture."""
BOX_INTERVAL = 0.2  # seconds between the face boxes that are kept


@dataclass(frozen=True)
class Source:
    """The recording: where it lies, as seen from here (in the JSON: from the timeline), and its hash."""

    path: str | None = None
    sha256: str | None = None
    duration: float | None = None


@dataclass(frozen=True)
class Speaker:
    id: str
    name: str | None = None

    @property
    def label(self) -> str:
        """What a reader sees: the name once it is known."""
        return self.name or self.id


@dataclass(frozen=True)
class Face:
    """The face of an utterance: (time, x0, y0, x1, y1) in seconds of the recording and pixels."""

    track: str
    boxes: tuple[tuple[float, float, float, float, float], ...] = ()
    match: float | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One utterance of a timeline. `emotions`: the strongest first. `modalities`: those that were used."""

    id: str
    speaker: str
    span: Span | None
    text: str | None
    text_source: str
    words: tuple[Word, ...]
    modalities: tuple[Modality, ...]
    scores: Mapping[str, float]
    emotions: tuple[str, ...]
    valence: float
    uncertainty: float
    abstained: bool
    by_modality: Mapping[Modality, Mapping[str, float]]
    warnings: tuple[str, ...] = ()
    face: Face | None = None
    explanations: tuple[Mapping[str, Any], ...] = ()

    @property
    def start(self) -> float | None:
        return None if self.span is None else self.span.start

    @property
    def end(self) -> float | None:
        return None if self.span is None else self.span.end


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Every utterance of a recording with its emotions. `checkpoint`: "name" and "sha256" of the model.

    `thresholds`: the score from which on an emotion holds, by label, where there is such a thing. `settings`:
    with which options it was made, as plain JSON.
    """

    source: Source
    duration: float | None
    labels: tuple[str, ...]
    checkpoint: Mapping[str, str | None]
    speakers: tuple[Speaker, ...]
    utterances: tuple[Entry, ...]
    thresholds: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    @staticmethod
    def of(
        conversation: Conversation,
        predictions: Sequence[Prediction],
        *,
        source: Source,
        labels: Sequence[str],
        checkpoint: Mapping[str, str | None],
        duration: float | None = None,
        thresholds: Mapping[str, float] | None = None,
        warnings: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> "Timeline":
        """A conversation with one prediction per utterance.

        Without `duration`, that of the source holds. The conversation's own warnings come before `warnings`.
        """
        entries = tuple(_entry(u, p, labels) for u, p in zip(conversation, predictions, strict=True))
        duration = source.duration if duration is None else duration
        return Timeline(
            source=replace(source, duration=_rounded(source.duration, 3)),
            duration=_rounded(duration, 3),
            labels=tuple(labels),
            checkpoint=dict(checkpoint),
            speakers=tuple(Speaker(s) for s in conversation.speakers),
            utterances=entries,
            thresholds={n: round(float(t), 4) for n, t in (thresholds or {}).items()},
            warnings=tuple(dict.fromkeys([*conversation.warnings, *warnings])),
            settings=dict(settings or {}),
        )

    @property
    def timed(self) -> bool:
        """Whether any utterance has a place in time; a text-only conversation has none."""
        return any(u.span for u in self.utterances)

    def speaker(self, id: str) -> Speaker:
        return next(s for s in self.speakers if s.id == id)

    def document(self) -> dict[str, Any]:
        """The timeline as plain dictionaries and lists: what the JSON holds."""
        return {
            "version": VERSION,
            "source": asdict(self.source),
            "duration": self.duration,
            "labels": list(self.labels),
            "thresholds": dict(self.thresholds),
            "checkpoint": dict(self.checkpoint),
            "speakers": [asdict(s) for s in self.speakers],
            "warnings": list(self.warnings),
            "settings": dict(self.settings),
            "utterances": [_row(u) for u in self.utterances],
        }

    def to_json(self) -> str:
        """The JSON as text, one utterance a line."""
        document = self.document()
        rows = ",\n  ".join(_dump(row) for row in document.pop("utterances"))
        head = "".join(f" {_dump(key)}: {_dump(value)},\n" for key, value in document.items())
        return f'{{\n{head} "utterances": [\n  {rows}\n ]\n}}\n'

    def write(self, path: Path | str) -> None:
        """Write the JSON, whole or not at all; the recording's path is made relative to it.

        Raises:
            OSError: the disk is full or the folder cannot be written; nothing is left behind.
        """
        here = replace(self.source, path=relative_to(self.source.path, Path(path)))
        atomic_write(path, replace(self, source=here).to_json())

    @staticmethod
    def read(path: Path | str) -> "Timeline":
        """Read what `write` wrote; the recording's path is usable from here again.

        Raises:
            ValueError: this is no timeline of version 1; the message says where and why.
        """
        path = Path(path)
        try:
            timeline = Timeline.from_json(path.read_text(encoding="utf-8-sig"))
        except ValueError as error:
            raise ValueError(
                f"{path} cannot be read as a timeline: {error}. "
                "Mend it, or make it again with `affectline analyze`"
            ) from error
        if timeline.source.path is None:
            return timeline
        found = os.path.normpath(Path(os.path.realpath(path.parent)) / timeline.source.path)
        return replace(timeline, source=replace(timeline.source, path=found))

    @staticmethod
    def from_json(text: str) -> "Timeline":
        """Parse and check the JSON; a relative path of the recording stays as it is."""
        return _parse(parse_json(text))

    def to_pandas(self) -> "pd.DataFrame":
        """One tidy row per utterance, one column per label score; lists are joined by "|"."""
        import pandas as pd

        names = ["id", "speaker", "start", "end", "text", "emotions", *self.labels]
        names += ["valence", "uncertainty", "abstained", "modalities", "warnings"]
        rows = [
            [u.id, self.speaker(u.speaker).label, u.start, u.end, u.text, "|".join(u.emotions)]
            + [u.scores.get(name, math.nan) for name in self.labels]
            + [u.valence, u.uncertainty, u.abstained, "|".join(u.modalities), "|".join(u.warnings)]
            for u in self.utterances
        ]
        numbers = ("start", "end", *self.labels, "valence", "uncertainty")
        kinds = {n: "float64" if n in numbers else "bool" if n == "abstained" else "str" for n in names}
        return pd.DataFrame(rows, columns=names).astype(kinds)  # pyright: ignore[reportArgumentType]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def _span(span: Span) -> Span:
    start = round(span.start, 3)
    return Span(start, max(round(span.end, 3), round(start + 0.001, 3)))  # rounding must not empty it


def _scores(scores: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    return {name: round(float(scores[name]), 4) for name in labels if name in scores}


def judged(prediction: Prediction, labels: Sequence[str]) -> dict[str, Any]:
    """The fields of an entry that a model gives, rounded as they are written."""
    return {
        "modalities": tuple(m for m in Modality if m in prediction.modalities),
        "scores": _scores(prediction.scores, labels),
        "emotions": tuple(sorted(prediction.emotions, key=lambda e: (-prediction.scores.get(e, 0), e))),
        "valence": round(prediction.valence, 4),
        "uncertainty": round(prediction.uncertainty, 4),
        "abstained": prediction.abstained,
        "by_modality": {m: _scores(s, labels) for m, s in prediction.by_modality.items()},
    }


def _entry(utterance: Utterance, prediction: Prediction, labels: Sequence[str]) -> Entry:
    return Entry(
        id=utterance.id,
        speaker=utterance.speaker,
        span=utterance.span and _span(utterance.span),
        text=utterance.text,
        text_source="none" if utterance.text is None else utterance.text_source,
        words=tuple(Word(w.text, w.span and _span(w.span)) for w in utterance.words),
        **judged(prediction, labels),
        warnings=utterance.warnings if prediction.modalities else (*utterance.warnings, NOTHING),
        face=None if utterance.face is None else face_of(utterance.face, utterance.span),
    )


def face_of(track: FaceTrack, span: Span | None) -> Face:
    boxes: list[tuple[float, float, float, float, float]] = []
    offset = 0.0 if span is None else span.start
    for time, (x0, y0, x1, y1) in zip(track.times + offset, track.boxes, strict=True):
        if not boxes or time - boxes[-1][0] >= BOX_INTERVAL - 1e-3:
            box = (round(float(v), 1) for v in (x0, y0, x1, y1))
            boxes.append((round(float(time), 3), *box))  # pyright: ignore[reportArgumentType]
    return Face(track.id, tuple(boxes), _rounded(track.match, 4))


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _row(u: Entry) -> dict[str, Any]:
    return {
        "id": u.id,
        "speaker": u.speaker,
        "start": u.start,
        "end": u.end,
        "text": u.text,
        "text_source": u.text_source,
        "words": [
            {"text": w.text, "start": w.span and w.span.start, "end": w.span and w.span.end} for w in u.words
        ],
        "modalities": [str(m) for m in u.modalities],
        "scores": dict(u.scores),
        "emotions": list(u.emotions),
        "valence": u.valence,
        "uncertainty": u.uncertainty,
        "abstained": u.abstained,
        "by_modality": {str(m): dict(s) for m, s in u.by_modality.items()},
        "warnings": list(u.warnings),
        "face": u.face and asdict(u.face),
        "explanations": [dict(e) for e in u.explanations],
    }


def _parse(document: Any) -> Timeline:
    where = "the timeline"
    version = take(document, "version", int, where)
    if version != VERSION:
        raise ValueError(f"it has version {version}, this reads version {VERSION}; install what wrote it")
    source = take(document, "source", dict, where)
    speakers = each(take(document, "speakers", list, where), dict, "'speakers'")
    rows = each(take(document, "utterances", list, where), dict, "'utterances'")
    checkpoint = take(document, "checkpoint", dict, where)
    return Timeline(
        source=Source(
            path=take(source, "path", (str, NULL), "'source'"),
            sha256=take(source, "sha256", (str, NULL), "'source'"),
            duration=take(source, "duration", (float, NULL), "'source'"),
        ),
        duration=take(document, "duration", (float, NULL), where),
        labels=texts(document, "labels", where),
        checkpoint={n: take(checkpoint, n, (str, NULL), "'checkpoint'") for n in ("name", "sha256")},
        speakers=tuple(
            Speaker(take(s, "id", str, "a speaker"), take(s, "name", (str, NULL), "a speaker"))
            for s in speakers
        ),
        utterances=tuple(_parse_row(row, f"utterance {n}") for n, row in enumerate(rows, start=1)),
        thresholds=numbers(document, "thresholds", where) if "thresholds" in document else {},
        warnings=texts(document, "warnings", where) if "warnings" in document else (),
        settings=take(document, "settings", dict, where) if "settings" in document else {},
    )


def _parse_row(row: Any, where: str) -> Entry:
    where = f"{where} ({take(row, 'id', str, where)})"
    words = each(take(row, "words", list, where), dict, f"{where}: 'words'")
    by_modality = take(row, "by_modality", dict, where)
    return Entry(
        id=row["id"],
        speaker=take(row, "speaker", str, where),
        span=_parse_span(row, where),
        text=take(row, "text", (str, NULL), where),
        text_source=take(row, "text_source", str, where),
        words=tuple(Word(take(w, "text", str, f"{where}: a word"), _parse_span(w, where)) for w in words),
        modalities=tuple(_modality(m, where) for m in texts(row, "modalities", where)),
        scores=numbers(row, "scores", where),
        emotions=texts(row, "emotions", where),
        valence=take(row, "valence", float, where),
        uncertainty=take(row, "uncertainty", float, where),
        abstained=take(row, "abstained", bool, where),
        by_modality={_modality(m, where): numbers(by_modality, m, where) for m in by_modality},
        warnings=texts(row, "warnings", where),
        face=_parse_face(take(row, "face", (dict, NULL), where), where),
        explanations=tuple(each(take(row, "explanations", list, where), dict, f"{where}: 'explanations'")),
    )


def _modality(name: str, where: str) -> Modality:
    if name not in list(Modality):
        raise ValueError(f"{where}: unknown modality {name!r}; there are {[str(m) for m in Modality]}")
    return Modality(name)


def _parse_span(row: Any, where: str) -> Span | None:
    start, end = (take(row, key, (float, NULL), where) for key in ("start", "end"))
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise ValueError(f"{where}: start={start} and end={end} must both be seconds, or both null")
    try:
        return Span(float(start), float(end))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _parse_face(face: Any, where: str) -> Face | None:
    if face is None:
        return None
    where = f"{where}: 'face'"
    boxes = each(take(face, "boxes", list, where), list, where)
    if any(len(b) != 5 or any(not isinstance(v, int | float) for v in b) for b in boxes):
        raise ValueError(f"{where}: a box must be five numbers: time, x0, y0, x1, y1")
    rows = tuple((b[0], b[1], b[2], b[3], b[4]) for b in boxes)
    return Face(take(face, "track", str, where), rows, take(face, "match", (float, NULL), where))


def _check(timeline: Timeline) -> None:
    """What must hold between the parts of a timeline, however it was made."""
    repeated = [id for id, count in Counter(u.id for u in timeline.utterances).items() if count > 1]
    if repeated:
        raise ValueError(f"utterance ids must differ, but {repeated[:3]} occur more than once")
    known = {s.id for s in timeline.speakers}
    for u in timeline.utterances:
        where = f"utterance {u.id}"
        if u.speaker not in known:
            raise ValueError(f"{where}: speaker {u.speaker!r} is not among 'speakers' {sorted(known)}")
        named = {*u.scores, *u.emotions}.union(*u.by_modality.values()) - {*timeline.labels}
        if named:
            raise ValueError(f"{where}: {sorted(named)} are not among 'labels' {list(timeline.labels)}")
        for scores in (u.scores, *u.by_modality.values()):
            for name, score in scores.items():
                if not 0 <= score <= 1:
                    raise ValueError(f"{where}: the score of {name} must be in 0 to 1, got {score}")
        if not (0 <= u.uncertainty <= 1 and -1 <= u.valence <= 1):
            got = f"got {u.uncertainty} and {u.valence}"
            raise ValueError(f"{where}: uncertainty must be in 0 to 1 and valence in -1 to 1, {got}")
