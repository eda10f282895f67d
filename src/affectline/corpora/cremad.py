"""CREMA-D: 91 actors say twelve sentences in six emotions (Cao et al. 2014).

Files `AudioWAV/1001_DFA_ANG_XX.wav`: actor, sentence, emotion, intensity. A file is a conversation of one.
The label is what the actor was asked for; that of those who listened is in other files and often another
one. The corpus has no parts: these are ours, and keep actors apart.

Clips that are known to be bad are not used: the sound of their utterance is `missing`. This corpus was not at
hand: the reader was written from its documentation and tested on made-up files.
"""

from dataclasses import dataclass
from pathlib import Path

from affectline.corpora import Fault, Published, Source
from affectline.media import FileClip
from affectline.types import Conversation, LabelSpace, Utterance

SOURCE = Source(
    name="CREMA-D",
    page="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="Open Database License 1.0",
    layout="a folder with AudioWAV/ (its files are in Git LFS)",
)
LABELS = LabelSpace(("neutral", "joy", "sadness", "anger", "fear", "disgust"))
EMOTION_OF = {
    "NEU": "neutral",
    "HAP": "joy",
    "SAD": "sadness",
    "ANG": "anger",
    "FEA": "fear",
    "DIS": "disgust",
}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
SPLITS = {"train": range(1001, 1065), "dev": range(1065, 1074), "test": range(1074, 1092)}
"""Actors."""
PUBLISHED = {"all": Published(7442, 7442)}
DIVERSE = False
"""Everybody says the same twelve sentences."""
BROKEN = {
    "1076_MTI_NEU_XX": "nearly nothing is in it",
    "1076_MTI_SAD_XX": "no sound is in it",
    "1064_TIE_SAD_XX": "it has no length",
    "1064_IEO_DIS_MD": "a minute long, with all emotions in it",
}
"""Clips of which users of the corpus say what is wrong."""


@dataclass(frozen=True)
class Take:
    """What the name of a file says."""

    actor: str
    sentence: str
    emotion: str

    @classmethod
    def parse(cls, name: str) -> "Take":
        """From a name such as "1001_DFA_ANG_XX".

        Raises:
            ValueError: where the name is no such one.
        """
        codes = name.split("_")
        known = len(codes) == 4 and codes[1] in SENTENCES and codes[2] in EMOTION_OF
        if not known or not codes[0].isdigit():
            raise ValueError(
                f"{name!r} is no name of CREMA-D: it needs actor, sentence ({', '.join(SENTENCES)}), emotion "
                f"({', '.join(EMOTION_OF)}) and intensity, joined by underscores"
            )
        return cls(codes[0], codes[1], codes[2])


def read(root: Path, split: str) -> list[Conversation]:
    """The takes of the actors of a split, by name.

    Raises:
        ValueError: where the corpus or the split is not there, or a file's name is not CREMA-D's.
    """
    actors = SPLITS[SOURCE.one_of(split, SPLITS)]
    takes = [(file, Take.parse(file.stem)) for file in _files(root)]
    return [_conversation(file, take) for file, take in takes if int(take.actor) in actors]


def faults(root: Path) -> list[Fault]:
    """What is wrong in this copy: clips that are known to be bad.

    Raises:
        ValueError: where the corpus is not there.
    """
    there = {file.stem for file in _files(root)}
    return [
        Fault("AudioWAV", name, what, "the sound is missing", "known")
        for name, what in BROKEN.items()
        if name in there
    ]


def _files(root: Path) -> list[Path]:
    """The recordings. Copies made on a Mac have a "._" file beside each."""
    return sorted(SOURCE.require(root / "AudioWAV").glob("[!.]*.wav"))


def _conversation(file: Path, take: Take) -> Conversation:
    broken = file.stem in BROKEN
    utterance = Utterance(
        id=file.stem,
        speaker=take.actor,
        text=SENTENCES[take.sentence],
        clip=None if broken else FileClip(file),
        emotions=frozenset({EMOTION_OF[take.emotion]}),
        missing=frozenset({"audio"}) if broken else frozenset(),
    )
    return Conversation(file.stem, (utterance,))
