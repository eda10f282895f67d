"""EmoReact: children react to what they are shown, several emotions at once (Nojavanasghari et al. 2016).

`Labels/train_labels.text` has a line for each clip: curiosity, uncertainty, excitement, happiness, surprise,
disgust, fear, frustration (0 or 1), valence (1 to 7), joined by commas. `Labels/Train_names.txt` names the
clips in the same order, in quotes; a name alone says nothing of its labels, so both files must have as many
lines. The same for `val_labels.text` and `Val_names.txt`, `test_labels.text` and `Test_names.txt`. Clips lie
in `Data/Train/`, `Data/Validation/`, `Data/Test/` and need not be there. The names' file may also lie beside
`Labels/`.

A clip is a conversation of one, without words. Names end in a number or two; what stands before it is what
was shown, to several children, and is taken for the speaker: so what is drawn by speaker keeps it together.

Paper: SeMuL-PCD speaks of 15 emotions, and of anger in its tables.
Here:  the eight that are released: anger and sadness are not among the labels. The rule by which ratings were
       made 0 or 1 is not published.

This corpus was not at hand: the reader was written from its documentation and from what public code says of
its files, and tested on made-up ones.
"""

from collections.abc import Collection
from pathlib import Path

from affectline.corpora import Published, Source
from affectline.media import FileClip
from affectline.types import Conversation, LabelSpace, Utterance

SOURCE = Source(
    name="EmoReact",
    page="https://www.behnaznojavan.com/data",
    licence="for research, by a licence agreement",
    layout="a folder with Labels/ (train_labels.text, Train_names.txt, the same for val and test) and, where "
    "there are clips, Data/Train/, Data/Validation/, Data/Test/",
)
LABELS = LabelSpace(
    ("curiosity", "uncertainty", "excitement", "joy", "surprise", "disgust", "fear", "frustration"),
    multilabel=True,
)
"""In the order of the columns, of which one is called happiness."""
SPLITS = {
    "train": ("train_labels.text", "Train_names.txt", "Data/Train"),
    "dev": ("val_labels.text", "Val_names.txt", "Data/Validation"),
    "test": ("test_labels.text", "Test_names.txt", "Data/Test"),
}
"""Of each split the labels, the names and the folder of clips."""
PUBLISHED = {"train": Published(432, 432), "dev": Published(303, 303), "test": Published(367, 367)}


def read(root: Path, split: str) -> list[Conversation]:
    """Clips of a split; there are 1,102 in all three.

    Raises:
        ValueError: where the corpus or the split is not there, a line is not as it should be, or the names
            are not as many as the labels.
    """
    labels, names, clips = SPLITS[SOURCE.one_of(split, SPLITS)]
    rows = _lines(SOURCE.require(root / "Labels" / labels))
    beside, inside = root / names, root / "Labels" / names
    path = SOURCE.require(beside if beside.is_file() else inside)
    named = [_name(line) for _, line in _lines(path)]
    if len(named) != len(rows):
        raise ValueError(
            f"{path} has {len(named)} names and {labels} {len(rows)} lines: each must have its own; get both "
            "from the same place"
        )
    folder = root / clips
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set[str]()
    found = [_conversation(where, row, n, folder, there) for (where, row), n in zip(rows, named, strict=True)]
    if len({c.id for c in found}) != len(found):
        raise ValueError(f"{path} names a clip twice; get it again")
    return found


def _lines(path: Path) -> list[tuple[str, str]]:
    """Each line that has anything, and where it stands."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [(f"{path} line {n}", line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]


def _name(line: str) -> str:
    """Quoted, and an apostrophe doubled: 'WHAT''S_THIS_1.mp4' is a clip called WHAT'S_THIS_1.mp4."""
    quoted = len(line) > 1 and line[0] == line[-1] == "'"
    return line[1:-1].replace("''", "'") if quoted else line


def _conversation(where: str, row: str, clip: str, folder: Path, there: Collection[str]) -> Conversation:
    emotions, valence = _labels(where, row)
    name = Path(clip).stem
    utterance = Utterance(
        id=name,
        speaker=name.rstrip("_0123456789") or name,
        text_source="none",
        clip=FileClip(folder / clip) if clip in there else None,
        emotions=emotions,
        sentiment=valence - 4,
    )
    return Conversation(name, (utterance,))


def _labels(where: str, row: str) -> tuple[frozenset[str], float]:
    try:
        *marks, last = row.split(",")
        held = [(name, int(mark)) for name, mark in zip(LABELS.names, marks, strict=True)]
        valence = float(last)
        if {mark for _, mark in held} - {0, 1} or not 1 <= valence <= 7:
            raise ValueError("a number is out of its range")
    except ValueError as error:
        raise ValueError(
            f"{where}: {row[:60]!r} is not 0 or 1 for each of {', '.join(LABELS.names)} and a valence of 1 "
            f"to 7, joined by commas: {error}"
        ) from error
    return frozenset(name for name, mark in held if mark), valence
