"""CMU-MOSEI: people who speak to a camera, six emotions, several at once, and sentiment (Zadeh et al. 2018).

`CMU_MOSEI_Labels.csd` (HDF5, of the authors' SDK) holds for each video the stretches that were annotated, in
seconds of the video, and of each the sentiment (-3 to 3) and six intensities (0 to 3, the mean of three
annotators); a label holds where its intensity is over 0. `cmu_mosei_std_folds.py`, of the same SDK, lists the
videos of the standard folds; it is read and not run. What else there is is used, and need not be there:

    CMU_MOSEI_TimestampedWords.csd                     the words and their times
    Raw/Transcript/Segmented/Combined/{video}.txt      video___number___start___end___text
    Raw/Videos/Segmented/Combined/{video}_{number}.mp4
    Raw/Videos/Full/Combined/{video}.mp4               used where the segment is not there

A video is a conversation of one speaker, in the order of time; stretches overlap somewhat. An utterance is
named as the SDK names it, "{video}[n]", by its place in the labels, which is not that of the transcript: the
two belong together where their times agree. Of those that start before the video does the start is 0. The
times of some videos are known to be wrong, and nobody has listed them.

The labels as they were crowd-sourced (Raw/Labels/) are not read: they have several ratings of a clip and no
times, and the published numbers do not come from them. This corpus was not at hand: the reader was written
from its documentation and tested on made-up files.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from affectline.corpora import Fault, Published, Source, folds, span_of
from affectline.media import FileClip
from affectline.types import Clip, Conversation, LabelSpace, Span, Utterance, Word

SOURCE = Source(
    name="CMU-MOSEI",
    page="https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK",
    licence="for research",
    layout="a folder with CMU_MOSEI_Labels.csd and cmu_mosei_std_folds.py and, where there are such, "
    "CMU_MOSEI_TimestampedWords.csd and Raw/",
)
DIMENSIONS = {
    "happy": "joy",
    "sad": "sadness",
    "anger": "anger",
    "surprise": "surprise",
    "disgust": "disgust",
    "fear": "fear",
}
"""The columns of the labels after the first, the sentiment, and our names for them."""
LABELS = LabelSpace(tuple(DIMENSIONS.values()), multilabel=True)
SPLITS = {"train": "standard_train_fold", "dev": "standard_valid_fold", "test": "standard_test_fold"}
"""Our names for the folds, and the SDK's."""
PUBLISHED = {"train": Published(2249, 16326), "dev": Published(300, 1871), "test": Published(678, 4659)}
TRANSCRIPTS = Path("Raw/Transcript/Segmented/Combined")
SEGMENTS = Path("Raw/Videos/Segmented/Combined")
VIDEOS = Path("Raw/Videos/Full/Combined")
AGREE = 0.01  # seconds
SILENCE = "sp"


@dataclass(frozen=True)
class Line:
    """A line of a transcript, in seconds of the video."""

    number: str
    start: float
    end: float
    text: str


def read(root: Path, split: str) -> list[Conversation]:
    """Videos of a standard fold: of 2,249, 300 and 678 those that have labels.

    Raises:
        ValueError: where the corpus or the split is not there, or a file is not as it should be.
        ImportError: where h5py is not installed.
    """
    videos = _folds(root)[SOURCE.one_of(split, SPLITS)]
    with _opened(SOURCE.require(root / "CMU_MOSEI_Labels.csd")) as labels:
        path, data = Path(labels.filename), _data(labels)
        _check_columns(path, labels)
        annotated = {video: _sequence(path, data[video], video) for video in videos if video in data}
    words = _words(root / "CMU_MOSEI_TimestampedWords.csd", annotated)
    found = []
    for name, (times, held) in annotated.items():
        video = _Video(root, name, _transcript(root, name), words.get(name, ()))
        order = sorted(range(len(times)), key=lambda n, times=times: tuple(times[n]))
        found.append(Conversation(name, tuple(video.utterance(n, times[n], held[n]) for n in order)))
    return found


def faults(root: Path) -> list[Fault]:
    """What is wrong in this copy: starts before 0, annotated stretches that no transcript has, lone videos.

    Raises:
        ValueError: as `read`.
    """
    file, parts = "CMU_MOSEI_Labels.csd", _folds(root)
    known = {video for videos in parts.values() for video in videos}
    found = []
    with _opened(SOURCE.require(root / file)) as labels:
        for video in (data := _data(labels)):
            times, _ = _sequence(root / file, data[video], video)
            if video not in known:
                found.append(Fault(file, video, "is in no fold", "not read", "extra"))
                continue
            lines = _transcript(root, video)
            for n, (start, end) in enumerate(times.tolist()):
                if start < 0:
                    what = f"starts {-start:.3f} s before the video"
                    found.append(Fault(file, f"{video}[{n}]", what, "read from 0 on", "times"))
                if lines and _line(lines, start, end) is None:
                    where = (TRANSCRIPTS / f"{video}.txt").as_posix()
                    what = f"no line lasts from {start:.3f} to {end:.3f}"
                    found.append(Fault(where, f"{video}[{n}]", what, "read without a text", "no-words"))
    return found


def _folds(root: Path) -> dict[str, list[str]]:
    """The videos of each split: what the module of the SDK assigns to the names of SPLITS."""
    listed = folds(SOURCE.require(root / "cmu_mosei_std_folds.py"), SPLITS.values())
    return {split: listed[name] for split, name in SPLITS.items()}


def _opened(path: Path) -> Any:
    try:
        from h5py import File  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            f'{path} is read with h5py, which is not installed; pip install "affectline[mosei]" brings it'
        ) from error
    try:
        return File(path, "r")
    except OSError as error:
        raise ValueError(f"{path} is no computational sequence (HDF5): {error}; get it again") from error


def _data(file: Any) -> Any:
    """The videos of a computational sequence, which has one root, under whatever name."""
    roots = list(file)
    if len(roots) != 1 or "data" not in file[roots[0]]:
        raise ValueError(
            f"{file.filename} is no computational sequence: it has {roots}, not one root with data"
        )
    return file[roots[0]]["data"]


def _check_columns(path: Path, file: Any) -> None:
    """The names of the columns, where the file has them, are those that are expected, in their order."""
    metadata = file[next(iter(file))].get("metadata", {})
    if "dimension names" not in metadata:
        return
    written = metadata["dimension names"][0]
    names = json.loads(written)
    if list(map(str.lower, names)) != ["sentiment", *DIMENSIONS]:
        raise ValueError(
            f"{path} has the columns {names}, but must have {['sentiment', *DIMENSIONS]}: get the file "
            "All Labels of the SDK"
        )


def _sequence(
    path: Path, group: Any, video: str
) -> tuple[Float64[np.ndarray, "stretch 2"], Float64[np.ndarray, "stretch 7"]]:
    """The times of the annotated stretches of a video, and their labels."""
    times, labels = (np.asarray(group[name], dtype=float) for name in ("intervals", "features"))
    if times.shape != (len(times), 2) or labels.shape != (len(times), 1 + len(DIMENSIONS)):
        raise ValueError(
            f"{path}: {video} has times of shape {times.shape} and labels of {labels.shape}; there must be a "
            f"start, an end, a sentiment and {len(DIMENSIONS)} intensities for each stretch"
        )
    sentiment, intensities = labels[:, 0], labels[:, 1:]
    inside = (np.abs(sentiment) <= 3).all() and ((intensities >= 0) & (intensities <= 3)).all()
    if not inside:
        raise ValueError(
            f"{path}: {video} has a sentiment outside -3 to 3 or an intensity outside 0 to 3; get it again"
        )
    return times, labels


def _words(path: Path, videos: dict[str, Any]) -> dict[str, list[Word]]:
    """The words of these videos with their times, without silences; none where the file is not there."""
    if not path.is_file():
        return {}
    with _opened(path) as file:
        data = _data(file)
        return {video: list(_spoken(data[video])) for video in videos if video in data}


def _spoken(group: Any) -> Iterator[Word]:
    for said, (start, end) in zip(group["features"][()], group["intervals"][()].tolist(), strict=True):
        text = bytes(np.ravel(said)[0]).decode("utf-8", errors="replace")
        if text != SILENCE:
            yield Word(text, span_of(max(0.0, start), end))


@dataclass(frozen=True)
class _Video:
    """What there is of a video beside its labels."""

    root: Path
    id: str
    lines: Sequence[Line]
    words: Sequence[Word]

    def utterance(
        self, n: int, times: Float64[np.ndarray, " 2"], labels: Float64[np.ndarray, " 7"]
    ) -> Utterance:
        start, end = map(float, times)
        span, line = span_of(max(0.0, start), end), _line(self.lines, start, end)
        said = tuple(word for word in self.words if span and word.span and _within(word.span, span))
        text = line.text if line else " ".join(word.text for word in said) or None
        held = zip(LABELS.names, labels[1:].tolist(), strict=True)
        return Utterance(
            id=f"{self.id}[{n}]",
            speaker=self.id,
            text=text,
            text_source="given" if text else "none",
            words=said,
            clip=self.clip(line, span),
            span=span,
            emotions=frozenset(name for name, intensity in held if intensity > 0),
            sentiment=float(labels[0]),
        )

    def clip(self, line: Line | None, span: Span | None) -> Clip | None:
        """The recorded segment, or the stretch of the whole video."""
        segment = self.root / SEGMENTS / f"{self.id}_{line.number}.mp4" if line else None
        if segment and segment.is_file():
            return FileClip(segment)
        whole = self.root / VIDEOS / f"{self.id}.mp4"
        return FileClip(whole, span.start, span.end) if span and whole.is_file() else None


def _within(word: Span, stretch: Span) -> bool:
    """Whether the middle of a word lies in a stretch."""
    return stretch.start <= (word.start + word.end) / 2 < stretch.end


def _transcript(root: Path, video: str) -> list[Line]:
    path = root / TRANSCRIPTS / f"{video}.txt"
    if not path.is_file():
        return []
    rows = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [_parsed(f"{path} line {n}", row) for n, row in enumerate(rows, start=1) if row.strip()]


def _parsed(where: str, row: str) -> Line:
    try:
        _, number, start, end, text = row.split("___", maxsplit=4)
        return Line(number, float(start), float(end), text.strip())
    except ValueError as error:
        raise ValueError(f"{where}: {row[:60]!r} is not video___number___start___end___text") from error


def _line(lines: Sequence[Line], start: float, end: float) -> Line | None:
    """The line with these times."""
    agree = (line for line in lines if abs(line.start - start) < AGREE and abs(line.end - end) < AGREE)
    return next(agree, None)
