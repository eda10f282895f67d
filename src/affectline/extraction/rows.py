"""The rows of a table of features: conversations in, a Parquet file out."""

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affectline.features import Array, Extractor, extract
from affectline.features.video_faces import track_hash
from affectline.media import MediaError
from affectline.nn.mtcnn import MTCNN
from affectline.segment.faces import attach_each
from affectline.types import Clip, Conversation, Modality, Utterance, modality_of

Made = TypeVar("Made")
ONE_ERROR = 300
"""Characters of an error that a row keeps."""

OF_UTTERANCE = {
    "corpus": pa.string(),
    "split": pa.string(),
    "conversation": pa.string(),
    "id": pa.string(),
    "speaker": pa.string(),
    "start": pa.float64(),
    "end": pa.float64(),
    "labels": pa.list_(pa.string()),
    "sentiment": pa.float64(),
    "content": pa.string(),
    "error": pa.string(),
}
"""The columns beside the streams. `content`: a hash of what was read; `error`: why streams are null."""


@dataclass(frozen=True)
class Piece:
    """Conversations, each with its part, whose rows are one file."""

    number: int
    key: str
    conversations: tuple[tuple[str, Conversation], ...]

    def __len__(self) -> int:
        return sum(len(c) for _, c in self.conversations)

    @property
    def name(self) -> str:
        return f"part-{self.number:05d}-{self.key[:16]}.parquet"


@dataclass(frozen=True)
class Job:
    """What is extracted of which corpus; `root`: its folder, which no row names.

    `raw`: the words too. A table holds embeddings, and not words, faces or voices, unless somebody asks.
    """

    corpus: str
    root: Path
    extractors: tuple[Extractor, ...]
    raw: bool = False

    def __post_init__(self) -> None:
        streams = [e.stream for e in self.extractors]
        if not streams or len(set(streams)) < len(streams):
            raise ValueError(f"give one or more different streams, got {streams}")
        kept = [e.stream for e in self.extractors if not e.stored]
        if kept and not self.raw:
            raise ValueError(
                f"{', '.join(kept)}: these are words, faces or sound as they are, and a table of features "
                "holds embeddings; say --raw if you want them in it"
            )

    @property
    def schema(self) -> pa.Schema:
        """Arrays are lists of numbers, step after step; the shape of a step is in the column's metadata."""
        words = {"text": pa.string()} if self.raw else {}
        fields = [pa.field(name, kind) for name, kind in {**OF_UTTERANCE, **words}.items()]
        for e in self.extractors:
            kind = pa.list_(pa.from_numpy_dtype(np.dtype(e.dtype)))
            fields.append(pa.field(e.stream, kind, metadata={"affectline": json.dumps(told_of(e))}))
        return pa.schema(fields, metadata={"affectline": json.dumps({"corpus": self.corpus})})

    def content(self, split: str, conversation: Conversation) -> list[Any]:
        """What is read of a conversation, hashed; an utterance whose recording cannot be is that error."""
        return [split, conversation.id, *(self._read_of(u) for u in conversation)]

    def _read_of(self, u: Utterance) -> list[Any]:
        ready = {s: hashlib.sha256(v.tobytes()).hexdigest() for s, v in sorted(u.ready.items())}
        face = u.face and track_hash(u.face)
        said = [u.id, u.speaker, u.text, u.span and [u.span.start, u.span.end], sorted(map(str, u.missing))]
        labels = [None if u.emotions is None else sorted(u.emotions), u.sentiment]
        return [*said, *labels, ready, face, *(self._clip(u.clip, m) for m in Modality if m != "text")]

    def _clip(self, clip: Clip | None, modality: Modality) -> str | None:
        try:
            return None if clip is None else clip.content(modality)
        except (MediaError, OSError) as error:
            return self._said(error)

    def _said(self, error: Exception) -> str:
        """In a row, without the folders of this machine."""
        text = str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {error}"
        return text.replace(f"{self.root}{os.sep}", "")[:ONE_ERROR]

    def rows(self, split: str, conversation: Conversation, why: str | None = None) -> list[dict[str, Any]]:
        """A row of each utterance; `why`: an error for all of them, and nothing is looked at."""
        return self._failed(split, conversation, why) if why else self._rows(split, conversation)

    def parquet(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """The file of rows: the same bytes of the same rows."""
        columns = [_column([row[field.name] for row in rows], field.type) for field in self.schema]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, schema=self.schema), buffer, compression="zstd")
        return buffer.getvalue()

    def _failed(self, split: str, conversation: Conversation, why: str) -> list[dict[str, Any]]:
        nothing = dict.fromkeys((e.stream for e in self.extractors), None)
        return [{**self._of(split, conversation, u), **nothing, "error": why} for u in conversation]

    def _rows(self, split: str, conversation: Conversation) -> list[dict[str, Any]]:
        rows = [self._of(split, conversation, u) for u in conversation]
        seen, wrong = self._with_faces(conversation)
        for e in self.extractors:
            for n, made in enumerate(self._each(seen, e)):
                no_face = wrong[n] if needs_face(e) else None
                failed = no_face or made if no_face or isinstance(made, str) else None
                rows[n][e.stream] = None if failed else made
                if failed:
                    said = f"{e.stream}: {failed}"
                    rows[n]["error"] = "; ".join(filter(None, (rows[n]["error"], said)))
        return rows

    def _of(self, split: str, conversation: Conversation, u: Utterance) -> dict[str, Any]:
        read = json.dumps(self._read_of(u)).encode()
        return {
            "corpus": self.corpus,
            "split": split,
            "conversation": conversation.id,
            "id": u.id,
            "speaker": u.speaker,
            "start": u.span.start if u.span else None,
            "end": u.span.end if u.span else None,
            "labels": None if u.emotions is None else sorted(u.emotions),
            "sentiment": u.sentiment,
            "content": hashlib.sha256(read).hexdigest(),
            "error": None,
            "text": u.text,
        }

    def _with_faces(self, conversation: Conversation) -> tuple[Conversation, list[str | None]]:
        """With the speaker's face in each utterance, where a stream needs it; and where that failed."""
        if not any(map(needs_face, self.extractors)):
            return conversation, [None] * len(conversation)
        made = [self._tried(lambda u=u: _seen(conversation, u)) for u in conversation]
        faces = [u if isinstance(m, str) else m for u, m in zip(conversation, made, strict=True)]
        wrong = [m if isinstance(m, str) else None for m in made]
        return replace(conversation, utterances=tuple(faces)), wrong

    def _each(self, conversation: Conversation, extractor: Extractor) -> list[Array | str]:
        """The array of each utterance, or why there is none."""
        whole = self._tried(lambda: extract([conversation], [extractor])[0])
        if not isinstance(whole, str):
            return [features[extractor.stream] for features in whole]
        if len(conversation) == 1:
            return [whole]
        return [self._alone(conversation, n, extractor) for n in range(len(conversation))]

    def _alone(self, conversation: Conversation, index: int, extractor: Extractor) -> Array | str:
        """Of one utterance, among others that are not looked at."""
        others = tuple(
            u if n == index else replace(u, missing=u.missing | {extractor.stream})
            for n, u in enumerate(conversation)
        )
        made = self._tried(lambda: extract([replace(conversation, utterances=others)], [extractor]))
        return made if isinstance(made, str) else made[0][index][extractor.stream]

    def _tried(self, make: Callable[[], Made]) -> Made | str:
        """What is made, or the error in words; a missing extra, and memory that is full, are no rows."""
        try:
            return make()
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # whatever is wrong with one recording must not stop the others
            return self._said(error)


def _seen(conversation: Conversation, utterance: Utterance) -> Utterance:
    """With the face of its speaker."""
    return attach_each(replace(conversation, utterances=(utterance,)), _mtcnn()).utterances[0]


def refuse_if_all_fail(content: bytes) -> None:
    """Where every row of a file, of several, has the same error, it is not the recordings that are wrong."""
    errors = pq.read_table(io.BytesIO(content), columns=["error"])["error"].to_pylist()
    if len(errors) > 1 and errors[0] and len(set(errors)) == 1:
        raise ValueError(f"all of the first {len(errors)} utterances fail in the same way: {errors[0]}")


def needs_face(extractor: Extractor) -> bool:
    """Whether it reads the face of the speaker, which has to be found first."""
    if modality_of(extractor.stream) is not Modality.VIDEO:
        return False
    return getattr(extractor, "whole", None) is False or bool(getattr(extractor, "speaker", False))


def told_of(extractor: Extractor) -> dict[str, Any]:
    """The settings of an extractor and the shape of a step, for the metadata of its column."""
    return {
        "settings": repr(extractor),
        "shape": list(extractor.shape),
        "dtype": np.dtype(extractor.dtype).name,
    }


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_list(kind) or pa.types.is_string(kind.value_type):
        return pa.array(values, kind)
    flat = [np.zeros(0) if v is None else v.reshape(-1) for v in values]
    ends = np.cumsum([0, *map(len, flat)]).astype(np.int32)
    numbers = np.concatenate([a for a in flat if len(a)] or [np.zeros(0, kind.value_type.to_pandas_dtype())])
    null = pa.array([v is None for v in values])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(numbers, kind.value_type), kind, mask=null)


@cache
def _mtcnn() -> MTCNN:
    return MTCNN.load()
