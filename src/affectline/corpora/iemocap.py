"""IEMOCAP: ten actors in pairs, improvised and scripted, six emotions (Busso et al. 2008).

For each session and dialogue `dialog/EmoEvaluation/Ses01F_impro01.txt` gives times, votes and the label
that most annotators chose, `dialog/transcriptions/` the words, `sentences/wav/` the sound of each utterance,
`dialog/avi/DivX/` the pictures of the whole dialogue. A dialogue is a conversation, in the order in which its
utterances start, on the clock of its recording; a speaker is "Ses01F" or "Ses01M" throughout.

Six labels, the usual ones. What has another or none (surprise, fear, disgust, other, no majority) stays in
its conversation, as context, with `emotions=None`. `ratings` are the shares of the annotators who named an
emotion (each may name several); the actors' judgement of themselves is not counted.

Paper: 7,433 utterances with one of the six, 1,623 of them in Session 5, and no others: so it is in the
       prepared features that the papers share, of which 648 are of happiness.
Here:  what the evaluation files say: by public counts 7,380 and 1,622, of which 595 are of happiness. So
       numbers cannot be compared to the last digit.

Pictures show both actors, side by side: which half is the speaker's is not in the files read here, so no
`face` is named, and what looks for faces finds two. This corpus was not at hand: the reader was written from
its documentation and tested on made-up files.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from affectline.corpora import Published, Source, held_out, span_of
from affectline.media import FileClip, PairedClip
from affectline.types import Clip, Conversation, LabelSpace, Utterance

SOURCE = Source(
    name="IEMOCAP",
    page="https://sail.usc.edu/iemocap",
    licence="for research, on request",
    layout="a folder with Session1 to Session5, each with dialog/EmoEvaluation, dialog/transcriptions, "
    "sentences/wav and dialog/avi/DivX",
)
LABELS = LabelSpace(("joy", "sadness", "neutral", "anger", "excitement", "frustration"))
SPLITS = {"train": (1, 2, 3, 4), "dev": (1, 2, 3, 4), "test": (5,)}
"""Sessions. Dev is a tenth of the dialogues of the first four, always the same; train has their speakers."""
PUBLISHED = {"train": Published(108), "dev": Published(12), "test": Published(31, 2170)}

EMOTION_OF = {
    "hap": "joy",
    "sad": "sadness",
    "neu": "neutral",
    "ang": "anger",
    "exc": "excitement",
    "fru": "frustration",
}
OTHERS = ("sur", "fea", "dis", "oth", "xxx")
NAME_OF = {"Happiness": "joy", "Excited": "excitement", "Neutral state": "neutral"}
"""Our names for what the annotators could choose, where they are not the same in lower case."""

HEADER = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t((Ses\d\d)\w+_([FM])\w+)\t(\w+)\t")
WORDS = re.compile(r"(\w+) \[[\d.]+-[\d.]+\]:(.*)")


@dataclass(frozen=True)
class Turn:
    """What an evaluation file says of one utterance: seconds, the label, what each annotator named."""

    id: str
    speaker: str
    start: float
    end: float
    code: str
    votes: tuple[frozenset[str], ...]

    @property
    def ratings(self) -> dict[str, float] | None:
        named = Counter(name for vote in self.votes for name in vote)
        return {name: count / len(self.votes) for name, count in named.items()} or None


def read(root: Path, split: str) -> list[Conversation]:
    """Dialogues of a split: 108, 12 and 31 of them.

    Raises:
        ValueError: where a session or the split is not there, or a line is not as it should be.
    """
    sessions = SPLITS[SOURCE.one_of(split, SPLITS)]
    files = [file for session in sessions for file in _dialogues(root / f"Session{session}")]
    if split != "test":
        dev = held_out(file.stem for file in files)
        files = [file for file in files if (file.stem in dev) == (split == "dev")]
    return [_conversation(file) for file in files]


def session(utterance: Utterance) -> str:
    """In which of the five sessions it was recorded, "Ses01" to "Ses05": two actors each, in no other."""
    return utterance.speaker[:5]


def _dialogues(session: Path) -> list[Path]:
    """The evaluation files. Copies made on a Mac have a "._" file beside each."""
    files = sorted(SOURCE.require(session / "dialog" / "EmoEvaluation").glob("Ses*.txt"))
    if not files:
        raise ValueError(f"no dialogue in {session / 'dialog' / 'EmoEvaluation'}: expected {SOURCE.layout}")
    return files


def _conversation(file: Path) -> Conversation:
    dialog = file.parents[1]
    words = _words(SOURCE.require(dialog / "transcriptions" / file.name))
    sounds, shown = dialog.parent / "sentences" / "wav", dialog / "avi" / "DivX"
    media = _Media(
        sounds / file.stem if sounds.is_dir() else None,
        shown / f"{file.stem}.avi" if shown.is_dir() else None,
    )
    turns = sorted(_turns(file), key=lambda turn: (turn.start, turn.end))
    return Conversation(file.stem, tuple(_utterance(turn, words, media) for turn in turns))


@dataclass(frozen=True)
class _Media:
    """Where a dialogue's sounds and pictures are; None where this copy of the corpus has none at all."""

    sounds: Path | None
    pictures: Path | None

    def clip(self, turn: Turn) -> tuple[Clip | None, frozenset[str]]:
        """What there is of an utterance, and what is missing that others have."""
        span = span_of(turn.start, turn.end)
        wav, avi = self.sounds and self.sounds / f"{turn.id}.wav", self.pictures
        sound = FileClip(wav) if wav and wav.is_file() else None
        picture = FileClip(avi, span.start, span.end) if avi and avi.is_file() and span else None
        lost = {"audio"} if wav and sound is None else set[str]()
        lost |= {"video"} if avi and picture is None else set[str]()
        return PairedClip(sound, picture) if sound and picture else sound or picture, frozenset(lost)


def _utterance(turn: Turn, words: dict[str, str], media: _Media) -> Utterance:
    text, (clip, missing) = words.get(turn.id), media.clip(turn)
    return Utterance(
        id=turn.id,
        speaker=turn.speaker,
        text=text,
        text_source="given" if text else "none",
        clip=clip,
        span=span_of(turn.start, turn.end),
        emotions=frozenset({EMOTION_OF[turn.code]}) if turn.code in EMOTION_OF else None,
        ratings=turn.ratings,
        missing=missing,
    )


def _turns(file: Path) -> list[Turn]:
    """An utterance has one line that begins with its times, and lines of its annotators after that."""
    blocks: list[list[str]] = []
    numbers = []
    for number, line in enumerate(_lines(file), start=1):
        if line.startswith("["):
            blocks.append([])
            numbers.append(number)
        if blocks:
            blocks[-1].append(line)
    return [_turn(f"{file} line {n}", *block) for n, block in zip(numbers, blocks, strict=True)]


def _turn(where: str, header: str, *lines: str) -> Turn:
    found = HEADER.match(header)
    if found is None:
        raise ValueError(
            f"{where}: {header[:60]!r} is not [start - end], utterance, emotion and "
            "[valence, activation, dominance], separated by tabs"
        )
    start, end, name, session, sex, code = found.groups()
    if code not in EMOTION_OF and code not in OTHERS:
        raise ValueError(f"{where}: the emotion {code!r} of {name} is none of {[*EMOTION_OF, *OTHERS]}")
    votes = tuple(_vote(line) for line in lines if line.startswith("C-E"))
    return Turn(name, f"{session}{sex}", float(start), float(end), code, votes)


def _vote(line: str) -> frozenset[str]:
    """What one annotator named, from a line such as "C-E1:, Anger; Frustration;, ()" (tabs for commas)."""
    named = line.split("\t")[1].split(";")
    return frozenset(NAME_OF.get(n.strip(), n.strip().lower()) for n in named if n.strip())


def _words(file: Path) -> dict[str, str]:
    """By utterance. Lines without name and times, which there are, belong to no utterance."""
    found = (WORDS.match(line) for line in _lines(file))
    return {match[1]: match[2].strip() for match in found if match}


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not text in UTF-8: {error}; get the file again") from error
