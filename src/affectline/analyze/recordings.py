"""Many recordings: which there are, whose a transcript is, where a timeline goes, what is done already."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from affectline.exports import FORMATS, export
from affectline.files import reason_of
from affectline.media import FileClip
from affectline.report import write_html
from affectline.segment import subtitles
from affectline.timeline import Timeline

if TYPE_CHECKING:
    from affectline.analyze import Options

MEDIA = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv"),
    *(".flv", ".ogv", ".3gp", ".mxf", ".vob", ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga"),
    *(".opus", ".wma", ".aif", ".aiff", ".amr", ".ac3", ".caf", ".weba"),
}
"""The endings of what a folder is searched for; a file that is named itself may have any."""

TRANSCRIPTS = (".srt", ".vtt", ".json", ".csv", ".tsv", *subtitles.OTHERS)

ALL_FORMATS = (*FORMATS, "html")

FOLDER = ".affectline"
"""Ends the name of the folder beside a recording that its timeline goes to where no other is asked for."""


@dataclass(frozen=True)
class Task:
    """A recording, its transcript, and the folder for its timeline."""

    recording: Path
    transcript: Path | None
    folder: Path


@dataclass(frozen=True)
class Failure:
    """What could not be done: the recording or folder, as it was named, and why; `trace` is for --debug."""

    recording: Path
    reason: str
    trace: str = ""

    @classmethod
    def of(cls, recording: Path, error: Exception) -> "Failure":
        return cls(recording, reason_of(error).removeprefix(f"{recording}: "))


@dataclass(frozen=True)
class Plan:
    """What a call is to do. `notes`: what its user should know before."""

    tasks: tuple[Task, ...]
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """`place`: where in the folder that was named, without its ending; what a transcript is matched by."""

    path: Path
    place: Path


def plan(inputs: Sequence[Path], *, transcript: Path | None = None, out: Path | None = None) -> Plan:
    """Every recording of files and folders, once, in order; folders whole and sorted.

    A transcript folder is matched by name: `a/talk.srt` there is that of `a/talk.mp4` in a folder of
    recordings, and so is `talk.srt` where only one recording is called so.

    Raises:
        ValueError: one transcript file for several recordings.
    """
    found: dict[str, _Found] = {}
    failures: list[Failure] = []
    for path in inputs:
        inside = list(_inside(path)) if path.is_dir() else [_Found(path, Path(path.stem))]
        if not inside:
            failures.append(Failure(path, f"there is no recording in this folder; known are {_endings()}"))
        for one in inside:
            found.setdefault(os.path.realpath(one.path), one)
    recordings = list(found.values())
    if transcript is not None and not transcript.is_dir() and len(recordings) > 1:
        raise ValueError(
            f"{transcript} is one transcript and there are {len(recordings)} recordings; give a folder"
            " that holds one of the same name for each"
        )
    tasks, notes = [], []
    taken: set[str] = set()
    words = _Transcripts(transcript, recordings) if transcript is not None and transcript.is_dir() else None
    for one in recordings:
        try:
            script = words.of(one) if words else transcript
            tasks.append(Task(one.path, script, _folder(one.path, out, taken)))
        except (ValueError, OSError) as error:
            failures.append(Failure.of(one.path, error))
            continue
        if words and script is None and not is_transcript(one.path):
            notes.append(
                f"{one.path}: there is no transcript of this name in {transcript}: analysed without words"
            )
    return Plan(tuple(tasks), tuple(failures), tuple(notes))


def _inside(folder: Path) -> Iterator[_Found]:
    """The recordings in a folder and those in it; neither what is hidden nor what affectline wrote."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not f.endswith(FOLDER))
        for name in sorted(names):
            path = Path(here) / name
            if path.suffix.lower() in MEDIA and not name.startswith("."):
                yield _Found(path, path.relative_to(folder).with_suffix(""))


def _endings() -> str:
    return ", ".join(sorted(MEDIA))


class _Transcripts:
    """The transcripts in a folder, by place and by name."""

    def __init__(self, folder: Path, recordings: Sequence[_Found]) -> None:
        self.by_place: dict[Path, list[Path]] = {}
        for here, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = Path(here) / name
                if path.suffix.lower() in TRANSCRIPTS and path.name != "timeline.json":
                    self.by_place.setdefault(path.relative_to(folder).with_suffix(""), []).append(path)
        self.names = Counter(r.place.name for r in recordings)

    def of(self, recording: _Found) -> Path | None:
        place = recording.place
        found = self.by_place.get(place, [])
        if not found and self.names[place.name] == 1:
            found = self.by_place.get(Path(place.name), [])
        if len(found) > 1:
            raise ValueError(f"it has several transcripts: {', '.join(map(str, found))}; keep one")
        return found[0] if found else None


def _folder(recording: Path, out: Path | None, taken: set[str]) -> Path:
    """Where the timeline goes; `taken` are the folders of this call, and grows.

    The folder of another recording is never used: the next number is.
    """
    if out is None:
        folder = recording.with_name(recording.name + FOLDER)
        taken.add(str(folder))
        return folder
    number = 1
    while True:
        folder = out / (recording.stem if number == 1 else f"{recording.stem}-{number}")
        key = str(folder).casefold()  # some file systems do not tell Talk from talk
        if key not in taken and _is_free(folder, recording):
            taken.add(key)
            return folder
        number += 1


def _is_free(folder: Path, recording: Path) -> bool:
    """Whether there is no timeline of another recording in the folder."""
    source = _timeline(folder)
    if source is None or source.source.path is None:
        return True
    same_file = os.path.realpath(source.source.path) == os.path.realpath(recording)
    return same_file or not recording.is_file() or source.source.sha256 == sha256_of(recording)


def _timeline(folder: Path) -> Timeline | None:
    try:
        return Timeline.read(folder / "timeline.json")
    except (ValueError, OSError):
        return None  # none, or damaged: it is made again


def finished(task: Task, options: "Options", checkpoint: str) -> Timeline | None:
    """The timeline that is there, if it is of this recording as it is now, this checkpoint and options."""
    timeline = _timeline(task.folder)
    if timeline is None or timeline.checkpoint.get("sha256") != checkpoint:
        return None
    if not task.recording.is_file() or (task.transcript and not task.transcript.is_file()):
        return None  # what is wrong with them is said when they are read
    same = timeline.settings == options.settings(task.transcript)
    return timeline if same and timeline.source.sha256 == sha256_of(task.recording) else None


def write(timeline: Timeline, folder: Path, formats: Sequence[str]) -> dict[str, Path]:
    """Write a timeline to its folder in some formats, all of them or none; timeline.json is always written.

    Raises:
        ValueError: a format cannot hold this timeline.
        OSError: the disk is full, or the folder cannot be written; what was there before still is.
    """
    names = {f: name_of(f) for f in dict.fromkeys((*formats, "json"))}
    staging = folder.parent / f".{uuid4().hex}.part"
    try:
        staging.mkdir(parents=True)
        for format, name in names.items():
            if format == "html":
                write_html(timeline, staging / name)
            else:
                export(timeline, format, staging / name)
        folder.mkdir(exist_ok=True)
        for name in names.values():  # timeline.json last: where it is, all is
            os.replace(staging / name, folder / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return {format: folder / name for format, name in names.items()}


def name_of(format: str) -> str:
    """The name of a file in a timeline's folder."""
    return "report.html" if format == "html" else f"timeline.{format}"


def is_transcript(path: Path) -> bool:
    return path.suffix.lower() in TRANSCRIPTS


def sha256_of(path: Path) -> str:
    """Of the bytes of a file, recording or not, in hexadecimal."""
    return FileClip(path).sha256
