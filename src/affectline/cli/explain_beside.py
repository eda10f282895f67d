"""`affectline explain --beside`: several checkpoints on one utterance."""

import json as to_json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from affectline.cli import terminal
from affectline.cli.options import UsageError, find_checkpoint, usage

if TYPE_CHECKING:
    from affectline.analyze.beside import Beside
    from affectline.analyze.explaining import Wanted
    from affectline.types import Modality


def side_by_side(  # noqa: PLR0917 - what the command was given
    path: Path,
    utterance: str,
    wanted: "Wanted",
    names: str,
    device: str,
    folder: Path,
    *,
    png: bool,
    as_json: bool,
) -> int:
    """One picture and one table; 1 where none of them can say anything."""
    from affectline.analyze import Analyzer
    from affectline.analyze.beside import beside
    from affectline.analyze.explaining import rebuilt
    from affectline.report import colours_of
    from affectline.report.beside import beside_svg
    from affectline.report.pictures import write
    from affectline.timeline import Timeline

    if utterance == "all":
        raise UsageError("--beside takes one utterance; name it")
    chosen = [_named(name) for name in terminal.split(names)]
    timeline = Timeline.read(path)
    with terminal.Stages() as stages:
        stages.begin(str(path))
        loaded = {name: Analyzer.load(name, device) for name in dict.fromkeys(n for n, _ in chosen)}
        conversation = rebuilt(timeline, lambda: next(iter(loaded.values())).detector, stages)
        asked = [(_shown(name, kept), loaded[name].checkpoint, kept) for name, kept in chosen]
        found = beside(asked, timeline, conversation, utterance, wanted, begin=stages.begin, progress=stages)
    colours = colours_of(timeline, [b.entry for b in found if b.entry])
    drawn = beside_svg([(b.name, b.entry, b.notes) for b in found], colours)
    files = write(drawn, folder / f"{utterance}-beside", as_png=png)
    if as_json:
        print(to_json.dumps([_document(b) for b in found], allow_nan=False))
    else:
        _show(utterance, found)
        for file in files:
            print(f"  {file}")
    return 0 if any(b.entry for b in found) else 1


def _named(name: str) -> "tuple[str, tuple[Modality, ...]]":
    """The checkpoint, and the modalities behind its colon."""
    from affectline.analyze import modalities_of

    checkpoint, _, kept = name.partition(":")
    find_checkpoint(checkpoint)
    with usage():
        return checkpoint, modalities_of(kept.split("+")) if kept else ()


def _shown(name: str, kept: "tuple[Modality, ...]") -> str:
    return f"{Path(name).name}: {', '.join(kept)} alone" if kept else Path(name).name


def _document(one: "Beside") -> dict[str, object]:
    entry = one.entry
    if entry is None:
        return {"name": one.name, "reason": "; ".join(one.notes)}
    return {
        "name": one.name,
        "scores": dict(entry.scores),
        "emotions": list(entry.emotions),
        "abstained": entry.abstained,
        "explanations": [dict(e) for e in entry.explanations],
        "notes": list(one.notes),
    }


def _show(utterance: str, found: "Sequence[Beside]") -> None:
    from rich.table import Table
    from rich.text import Text

    from affectline.report.beside import answer
    from affectline.report.explained import strongest

    table = Table(title=f"{utterance}: {len(found)} side by side")
    for head in ("checkpoint", "answer", "what speaks for it"):
        table.add_column(head)
    for one in found:
        entry = one.entry
        said = "; ".join(one.notes) if entry is None else answer(entry)
        why = [] if entry is None else [strongest(e) for e in entry.explanations if e.get("emotion")]
        table.add_row(Text(one.name), Text(said), Text("\n".join(why)))
    terminal.show(table)
