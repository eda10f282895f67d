"""Features of a whole corpus as one table: Parquet files, a row an utterance, a column a stream.

What fails is a row with the error and stops nothing. Each file holds some whole conversations and is named by
all that went into it, so an extraction that is killed goes on with what is not there, and gives the same
files however often that happens.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from affectline import __version__
from affectline.extraction.rows import Job, Piece, refuse_if_all_fail, told_of
from affectline.extraction.store import TableStore
from affectline.types import Conversation

PIECE = 32
"""Utterances in one file, or those of a conversation where it has more: what is lost, at most, by a kill."""

Progress = Callable[[str, float], None]
Engine = Callable[[Job, Sequence[Piece]], Iterator[tuple[Piece, bytes]]]
"""Makes the files of pieces, in any order."""


@dataclass(frozen=True)
class Made:
    """What an extraction came to: `before` of the rows were there already; `failed` have an error."""

    rows: int
    before: int
    failed: dict[str, str]


def local(job: Job, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
    """One piece after the other, in this process.

    On one thread, as workers on Ray are: a network's last digits hang on how many there are.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for piece in pieces:
            yield piece, job.parquet([row for part in piece.conversations for row in job.rows(*part)])
    finally:
        torch.set_num_threads(threads)


def extract_table(
    job: Job,
    parts: Iterable[tuple[str, Conversation]],
    out: Path,
    *,
    limit: int | None = None,
    retry: bool = False,
    engine: Engine = local,
    progress: Progress = lambda *_: None,
) -> Made:
    """Write the table of these conversations, each with the part that it is of, to the folder `out`.

    `limit`: conversations are taken until they have so many utterances. `retry`: rows that failed before are
    tried again, and not only where their recording has changed since.

    Raises:
        ValueError: the folder holds something else, or the table of another version, corpus or streams;
            another extraction writes into it; or all that is tried first fails for one and the same reason.
        OSError: it cannot be written.
    """
    with TableStore.open(out, about(job)) as store:
        pieces = list(pieces_of(job, parts, limit, lambda share: progress("reading recordings", share)))
        there = store.there(pieces, retry)
        todo = [piece for piece in pieces if piece.name not in there]
        done = before = sum(len(piece) for piece in pieces if piece.name in there)
        rows = sum(map(len, pieces))
        progress("extracting", done / max(1, rows))
        for n, (piece, content) in enumerate(engine(job, todo)):
            if n == 0:
                refuse_if_all_fail(content)
            store.write(piece, content)
            done += len(piece)
            progress("extracting", done / rows)
        store.drop_others(pieces, all_of_it=limit is None)
        return Made(rows, before, store.failed(pieces))


def about(job: Job) -> dict[str, object]:
    """What the store says of itself; another one is refused."""
    streams = {e.stream: told_of(e) for e in job.extractors}
    return {"format": 1, "affectline": __version__, "corpus": job.corpus, "raw": job.raw, "streams": streams}


def pieces_of(
    job: Job,
    parts: Iterable[tuple[str, Conversation]],
    limit: int | None,
    progress: Callable[[float], None] = lambda _: None,
) -> Iterator[Piece]:
    """Whole conversations, until they have PIECE utterances; always the same of the same conversations."""
    taken: list[tuple[str, Conversation]] = []
    rows = 0
    for split, conversation in parts:
        if limit is not None and rows >= limit:
            break
        if len(conversation):
            taken.append((split, conversation))
            rows += len(conversation)
    number, found = 0, []
    for n, one in enumerate(taken, start=1):
        found.append(one)
        if n == len(taken) or sum(len(c) for _, c in found) >= PIECE:
            key = hashlib.sha256(json.dumps([about(job), [job.content(*f) for f in found]]).encode())
            yield Piece(number, key.hexdigest(), tuple(found))
            number, found = number + 1, []
            progress(n / len(taken))
