"""RAVDESS speech: 24 actors say two sentences in eight expressions (Livingstone and Russo 2018).

Files `Actor_NN/03-01-05-02-01-01-12.flac` (or .wav, as published): modality, channel, emotion, intensity,
statement, repetition, actor. A file is a conversation of one. The splits are ours and keep actors apart; four
test actors decide little, so recipes are judged by `folds`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from affectline.corpora import Fault, Published, Source
from affectline.media import FileClip
from affectline.types import EMOTIONS, Conversation, LabelSpace, Utterance

SOURCE = Source(
    name="RAVDESS",
    page="https://zenodo.org/records/1188976",
    licence="CC BY-NC-SA 4.0",
    layout="a folder with Actor_01, Actor_02, ... of the speech files (audio only)",
)
LABELS = LabelSpace(EMOTIONS)

EMOTION_OF = {
    "01": "neutral",
    "02": "neutral",  # calm
    "03": "joy",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
SPLITS = {"train": range(1, 15), "dev": range(15, 17), "test": range(17, 21)}
"""Actors of the splits by which a checkpoint is made and shipped."""
PUBLISHED = {"train": Published(840, 840), "dev": Published(120, 120), "test": Published(240, 240)}
DIVERSE = False
"""Everybody says the same two sentences."""
GROUPS = (range(1, 5), range(5, 9), range(9, 13), range(13, 17), range(17, 21))
"""Actors of the five test folds."""
DESIGN = frozenset(
    f"03-01-{emotion}-{intensity}-{statement}-{repetition}"
    for emotion in EMOTION_OF
    for intensity in ("01", "02")
    for statement in STATEMENTS
    for repetition in ("01", "02")
    if (emotion, intensity) != ("01", "02")  # neutral has no strong intensity
)
"""The 60 takes of each actor, without the actor."""


@dataclass(frozen=True)
class Take:
    """What the name of a RAVDESS file says, as two-digit codes."""

    modality: str
    channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: str
    actor: str

    @classmethod
    def parse(cls, name: str) -> "Take":
        """From a name such as "03-01-05-02-01-01-12".

        Raises:
            ValueError: where the name has not seven codes, or codes that are not defined.
        """
        codes = name.split("-")
        if len(codes) != 7 or codes[2] not in EMOTION_OF or codes[4] not in STATEMENTS:
            raise ValueError(
                f"{name!r} is no RAVDESS name: it needs seven two-digit codes (modality, channel, emotion "
                "01 to 08, intensity, statement 01 or 02, repetition, actor) joined by hyphens"
            )
        return cls(*codes)

    @property
    def gender(self) -> str:
        """Odd actors are men, even ones women."""
        return "male" if int(self.actor) % 2 else "female"


@dataclass(frozen=True)
class Fold:
    """One of five divisions by actor: each actor is tested once."""

    train: list[Conversation]
    dev: list[Conversation]
    test: list[Conversation]


def read(root: Path, split: str) -> list[Conversation]:
    """The takes of a split. The text is the sentence said, which tells nothing of the emotion.

    Raises:
        ValueError: where the corpus or the split is not there, or a file's name is not RAVDESS's.
    """
    return of_actors(root, SPLITS[SOURCE.one_of(split, SPLITS)])


def faults(root: Path) -> list[Fault]:
    """What is wrong in this copy: takes that are not there, and what is read in no split.

    Raises:
        ValueError: where the corpus is not there, or a file's name is not RAVDESS's.
    """
    found = []
    for folder in sorted(root.glob("Actor_*")):
        actor = folder.name.removeprefix("Actor_")
        if actor not in {f"{n:02d}" for group in GROUPS for n in group}:
            found.append(Fault(folder.name, folder.name, "is in none of our splits", "not read", "left-out"))
            continue
        there = {file.stem for file in folder.iterdir() if file.suffix in {".flac", ".wav"}}
        for name in sorted({f"{take}-{actor}" for take in DESIGN} - there):
            found.append(Fault(folder.name, name, "is not there", "read without it", "gap"))
        for name in sorted(name for name in there if Take.parse(name).actor != actor):
            found.append(Fault(folder.name, name, "is of another actor", "read as that actor's", "extra"))
    return found


def session(utterance: Utterance) -> str:
    """The test fold of its actor, "fold 1" to "fold 5"."""
    actor = int(utterance.speaker.removeprefix("Actor_"))
    return f"fold {next(n for n, group in enumerate(GROUPS, start=1) if actor in group)}"


def folds(root: Path) -> Iterator[Fold]:
    """Five folds of four test actors; dev is the first two of the next four, train the other fourteen."""
    for n, test in enumerate(GROUPS):
        dev = GROUPS[(n + 1) % len(GROUPS)][:2]
        train = {actor for group in GROUPS for actor in group} - {*test} - {*dev}
        yield Fold(of_actors(root, train), of_actors(root, dev), of_actors(root, test))


def of_actors(root: Path, actors: Collection[int]) -> list[Conversation]:
    """All takes of these actors, by actor and name."""
    folders = [SOURCE.require(root / f"Actor_{actor:02d}") for actor in sorted(actors)]
    files = [f for folder in folders for f in sorted(folder.iterdir()) if f.suffix in {".flac", ".wav"}]
    return [_conversation(file) for file in files]


def _conversation(file: Path) -> Conversation:
    take = Take.parse(file.stem)
    utterance = Utterance(
        id=file.stem,
        speaker=f"Actor_{take.actor}",
        text=STATEMENTS[take.statement],
        clip=FileClip(file),
        emotions=frozenset({EMOTION_OF[take.emotion]}),
    )
    return Conversation(file.stem, (utterance,))
