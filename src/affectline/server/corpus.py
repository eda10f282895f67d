"""A corrected analysis as a corpus of one's own, which a model can be trained and judged with.

A zip of the folder `mine`: utterances.csv, a row for each utterance with the label that a person gave it, and
the recording that the rows name. What nobody labelled has no label: a model's answer is no truth.
"""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from affectline.corrections import Edit, labels_of
from affectline.server.blurs import NAME as BLURRED
from affectline.timeline import Timeline

COLUMNS = ("id", "conversation", "clip", "start", "end", "speaker", "text", "labels")
FOLDER = "mine"
NONE = "none"
"""What stands for no emotion at all, which is another thing than no label."""


def table(timeline: Timeline, edits: Sequence[Edit], clip: str) -> str:
    """The CSV (RFC 4180). `clip`: what the recording is called in the corpus; "" where it has words alone."""
    given, text = labels_of(edits), io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    talk = Path(timeline.source.path or "conversation").stem
    for u in timeline.utterances:
        labels = given.get(u.id)
        said = "" if labels is None else "|".join(labels) or NONE
        times = ("", "") if u.span is None else (f"{u.span.start:.3f}", f"{u.span.end:.3f}")
        speaker = timeline.speaker(u.speaker).label
        writer.writerow([f"{talk}-{u.id}", talk, clip, *times, speaker, u.text or "", said])
    return text.getvalue()


def write_zip(path: Path, timeline: Timeline, edits: Sequence[Edit], recording: Path | None) -> None:
    """Write the corpus. `recording`: None where it has words alone.

    Raises:
        OSError: the disk is full, or the recording is not there any more.
    """
    name = Path(timeline.source.path or "recording").name
    if recording is not None and recording.name == BLURRED:
        name = f"{Path(name).stem}.{BLURRED}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{FOLDER}/utterances.csv", table(timeline, edits, name if recording else ""))
        if recording is not None:
            archive.write(recording, f"{FOLDER}/{name}")
