"""Transcripts: who says what, and perhaps when, from SRT, WebVTT, JSON, CSV and what else pysubs2 reads."""

import codecs
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affectline.segment import subtitles
from affectline.types import Span, Word

COLUMNS = ("speaker", "start", "end", "text")


class TranscriptError(ValueError):
    """A transcript that cannot be read, or that says what cannot be; the message gives the line."""


@dataclass(frozen=True)
class Row:
    """What one speaker says, as a transcript gives it. Seconds; both times or neither; None = not known.

    `warnings`: what a reader must know of how it was made. `place`: where in the file it stands, such as
    "line 12".
    """

    speaker: str | None
    start: float | None
    end: float | None
    text: str | None
    words: tuple[Word, ...] = ()
    warnings: tuple[str, ...] = ()
    place: str = field(default="", compare=False)


@dataclass(frozen=True)
class Transcript:
    """The rows of a file in its order; `ignored`: the names of columns that were not read."""

    rows: tuple[Row, ...]
    ignored: tuple[str, ...] = ()

    @property
    def timed(self) -> bool:
        return self.rows[0].start is not None

    @property
    def named(self) -> bool:
        """Whether the transcript says who speaks, in any row."""
        return any(row.speaker for row in self.rows)

    @property
    def text(self) -> str:
        return " ".join(row.text for row in self.rows if row.text)


def read(path: Path) -> Transcript:
    """The rows of a transcript file, all with times or all without; at least one.

    Errors: TranscriptError for an unknown format or encoding, an empty file, a missing column, and times
    that cannot be. Overlapping rows are right: people talk over each other.
    """
    path = Path(path)
    if not path.is_file():
        raise TranscriptError(
            f"there is no transcript {path}; give the path of an SRT, VTT, JSON or CSV file"
        )
    transcript = parse(_decoded(path), path.suffix.lower())
    if not transcript.rows:
        raise TranscriptError(f"the transcript {path.name} has no rows; leave it out, or give one with words")
    _check(transcript.rows)
    return transcript


def parse(content: str, suffix: str) -> Transcript:
    """The rows in the text of a transcript, of the format that its file's ending names."""
    if suffix in (".srt", ".vtt"):
        return Transcript(tuple(_of_cue(cue) for cue in subtitles.cues(content, TranscriptError)))
    if suffix == ".json":
        return _json(content)
    if suffix in (".csv", ".tsv"):
        return _csv(content)
    if suffix in subtitles.OTHERS:
        return Transcript(tuple(_of_cue(cue) for cue in subtitles.others(content, suffix, TranscriptError)))
    known = ", ".join((".srt", ".vtt", ".json", ".csv", ".tsv", *subtitles.OTHERS))
    raise TranscriptError(f"a transcript that ends in {suffix!r} cannot be read; known are {known}")


def seconds(value: object, place: str, column: str) -> float | None:
    """A time in seconds: a number, or [hours:]minutes:seconds; None where it is left empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        found = float(str(value))
    except ValueError:
        found = subtitles.clock(str(value))
    if found is None or isinstance(value, bool) or not abs(found) < 1e9:
        raise TranscriptError(
            f"{place}: {column} is {str(value)[:40]!r}; it must be seconds (12.5) or a time (0:01:12.500)"
        )
    return found


def _decoded(path: Path) -> str:
    """The text of a file in UTF-8 or, where a byte order mark says so, UTF-16."""
    raw = path.read_bytes()
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line, name = raw[: error.start].count(b"\n") + 1, encoding.removesuffix("-sig").upper()
        raise TranscriptError(
            f"line {line} of {path.name} holds the byte {raw[error.start]:#04x}, which is not {name}; save"
            f" it as UTF-8, as: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}"
        ) from None
    if "\0" in text:
        raise TranscriptError(
            f"{path.name} holds zero bytes: it is no text, or UTF-16 without its mark; save it as UTF-8"
        )
    return text


def _check(rows: Sequence[Row]) -> None:
    for row in rows:
        if (row.start is None) != (row.end is None):
            raise TranscriptError(
                f"{row.place}: start is {row.start} and end is {row.end}; a row has both times or neither"
            )
        if row.start is not None and row.end is not None:
            if row.start < 0:
                raise TranscriptError(f"{row.place}: start is {row.start}; a time is 0 or later")
            if row.end <= row.start:
                raise TranscriptError(
                    f"{row.place}: the row starts at {row.start} and ends at {row.end};"
                    " it must end after its start. Correct its times, or remove the row"
                )
    timed = sum(row.start is not None for row in rows)
    if 0 < timed < len(rows):
        first = next(row.place for row in rows if row.start is None)
        raise TranscriptError(
            f"{first} has no times, {timed} of {len(rows)} rows have; give times to all of them or to none"
        )


def _of_cue(cue: subtitles.Cue) -> Row:
    return Row(cue.speaker, cue.start, cue.end, cue.text or None, place=cue.place)


def _csv(content: str) -> Transcript:
    """A header, then rows, separated by commas, semicolons or tabs: whichever the header uses."""
    header = content.lstrip("\r\n").split("\n", maxsplit=1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise TranscriptError(f'line {reader.line_num}: {error}; quote cells as CSV does: "..."') from None
    if not lines:
        return Transcript(())
    names = [name.strip().lower() for name in lines[0][1]]
    _check_columns(names, "the first line must name the columns, for example: speaker,start,end,text")
    where = {name: names.index(name) for name in COLUMNS if name in names}
    rows = []
    for line, cells in lines[1:]:
        if len(cells) > len(names):
            raise TranscriptError(
                f"line {line} has {len(cells)} cells and the header {len(names)};"
                f" put text that holds a {delimiter!r} in double quotes"
            )
        rows.append(_row({n: cells[i] for n, i in where.items() if i < len(cells)}, f"line {line}"))
    return Transcript(tuple(rows), tuple(n for n in names if n and n not in COLUMNS))


def _check_columns(names: Sequence[str], way_out: str) -> None:
    if "text" not in names:
        raise TranscriptError(f"there is no column 'text' among {[n[:40] for n in names[:12]]}; {way_out}")
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise TranscriptError(f"the column {twice[0]!r} is there twice; keep one")


def _json(content: str) -> Transcript:
    """A list of rows, or an object with such a list under "utterances": a timeline.json is a transcript."""
    try:
        found = json.loads(content)
    except json.JSONDecodeError as error:
        raise TranscriptError(f"line {error.lineno}: this is not JSON: {error.msg}") from None
    listed = found.get("utterances") if isinstance(found, dict) else found
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise TranscriptError(
            'a JSON transcript is a list of {"speaker", "start", "end", "text"}, or {"utterances": that list}'
        )
    names = list(dict.fromkeys(name for row in listed for name in row))
    if listed:
        _check_columns(names, 'each row is {"speaker": ..., "start": ..., "end": ..., "text": ...}')
    rows = tuple(_row(row, f"row {n}") for n, row in enumerate(listed, start=1))
    known = (*COLUMNS, "words")
    ignored = () if isinstance(found, dict) else tuple(n for n in names if n not in known)
    return Transcript(rows, ignored)


def _row(cells: Mapping[str, object], place: str) -> Row:
    speaker, text = (
        str(cells.get(n) if cells.get(n) is not None else "").strip() for n in ("speaker", "text")
    )
    return Row(
        speaker or None,
        seconds(cells.get("start"), place, "start"),
        seconds(cells.get("end"), place, "end"),
        text or None,
        _words(cells.get("words"), place),
        place=place,
    )


def _words(listed: object, place: str) -> tuple[Word, ...]:
    if not listed:
        return ()
    if not isinstance(listed, list) or not all(isinstance(w, dict) and "text" in w for w in listed):
        raise TranscriptError(f'{place}: words must be a list of {{"text", "start", "end"}}')
    words = []
    for word in listed:
        start, end = (seconds(word.get(n), place, f"the {n} of a word") for n in ("start", "end"))
        if start is not None and end is not None and not 0 <= start < end:
            raise TranscriptError(f"{place}: the word {word['text']!r} starts at {start} and ends at {end}")
        words.append(Word(str(word["text"]), None if start is None or end is None else Span(start, end)))
    return tuple(words)
