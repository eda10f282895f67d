"""The manifest: which utterances of a corpus there are, exactly; a line of JSON for each.

A training or an evaluation that is given one sees the utterances that it names, in the parts that it puts
them in, and nothing else; what is not as it was when the manifest was written is refused by name. Manifests
of several corpora may be joined into one file.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from affectline.checked import NULL, numbers, parse_json, take, texts
from affectline.doctor import Report
from affectline.doctor.clips import files
from affectline.doctor.copies import PARTS, Copy, Placed, relative
from affectline.files import atomic_write
from affectline.media import FileClip
from affectline.types import Conversation, Modality

NAMED = 5
"""Of what is wrong, how much is named."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An utterance.

    `split` is the part that it is in, `official` the one in which the corpus has it. `speaker` is None where
    the corpus does not say who speaks. `files`: the sha256 of each that it is read from, by its path below
    the folder of the corpus. `content`: two utterances with the same one are the same recording, or the same
    words. `faults`: the kinds of what is wrong with it, or with its conversation.
    """

    corpus: str
    id: str
    conversation: str
    split: str
    official: str
    speaker: str | None
    start: float | None
    end: float | None
    text: str | None
    labels: tuple[str, ...] | None
    ratings: Mapping[str, float] | None
    sentiment: float | None
    files: Mapping[str, str]
    content: str | None
    faults: tuple[str, ...] = ()

    @classmethod
    def parse(cls, row: Any, where: str) -> "Row":
        """From the JSON of a line.

        Raises:
            ValueError: something is absent, of another type, or a path that leads out of the corpus.
        """

        def either(key: str, kind: type) -> Any:
            return take(row, key, (kind, NULL), where)

        parts = {key: take(row, key, str, where) for key in ("split", "official")}
        for key, part in parts.items():
            if part not in PARTS:
                raise ValueError(f"{where}: {key!r} is {part!r}, but must be one of {', '.join(PARTS)}")
        paths = take(row, "files", dict, where)
        return cls(
            **{key: take(row, key, str, where) for key in ("corpus", "id", "conversation")},
            **parts,
            **{key: either(key, str) for key in ("speaker", "text", "content")},
            **{key: either(key, float) for key in ("start", "end", "sentiment")},
            labels=None if either("labels", list) is None else texts(row, "labels", where),
            ratings=None if either("ratings", dict) is None else numbers(row, "ratings", where),
            files={_inside(path, where): take(paths, path, str, where) for path in paths},
            faults=texts(row, "faults", where),
        )

    @classmethod
    def of(cls, copy: Copy, placed: Placed, sha256: Callable[[Path], str]) -> "Row":
        """As the copy has it now; `content` only where that is cheap to know."""
        u = placed.utterance
        still = u.clip is not None and not files(u.clip)
        read = [file.path for file in files(u.clip)] + ([copy.cuts] if copy.cuts else [])
        return cls(
            corpus=copy.corpus,
            id=u.id,
            conversation=placed.conversation.id,
            split=placed.part,
            official=placed.part,
            speaker=u.speaker if copy.has_speakers else None,
            start=u.span.start if u.span else None,
            end=u.span.end if u.span else None,
            text=u.text,
            labels=None if u.emotions is None else tuple(sorted(u.emotions)),
            ratings=None if u.ratings is None else dict(u.ratings),
            sentiment=u.sentiment,
            files={relative(copy, path): sha256(path) for path in read},
            content=_hashed("picture", u.clip.content(Modality.VIDEO)) if still and u.clip else None,
        )


def _inside(path: str, where: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in parts[0]:
        raise ValueError(
            f"{where}: the path {path!r} leads out of the corpus, or nowhere; paths are relative to the "
            "folder of the corpus, with '/', and without '..'"
        )
    return path


def _hashed(name: str, key: object) -> str:
    return hashlib.sha256(f"{name} {key!r}".encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """The utterances that a run sees. `sha256`: of the file, which names them all."""

    rows: tuple[Row, ...]
    sha256: str

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Manifest":
        """As it would be read from the file that `text` is."""
        return cls(tuple(rows), hashlib.sha256(text(rows).encode()).hexdigest())

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """From a file.

        Raises:
            ValueError: it is no manifest, or names an utterance twice; says in which line.
            OSError: it cannot be read.
        """
        raw = path.read_bytes()
        try:
            lines = raw.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is not text in UTF-8 ({error}); write it with affectline doctor"
            ) from error
        first: dict[tuple[str, str], int] = {}
        rows = []
        for n, line in ((n, line) for n, line in enumerate(lines, start=1) if line.strip()):
            where = f"{path} line {n}"
            try:
                row = Row.parse(parse_json(line), where)
            except ValueError as error:
                raise ValueError(str(error) if where in str(error) else f"{where}: {error}") from error
            before = first.setdefault((row.corpus, row.id), n)
            if before != n:
                raise ValueError(f"{where}: {row.id} of {row.corpus} has a line before, {before}")
            rows.append(row)
        if not rows:
            raise ValueError(f"{path} names no utterance; write one with affectline doctor CORPUS --manifest")
        return cls(tuple(rows), hashlib.sha256(raw).hexdigest())

    @property
    def corpora(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.corpus for row in self.rows))

    @cached_property
    def by_id(self) -> dict[tuple[str, str], Row]:
        return {(row.corpus, row.id): row for row in self.rows}

    def about(self) -> dict[str, Any]:
        """What a checkpoint and results say of it."""
        count = {part: sum(row.split == part for row in self.rows) for part in PARTS}
        return {"sha256": self.sha256, "corpora": list(self.corpora), "utterances": count}


def rows_of(report: Report, progress: Callable[[str, float], None] = lambda *_: None) -> list[Row]:
    """A row for each utterance that an examination saw, in the order of the corpus.

    Raises:
        ValueError: several utterances have one id.
    """
    copy, faults = report.copy, _kinds(report)
    for fault in report.by_kind().get("same-id", []):
        raise ValueError(f"{fault.where} {fault.what}: a manifest names each by its id; get the corpus again")
    found = []
    for n, placed in enumerate(copy.utterances, start=1):
        contents = report.contents.get(placed.id, {})
        surest = next(iter(contents.items()), None)
        kinds = {*faults.get(placed.id, ()), *faults.get(placed.conversation.id, ())}
        row = Row.of(copy, placed, _sha256)
        content = _hashed(*surest) if surest else row.content
        found.append(replace(row, content=content, faults=tuple(sorted(kinds))))
        progress("manifest", n / len(copy.utterances))
    return found


def _kinds(report: Report) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for fault in report.faults:
        found.setdefault(fault.where, set()).add(fault.kind)
    return found


def _sha256(path: Path) -> str:
    try:
        return FileClip(path).sha256
    except (ValueError, OSError):  # an empty file, for one: it is there, and has a fault
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def left_out(report: Report, rows: Sequence[Row], kinds: Sequence[str]) -> list[Row]:
    """The rows without a fault of these kinds.

    Raises:
        ValueError: a kind is not known, or is of whole parts and not of utterances.
    """
    from affectline.doctor import KINDS

    there = report.by_kind()
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"there is no kind of fault {kind!r}; there are {', '.join(KINDS)}")
        if kind in there and not any(kind in row.faults for row in rows):
            raise ValueError(f"{kind} is not of single utterances: none can be left out for it")
    return [row for row in rows if not {*kinds} & {*row.faults}]


def text(rows: Sequence[Row]) -> str:
    """What the file holds."""
    return "".join(json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def write(path: Path, rows: Sequence[Row]) -> Manifest:
    """Write the file, whole or not at all."""
    atomic_write(path, text(rows))
    return Manifest.of(rows)


SEEN = ("conversation", "speaker", "start", "end", "text", "labels", "ratings", "sentiment")
"""What a reader gives of an utterance, beside its files."""
assert {*SEEN} <= {field.name for field in fields(Row)}


def verify(manifest: Manifest, data: Path) -> None:
    """That the corpora below a folder have all that a manifest names, as it was when it was written.

    Raises:
        ValueError: something is gone or has changed; names it, and a file by its path.
    """
    for corpus in manifest.corpora:
        copy = Copy.read(corpus, data)
        there = {placed.id: placed for placed in copy.utterances}
        wrong = [
            f"{row.id}: {what}"
            for row in manifest.rows
            if row.corpus == corpus
            for what in _changes(copy, row, there.get(row.id))
        ]
        if wrong:
            rest = f"; and {len(wrong) - NAMED:,} more" if len(wrong) > NAMED else ""
            unread = "".join(f" ({fault.what})" for fault in copy.unread)
            raise ValueError(
                f"{copy.root} is not what the manifest names: {'; '.join(wrong[:NAMED])}{rest}{unread}. Get "
                f"the corpus again, or write a new manifest with affectline doctor {corpus} --manifest FILE"
            )


def _changes(copy: Copy, row: Row, placed: Placed | None) -> list[str]:
    if placed is None or placed.part != row.official:
        return [f"is not in its part {row.official}"]
    now = Row.of(copy, placed, _sha256)
    wrong = [f"its {key} changed" for key in SEEN if getattr(row, key) != getattr(now, key)]
    for path in sorted(row.files.keys() | now.files.keys()):
        if path not in now.files:
            wrong.append(f"{path} is not there")
        elif row.files.get(path) != now.files[path]:
            wrong.append(f"{path} changed" if path in row.files else f"{path} was not there")
    if now.content and row.content != now.content:
        wrong.append("its picture changed")
    return wrong


Read = Callable[[Path, str], list[Conversation]]


def selected(read: Read, manifest: Manifest, corpus: str) -> Read:
    """What a reader gives, as a manifest divides it: the utterances that it names, in its parts.

    Raises:
        ValueError: while reading, where the manifest says nothing of a corpus, or the reader has an utterance
            in another part than the corpus has officially: then its parts are others than the manifest's.
    """

    def chosen(root: Path, split: str) -> list[Conversation]:
        found = []
        for official in PARTS:
            for conversation in read(root, official):
                name = conversation.corpus or corpus
                if name not in manifest.corpora:
                    raise ValueError(
                        f"the manifest names {', '.join(manifest.corpora)}, and not {name}: write one with "
                        f"affectline doctor {name} --manifest FILE, and join the files"
                    )
                rows = [manifest.by_id.get((name, u.id)) for u in conversation]
                _same_parts(rows, official)
                said = [u for u, row in zip(conversation, rows, strict=True) if row and row.split == split]
                if said:
                    found.append(replace(conversation, utterances=tuple(said)))
        return found

    return chosen


def _same_parts(rows: Sequence[Row | None], official: str) -> None:
    for row in rows:
        if row and row.official != official:
            raise ValueError(
                f"{row.id} of {row.corpus} is in {official} here, and officially in {row.official}: this "
                "divides the corpus in its own way, which a manifest cannot change; leave the manifest out"
            )
