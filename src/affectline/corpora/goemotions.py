"""GoEmotions: Reddit comments with 28 labels, several per comment (Demszky et al. 2020, CC BY 4.0).

Files `train.tsv`, `dev.tsv`, `test.tsv` hold text, label numbers joined by commas, comment id; `labels.txt`
names the numbers. A comment is a conversation of one.
"""

from pathlib import Path

from affectline.corpora import Published, Source
from affectline.types import EMOTIONS, Conversation, LabelSpace, Utterance

SOURCE = Source(
    name="GoEmotions",
    page="https://github.com/google-research/google-research/tree/master/goemotions",
    licence="CC BY 4.0",
    layout="a folder with labels.txt, train.tsv, dev.tsv and test.tsv",
)
SPLITS = ("train", "dev", "test")
PUBLISHED = {"train": Published(43410, 43410), "dev": Published(5426, 5426), "test": Published(5427, 5427)}

GROUPS = {
    "neutral": ("neutral",),
    "joy": (
        "joy",
        "amusement",
        "approval",
        "excitement",
        "gratitude",
        "love",
        "optimism",
        "relief",
        "pride",
        "admiration",
        "desire",
        "caring",
    ),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "anger": ("anger", "annoyance", "disapproval"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "fear": ("fear", "nervousness"),
    "disgust": ("disgust",),
}
"""The authors' Ekman grouping (Demszky et al. 2020, their `ekman_mapping.json`) and neutral."""
GROUP_OF = {fine: group for group, members in GROUPS.items() for fine in members}

LABELS = LabelSpace(EMOTIONS, multilabel=True)
FINE_LABELS = LabelSpace(tuple(sorted(GROUP_OF, key=lambda name: (name == "neutral", name))), multilabel=True)
"""The 28 labels in the order of labels.txt: by alphabet, neutral last."""


def read(root: Path, split: str, labels: LabelSpace = LABELS) -> list[Conversation]:
    """Comments of a split, labelled with the seven grouped emotions or, with `FINE_LABELS`, with all 28.

    Raises:
        ValueError: where the corpus, the split, or a label that a row names, is not there.
    """
    path = SOURCE.require(root / f"{SOURCE.one_of(split, SPLITS)}.tsv")
    names = SOURCE.require(root / "labels.txt").read_text(encoding="utf-8").split()
    unknown = set(names) - set(GROUP_OF)
    if unknown:
        raise ValueError(f"{root / 'labels.txt'} names {sorted(unknown)}, which are no labels of GoEmotions")
    # Not splitlines(): a comment may hold a line separator of Unicode
    try:
        rows = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error}; get the file again") from error
    return [_comment(path, n, row, names, labels) for n, row in enumerate(rows, start=1) if row]


def _comment(path: Path, line: int, row: str, names: list[str], labels: LabelSpace) -> Conversation:
    try:
        text, numbers, name = row.rstrip("\r").split("\t")
        fine = {names[int(number)] for number in numbers.split(",")}
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{path} line {line}: {row[:60]!r} is not text, label numbers 0 to {len(names) - 1} and id, "
            "separated by tabs"
        ) from error
    emotions = frozenset(fine if labels == FINE_LABELS else {GROUP_OF[label] for label in fine})
    return Conversation(name, (Utterance(id=name, speaker="author", text=text, emotions=emotions),))
