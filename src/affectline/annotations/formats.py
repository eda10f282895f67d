"""Files of annotations, each as marks: who marked what, where."""

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

EXTRA = 'pip install "affectline[annotations]"'
BRACKETS = re.compile(r"^\s*\[([^\]]*)\]\s*")
"""What `affectline analyze` writes before the words of a cue: the emotions."""
TABLE = ("start", "end", "labels")


@dataclass(frozen=True)
class Mark:
    """A stretch of a tier and what is written in it; the tier's name is kind@speaker@annotator."""

    start: float
    end: float
    tier: str
    value: str

    @property
    def kind(self) -> str:
        return self._part(0).casefold()

    @property
    def speaker(self) -> str:
        return self._part(1)

    @property
    def annotator(self) -> str:
        return self._part(2)

    def _part(self, n: int) -> str:
        parts = [part.strip() for part in self.tier.split("@")]
        return parts[n] if n < len(parts) else ""


def elan(path: Path) -> list[Mark]:
    """ELAN's .eaf. A tier without "@" is of its participant and its annotator, where it names them."""
    try:
        from pympi.Elan import Eaf  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"ELAN's files are read by pympi-ling: {EXTRA}") from error
    try:
        file = Eaf(str(path), suppress_version_warning=True)
        return [mark for tier in file.get_tier_names() for mark in _of_tier(file, tier)]
    except Exception as error:  # all that it raises itself, where it cannot read a file
        raise ValueError(f"{path} is no file of ELAN that can be read: {error!r}; save it again") from error


def _of_tier(file: object, tier: str) -> list[Mark]:
    about: Mapping[str, str] = file.get_parameters_for_tier(tier)  # pyright: ignore
    name = tier
    if "@" not in tier:
        who = [about.get("PARTICIPANT") or "", about.get("ANNOTATOR") or ""]
        name = "@".join([tier, *who]).rstrip("@")
    found = []
    for start, end, value, *_ in file.get_annotation_data_for_tier(tier):  # pyright: ignore
        if start is None or end is None:
            raise ValueError(f"a mark of the tier {tier!r} has no time; align it in ELAN")
        found.append(Mark(start / 1000, end / 1000, name, value or ""))
    return found


def praat(path: Path) -> list[Mark]:
    """Praat's .TextGrid, long or short; empty intervals are no marks, and points neither."""
    try:
        from praatio import textgrid  # pyright: ignore[reportMissingImports]
        from praatio.utilities.errors import PraatioException  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"TextGrids are read by praatio: {EXTRA}") from error
    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
    except (PraatioException, AssertionError, ValueError, IndexError, KeyError) as error:
        raise ValueError(f"{path} is not a TextGrid that can be read: {error!r}; save it again") from error
    return [
        Mark(float(interval.start), float(interval.end), tier.name, interval.label)  # pyright: ignore
        for tier in grid.tiers
        if isinstance(tier, textgrid.IntervalTier)
        for interval in tier.entries
    ]


def webvtt(path: Path) -> list[Mark]:
    """Subtitles; emotions in brackets before the words, as `affectline analyze --formats vtt` writes them."""
    from affectline.segment import transcript

    found = []
    for row in transcript.read(path).rows:
        assert row.start is not None  # every cue has times
        assert row.end is not None
        text, speaker = row.text or "", row.speaker or ""
        bracket = BRACKETS.match(text)
        if bracket:
            found.append(Mark(row.start, row.end, f"emotions@{speaker}", bracket[1]))
            text = text[bracket.end() :]
        found.append(Mark(row.start, row.end, f"words@{speaker}", text))
    return found


def rttm(path: Path) -> list[Mark]:
    """Who speaks when (NIST): the turns of the lines SPEAKER, without words."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            start, duration, name = float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError) as error:
            raise ValueError(
                f"{path} line {number}: a line SPEAKER has nine fields, the fourth and the fifth of them "
                "its start and its duration in seconds, and the eighth the speaker"
            ) from error
        found.append(Mark(start, start + duration, f"words@{name}", ""))
    return found


def table(path: Path) -> list[Mark]:
    """A CSV file with start, end, labels and perhaps speaker, text and annotator; seconds or 0:01:02.5."""
    from affectline.segment.transcript import seconds

    content = path.read_bytes().decode("utf-8-sig")
    header = content.split("\n", maxsplit=1)[0]
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=max(",;\t", key=header.count))
    columns = [name.strip().casefold() for name in reader.fieldnames or ()]
    absent = [name for name in TABLE if name not in columns]
    if absent:
        raise ValueError(f"{path} lacks the columns {', '.join(absent)}; it has {', '.join(columns)}")
    reader.fieldnames = columns
    found: list[Mark] = []
    for cells in reader:
        where = f"{path} line {reader.line_num}"
        if None in cells or None in cells.values():
            raise ValueError(f"{where} must have {len(columns)} cells, as the first line has")
        start, end = (seconds(cells[name], where, name) for name in ("start", "end"))
        if start is None or end is None:
            raise ValueError(f"{where} has no start or no end")
        who = cells.get("speaker", "").strip()
        words = Mark(start, end, f"words@{who}", cells.get("text", "").strip())
        if words not in found:
            found.append(words)
        if cells["labels"].strip():
            tier = f"emotions@{who}@{cells.get('annotator', '').strip()}"
            found.append(Mark(start, end, tier, cells["labels"]))
    return found


READERS: Mapping[str, Callable[[Path], list[Mark]]] = {
    ".eaf": elan,
    ".textgrid": praat,
    ".vtt": webvtt,
    ".srt": webvtt,
    ".rttm": rttm,
    ".csv": table,
    ".tsv": table,
}
"""By the ending of a file."""
