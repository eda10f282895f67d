"""`affectline prepare`."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import UsageError, find_root, usage

if TYPE_CHECKING:
    from affectline.annotations import Annotated as AnnotatedFile

MEDIA = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".wav", ".flac", ".mp3", ".m4a", ".ogg")
"""What a recording that belongs to a file of annotations may end in."""


def prepare(
    corpus: Annotated[Positional[str], arg(metavar="CORPUS")],
    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE...", help_behavior_hint="")] = (),
    /,
    *,
    root: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: $AFFECTLINE_DATA)")] = None,
    realign: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
    faces: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Make the folder of a corpus that the other commands read.

    A published one: its official archives, as you downloaded them, are unpacked to what the reader takes.
    Without FILE it says where to get them, and under which licence; nothing is fetched.

    Your own corpus, `mine`: from annotations in ELAN, Praat, WebVTT, RTTM or CSV, of recordings of the same
    name in DIR/mine, it writes DIR/mine/utterances.csv, and says how far annotators agree. Then, with
    --faces, where the speaker's face is in each utterance.

    For example:

      affectline prepare meld
      affectline prepare meld MELD.Raw.tar.gz --root corpora
      affectline prepare meld --realign MELD_video_realignment_timestamps.csv --root corpora
      affectline prepare mine corpora/mine/talk1.eaf corpora/mine/talk2.eaf --root corpora
      affectline prepare mine --faces --root corpora

    Args:
        corpus: mine, meld, ravdess ...
        files: Archives or folders of a published corpus; of your own, annotations to make the table from.
        root: The folder that holds the corpora.
        realign: Of meld: cut its clips anew, by this table of MELD-FAIR.
        faces: Of your own: look for the speaker's face in each clip: some seconds for each.
    """
    from affectline.archives import DOWNLOADS

    if corpus != "mine" and corpus not in DOWNLOADS:
        raise UsageError(
            f"there is nothing to prepare for {corpus!r}; there are mine, {', '.join(DOWNLOADS)}"
        )
    if corpus != "mine" and faces:
        raise UsageError("--faces is for your own corpus, mine")
    if corpus != "meld" and realign is not None:
        raise UsageError("--realign is for meld")
    if corpus != "mine" and not files and realign is None:
        _tell_where(corpus)
        return 0
    with usage():
        folder = find_root(root) / corpus
    if corpus != "mine":
        if files:
            _unpack(corpus, files, folder)
        if realign is not None:
            _realign(folder, realign)
        return 0
    if files:
        _write_table(folder, files)
    _tell_agreement(folder)
    if faces:
        _find_faces(folder)
    return 0


def _tell_where(corpus: str) -> None:
    from affectline.archives import DOWNLOADS
    from affectline.corpora import find

    source = find(corpus).SOURCE
    print(f"{source.name}\n  address: {source.page}\n  licence to accept: {source.licence}")
    print(f"  get: {DOWNLOADS[corpus].files}\n  then: affectline prepare {corpus} FILE... --root DIR")
    if corpus == "meld":
        from affectline.corpora._meld_fair import CUTS, PAGE

        print(
            f"better times of its clips: MELD-FAIR, {PAGE}\n  licence: its repository names none\n"
            f"  get: csvs/{CUTS}\n  then: affectline prepare meld --realign {CUTS} --root DIR"
        )


def _unpack(corpus: str, files: Sequence[Path], folder: Path) -> None:
    from affectline.archives import unpack
    from affectline.corpora import find

    source = find(corpus).SOURCE
    terminal.say(f"{source.name}: {source.page}; its licence, which you accept: {source.licence}")
    with terminal.Stages() as stages:
        stages.begin(corpus)
        count = unpack(corpus, [*files], folder, stages)
    print(f"{folder}: {count:,} files; what is wrong with them says: affectline doctor {corpus}")


def _realign(folder: Path, table: Path) -> None:
    """Put the times of MELD-FAIR where the reader uses them; where that is refused, nothing has changed."""
    from affectline.archives import require_finished
    from affectline.corpora import meld
    from affectline.corpora._meld_fair import CUTS, PAGE, cuts
    from affectline.files import atomic_write

    with usage():
        require_finished(folder)
        if not table.is_file():
            raise ValueError(f"there is no file {table}; get it from {PAGE}, folder csvs")
        found, there = cuts(table), meld.stretches(folder)
        used = [name for name in found if name in there]
        if not used:
            raise ValueError(f"{table} names no utterance of {folder}: is it of another corpus?")
    terminal.say(f"MELD-FAIR: {PAGE}; its repository names no licence, MELD's holds for the clips")
    atomic_write(folder / CUTS, table.read_bytes())
    print(
        f"{folder / CUTS}: {len(used):,} of {len(there):,} utterances are cut anew, the others have no "
        "sound and pictures; without this file clips are as they were released"
    )


def _write_table(folder: Path, files: Sequence[Path]) -> None:
    from affectline import annotations
    from affectline.corpora import mine
    from affectline.files import atomic_write

    target = folder / mine.TABLE
    if target.exists():
        raise ValueError(f"{target} is there already; move it away to make it anew")
    rows: list[dict[str, str]] = []
    for path in files:
        read = annotations.read(path)
        clip = _recording(folder, path)
        rows += annotations.rows(read, clip, path.stem)
        _tell(path, read, clip)
    buffer = io.StringIO(newline="")
    columns: list[str] = [*mine.COLUMNS]
    writer = csv.DictWriter(buffer, columns)
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(target, buffer.getvalue())
    print(f"{target}: {len({row['id'] for row in rows}):,} utterances")


def _recording(folder: Path, path: Path) -> str:
    """That of a file of annotations, by its path below the corpus' folder; "" where there is none."""
    found = sorted(p for p in folder.rglob(f"{path.stem}.*") if p.suffix.lower() in MEDIA)
    if len(found) > 1:
        raise ValueError(f"{path} is of which of {', '.join(map(str, found))}? Keep one of this name")
    return found[0].relative_to(folder).as_posix() if found else ""


def _tell(path: Path, read: "AnnotatedFile", clip: str) -> None:
    if not clip:
        terminal.say(f"note: {path}: no recording {path.stem}.* beside it: its words alone count")
    if read.ignored:
        terminal.say(f"note: {path}: not read: {', '.join(read.ignored)}")


def _tell_agreement(folder: Path) -> None:
    from affectline.corpora import mine
    from affectline.evaluation.agreement import agreement

    votes = mine.votes(folder)
    people = {name for vote in votes.values() for name in vote}
    if len(people) < 2:
        return
    print(f"{len(people)} annotators; Krippendorff's alpha (1 agreement, 0 chance):")
    for label, alpha in agreement([*votes.values()]).items():
        print(f"  {label:12} {'-' if alpha is None else f'{alpha:.2f}'}")


def _find_faces(folder: Path) -> None:
    from affectline.corpora import mine
    from affectline.files import atomic_write
    from affectline.media import FileClip
    from affectline.nn.mtcnn import MTCNN
    from affectline.segment.faces import attach_each

    detector, tracks = MTCNN.load(), {}
    (folder / mine.FACES).unlink(missing_ok=True)  # what was found in other recordings
    talks = [c for split in mine.SPLITS for c in mine.read(folder, split)]
    count = sum(map(len, talks))
    with terminal.Stages() as stages:
        stages.begin("mine")
        for n, (talk, u) in enumerate(((c, u) for c in talks for u in c), start=1):
            seen = attach_each(replace(talk, utterances=(u,)), detector).utterances[0]
            if seen.face is not None and isinstance(u.clip, FileClip):
                tracks[u.id] = (mine.stretch(u.clip), seen.face)
            stages("faces", n / count)
    atomic_write(folder / mine.FACES, mine.faces_text(tracks))
    print(f"{folder / mine.FACES}: a face in {len(tracks):,} of {count:,} utterances")
