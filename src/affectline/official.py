"""Official files of a corpus that its reader does not take as they are, made into what it takes."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affectline.corpora import ferplus as ferplus_reader
from affectline.corpora import folds
from affectline.corpora import mosi as mosi_reader
from affectline.files import atomic_write

MOSI_FOLDS = {"standard_train_fold": "train", "standard_valid_fold": "val", "standard_test_fold": "test"}
"""Of the SDK's lists of videos the name of the split in utterances.csv."""
USAGE = {"Training": "train", "PublicTest": "dev", "PrivateTest": "test"}
"""Our splits by the names of FER2013's."""
SIDE = 48


def mosi(folder: Path) -> None:
    """`utterances.csv` from the labels, the transcripts and the SDK's folds.

    `OpinionLevelSentiment.csv` has no first line of names: start, end, video, number of the utterance,
    sentiment. `Transcript/{video}.annotprocessed` has a line for each of them, such as "1_DELIM_IT WAS GOOD".

    Raises:
        ValueError: where one of these files is not there, or not as it should be.
    """
    labels, listed = _there(folder, "OpinionLevelSentiment.csv"), _there(folder, "cmu_mosi_std_folds.py")
    split = {v: MOSI_FOLDS[name] for name, videos in folds(listed, MOSI_FOLDS).items() for v in videos}
    said: dict[str, dict[int, str]] = {}
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, mosi_reader.COLUMNS)
    writer.writeheader()
    for line, row in enumerate(_rows(labels), start=1):
        try:
            _, _, video, number, sentiment = (cell.strip() for cell in row[:5])
            position, value = int(number), float(sentiment)
        except ValueError as error:
            raise ValueError(
                f"{labels} line {line} must have a start, an end, a video, a number and a sentiment: {error}"
            ) from error
        if video not in split:
            raise ValueError(f"{labels} line {line}: the video {video!r} is in no fold of {listed.name}")
        if video not in said:
            said[video] = _said(_there(folder, f"Transcript/{video}.annotprocessed"))
        if position not in said[video]:
            raise ValueError(f"{labels} line {line}: the transcript of {video!r} has no line {position}")
        cells = (f"{video}_{position}", video, position, "", split[video], value, said[video][position])
        writer.writerow(dict(zip(mosi_reader.COLUMNS, cells, strict=True)))
    atomic_write(folder / "utterances.csv", buffer.getvalue())


def _said(path: Path) -> dict[int, str]:
    """The words of each utterance, by its number."""
    found: dict[int, str] = {}
    for line, text in enumerate(_text(path).splitlines(), start=1):
        number, mark, words = text.partition("_DELIM_")
        if text.strip() and not (mark and number.strip().isdigit()):
            raise ValueError(f"{path} line {line} must be like 1_DELIM_IT WAS GOOD, and is {text[:60]!r}")
        if mark:
            found[int(number)] = words.strip()
    return found


def ferplus(folder: Path) -> None:
    """`ferplus.npz` from the images of FER2013 and the votes of FER+.

    `fer2013.csv` (emotion, pixels, Usage) and `fer2013new.csv` (Usage, Image name, ten votes) have a line
    for each image in the same order. Images that FER+ gives no name were taken out: they are no faces.

    Raises:
        ValueError: where one of the two is not there, or they do not belong together.
    """
    images, votes = _there(folder, "fer2013.csv"), _there(folder, "fer2013new.csv")
    seen, judged = _rows(images), _rows(votes)
    names = [name.casefold() for name in next(seen, [])]
    classes = next(judged, [])[2:]
    if {"pixels", "usage"} - {*names} or len(classes) != 10:
        raise ValueError(f"{images} needs the columns pixels and Usage, and {votes} ten of votes")
    pixels, usage = names.index("pixels"), names.index("usage")
    kept: list[tuple[np.ndarray, list[int], str]] = []
    for line, (image, (part, name, *counts)) in enumerate(_paired(images, seen, votes, judged), start=2):
        if image[usage] != part or part not in USAGE:
            raise ValueError(f"line {line}: {images} says {image[usage]!r}, and {votes.name} {part!r}")
        grey = np.array(image[pixels].split(), np.uint8)
        if grey.size != SIDE * SIDE:
            raise ValueError(f"{images} line {line} has {grey.size} pixels; there must be {SIDE} x {SIDE}")
        if name.strip():
            kept.append((grey.reshape(SIDE, SIDE), [int(n) for n in counts], USAGE[part]))
    buffer = io.BytesIO()
    grey, counts, parts = zip(*kept, strict=True) if kept else ((), (), ())
    np.savez(
        buffer,
        images=np.array(grey, np.uint8).reshape(-1, SIDE, SIDE),
        votes=np.array(counts, np.uint8).reshape(-1, len(classes)),
        split=np.array(parts, dtype=f"U{max(map(len, ferplus_reader.SPLITS))}"),
        classes=np.array(classes),
    )
    atomic_write(folder / "ferplus.npz", buffer.getvalue())


def _paired(
    images: Path, seen: Iterator[list[str]], votes: Path, judged: Iterator[list[str]]
) -> Iterator[tuple[list[str], list[str]]]:
    try:
        yield from zip(seen, judged, strict=True)
    except ValueError as error:
        raise ValueError(f"{images} and {votes} have not as many lines; get both anew") from error


def _there(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise ValueError(f"{folder} still lacks {name}: give all of the files in one call")
    return folder / name


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a table (CSV) in UTF-8: {error}; get it again") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}; get it again") from error
