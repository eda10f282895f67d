"""Official archives of corpora, as their users download them, unpacked to the layout that the readers take.

Nothing is fetched: most archives are behind a form, and all have a licence to accept. Of an archive, and of
those inside it, what the reader needs is written and nothing else, file by file, each whole or not at all.
"""

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from affectline import official
from affectline.files import atomic_write

UNFINISHED = ".unfinished"
"""Is in the folder of a corpus until all of its archives are unpacked."""
KINDS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Download:
    """What a user has to get for a corpus: the files, and what of their inside is kept.

    `keep`: patterns of paths; the groups of the one that matches, joined by "/", are where it goes.
    `renamed`: what of the first of them is called otherwise here. `made`: makes of those files in the folder
    of the corpus what its reader takes, where that is something else.
    """

    files: str
    keep: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    made: Callable[[Path], None] = lambda _: None


DOWNLOADS: Mapping[str, Download] = {
    "meld": Download(
        "MELD.Raw.tar.gz",
        (
            r"((?:train|dev|test)_sent_emo\.csv)",
            r"(train_splits|dev_splits_complete|output_repeated_splits_test)/(dia\d+_utt\d+\.mp4)",
        ),
    ),
    "ravdess": Download("Audio_Speech_Actors_01-24.zip", (r"(Actor_\d\d)/(03-01-[\d-]+\.wav)",)),
    "cremad": Download(
        "the repository as a ZIP file, or as a clone after `git lfs pull`", (r"(AudioWAV)/([\w-]+\.wav)",)
    ),
    "iemocap": Download(
        "IEMOCAP_full_release.tar.gz",
        (
            r"(Session\d)/(dialog)/(EmoEvaluation|transcriptions)/(\w+\.txt)",
            r"(Session\d)/(dialog)/(avi)/(DivX)/(\w+\.avi)",
            r"(Session\d)/(sentences)/(wav)/(\w+)/(\w+\.wav)",
        ),
    ),
    "goemotions": Download(
        "train.tsv, dev.tsv, test.tsv and emotions.txt of the folder goemotions/data, or it as a ZIP file",
        (r"((?:train|dev|test)\.tsv)", r"(emotions\.txt)"),
        {"emotions.txt": "labels.txt"},
    ),
    "mosi": Download(
        "CMU_MOSI.zip (clips, transcripts, labels), and cmu_mosi_std_folds.py of the SDK",
        (
            r"(OpinionLevelSentiment\.csv)",
            r"(Transcript)/Segmented/([\w-]+\.annotprocessed)",
            r"(Video)/Segmented/([\w-]+\.mp4)",
            r"(cmu_mosi_std_folds\.py)",
        ),
        {"Video": "clips"},
        official.mosi,
    ),
    "mosei": Download(
        "CMU_MOSEI_Labels.csd, CMU_MOSEI_TimestampedWords.csd, CMU_MOSEI.zip (clips, transcripts), and "
        "cmu_mosei_std_folds.py of the SDK",
        (
            r"(CMU_MOSEI_Labels\.csd)",
            r"(CMU_MOSEI_TimestampedWords\.csd)",
            r"(cmu_mosei_std_folds\.py)",
            r"(Raw/Transcript/Segmented/Combined)/([\w-]+\.txt)",
            r"(Raw/Videos/(?:Segmented|Full)/Combined)/([\w-]+\.mp4)",
        ),
    ),
    "emoreact": Download(
        "EmoReact_V_1.0.zip",
        (
            r"(Labels)/((?:train|val|test)_labels\.text)",
            r"(?:Labels/)?((?:Train|Val|Test)_names\.txt)",
            r"(Data)/(Train|Validation|Test)/([^/]+\.mp4)",
        ),
    ),
    "elderreact": Download(
        "the repository as a ZIP file and, where you have the clips, their archives",
        (
            r"((?:train|dev|test)_(?:labels|audio)\.txt)",
            r"(ElderReact_(?:train|dev|test))/([^/]+\.mp4)",
        ),
    ),
    "ferplus": Download(
        "fer2013.csv of FER2013 (fer2013.tar.gz), and fer2013new.csv of FER+ (or its repository as a ZIP)",
        (r"(fer2013(?:new)?\.csv)",),
        made=official.ferplus,
    ),
}


def require_finished(folder: Path) -> None:
    """That no unpacking of archives into the folder of a corpus was stopped half-way.

    Raises:
        ValueError: it was.
    """
    if (folder / UNFINISHED).exists():
        raise ValueError(
            f"{folder} was not unpacked to its end: give affectline prepare {folder.name} its archives again"
        )


def unpack(
    corpus: str,
    archives: list[Path],
    folder: Path,
    progress: Callable[[str, float], None] = lambda *_: None,
) -> int:
    """Unpack archives, or copy from folders, into the folder of a corpus; how many files it then has of them.

    A file that is there with the size that it should have is left; so it goes on where it was stopped.

    Raises:
        ValueError: an archive is of another kind, damaged or not whole, holds a link or a path that leads out
            of it, or nothing of the corpus; or one is still to come that the others need.
        OSError: a file cannot be written.
    """
    keep = [re.compile(rf"(?:.*/)?{pattern}") for pattern in DOWNLOADS[corpus].keep]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).touch()
    found = set[str]()
    for path in archives:
        before = len(found)
        try:
            for target in _unpacked(path, folder, keep, DOWNLOADS[corpus].renamed):
                found.add(target)
                progress(f"{path.name}: {len(found):,} files", 0.0)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is damaged or not whole ({error}); download it again") from error
        if len(found) == before:
            raise ValueError(
                f"{path} holds nothing of {corpus}; that is in: {DOWNLOADS[corpus].files}. Is it another one?"
            )
    DOWNLOADS[corpus].made(folder)
    (folder / UNFINISHED).unlink()
    return len(found)


def _unpacked(
    path: Path, folder: Path, keep: Sequence[re.Pattern[str]], renamed: Mapping[str, str]
) -> Iterator[str]:
    """The paths below the folder of what an archive has of a corpus, each once it is there."""
    for name, size, read in _members(path):
        target = _target(name, keep, renamed)
        if target is None:
            continue
        there = folder / target
        if not there.is_file() or there.stat().st_size != size:
            atomic_write(there, _whole(path, name, size, read))
        yield target


def _target(name: str, keep: Sequence[re.Pattern[str]], renamed: Mapping[str, str]) -> str | None:
    for pattern in keep:
        if match := pattern.fullmatch(name):
            first, *rest = match.groups()
            return "/".join([renamed.get(first, first), *rest])
    return None


def _whole(archive: Path, name: str, size: int, read: Callable[[], bytes]) -> bytes:
    content = read()
    if len(content) != size:
        raise ValueError(f"{archive}: {name} has {len(content)} of its {size} bytes; download it again")
    return content


Member = tuple[str, int, Callable[[], bytes]]


def _members(path: Path) -> Iterator[Member]:
    """The path, the size and the content of every file inside, of archives inside it too."""
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
            yield file.relative_to(path).as_posix(), file.stat().st_size, file.read_bytes
        return
    if not path.is_file():
        raise ValueError(f"there is no file or folder {path}")
    if not _archive(path.name):
        yield path.name, path.stat().st_size, path.read_bytes
        return
    with path.open("rb") as opened:
        yield from _inside(path.name, opened)


def _archive(name: str) -> bool:
    return name.casefold().endswith(KINDS)


def _inside(archive: str, opened: Any) -> Iterator[Member]:
    if archive.casefold().endswith(".zip"):
        with zipfile.ZipFile(opened) as file:
            for entry in (e for e in file.infolist() if not e.is_dir()):
                if entry.external_attr >> 28 == 0xA:
                    raise ValueError(f"{archive} holds a link, {entry.filename!r}: it is no official archive")
                yield from _file(archive, entry.filename, entry.file_size, lambda e=entry: file.open(e))
        return
    with tarfile.open(fileobj=opened, mode="r|*") as stream:  # in one pass: seeking would unpack it again
        for entry in stream:
            if entry.issym() or entry.islnk() or entry.isdev():
                raise ValueError(
                    f"{archive} holds a link or a device, {entry.name!r}: it is no official archive"
                )
            if entry.isfile():
                yield from _file(archive, entry.name, entry.size, lambda e=entry: stream.extractfile(e))


def _file(archive: str, name: str, size: int, opened: Callable[[], Any]) -> Iterator[Member]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name.split("/", maxsplit=1)[0]:
        raise ValueError(f"{archive} holds a path that leads out of it, {name!r}: it is no official archive")
    if _archive(path.name):
        with opened() or io.BytesIO() as inner:
            yield from _inside(f"{archive}: {path.name}", inner)
        return

    def read() -> bytes:
        with opened() or io.BytesIO() as file:
            return file.read()

    yield path.as_posix(), size, read
