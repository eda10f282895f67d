"""Where in the clips of MELD its utterances are: the times of MELD-FAIR.

Carneiro, Weber and Wermter 2023, doi:10.1016/j.neucom.2023.126271: the words of an utterance were looked for,
by forced alignment, in the sound of its clip and of those around it. It is one or several stretches of them,
in the order of the table. Its repository names no licence (seen in 2026).
"""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from affectline.corpora import span_of, table
from affectline.types import Span

CUTS = "MELD_video_realignment_timestamps.csv"
PAGE = "https://github.com/knowledgetechnologyuhh/MELD-FAIR"
COLUMNS = (
    "Split",
    "Dialogue ID",
    "Utterance ID",
    "Original Dialogue ID",
    "Original Utterance ID",
    "Start Time",
    "End Time",
)
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Cut:
    """Where in which clip a part of an utterance is, in seconds: a line of MELD-FAIR's table."""

    line: int
    split: str
    utterance: str
    clip: str
    start: float
    end: float

    @classmethod
    def parse(cls, path: Path, line: int, cells: dict[str, str]) -> "Cut":
        """From the cells of a line, by column.

        Raises:
            ValueError: where the split is none of MELD's, or a number or a time is none.
        """
        split, *numbers, start, end = (cells[name] for name in COLUMNS)
        try:
            dialogue, number, of_dialogue, of_number = map(int, numbers)
            times = float(start), float(end)
        except ValueError as error:
            raise ValueError(
                f"{path} line {line}: the four ids must be numbers, and the times seconds: {error}"
            ) from error
        if split not in SPLITS:
            raise ValueError(f"{path} line {line}: the split {split!r} is none of {[*SPLITS]}")
        clip = f"dia{of_dialogue}_utt{of_number}.mp4"
        return cls(line, split, f"{split}_dia{dialogue}_utt{number}", clip, *times)

    @property
    def span(self) -> Span | None:
        """None where the times are no stretch."""
        return span_of(self.start, self.end) if isfinite(self.end) else None


def cuts(path: Path) -> dict[str, list[Cut]]:
    """Where utterances are, in the order of the table.

    Raises:
        ValueError: where the table is not as it should be, or says nothing of a split.
    """
    found: dict[str, list[Cut]] = {}
    for line, cells in table(path, COLUMNS):
        cut = Cut.parse(path, line, cells)
        found.setdefault(cut.utterance, []).append(cut)
    absent = [
        split for split in SPLITS if not any(c.split == split for parts in found.values() for c in parts)
    ]
    if absent:
        raise ValueError(f"{path} names no utterance of {', '.join(absent)}; get it again from {PAGE}")
    return found
