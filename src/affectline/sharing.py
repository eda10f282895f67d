"""A corpus in the folder layout of Hugging Face datasets, with a card that carries its licence.

`load_dataset("FOLDER")` reads it: `data/SPLIT.parquet`, a row an utterance; with media `SPLIT/metadata.jsonl`
beside `SPLIT/*.wav`, the layout of an audio folder. Labels are lists of names.
"""

import io
import json
import re
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affectline.corpora import Source
from affectline.files import atomic_write
from affectline.types import Conversation, LabelSpace, Utterance

SPLITS = {"train": "train", "dev": "validation", "test": "test"}
"""Our names of the parts, and theirs."""
RATE = 16_000
"""Samples a second of the sound that goes along."""
LICENCES = {
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC BY-NC 4.0": "cc-by-nc-4.0",
    "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0",
    "CC0 1.0": "cc0-1.0",
    "GPL-3.0": "gpl-3.0",
    "MIT": "mit",
    "Apache-2.0": "apache-2.0",
    "Open Database License 1.0": "odbl",
}
"""Licences by what we call them, and by what the hub calls them; all others are "other" there."""


@dataclass(frozen=True)
class Shared:
    """What a card says of a corpus."""

    source: Source
    labels: LabelSpace
    languages: tuple[str, ...] = ("en",)


def share(
    corpus: Shared,
    parts: Mapping[str, Sequence[Conversation]],
    out: Path,
    *,
    media: bool = False,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> dict[str, int]:
    """Write the folder; how many utterances each part has. `media`: the sound of each goes along.

    Raises:
        ValueError: the folder is not empty, there is nothing to share, or two utterances have one id.
        OSError: it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder; give a new one")
    counts = {split: sum(map(len, talks)) for split, talks in parts.items() if any(map(len, talks))}
    if not counts:
        raise ValueError("there is no utterance to share")
    for split in counts:
        rows = [_row(corpus, c, n) for c in parts[split] for n in range(len(c))]
        ids = [row["id"] for row in rows]
        if len({*map(_file, ids)}) < len(ids):
            raise ValueError(f"two utterances of {split} have one id; affectline doctor names them")
        if not media:
            atomic_write(out / "data" / f"{SPLITS[split]}.parquet", _parquet(rows))
            continue
        said = [u for c in parts[split] for u in c]
        for n, (row, utterance) in enumerate(zip(rows, said, strict=True), start=1):
            row["file_name"] = _sound(out / SPLITS[split], utterance)
            progress(f"sound of {split}", n / len(rows))
        there = [row for row in rows if row["file_name"]]
        lines = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in there)
        atomic_write(out / SPLITS[split] / "metadata.jsonl", lines)
        counts[split] = len(there)
    atomic_write(out / "README.md", card(corpus, counts, media=media))
    return counts


def _row(corpus: Shared, conversation: Conversation, index: int) -> dict[str, Any]:
    u = conversation.utterances[index]
    return {
        "id": u.id,
        "conversation": conversation.id,
        "position": index,
        "speaker": u.speaker,
        "start": u.span.start if u.span else None,
        "end": u.span.end if u.span else None,
        "text": u.text,
        "labels": None if u.emotions is None else [x for x in corpus.labels.names if x in u.emotions],
        "ratings": None if u.ratings is None else [float(u.ratings.get(x, 0)) for x in corpus.labels.names],
        "sentiment": u.sentiment,
    }


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        **dict.fromkeys(("id", "conversation", "speaker", "text"), pa.string()),
        **dict.fromkeys(("start", "end", "sentiment"), pa.float64()),
        "position": pa.int64(),
        "labels": pa.list_(pa.string()),
        "ratings": pa.list_(pa.float64()),
    }
    schema = pa.schema([pa.field(name, kinds[name]) for name in rows[0]])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([*rows], schema=schema), buffer)
    return buffer.getvalue()


def _file(id: str) -> str:
    """A name that a file may have everywhere."""
    return re.sub(r"[^\w.-]+", "_", id).strip(".") or "_"


def _sound(folder: Path, utterance: Utterance) -> str | None:
    """Write the sound of an utterance as WAV; the name of the file, None where there is no sound."""
    clip = utterance.clip
    if clip is None or not clip.has_audio:
        return None
    samples = (clip.waveform(RATE).clip(-1, 1) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(samples).tobytes())
    name = f"{_file(utterance.id)}.wav"
    atomic_write(folder / name, buffer.getvalue())
    return name


def card(corpus: Shared, counts: Mapping[str, int], *, media: bool) -> str:
    """The README.md: what the hub reads of a dataset, and what a person must know of it."""
    source, names = corpus.source, ", ".join(corpus.labels.names)
    rows = "\n".join(f"| {SPLITS[split]} | {n:,} |" for split, n in counts.items())
    kind = "several may hold" if corpus.labels.multilabel else "one holds"
    form = "the sound of each, 16 kHz" if media else "without sound and pictures"
    about = "".join(f"{key}: {json.dumps(value)}\n" for key, value in _about(corpus, counts, media))
    return f"""---
{about}---

# {source.name}

Utterances and the emotions that people perceived in them, {form}; written by affectline from a copy of the
corpus. Labels ({kind}): {names}. `ratings` is the share of annotators who saw each, in this order.

| part | utterances |
|---|---|
{rows}

**Licence: {source.licence}.** The corpus: {source.page}. Whoever passes these files on must be allowed to
by that licence; what is for research alone, or behind a form, must not be published.

Labels say what raters perceived, and not what somebody felt.
"""


def _about(corpus: Shared, counts: Mapping[str, int], media: bool) -> Iterator[tuple[str, object]]:
    licence = corpus.source.licence
    known = LICENCES.get(licence)
    yield "license", known or "other"
    if known is None:
        yield "license_name", re.sub(r"[^a-z0-9]+", "-", licence.casefold()).strip("-") or "unknown"
        yield "license_link", corpus.source.page
    yield "language", [*corpus.languages]
    yield "pretty_name", corpus.source.name
    yield "task_categories", ["audio-classification" if media else "text-classification"]
    yield "tags", ["emotion", "conversation"]
    files = "{0}/**" if media else "data/{0}.parquet"
    data = [{"split": SPLITS[split], "path": files.format(SPLITS[split])} for split in counts]
    yield "configs", [{"config_name": "default", "data_files": data}]
