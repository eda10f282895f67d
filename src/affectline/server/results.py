"""What a finished job gives, in every format that the command writes, made when it is asked for."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from affectline.exports import FORMATS
from affectline.report import render
from affectline.timeline import Timeline


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    VTT = "vtt"
    EAF = "eaf"
    RTTM = "rttm"
    HTML = "html"


MEDIA_TYPES: dict[str, str] = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.VTT: "text/vtt; charset=utf-8",
    Format.EAF: "application/xml",
    Format.RTTM: "text/plain; charset=utf-8",
    Format.HTML: "text/html; charset=utf-8",
    "zip": "application/zip",
}
CONTENT: dict[str, Any] = {kind.split(";")[0]: {} for kind in MEDIA_TYPES.values()}
"""For the OpenAPI description."""


def seen_in(folder: Path) -> Path:
    """Where what the model of a job saw is kept, if it is: see `affectline.checkpoint.seen`."""
    return folder / "seen.safetensors"


def timeline_of(folder: Path, name: str) -> Timeline:
    """The timeline of a job's folder, or in a file, whose recording is called as the client called it.

    Raises:
        OSError: there is none.
    """
    timeline = Timeline.read(folder if folder.suffix else folder / "timeline.json")
    return replace(timeline, source=replace(timeline.source, path=name))


def of_speaker(timeline: Timeline, speaker: str | None) -> Timeline:
    """The timeline with the utterances of one speaker alone; None: of all.

    Raises:
        ValueError: nobody has this id.
    """
    if speaker is None:
        return timeline
    known = [s.id for s in timeline.speakers]
    if speaker not in known:
        raise ValueError(f"there is no speaker {speaker!r:.80}; there are {', '.join(known)}")
    return replace(timeline, utterances=tuple(u for u in timeline.utterances if u.speaker == speaker))


def without_pictures(timeline: Timeline) -> Timeline:
    """The timeline with its explanations, but not the pictures of faces that these lie over."""
    return replace(
        timeline,
        utterances=tuple(
            replace(u, explanations=tuple({**e, "picture": None} for e in u.explanations))
            for u in timeline.utterances
        ),
    )


def rendered(timeline: Timeline, format: Format, media: str | None = None) -> bytes:
    """The timeline in a format. `media`: where the report finds the recording, if it may be played.

    Raises:
        ValueError: the format cannot hold it, as subtitles of a conversation without times.
    """
    if format is Format.HTML:
        return render(timeline, media).encode()
    content = FORMATS[format](timeline, Path(file_name(timeline, format)))
    return content.encode() if isinstance(content, str) else content


def zipped(timeline: Timeline, formats: Sequence[Format]) -> bytes:
    """These formats in one file; with none named, all that can hold the timeline.

    Raises:
        ValueError: a format that is named cannot hold it.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for format in dict.fromkeys(formats or Format):
            try:
                content = rendered(timeline, format)
            except ValueError:
                if formats:
                    raise
                continue
            archive.writestr("report.html" if format is Format.HTML else f"timeline.{format}", content)
    return buffer.getvalue()


def file_name(timeline: Timeline, ending: str) -> str:
    """What a download is called: as the recording, with the ending of the format."""
    return f"{Path(timeline.source.path or 'timeline').stem}.{ending}"


def attached(name: str) -> dict[str, str]:
    """The header by which a browser saves an answer under a name (RFC 6266)."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
