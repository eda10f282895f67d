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

One published version of train_sent_emo.csv has the punctuation of Windows-1252 as control characters
(U+0092 for a right quote, U+0097 for a dash, ...). They are repaired, in words and in names, and nothing
else is.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from affectline.corpora import Fault, Published, Source, span_of, table
from affectline.media import FileClip
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
    clips = _clips(root, split)
    return [
        Conversation(name, tuple(_utterance(row, root / SPLITS[split], clips) for row in dialogue))
        for name, dialogue in groupby(rows, lambda row: row.conversation)
    ]


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


def _clips(root: Path, split: str) -> Collection[str] | None:
    """The names of the clips of a split; None where it has no folder of them."""
    folder = root / SPLITS[split]
    return {path.name for path in folder.iterdir()} if folder.is_dir() else None


def _utterance(row: Row, folder: Path, clips: Collection[str] | None) -> Utterance:
    usable = clips is not None and row.clip in clips and row.id not in BROKEN
    return Utterance(
        id=row.id,
        speaker=row.speaker,
        text=row.text,
        clip=FileClip(folder / row.clip) if usable else None,
        span=row.span,
        emotions=frozenset({row.emotion}),
        missing=frozenset() if usable or clips is None else frozenset({"audio", "video"}),
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
        clips = _clips(root, split)
        if clips is not None:
            found += _faults_of_clips(SPLITS[split], rows, clips)
    return found


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


def _faults_of_clips(folder: str, rows: list[Row], clips: Collection[str]) -> Iterator[Fault]:
    for row in rows:
        if row.clip not in clips:
            yield Fault(folder, row.id, f"there is no {row.clip}", "sound and picture are missing", "missing")
        elif row.id in BROKEN:
            yield Fault(folder, row.id, BROKEN[row.id], "sound and picture are missing", "known")
        elif row.id in DOUBTFUL:
            yield Fault(folder, row.id, DOUBTFUL[row.id], "kept", "known")
    for name in sorted({*clips} - {row.clip for row in rows}):
        yield Fault(folder, name, "no row says what it is", "not read", "extra")
