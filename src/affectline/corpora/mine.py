"""A corpus of your own: a folder `mine` with utterances.csv, beside it the recordings that it names.

A row is an utterance as one annotator saw it; docs/own-corpus.md shows a whole example. Columns, of which
only `labels` and one of `clip` and `text` must be there:
    clip          a recording, by its path below the folder
    start, end    the stretch of it, in seconds; all of it where they are left out
    text          the words
    labels        those that hold, joined by "|"; "none" where none does; empty where that is not known
    annotator     who says so, where several do: a row each
    speaker       who speaks: a name is one person all over the corpus
    conversation  those with one name belong together; else those of one recording do that have times
    id            the name of the utterance; else it is made of the clip and the start
    split         train, dev or test; else people are divided, and conversations, by their names

corpus.json may say more: `licence`, `page`, `languages`, `multilabel`, and `names`, from what annotators
wrote to what it is called here, such as {"happy": "joy"}. faces.json is `affectline prepare mine`'s.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from affectline.checked import parse_json, take
from affectline.corpora import Source, table
from affectline.media import FileClip
from affectline.types import EMOTIONS, Conversation, FaceTrack, LabelSpace, Span, Utterance

SOURCE = Source(
    name="your own corpus",
    page="docs/own-corpus.md",
    licence="yours",
    layout="a folder with utterances.csv, and the recordings that it names",
)
TABLE, ABOUT, FACES = "utterances.csv", "corpus.json", "faces.json"
COLUMNS = ("id", "conversation", "clip", "start", "end", "speaker", "text", "labels", "annotator", "split")
SPLITS = ("train", "dev", "test")
SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}
NONE = "none"
"""What annotators write where nothing holds."""

Votes = Mapping[str, frozenset[str] | None]
"""What each annotator says of an utterance; None where that is nothing."""


@dataclass(frozen=True)
class About:
    """What corpus.json says."""

    licence: str = ""
    page: str = ""
    languages: tuple[str, ...] = ("en",)
    multilabel: bool | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """An utterance before annotators are made one; `line`: where it is first."""

    id: str
    conversation: str
    clip: str
    span: Span | None
    speaker: str
    text: str
    split: str
    line: int
    votes: dict[str, frozenset[str] | None]


def read(root: Path, split: str) -> list[Conversation]:
    """The conversations of a part.

    Several annotators: `ratings` is the share of them that names a label, and at half of them it holds.

    Raises:
        ValueError: the table is not there, a row is not as it should be, or says of an utterance something
            else than another one; a recording is not there; there are too few people to divide.
    """
    SOURCE.one_of(split, SPLITS)
    said, tracks = _said(root), _tracks(root)
    parts = _parts(said)
    grouped: dict[str, list[Said]] = {}
    for one in said:
        if parts[one.id] == split:
            grouped.setdefault(one.conversation, []).append(one)
    return [
        Conversation(name, tuple(_utterance(root, one, tracks) for one in _in_order(members)))
        for name, members in grouped.items()
    ]


def labels(root: Path) -> LabelSpace:
    """Those that somebody named; one alone holds where no utterance has none or several.

    Raises:
        ValueError: as `read`, or no label is named.
    """
    said = _said(root)
    found = [_decided(one.votes)[0] for one in said]
    names = {name for one in said for vote in one.votes.values() for name in vote or ()}
    if not names:
        raise ValueError(f"{root / TABLE} names no label: its column 'labels' is empty, or says {NONE} only")
    ours = [name for name in EMOTIONS if name in names]
    several = any(emotions is not None and len(emotions) != 1 for emotions in found)
    asked = about(root).multilabel
    if asked is False and several:
        raise ValueError(f"{root / ABOUT} says one label holds, and some utterances have none, or several")
    return LabelSpace((*ours, *sorted(names - {*ours})), several if asked is None else asked)


def votes(root: Path) -> dict[str, Votes]:
    """Of each utterance what each annotator says; for how far they agree.

    Raises:
        ValueError: as `read`.
    """
    return {one.id: one.votes for one in _said(root)}


def about(root: Path) -> About:
    """What corpus.json says; nothing where there is none.

    Raises:
        ValueError: it is not as it should be.
    """
    path = root / ABOUT
    if not path.is_file():
        return About()
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        kinds = {"licence": str, "page": str, "languages": list, "multilabel": bool, "names": dict}
        unknown = set(found) - set(kinds)
        if unknown:
            raise ValueError(f"it has {sorted(unknown)}; known are {', '.join(kinds)}")
        said = {key: take(found, key, kind, "it") for key, kind in kinds.items() if key in found}
    except (UnicodeDecodeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    said["languages"] = tuple(said.get("languages", ("en",)))
    return About(**said)


def faces_text(tracks: Mapping[str, tuple[str, FaceTrack]]) -> str:
    """The text of faces.json: of each utterance what its track was found in, and the track."""
    found = {
        id: {
            "of": of,
            "id": track.id,
            "times": track.times.round(4).tolist(),
            "boxes": track.boxes.round(1).tolist(),
            "landmarks": track.landmarks.round(1).tolist(),
            "match": track.match,
        }
        for id, (of, track) in tracks.items()
    }
    return json.dumps(found, allow_nan=False) + "\n"


def stretch(clip: FileClip) -> str:
    """By what it is known whether a face was found in this very stretch."""
    return f"{clip.path.name} {clip.path.stat().st_size} {clip.start} {clip.end}"


def _tracks(root: Path) -> dict[str, Any]:
    path = root / FACES
    return parse_json(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _utterance(root: Path, said: Said, tracks: Mapping[str, Any]) -> Utterance:
    clip = None
    if said.clip:
        path = SOURCE.require(root / said.clip)
        span = said.span
        clip = FileClip(path) if span is None else FileClip(path, span.start, span.end)
    emotions, ratings = _decided(said.votes)
    return Utterance(
        id=said.id,
        speaker=said.speaker,
        text=said.text or None,
        clip=clip,
        span=said.span,
        face=_face(root, said, clip, tracks.get(said.id)),
        emotions=emotions,
        ratings=ratings,
    )


def _face(root: Path, said: Said, clip: FileClip | None, found: Any) -> FaceTrack | None:
    if found is None or clip is None:
        return None
    try:
        if found["of"] != stretch(clip):
            raise ValueError(f"the face of {said.id} was found in another recording")
        return FaceTrack(
            found["id"],
            np.array(found["times"], np.float64),
            np.array(found["boxes"], np.float32).reshape(-1, 4),
            np.array(found["landmarks"], np.float32).reshape(-1, 5, 2),
            found["match"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{root / FACES}: {error}; run affectline prepare mine again") from error


def _decided(votes: Votes) -> tuple[frozenset[str] | None, dict[str, float] | None]:
    """What holds for at least half of those who say anything, and the share of them for each label."""
    known = [vote for vote in votes.values() if vote is not None]
    if not known:
        return None, None
    counts = {name: sum(name in vote for vote in known) for vote in known for name in vote}
    shares = {name: n / len(known) for name, n in sorted(counts.items())}
    holds = frozenset(name for name, share in shares.items() if share >= 0.5)
    return holds, shares if len(known) > 1 else None


def _in_order(said: Sequence[Said]) -> list[Said]:
    """By their times where all have them, else as they are in the table."""
    timed = all(one.span for one in said)
    return sorted(said, key=lambda one: one.span or Span(0, 1)) if timed else list(said)


def _said(root: Path) -> list[Said]:
    """Each utterance once, in the order of the table."""
    path = SOURCE.require(root / TABLE)
    names = {wrong.casefold(): name for wrong, name in about(root).names.items()}
    rows = table(path, ["labels"])
    if not rows:
        raise ValueError(f"{path} has no rows")
    _check_columns(path, list(rows[0][1]))
    found: dict[str, Said] = {}
    for line, cells in rows:
        one = _row(f"{path} line {line}", line, {k: v.strip() for k, v in cells.items() if k}, names)
        before = found.setdefault(one.id, one)
        if before is not one:
            _join(path, before, one)
    return list(found.values())


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if not {"clip", "text"} & {*columns}:
        raise ValueError(
            f"{path} has neither a column 'clip' nor 'text': there would be nothing to learn from"
        )
    for column in (c for c in columns if c not in COLUMNS):
        meant = get_close_matches(column.casefold(), [c for c in COLUMNS if c not in columns], n=1)
        if meant:
            raise ValueError(f"{path} has a column {column!r}; if that is {meant[0]!r}, call it so")


def _row(where: str, line: int, cells: Mapping[str, str], names: Mapping[str, str]) -> Said:
    clip, text = cells.get("clip", ""), cells.get("text", "")
    if not clip and not text:
        raise ValueError(f"{where}: the row has neither a clip nor words")
    span = _span(where, cells)
    stem = PurePosixPath(_inside(clip, where)).with_suffix("").as_posix() if clip else ""
    made = (stem if span is None else f"{stem}_{span.start:08.3f}") if clip else f"line{line}"
    id = cells.get("id") or made
    whole = stem if clip and span else id
    conversation = cells.get("conversation") or whole
    split = cells.get("split", "")
    if split and split not in SPLITS:
        raise ValueError(f"{where}: the split is {split!r}, but must be one of {', '.join(SPLITS)}")
    vote = _labels(cells["labels"], names)
    speaker = cells.get("speaker") or conversation
    votes = {cells.get("annotator", ""): vote}
    return Said(id, conversation, clip, span, speaker, text, split, line, votes)


def _labels(cell: str, names: Mapping[str, str]) -> frozenset[str] | None:
    said = [name.strip().casefold() for name in cell.replace(";", "|").replace(",", "|").split("|")]
    said = [name for name in said if name]
    return frozenset(names.get(name, name) for name in said if name != NONE) if said else None


def _span(where: str, cells: Mapping[str, str]) -> Span | None:
    given = [cells.get("start", ""), cells.get("end", "")]
    if not any(given):
        return None
    try:
        start, end = map(float, given)
        if not isfinite(start + end):
            raise ValueError("they must be finite")
        return Span(start, end)
    except ValueError as error:
        raise ValueError(
            f"{where}: start and end are {given}, both in seconds or both empty: {error}"
        ) from None


def _inside(path: str, where: str) -> str:
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "~")) or ".." in parts or "\\" in path or (parts and ":" in parts[0]):
        raise ValueError(
            f"{where}: the clip {path!r} leads out of the corpus; paths are below its folder, with '/'"
        )
    return path


def _join(path: Path, before: Said, one: Said) -> None:
    """Another annotator of the same utterance."""
    for key in ("conversation", "clip", "span", "speaker", "text", "split"):
        if getattr(before, key) != getattr(one, key):
            raise ValueError(
                f"{path} line {one.line}: {one.id} has a row before, line {before.line}, with another {key}"
            )
    (annotator,) = one.votes
    if annotator in before.votes:
        whose = f"of {annotator!r} " if annotator else ""
        raise ValueError(
            f"{path} line {one.line}: a second row {whose}for {one.id}, after line {before.line}; where "
            "several people annotate, the column 'annotator' names them"
        )
    before.votes.update(one.votes)


def _parts(said: Sequence[Said]) -> dict[str, str]:
    """The part of each utterance: as the table says or, where it says nothing, by people."""
    given = [one for one in said if one.split]
    if len(given) == len(said):
        return {one.id: one.split for one in said}
    if given:
        without = next(one for one in said if not one.split)
        raise ValueError(f"line {without.line} has no split, and others have one; give it to all, or to none")
    groups = _together(said)
    if len(groups) < len(SPLITS):
        raise ValueError(
            f"there are {len(groups)} groups of people who speak with one another, and {len(SPLITS)} parts: "
            "give a column 'split' that says train, dev or test"
        )
    have, part_of = dict.fromkeys(SPLITS, 0), dict[str, str]()
    for group in sorted(groups, key=lambda ids: hashlib.sha256(min(ids).encode()).digest()):
        part = min(SPLITS, key=lambda part: have[part] / SHARES[part])
        have[part] += len(group)
        part_of |= dict.fromkeys(group, part)
    return part_of


def _together(said: Iterable[Said]) -> list[list[str]]:
    """Utterances of people who speak with one another, directly or through others."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for one in said:
        leader[find(f"conversation {one.conversation}")] = find(f"speaker {one.speaker}")
    groups: dict[str, list[str]] = {}
    for one in said:
        groups.setdefault(find(f"speaker {one.speaker}"), []).append(one.id)
    return list(groups.values())
