"""A timeline to look at: one HTML file that needs nothing else, and a table for the terminal.

The file makes no request: its policy forbids all but the recording that lies beside it, and admits
only the one script that stands in it, by hash.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup
from rich.table import Table
from rich.text import Text

from affectline.exports import emotions_of
from affectline.files import atomic_write, relative_to
from affectline.report.explained import INK
from affectline.report.pictures import pictures
from affectline.timeline import Entry, Timeline
from affectline.types import Modality

PALETTE = {
    "neutral": "#8b929c",
    "joy": "#e69f00",
    "sadness": "#0072b2",
    "anger": "#d55e00",
    "surprise": "#56b4e9",
    "fear": "#cc79a7",
    "disgust": "#009e73",
}
"""Okabe and Ito's colours, which people with any colour vision can tell apart (jfly.uni-koeln.de/color)."""
MORE_COLOURS = ("#f0e442", "#7e6bc4", "#a6761d", "#44aa99", "#aa4466", "#999933", "#6699cc")
PLAYABLE = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".webm", ".ogv", ".mkv"), "video"),
    **dict.fromkeys((".wav", ".mp3", ".m4a", ".ogg", ".oga", ".opus", ".flac", ".aac"), "audio"),
}
LICENCES = {"base": "CC BY-NC-SA 4.0: research, not commercial use"}
"""Of the weights that this package ships, by name."""


def write_html(timeline: Timeline, path: Path | str) -> None:
    """Write the report, whole or not at all.

    It plays the recording where that lies on the same disk now and a browser may know its format.

    Raises:
        OSError: the file cannot be written.
    """
    source = timeline.source.path
    there = source is not None and os.path.isfile(source)
    atomic_write(path, render(timeline, media=relative_to(source, Path(path)) if there else None))


def render(timeline: Timeline, media: str | None = None) -> str:
    """The report as text. `media`: the recording, relative to where the report will lie."""
    kind = PLAYABLE.get(Path(media).suffix.lower()) if media is not None else None
    script = f"{drawing()}\n{_part('report.js')}"
    colours = colours_of(timeline)
    return _template().render(
        title=Path(timeline.source.path).name if timeline.source.path else "Conversation",
        timeline=timeline,
        facts=_facts(timeline),
        licence=LICENCES.get(timeline.checkpoint.get("name") or ""),
        colours=colours,
        summaries=[_summary(timeline, s.id) for s in timeline.speakers],
        rows=[_row(timeline, u) for u in timeline.utterances],
        explained=_explained(timeline, colours),
        data=_embedded(shown(timeline)),
        colour_data=_embedded(colours),
        media=quote(media) if media is not None and kind is not None else None,
        media_kind=kind,
        style=Markup(_part("report.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def colours_of(timeline: Timeline, others: Iterable[Entry] = ()) -> dict[str, str]:
    """One for each label, the same in all that is drawn of a timeline; `others`: answers of other models."""
    names = dict.fromkeys((*timeline.labels, *(name for entry in others for name in entry.scores)))
    return {name: _colour(name, n) for n, name in enumerate(names)}


def _explained(timeline: Timeline, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """The utterances that are explained, each with its pictures."""
    found = [(u, pictures(u, colours)) for u in timeline.utterances]
    return [
        {"entry": u, "speaker": timeline.speaker(u.speaker).label, "figures": drawn}
        for u, drawn in found
        if drawn
    ]


def shown(timeline: Timeline) -> dict[str, Any]:
    """What the script reads of the document: not the times of words, boxes of faces and explanations."""
    document = timeline.document()
    for row in document["utterances"]:
        row["words"], row["explanations"] = [], []
        if row["face"] is not None:
            row["face"] = {**row["face"], "boxes": []}
    return document


def drawing() -> str:
    """The script that draws utterances, which the page of the service draws with too."""
    return _part("drawing.js")


def _part(name: str) -> str:
    return files("affectline.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=clock, score=_score, percent=_percent, drawn=_drawn)
    return environment.from_string(_part("report.html"))


def _embedded(value: object) -> Markup:
    """JSON that no text in it can end: "<" is written as an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _colour(label: str, index: int) -> str:
    return PALETTE.get(label, MORE_COLOURS[index % len(MORE_COLOURS)])


def clock(seconds: float, digits: int = 1) -> str:
    """Seconds as 0:42.4 or 1:02:05.5."""
    unit = 10**digits
    whole, part = divmod(round(seconds * unit), unit)
    minutes, rest = divmod(whole, 60)
    hours = f"{minutes // 60}:{minutes % 60:02d}" if minutes >= 60 else f"{minutes}"
    return f"{hours}:{rest:02d}" + (f".{part:0{digits}d}" if digits else "")


def _score(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _drawn(svg: str) -> Markup:
    """A figure of ours, in the ink of the page."""
    return Markup(svg.replace(f'color="{INK}"', "", 1))


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def _facts(timeline: Timeline) -> list[tuple[str, str]]:
    checkpoint, count = timeline.checkpoint, len(timeline.utterances)
    abstained = sum(u.abstained for u in timeline.utterances)
    name = checkpoint.get("name") or "unnamed"
    facts = [
        ("Duration", "no times" if timeline.duration is None else clock(timeline.duration)),
        ("Speakers", str(len(timeline.speakers))),
        ("Utterances", f"{count}, of which {abstained} without an answer" if abstained else str(count)),
        ("Judged by", _judged_by(timeline)),
        ("Checkpoint", f"{name} {(checkpoint.get('sha256') or '')[:8]}".strip()),
    ]
    return facts + (
        [("Recording", f"SHA-256 {timeline.source.sha256[:8]}")] if timeline.source.sha256 else []
    )


def _judged_by(timeline: Timeline) -> str:
    """The modalities, in how many utterances those were that were not in all, and those in none."""
    found = {m: sum(m in u.modalities for u in timeline.utterances) for m in Modality}
    size = len(timeline.utterances)
    there = [m if n == size else f"{m} ({n} of {size})" for m, n in found.items() if n]
    none = [m for m, n in found.items() if not n]
    return "; no ".join([", ".join(there), *([" and ".join(none)] if none else [])]) if there else "nothing"


@dataclass(frozen=True)
class Summary:
    """One speaker: time is in seconds, or in utterances where a conversation has no times."""

    label: str
    utterances: int
    time: float
    abstained: float
    valence: float | None
    shares: Mapping[str, float]


def _summary(timeline: Timeline, speaker: str) -> Summary:
    """Shares of the speaker's own time; several emotions may hold at once, so they need not sum to one."""
    mine = [u for u in timeline.utterances if u.speaker == speaker]
    weights = [u.span.duration if u.span else 0.0 if timeline.timed else 1.0 for u in mine]
    total = sum(weights)

    def share(holds: Sequence[bool]) -> float:
        return sum(w for w, hold in zip(weights, holds, strict=True) if hold) / total if total else 0.0

    answered = [(w, u.valence) for w, u in zip(weights, mine, strict=True) if not u.abstained]
    known = sum(w for w, _ in answered)
    return Summary(
        label=timeline.speaker(speaker).label,
        utterances=len(mine),
        time=total,
        abstained=share([u.abstained for u in mine]),
        valence=sum(w * v for w, v in answered) / known if known else None,
        shares={
            name: share([name in u.emotions and not u.abstained for u in mine]) for name in timeline.labels
        },
    )


def _row(timeline: Timeline, u: Entry) -> dict[str, Any]:
    """What the table of utterances shows of one of them."""
    return {
        "entry": u,
        "speaker": timeline.speaker(u.speaker).label,
        "indices": [] if u.abstained else [timeline.labels.index(name) for name in u.emotions],
        "answer": emotions_of(u) or "none",
    }


def summary_table(timeline: Timeline) -> Table:
    """The timeline for a terminal of 100 columns: one line per utterance, long texts cut."""
    table = Table(title=Path(timeline.source.path).name if timeline.source.path else None)
    rows = [_cells(timeline, u) for u in timeline.utterances]
    heads = {"id": 8, "time": 19, "speaker": 12, "emotions": 23, "uncertain": 9}
    for n, (head, most) in enumerate(heads.items()):
        width = min(most, max([len(head), *(len(cells[n]) for cells in rows)]))
        table.add_column(
            head, width=width, no_wrap=head != "emotions", justify="right" if n in (1, 4) else "left"
        )
    table.add_column("text", ratio=1)
    for *cells, text in rows:
        table.add_row(*(Text(cell) for cell in cells), Text(text, no_wrap=True, overflow="ellipsis"))
    return table


def _cells(timeline: Timeline, u: Entry) -> tuple[str, str, str, str, str, str]:
    return (
        u.id,
        "" if u.span is None else f"{clock(u.span.start)}\N{EN DASH}{clock(u.span.end)}",
        timeline.speaker(u.speaker).label,
        "abstained"
        if u.abstained
        else ", ".join(f"{n} {u.scores.get(n, 0):.2f}" for n in u.emotions) or "none",
        f"{u.uncertainty:.2f}",
        " ".join((u.text or "").split()),
    )
