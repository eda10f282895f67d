"""Subtitles: cues with times, and who speaks in them."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

OTHERS = (".ass", ".ssa", ".ttml", ".sami", ".smi")
"""Endings of the formats that are read through pysubs2."""

TIME = r"(-?(?:\d+:)?\d+:\d{1,2}(?:[.,]\d+)?)"
TIMING = re.compile(rf"^\s*{TIME}\s*-->\s*{TIME}(?:\s.*)?$")
VOICE = re.compile(r"<v(?:\.[^\s>]*)?(?:\s+([^>]*))?>")
TAG = re.compile(r"</?(?:[a-zA-Z][^<>]*|\d[\d:.]*)>|\{\\[^{}]*\}")
PREFIX = re.compile(r"^\s*[-–—]?\s*(?:\[([^\]:\n]{1,40})\]|([^\W\d_][^:\n<>?!,]{0,39}?))\s*:(?=\s)\s*")  # noqa: RUF001


@dataclass(frozen=True)
class Cue:
    """One voice in one subtitle. `place`: where in the file it stands."""

    start: float
    end: float
    text: str
    speaker: str | None
    place: str


def cues(content: str, error: type[ValueError]) -> list[Cue]:
    """The cues of SubRip or WebVTT text: a line with two times, then text up to an empty line.

    Read here and not by pysubs2, which drops `<v Speaker>` and says nothing of lines it cannot read.
    """
    found, timing, body, first = [], None, [], 0
    lines = re.split(r"\r\n|\r|\n", content)
    for number, line in enumerate([*lines, ""], start=1):
        if "-->" in line:
            match = TIMING.match(line)
            if match is None:
                raise error(
                    f"line {number}: {line.strip()!r} must be two times, as 00:00:01,000 --> 00:00:02,500"
                )
            if timing:  # no empty line before these times: the last line of the cue is the next one's number
                found += _voices(timing, body[:-1] if body and body[-1].strip().isdigit() else body, first)
            timing, body, first = (_read(match[1]), _read(match[2])), [], number
        elif timing and not line.strip() and (body or number > len(lines)):
            found += _voices(timing, body, first)
            timing, body = None, []
        elif timing and line.strip():
            body.append(line)
    return _named(found)


def others(content: str, suffix: str, error: type[ValueError]) -> list[Cue]:
    """The cues of the other formats that pysubs2 reads; in SubStation the name of an event is its speaker."""
    import pysubs2
    from pysubs2.exceptions import Pysubs2Error

    try:
        subtitles = pysubs2.SSAFile.from_string(
            content, format_=pysubs2.formats.FILE_EXTENSION_TO_FORMAT_IDENTIFIER[suffix]
        )
    except (Pysubs2Error, ValueError, SyntaxError) as problem:
        raise error(
            f"this is not {suffix[1:].upper()} that can be read: {problem}; convert it to SRT"
        ) from None
    return _named(
        [
            Cue(
                e.start / 1000,
                e.end / 1000,
                " ".join(e.plaintext.split()),
                e.name.strip() or None,
                f"row {n}",
            )
            for n, e in enumerate(subtitles, start=1)
            if not e.is_comment
        ]
    )


def clock(time: str) -> float | None:
    """The seconds of [hours:]minutes:seconds, with a point or a comma; None where it is no such time."""
    return _read(time.strip()) if re.fullmatch(TIME, time.strip()) else None


def _read(time: str) -> float:
    total = 0.0
    for part in time.lstrip("-").replace(",", ".").split(":"):
        total = 60 * total + float(part)
    return -total if time.startswith("-") else total


def _voices(timing: tuple[float, float], body: list[str], line: int) -> Iterator[Cue]:
    """One cue for each voice; all of them have the times of the whole, since no others are known."""
    pieces = VOICE.split(" ".join(part.strip() for part in body).replace("</v>", ""))
    named = [(None, pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]
    for speaker, piece in named:
        text = " ".join(html.unescape(TAG.sub("", piece)).split())
        name = " ".join(html.unescape(speaker or "").split()) or None
        if text or name or len(named) == 1:
            yield Cue(*timing, text, name, f"line {line}")


def _named(found: list[Cue]) -> list[Cue]:
    """Take "Anna: " off the text where cues name their speakers so.

    They do where no voice is tagged, and all cues begin so, or three in five do and the names return: a
    lone "Note: " is no speaker. A cue without a name then goes on with the speaker before.
    """
    matches = [PREFIX.match(cue.text) for cue in found]
    names = Counter((m[1] or m[2]).strip() for m in matches if m)
    hits = names.total()
    consistent = hits == len(found) or (hits >= 0.6 * len(found) and len(names) <= hits / 2)
    if not hits or not consistent or any(cue.speaker for cue in found):
        return found
    speaker, renamed = None, []
    for cue, match in zip(found, matches, strict=True):
        speaker = (match[1] or match[2]).strip() if match else speaker
        text = cue.text[match.end() :] if match else cue.text
        renamed.append(Cue(cue.start, cue.end, text, speaker, cue.place))
    return renamed
