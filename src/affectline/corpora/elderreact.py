"""ElderReact: elderly people react to what they are shown, six emotions, several at once (Ma et al. 2019).

`{split}_labels.txt` has a line for each clip: file, anger, disgust, fear, happiness, sadness, surprise (1
where two of three annotators saw it), gender, valence (the mean of three, 1 to 7). `{split}_audio.txt` has
the COVAREP features: name, then the means of 74 numbers over the clip and their 74 deviations. They lie in
the folder itself, or in `Annotations/` and `Features/Audio_feat/`, as published. Clips, which are had on
request (`ElderReact_train/`, `ElderReact_dev/`, `ElderReact_test/`), need not be there.

A clip is a conversation of one. Who is seen is not published: 46 people in 43 videos, from which the clips
were cut. The speaker is the name of the video, so that what is drawn by speaker keeps a video together; each
video has clips in several splits. The clips come without words.

Six labels. A tenth of the clips have none of them: `emotions` is empty, which is known, not unknown.
`sentiment` is the valence less 4. Features that are not finite (of one test clip) are missing.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from affectline.corpora import Fault, Published, Source
from affectline.media import FileClip
from affectline.types import Conversation, LabelSpace, Utterance

SOURCE = Source(
    name="ElderReact",
    page="https://github.com/Mayer123/ElderReact",
    licence="for academic research; the clips on request",
    layout="a folder with train_labels.txt, train_audio.txt, the same for dev and test, and, where there are "
    "clips, ElderReact_train/, ElderReact_dev/, ElderReact_test/",
)
LABELS = LabelSpace(("anger", "disgust", "fear", "joy", "sadness", "surprise"), multilabel=True)
"""In the order of the columns, of which one is called happiness."""
READY = {"audio.covarep": 148}
"""The stream that the corpus brings ready-made, and its width."""
IN_VIDEO = {"audio.covarep_in_video": 296}
"""The same beside its mean over the video, in `read_in_videos`."""
SPLITS = {split: f"ElderReact_{split}" for split in ("train", "dev", "test")}
"""The folder of clips of each split."""
PUBLISHED = {"train": Published(615, 615), "dev": Published(355, 355), "test": Published(353, 353)}
GENDERS = {"f": "female", "m": "male"}


@dataclass(frozen=True)
class Row:
    """A line of the labels."""

    clip: str
    emotions: frozenset[str]
    gender: str
    valence: float

    @classmethod
    def parse(cls, where: str, line: str) -> "Row":
        """From a line such as "50_50_100.mp4 0 1 1 0 0 1 f 1.67".

        Raises:
            ValueError: where the line has not nine cells, or one of them is not what it should be.
        """
        try:
            clip, *marks, gender, valence = line.split()
            row = cls(
                clip=clip,
                emotions=frozenset(n for n, mark in zip(LABELS.names, marks, strict=True) if int(mark)),
                gender=GENDERS[gender],
                valence=float(valence),
            )
        except (ValueError, KeyError) as error:
            raise ValueError(f"{where}: {line[:60]!r} is not {COLUMNS}") from error
        if {*marks} - {"0", "1"} or not 1 <= row.valence <= 7:
            raise ValueError(f"{where}: {line[:60]!r} is not {COLUMNS}")
        return row

    @property
    def id(self) -> str:
        return Path(self.clip).stem

    @property
    def video(self) -> str:
        """What the clip was cut from: clips are numbered."""
        return self.id.rpartition("_")[0]


COLUMNS = f"file, 0 or 1 for each of {', '.join(LABELS.names)}, f or m, and a valence of 1 to 7"


def read(root: Path, split: str) -> list[Conversation]:
    """Clips of a split: 615, 355 and 353 of them.

    Raises:
        ValueError: where the corpus or the split is not there, or a line is not as it should be.
    """
    rows = _rows(root, SOURCE.one_of(split, SPLITS))
    covarep, clips = _covarep(root, split), _clips(root, split) or ()
    return [_conversation(row, covarep.get(row.id), root / SPLITS[split], clips) for row in rows]


def read_in_videos(root: Path, split: str) -> list[Conversation]:
    """As `read`; a clip is heard beside how its video sounds otherwise, in all its clips of this split.

    Raises:
        ValueError: as `read`.
    """
    (clip,), (in_video,) = READY, IN_VIDEO
    conversations = read(root, split)
    heard: dict[str, list[np.ndarray]] = {}
    for (u,) in conversations:
        heard.setdefault(u.speaker, []).extend(u.ready.values())
    means = {video: np.mean(vectors, axis=0) for video, vectors in heard.items() if vectors}

    def beside(u: Utterance) -> Utterance:
        if clip not in u.ready:
            return replace(u, missing=u.missing - {clip} | {in_video})
        return replace(u, ready={in_video: np.concatenate([u.ready[clip], means[u.speaker]])})

    return [replace(c, utterances=(beside(c.utterances[0]),)) for c in conversations]


def genders(root: Path, split: str) -> dict[str, str]:
    """Who is seen in each clip of a split: "female" or "male", by the id of the utterance.

    Raises:
        ValueError: as `read`.
    """
    return {row.id: row.gender for row in _rows(root, SOURCE.one_of(split, SPLITS))}


def faults(root: Path) -> list[Fault]:
    """What is wrong in this copy. Of clips only where there are some.

    Raises:
        ValueError: where the corpus is not there, or a line is not as it should be.
    """
    return [fault for split in SPLITS for fault in _faults(root, split)]


def _faults(root: Path, split: str) -> Iterator[Fault]:
    rows, covarep, clips = _rows(root, split), _covarep(root, split), _clips(root, split)
    file = f"{split}_audio.txt"
    for row in rows if covarep else ():
        if row.id not in covarep:
            yield Fault(file, row.id, "has no line", "the stream is missing", "no-features")
        elif not np.isfinite(covarep[row.id]).all():
            yield Fault(
                file, row.id, "holds a number that is not finite", "the stream is missing", "not-finite"
            )
    for name in sorted({*covarep} - {row.id for row in rows}):
        yield Fault(file, name, "no line of the labels says what it is", "not read", "extra")
    if clips is None:
        return
    for row in rows:
        if row.clip not in clips:
            yield Fault(
                SPLITS[split], row.id, f"there is no {row.clip}", "read without sound and picture", "missing"
            )
    for name in sorted({*clips} - {row.clip for row in rows}):
        yield Fault(SPLITS[split], name, "no line of the labels says what it is", "not read", "extra")


def _lines(root: Path, folder: str, name: str) -> list[tuple[str, str]]:
    """Each line with where it stands; the file lies in the folder of the release, or beside it."""
    released = root / folder / name
    path = released if released.is_file() else SOURCE.require(root / name)
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [(f"{path} line {n}", line) for n, line in enumerate(lines, start=1) if line.strip()]


def _rows(root: Path, split: str) -> list[Row]:
    first: dict[str, str] = {}
    rows = []
    for where, line in _lines(root, "Annotations", f"{split}_labels.txt"):
        rows.append(Row.parse(where, line))
        if first.setdefault(rows[-1].id, where) != where:
            raise ValueError(f"{where}: {rows[-1].clip} has a line before, {first[rows[-1].id]}")
    return rows


def _covarep(root: Path, split: str) -> dict[str, Float32[np.ndarray, " 148"]]:
    """By the id of the utterance; none where this copy has no features of the split."""
    folder, name = "Features/Audio_feat", f"{split}_audio.txt"
    if not any((root / place / name).is_file() for place in (folder, ".")):
        return {}
    lines = _lines(root, folder, name)
    return dict(_features(where, line.split()) for where, line in lines)


def _features(where: str, cells: Sequence[str]) -> tuple[str, Float32[np.ndarray, " 148"]]:
    (width,) = READY.values()
    try:
        numbers = np.array(cells[1:], dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"{where}: after the name there must be numbers: {error}") from error
    if len(numbers) != width:
        raise ValueError(f"{where} must have a name and {width} numbers, but has {len(numbers)}")
    return cells[0].removesuffix(".mp4"), numbers


def _clips(root: Path, split: str) -> Collection[str] | None:
    """The names of the clips of a split; None where it has no folder of them."""
    folder = root / SPLITS[split]
    return {path.name for path in folder.iterdir()} if folder.is_dir() else None


def _conversation(
    row: Row, covarep: Float32[np.ndarray, " 148"] | None, folder: Path, clips: Collection[str]
) -> Conversation:
    (stream,) = READY
    there = covarep is not None and bool(np.isfinite(covarep).all())
    utterance = Utterance(
        id=row.id,
        speaker=row.video,
        text_source="none",
        clip=FileClip(folder / row.clip) if row.clip in clips else None,
        emotions=row.emotions,
        sentiment=row.valence - 4,
        missing=frozenset() if there else frozenset({stream}),
        ready={stream: covarep} if covarep is not None and there else {},
    )
    return Conversation(row.id, (utterance,))
