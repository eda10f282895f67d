"""What is kept of a recording, so that it is judged by other modalities without being decoded again."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from affectline import tracks
from affectline.features.remembered import Remembered
from affectline.files import atomic_write
from affectline.types import Clip, Conversation, FaceTrack, Span, Utterance, Word


class Kept:
    """A folder of one recording: its conversation after each stage as JSON, and its features.

    It holds words and crops of faces, so it lies beside the recording and goes with it. `seen`: where is
    written what the model saw of an analysis (`affectline.checkpoint.seen`); None: nowhere.
    """

    def __init__(self, folder: Path | str, seen: Path | None = None) -> None:
        self.folder, self.seen = Path(folder), seen
        self.features = Remembered(self.folder / "features")

    @property
    def faces(self) -> Path:
        """Where the tracks of all faces are kept (`affectline.tracks`)."""
        return self.folder / tracks.NAME

    def conversation(
        self, stage: str, made_of: Mapping[str, Any], clip: Clip | None, make: Callable[[], Conversation]
    ) -> Conversation:
        """The one that was kept of a stage, or `make()`, which then is.

        `made_of`: plain JSON, all that the stage depends on: where it is another, the conversation is made
        again. A file that is damaged counts as absent.
        """
        key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
        path = self.folder / f"{stage}-{key}.json"
        try:
            return _read(json.loads(path.read_text(encoding="utf-8")), clip)
        except (OSError, ValueError, KeyError, TypeError):
            made = make()
        atomic_write(path, json.dumps(_written(made), ensure_ascii=False, allow_nan=False))
        return made


def _written(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "warnings": list(conversation.warnings),
        "utterances": [_utterance(u) for u in conversation],
    }


def _utterance(u: Utterance) -> dict[str, Any]:
    face = u.face
    return {
        "id": u.id,
        "speaker": u.speaker,
        "text": u.text,
        "text_source": u.text_source,
        "words": [[w.text, _times(w.span)] for w in u.words],
        "span": _times(u.span),
        "missing": sorted(map(str, u.missing)),
        "warnings": list(u.warnings),
        "face": face
        and {
            "id": face.id,
            "times": face.times.tolist(),
            "boxes": face.boxes.tolist(),
            "landmarks": face.landmarks.tolist(),
            "match": face.match,
        },
    }


def _times(span: Span | None) -> list[float] | None:
    return span and [span.start, span.end]


def _read(document: dict[str, Any], clip: Clip | None) -> Conversation:
    utterances = tuple(_read_utterance(row, clip) for row in document["utterances"])
    return Conversation(document["id"], utterances, None, tuple(document["warnings"]))


def _read_utterance(row: dict[str, Any], clip: Clip | None) -> Utterance:
    span = row["span"] and Span(*row["span"])
    return Utterance(
        id=row["id"],
        speaker=row["speaker"],
        text=row["text"],
        text_source=row["text_source"],
        words=tuple(Word(text, times and Span(*times)) for text, times in row["words"]),
        clip=clip.window(span.start, span.duration) if clip and span else None,
        span=span,
        face=row["face"] and _read_face(row["face"]),
        missing=frozenset(row["missing"]),
        warnings=tuple(row["warnings"]),
    )


def _read_face(face: dict[str, Any]) -> FaceTrack:
    return FaceTrack(
        face["id"],
        np.array(face["times"], np.float64),
        np.array(face["boxes"], np.float32).reshape(-1, 4),
        np.array(face["landmarks"], np.float32).reshape(-1, 5, 2),
        face["match"],
    )
