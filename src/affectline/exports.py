"""A timeline in the formats of other tools: tables, subtitles, ELAN, speaker segments."""

import html
import io
import mimetypes
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from affectline.files import atomic_write, relative_to
from affectline.timeline import Entry, Timeline
from affectline.types import Span


def export(timeline: Timeline, format: str, path: Path | str) -> None:
    """Write the timeline in one of FORMATS, whole or not at all.

    Raises:
        ValueError: an unknown format, or one that needs times and the timeline has none.
        OSError: the file cannot be written.
    """
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; there are {', '.join(FORMATS)}")
    if format == "json":
        timeline.write(path)
    else:
        atomic_write(path, FORMATS[format](timeline, Path(path)))


def _timed(timeline: Timeline, format: str) -> list[tuple[Entry, Span]]:
    """The utterances with their times, in order of time."""
    untimed = [u.id for u in timeline.utterances if u.span is None]
    if untimed:
        raise ValueError(
            f"{format} needs a start and an end of every utterance, but {len(untimed)} of "
            f"{len(timeline.utterances)} have none (the first is {untimed[0]}); "
            "write csv, parquet, json or html instead, or give a transcript with times"
        )
    timed = [(u, u.span) for u in timeline.utterances if u.span is not None]
    return sorted(timed, key=lambda pair: pair[1])


def emotions_of(utterance: Entry) -> str:
    """The emotions in words, joined by "|"; "abstained" where the model does not answer."""
    return "abstained" if utterance.abstained else "|".join(utterance.emotions)


def _names(timeline: Timeline) -> dict[str, str]:
    """What each speaker is called: the name, with the id where two have the same."""
    labels = [s.label for s in timeline.speakers]
    return {s.id: s.label if labels.count(s.label) == 1 else f"{s.label} ({s.id})" for s in timeline.speakers}


def _csv(timeline: Timeline, path: Path) -> str:
    """RFC 4180. Its line ends are also what makes the writer quote a text that has either half of one."""
    return timeline.to_pandas().to_csv(index=False, lineterminator="\r\n")


def _parquet(timeline: Timeline, path: Path) -> bytes:
    buffer = io.BytesIO()
    timeline.to_pandas().to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def _vtt(timeline: Timeline, path: Path) -> str:
    """WebVTT: a cue per utterance, its speaker as the voice and its emotions in brackets before the words."""
    cues, names = ["WEBVTT"], _names(timeline)
    for u, span in _timed(timeline, "vtt"):
        emotions = f"[{emotions_of(u).replace('|', ', ')}] " if emotions_of(u) else ""
        line = _one_line(f"{emotions}{u.text or ''}")
        cues.append(f"{_clock(span.start)} --> {_clock(span.end)}\n<v {_one_line(names[u.speaker])}>{line}")
    return "\n\n".join(cues) + "\n"


def _one_line(text: str) -> str:
    """Cue text: an empty line would end the cue, "-->" and "<" would be read as marks."""
    return html.escape(" ".join(text.split()), quote=False)


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _rttm(timeline: Timeline, path: Path) -> str:
    """NIST's Rich Transcription Time Marked: one SPEAKER line per utterance; fields hold no white space."""
    names = {id: "_".join(name.split()) or "<NA>" for id, name in _names(timeline).items()}
    if len(set(names.values())) < len(names):
        raise ValueError(
            f"rttm writes no spaces in names, and then two of the speakers {sorted(names)} are the same; "
            "rename one"
        )
    file = "_".join(Path(timeline.source.path or path).stem.split()) or "<NA>"
    return "".join(
        f"SPEAKER {file} 1 {span.start:.3f} {span.duration:.3f} <NA> <NA> {names[u.speaker]} <NA> <NA>\n"
        for u, span in _timed(timeline, "rttm")
    )


def _eaf(timeline: Timeline, path: Path) -> bytes:
    """ELAN's EAF 3.0: for each speaker a tier of words and, referring to it, a tier of emotions.

    No two annotations of a tier may overlap: utterances of one speaker that do fill a second pair of tiers.
    """
    timed = _timed(timeline, "eaf")
    times = sorted({_milliseconds(t) for _, span in timed for t in (span.start, span.end)})
    slots = {time: f"ts{n}" for n, time in enumerate(times, start=1)}
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
            "AUTHOR": "affectline",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
        },
    )
    root.append(_eaf_header(timeline, path, annotations=2 * len(timed)))
    order = ET.SubElement(root, "TIME_ORDER")
    for time, slot in slots.items():
        ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))
    number, names = 0, _names(timeline)
    for speaker in timeline.speakers:
        spoken = [pair for pair in timed if pair[0].speaker == speaker.id]
        for lane, pairs in enumerate(_lanes(spoken), start=1):
            name = names[speaker.id] if lane == 1 else f"{names[speaker.id]} ({lane})"
            root.extend(_eaf_tiers(_xml_text(name), _xml_text(speaker.label), pairs, slots, number))
            number += 2 * len(pairs)
    root.extend(_eaf_types())
    ET.indent(root)
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True)


ASSOCIATION = "Symbolic_Association"


def _eaf_header(timeline: Timeline, path: Path, annotations: int) -> ET.Element:
    header = ET.Element("HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    media = relative_to(timeline.source.path, path)
    if media is not None:
        # Both addresses are relative: ELAN falls back on the relative one, and nobody's folders are named.
        url = _xml_text(media if media.startswith("../") or Path(media).is_absolute() else f"./{media}")
        kind = mimetypes.guess_type(media)[0] or "unknown"
        ET.SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=url, MIME_TYPE=kind, RELATIVE_MEDIA_URL=url)
    ET.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(annotations)
    return header


def _eaf_types() -> tuple[ET.Element, ...]:
    words = {"LINGUISTIC_TYPE_ID": "words", "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
    emotions = {"LINGUISTIC_TYPE_ID": "emotions", "TIME_ALIGNABLE": "false", "CONSTRAINTS": ASSOCIATION}
    rule = {"STEREOTYPE": ASSOCIATION, "DESCRIPTION": "1-1 association with a parent annotation"}
    return (
        ET.Element("LINGUISTIC_TYPE", words),
        ET.Element("LINGUISTIC_TYPE", {**words, **emotions}),
        ET.Element("CONSTRAINT", rule),
    )


def _eaf_tiers(
    name: str, participant: str, pairs: list[tuple[Entry, Span]], slots: Mapping[int, str], number: int
) -> tuple[ET.Element, ET.Element]:
    """The tier of words and the tier of emotions; `number` annotations came before."""
    spoken = {"TIER_ID": f"words@{name}", "PARTICIPANT": participant, "LINGUISTIC_TYPE_REF": "words"}
    shown = {"TIER_ID": f"emotions@{name}", "PARTICIPANT": participant, "LINGUISTIC_TYPE_REF": "emotions"}
    words, emotions = ET.Element("TIER", spoken), ET.Element("TIER", {**shown, "PARENT_REF": f"words@{name}"})
    for n, (u, span) in enumerate(pairs):
        id, referring = f"a{number + 2 * n + 1}", f"a{number + 2 * n + 2}"
        start, end = slots[_milliseconds(span.start)], slots[_milliseconds(span.end)]
        aligned = {"ANNOTATION_ID": id, "TIME_SLOT_REF1": start, "TIME_SLOT_REF2": end}
        annotation = ET.SubElement(ET.SubElement(words, "ANNOTATION"), "ALIGNABLE_ANNOTATION", aligned)
        ET.SubElement(annotation, "ANNOTATION_VALUE").text = _xml_text(u.text or "")
        about = {"ANNOTATION_ID": referring, "ANNOTATION_REF": id}
        annotation = ET.SubElement(ET.SubElement(emotions, "ANNOTATION"), "REF_ANNOTATION", about)
        ET.SubElement(annotation, "ANNOTATION_VALUE").text = emotions_of(u)
    return words, emotions


def _lanes(pairs: list[tuple[Entry, Span]]) -> list[list[tuple[Entry, Span]]]:
    """As few lists as need be in which nothing overlaps; the pairs come in order of time."""
    lanes: list[list[tuple[Entry, Span]]] = []
    for pair in pairs:
        free = (lane for lane in lanes if lane[-1][1].end <= pair[1].start)
        lane = next(free, None)
        if lane is None:
            lanes.append(lane := [])
        lane.append(pair)
    return lanes


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml_text(text: str) -> str:
    """Control characters, which XML cannot hold, become the replacement character."""
    return NOT_IN_XML.sub("\ufffd", text)


FORMATS: Mapping[str, Callable[[Timeline, Path], str | bytes]] = {
    "json": lambda timeline, path: timeline.to_json(),
    "csv": _csv,
    "parquet": _parquet,
    "vtt": _vtt,
    "eaf": _eaf,
    "rttm": _rttm,
}
"""By name; `report.write_html` makes the HTML report."""
