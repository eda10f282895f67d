"""Corpora: each file has LABELS and read(root, split) -> list[Conversation]; `root` is the corpus' folder.

For `affectline doctor` a file may have PUBLISHED, how much there is of each split; faults(root), what only
this corpus can have wrong; stretches(root), for each utterance the stretch of the recording that it is;
session(utterance), who was recorded together, so that others can be tested; CUTS, the name of the file that
says, where there is one, which stretches of clips utterances are; DIVERSE = False, where the same few
sentences are said by everybody. Where the folder says which labels there are it has labels(root) in place
of LABELS.
"""

import ast
import csv
import hashlib
import io
import pkgutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

from affectline.types import Conversation, LabelSpace, Span


@dataclass(frozen=True)
class Source:
    """Where a corpus comes from and how its folder looks: what an error has to say when it is not there."""

    name: str
    page: str
    licence: str
    layout: str

    def require(self, path: Path) -> Path:
        """The path, if it exists.

        Raises:
            ValueError: where it does not; names the layout that is expected, the page and the licence.
        """
        if not path.exists():
            raise ValueError(
                f"no {self.name} at {path}: expected {self.layout}. Get it from {self.page} ({self.licence})."
            )
        return path

    def one_of(self, split: str, splits: Collection[str]) -> str:
        """The split, if the corpus has it.

        Raises:
            ValueError: where it does not; names those there are.
        """
        if split not in splits:
            raise ValueError(f"{self.name} has no split {split!r}; it has {list(splits)}")
        return split


@dataclass(frozen=True)
class Fault:
    """What is wrong in a copy of a corpus: in which file or folder, where in it, what, and what is done.

    `kind`: a key of `affectline.doctor.kinds.KINDS`.
    """

    file: str
    where: str
    what: str
    done: str
    kind: str


@dataclass(frozen=True)
class Published:
    """How much a split of a corpus has, as published and read here; None where that is not known."""

    conversations: int
    utterances: int | None = None


def find(name: str, root: Path | None = None) -> ModuleType:
    """The module of a corpus; of one that names its labels in its own folder, with the LABELS of `root`.

    Raises:
        ValueError: there is no such corpus; names those there are.
    """
    known = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    if name not in known:
        raise ValueError(f"there is no corpus {name!r}; there are {', '.join(known)}")
    module = import_module(f"affectline.corpora.{name}")
    if root is None or not hasattr(module, "labels"):
        return module
    own = ModuleType(module.__name__)
    vars(own).update(vars(module), LABELS=module.labels(root))
    return own


def table(path: Path, columns: Collection[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file in UTF-8, each with the number of its line and its cells by column.

    Raises:
        ValueError: where the file is no such table, lacks one of the columns, or a row has too few or too
            many cells.
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig")))
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a table (CSV) in UTF-8: {error}; get the file again") from error
    header = list(reader.fieldnames or ())
    absent = [column for column in columns if column not in header]
    if absent:
        raise ValueError(f"{path} lacks the columns {absent}: it needs {list(columns)}, and has {header}")
    for line, row in rows:
        if None in row or None in row.values():
            raise ValueError(f"{path} line {line} must have {len(header)} cells, as the first line has")
    return rows


def folds(path: Path, names: Collection[str]) -> dict[str, list[str]]:
    """What a module of the CMU SDK assigns to these names: lists of videos. It is read and not run.

    Raises:
        ValueError: where it is no such module.
    """
    found: dict[str, list[str]] = {}
    try:
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                found[statement.targets[0].id] = [str(v) for v in ast.literal_eval(statement.value)]
        return {name: found[name] for name in names}
    except (SyntaxError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} does not list videos as {', '.join(names)} ({error}); copy it from the SDK"
        ) from error


def span_of(start: float, end: float) -> Span | None:
    """The stretch that a corpus gives for an utterance, in seconds; None where it cannot be one."""
    return Span(start, end) if 0 <= start < end else None


def shared(conversation: Conversation, labels: LabelSpace, named: Collection[str]) -> Conversation:
    """With the labels that a label space and a corpus have: what one of them alone names is not known.

    Where one label holds, an utterance of another one does not count at all: no answer would be right.
    `named`: what the corpus' annotators could name; its conversations may say that they could less.
    """

    def kept(emotions: frozenset[str] | None) -> frozenset[str] | None:
        some = None if emotions is None else emotions & {*labels.names}
        return some if some or labels.multilabel else None

    said = named if conversation.labels is None else {*named} & {*conversation.labels}
    return replace(
        conversation,
        labels=tuple(name for name in labels.names if name in said),
        utterances=tuple(replace(u, emotions=kept(u.emotions)) for u in conversation),
    )


def held_out(names: Iterable[str]) -> frozenset[str]:
    """A tenth of the names, rounded: chosen by their hashes, so always the same of the same names."""
    ordered = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    return frozenset(ordered[: round(len(ordered) / 10)])
