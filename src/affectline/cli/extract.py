"""`affectline extract`."""

import json as to_json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import (
    Address,
    Engine,
    ManifestFile,
    Workers,
    check_engine,
    find_manifest,
    find_root,
    usage,
)

if TYPE_CHECKING:
    from affectline.types import Conversation

SHOWN = 5
"""Of the rows that failed, how many are named."""


def extract(
    corpus: Annotated[Positional[str], arg(metavar="CORPUS")],
    /,
    *,
    streams: Annotated[str, arg(metavar="LIST")],
    out: Annotated[Path, arg(metavar="DIR")],
    root: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: $AFFECTLINE_DATA)")] = None,
    split: Annotated[str, arg(metavar="LIST")] = "train,dev,test",
    manifest: ManifestFile = None,
    limit: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None,
    raw: Annotated[bool, arg(help_behavior_hint="")] = False,
    retry: Annotated[bool, arg(help_behavior_hint="")] = False,
    engine: Engine = "local",
    workers: Workers = None,
    address: Address = None,
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Write features of a corpus as one table: Parquet, a row an utterance, a column a stream.

    An extraction that was stopped goes on with what is not there. What fails is a row with the error, and the
    exit code is then 1. The table opens with one line of pandas, polars, DuckDB or datasets:

      duckdb -c "FROM 'features/*.parquet'"

    For example:

      affectline extract mosi --root corpora --streams audio.egemaps,text.minilm --out features
      affectline extract meld --root corpora --streams text.minilm --out features --engine ray --workers 8

    Args:
        corpus: goemotions, ravdess, meld, mosi ...
        streams: Which, such as audio.egemaps,text.minilm; a wrong name lists those there are.
        out: The folder of the table, a new one or that of the same extraction.
        root: The folder that holds the corpora.
        split: The parts.
        manifest: Exactly the utterances that this file of `affectline doctor` names, in its parts.
        limit: Conversations are taken until they have so many utterances.
        raw: Also what shows people: words, faces, pictures and sound as they are.
        retry: Try rows again that failed before.
        engine: One after the other, or on Ray (extra `scale`): on this machine or a cluster.
        workers: With ray: how many at a time.
        address: With ray: that of the cluster; on one of its machines: auto.
        json: Print what was done as JSON.
    """
    from affectline.corpora import find
    from affectline.doctor.copies import find_folder
    from affectline.doctor.manifest import selected
    from affectline.extraction import Job, extract_table, local
    from affectline.extraction.streams import extractors_of
    from affectline.scale import on_ray

    with usage():
        data = find_root(root)
        module, folder = find(corpus), find_folder(corpus, data)
        parts = terminal.split(split)
        if limit is not None and limit < 1:
            raise ValueError(f"--limit is {limit}; give 1 or more")
        whole = getattr(module, "PICTURES_ARE_FACES", False)
        job = Job(corpus, folder, extractors_of(terminal.split(streams), whole=whole), raw)
        named = None if manifest is None else find_manifest(manifest, data)
        check_engine(engine, workers, address)
    makes = on_ray(workers=workers, address=address) if engine == "ray" else local
    read = module.read if named is None else selected(module.read, named, corpus)

    def conversations() -> "Iterator[tuple[str, Conversation]]":
        for part in parts:
            yield from ((part, conversation) for conversation in read(folder, part))

    with terminal.Stages() as stages:
        stages.begin(corpus)
        made = extract_table(
            job, conversations(), out, limit=limit, retry=retry, engine=makes, progress=stages
        )
    if json:
        print(to_json.dumps({"rows": made.rows, "before": made.before, "failed": made.failed}))
    else:
        failed = f", {len(made.failed):,} with an error" if made.failed else ""
        print(f"{out}: {made.rows:,} rows, {made.before:,} of them were there{failed}")
    _name(list(made.failed.items()))
    return 1 if made.failed else 0


def _name(failed: Sequence[tuple[str, str]]) -> None:
    for id, error in failed[:SHOWN]:
        terminal.say(f"failed: {id}: {error}")
    if len(failed) > SHOWN:
        terminal.say(f"... and {len(failed) - SHOWN:,} more: the column `error` names all of them")
