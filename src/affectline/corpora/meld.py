"""MELD: dialogues of the series Friends, one of seven emotions for each utterance (Poria et al. 2019).

`train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv` give words, speaker, emotion, and where in
which episode; clips, `dia{Dialogue_ID}_utt{Utterance_ID}.mp4`, lie in a folder for each split. A dialogue
is a conversation, in the order of Utterance_ID. Dialogues are numbered anew in each split, so ids hold the
split.

`span` is on the clock of the episode, the recording that all of a dialogue comes from; a clip is a file of
its own, whose clock starts at 0. The sentiment is not read: MELD gives a class where ours is a number.

No utterance is left out for its faults: there are 9,989, 1,109 and 2,610. Where a split has clips, one that
is not there or is known to be broken makes sound and picture `missing`. `faults` lists what is wrong. The
splits are neither speaker- nor episode-independent: six actors and nearly all episodes are in each.

Where the folder has the times of MELD-FAIR, an utterance's sound and picture are the stretches of the clips
that they name, in their order; one of which they name none is without both. `span` stays as MELD has it.

One published version of train_sent_emo.csv has the punctuation of Windows-1252 as control characters
(U+0092 for a right quote, U+0097 for a dash, ...). They are repaired, in words and in names, and nothing
else is.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from affectline.corpora import Fault, Published, Source, span_of, table
from affectline.corpora._meld_fair import CUTS, Cut, cuts
from affectline.media import FileClip, JoinedClip
from affectline.types import EMOTIONS, Conversation, LabelSpace, Span, Utterance

SOURCE = Source(
    name="MELD",
    page="https://github.com/declare-lab/MELD",
    licence="GPL-3.0; the clips are from a television series, for research",
    layout="a folder with train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv and, where there are "
    "clips, train_splits/, dev_splits_complete/, output_repeated_splits_test/",
)
LABELS = LabelSpace(EMOTIONS)
SOME_LABELS = {"weighted_f1_5": tuple(e for e in EMOTIONS if e not in ("fear", "disgust"))}
"""Labels whose weighted F1 is given beside that of all: the five-class column of papers on MELD (AMuSE)."""
SPLITS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
"""The folder of clips of each split."""
PUBLISHED = {"train": Published(1038, 9989), "dev": Published(114, 1109), "test": Published(280, 2610)}
COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)

UNDEFINED = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
PUNCTUATION = {byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in UNDEFINED}
"""What a control character stands for that is a byte of Windows-1252."""

BROKEN = {
    "train_dia125_utt3": "the clip is damaged (issue 39)",
    "train_dia309_utt0": "the clip is cut wrongly (issue 20)",
    "test_dia38_utt4": "the clip is cut wrongly, 5 minutes long (issue 20)",
    "test_dia220_utt0": "the clip is cut wrongly, 4 minutes long (issue 20)",
}
"""Clips that show something else or nothing, as the issues of the corpus' repository say."""
DOUBTFUL = {
    "train_dia793_utt0": "the sound is disturbed (issue 9)",
    "train_dia164_utt5": "the sound is disturbed (issue 9)",
    "train_dia682_utt1": "the sound is disturbed (issue 9)",
    "train_dia529_utt2": "the sound is disturbed (issue 9)",
    "train_dia1029_utt1": "the sound is disturbed (issue 9)",
    "train_dia1008_utt1": "the sound is disturbed (issue 9)",
    "train_dia241_utt2": "the clip says something else than the text, as the next ones (issue 9)",
    "train_dia757_utt7": "the clip says something else than the text (issue 9)",
    "train_dia485_utt0": "the clip says more than the text (issue 9)",
}
"""Clips that are used all the same: these are examples, and nobody has listed all that are like them."""
SHORT, LONG = 0.3, 60.0
"""Seconds that an utterance hardly lasts less or more than."""


@dataclass(frozen=True)
class Row:
    """An utterance as the table has it, its words repaired; `episode` is season, episode, start and end."""

    line: int
    split: str
    dialogue: int
    number: int
    speaker: str
    text: str
    emotion: str
    episode: tuple[str, str, float, float]
    repaired: bool

    @classmethod
    def parse(cls, path: Path, split: str, line: int, cells: dict[str, str]) -> "Row":
        """From the cells of a line, by column.

        Raises:
            ValueError: where an emotion is none of the seven, or a number or a time is none.
        """
        if cells["Emotion"] not in EMOTIONS:
            raise ValueError(
                f"{path} line {line}: the emotion {cells['Emotion']!r} is none of {list(EMOTIONS)}"
            )
        try:
            dialogue, number = int(cells["Dialogue_ID"]), int(cells["Utterance_ID"])
            times = _seconds(cells["StartTime"]), _seconds(cells["EndTime"])
        except ValueError as error:
            raise ValueError(
                f"{path} line {line}: Dialogue_ID and Utterance_ID must be numbers, StartTime and EndTime "
                f"times such as 00:16:21,731: {error}"
            ) from error
        text, speaker = (cells[name].translate(PUNCTUATION) for name in ("Utterance", "Speaker"))
        return cls(
            line=line,
            split=split,
            dialogue=dialogue,
            number=number,
            speaker=speaker,
            text=text,
            emotion=cells["Emotion"],
            episode=(cells["Season"], cells["Episode"], *times),
            repaired=(text, speaker) != (cells["Utterance"], cells["Speaker"]),
        )

    @property
    def conversation(self) -> str:
        return f"{self.split}_dia{self.dialogue}"

    @property
    def id(self) -> str:
        return f"{self.conversation}_utt{self.number}"

    @property
    def clip(self) -> str:
        """The name of its file."""
        return f"dia{self.dialogue}_utt{self.number}.mp4"

    @property
    def start(self) -> float:
        return self.episode[2]

    @property
    def end(self) -> float:
        return self.episode[3]

    @property
    def span(self) -> Span | None:
        return span_of(self.start, self.end)


def read(root: Path, split: str) -> list[Conversation]:
    """Dialogues of a split: 1,038, 114 and 280 of them.

    Raises:
        ValueError: where the corpus or the split is not there, or a row is not as it should be.
    """
    rows = _rows(root, SOURCE.one_of(split, SPLITS))
    clips = _Clips.of(root, split)
    return [
        Conversation(name, tuple(_utterance(row, clips) for row in dialogue))
        for name, dialogue in groupby(rows, lambda row: row.conversation)
    ]


@dataclass(frozen=True)
class _Clips:
    """The clips of a split, by name, and where in them utterances are, where that is known."""

    folder: Path
    names: Collection[str]
    cuts: dict[str, list[Cut]] | None

    @classmethod
    def of(cls, root: Path, split: str) -> "_Clips | None":
        """None where the split has no folder of clips."""
        folder = root / SPLITS[split]
        if not folder.is_dir():
            return None
        return cls(folder, {path.name for path in folder.iterdir()}, _cuts(root))

    def parts(self, row: Row) -> list[Cut]:
        """Where an utterance is, as MELD-FAIR says, in stretches that can be."""
        return [cut for cut in (self.cuts or {}).get(row.id, []) if cut.span]

    def absent(self, row: Row) -> list[str]:
        """Clips that it needs and that are not there."""
        needed = [row.clip] if self.cuts is None else [cut.clip for cut in self.parts(row)]
        return sorted({*needed} - {*self.names})

    def clip(self, row: Row) -> FileClip | JoinedClip | None:
        """Its sound and pictures; None where they are not there, broken, or nobody knows where."""
        parts = self.parts(row)
        if self.absent(row) or (row.id in BROKEN if self.cuts is None else not parts):
            return None
        if self.cuts is None:
            return FileClip(self.folder / row.clip)
        found = tuple(FileClip(self.folder / cut.clip, cut.start, cut.end) for cut in parts)
        return found[0] if len(found) == 1 else JoinedClip(found)


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def _table(root: Path, split: str) -> Path:
    return root / f"{split}_sent_emo.csv"


def _rows(root: Path, split: str) -> list[Row]:
    """In the order of the dialogues and of the utterances in them."""
    path = SOURCE.require(_table(root, split))
    rows = [Row.parse(path, split, line, cells) for line, cells in table(path, COLUMNS)]
    rows.sort(key=lambda row: (row.dialogue, row.number))
    for one, other in pairwise(rows):
        if one.id == other.id:
            raise ValueError(f"{path} lines {one.line} and {other.line} are both {one.id}: one is too many")
    return rows


def _cuts(root: Path) -> dict[str, list[Cut]] | None:
    return cuts(root / CUTS) if (root / CUTS).is_file() else None


def _utterance(row: Row, clips: _Clips | None) -> Utterance:
    clip = clips and clips.clip(row)
    return Utterance(
        id=row.id,
        speaker=row.speaker,
        text=row.text,
        clip=clip,
        span=row.span,
        emotions=frozenset({row.emotion}),
        missing=frozenset() if clip or clips is None else frozenset({"audio", "video"}),
    )


def faults(root: Path) -> list[Fault]:
    """What is wrong in this copy: known of the corpus, or found in it. Of clips only where there are some.

    Raises:
        ValueError: where the corpus is not there, or a row is not as it should be.
    """
    splits = {split: _rows(root, split) for split in SPLITS}
    found = [fault for split, rows in splits.items() for fault in _faults_of_table(root, split, rows)]
    found += _shared_episodes(splits)
    for split, rows in splits.items():
        clips = _Clips.of(root, split)
        if clips is not None:
            found += _faults_of_clips(SPLITS[split], rows, clips)
    return [*found, *_faults_of_cuts(_cuts(root) or {}, splits)]


def stretches(root: Path) -> dict[str, tuple[str, str, float, float]]:
    """Of each utterance the season and the episode, and where it is in it: some are there more than once.

    Raises:
        ValueError: where the corpus is not there, or a row is not as it should be.
    """
    return {row.id: row.episode for split in SPLITS for row in _rows(root, split)}


def _faults_of_table(root: Path, split: str, rows: list[Row]) -> Iterator[Fault]:
    file = _table(root, split).name
    repaired = sum(row.repaired for row in rows)
    if repaired:
        what = "punctuation of Windows-1252 as control characters"
        yield Fault(file, f"{repaired} rows", what, "repaired", "repaired")
    there = {row.dialogue for row in rows}
    for number in sorted({*range(max(there, default=-1))} - there):
        yield Fault(file, f"{split}_dia{number}", "has no rows", "nothing to read", "gap")
    for name, dialogue in groupby(rows, lambda row: row.conversation):
        said = list(dialogue)
        if [row.number for row in said] != list(range(len(said))):
            yield Fault(file, name, "numbers of utterances are left out", "read without those", "gap")
        if any(one.start > other.start for one, other in pairwise(said)):
            yield Fault(file, name, "starts are out of order", "ordered by Utterance_ID", "order")
        if any(one.start == other.start for one, other in pairwise(sorted(said, key=lambda row: row.start))):
            yield Fault(file, name, "two utterances start at once", "kept", "together")
    for row in rows:
        lasts = row.end - row.start
        if row.span is None:
            yield Fault(file, row.id, f"ends {lasts:.3f} s after its start", "read without times", "times")
        elif lasts < SHORT or lasts > LONG:
            yield Fault(file, row.id, f"lasts {lasts:.3f} s", "kept", "times")


def _shared_episodes(splits: dict[str, list[Row]]) -> Iterator[Fault]:
    """The splits were not drawn by episode."""
    trained = {row.episode[:2] for row in splits["train"]}
    for split in ("dev", "test"):
        judged = {row.episode[:2] for row in splits[split]}
        if both := len(judged & trained):
            what = f"{both} of its {len(judged)} episodes are in train too"
            yield Fault(f"{split}_sent_emo.csv", split, what, "kept", "source")


def _faults_of_clips(folder: str, rows: list[Row], clips: _Clips) -> Iterator[Fault]:
    lost = "sound and picture are missing"
    for row in rows:
        clip = clips.clip(row)
        for name in clips.absent(row):
            yield Fault(folder, row.id, f"there is no {name}", lost, "missing")
        if clips.cuts is not None and not clips.parts(row):
            yield Fault(CUTS, row.id, "its words were found in no clip", lost, "known")
        if row.id in BROKEN and row.clip in clips.names:
            yield Fault(folder, row.id, BROKEN[row.id], "cut anew" if clip else lost, "known")
        if row.id in DOUBTFUL and clip:
            yield Fault(folder, row.id, DOUBTFUL[row.id], "cut anew" if clips.cuts else "kept", "known")
    for name in sorted({*clips.names} - {row.clip for row in rows}):
        yield Fault(folder, name, "no row says what it is", "not read", "extra")


def _faults_of_cuts(found: dict[str, list[Cut]], splits: dict[str, list[Row]]) -> Iterator[Fault]:
    """Lines of MELD-FAIR's times that nothing can be made of; and how many utterances they are of."""
    there = {row.id: split for split, rows in splits.items() for row in rows}
    for cut in (cut for parts in found.values() for cut in parts):
        if cut.utterance not in there:
            what = f"line {cut.line}: there is no such utterance"
            yield Fault(CUTS, cut.utterance, what, "not read", "extra")
        elif cut.span is None:
            what = f"line {cut.line}: is from {cut.start:g} to {cut.end:g} s"
            yield Fault(CUTS, cut.utterance, what, "not read", "times")
    for split in splits if found else ():
        count = sum(there[name] == split for name in found if name in there)
        yield Fault(CUTS, split, f"{count:,} utterances have the times of MELD-FAIR", "cut anew", "repaired")
