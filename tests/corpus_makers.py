"""Made-up corpora in their official layouts."""

import csv
from collections.abc import Sequence
from pathlib import Path
from shutil import copy

import numpy as np
from media_makers import make_sound

from affectline.corpora import meld, mosi
from affectline.types import EMOTIONS, modality_of

SAID = ("I am so happy!", "Oh no, not again.", "What is that?", "Leave me alone.", "It is Tuesday.")
PUBLISHED = {"train": "train", "val": "train", "test": "test"}
EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[10.0100 - 11.3925]\t{name}_F001\txxx\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tAnger; Frustration;\t()
C-E4:\tSurprise;\t(taken aback, I think; really)
C-F1:\tHappiness;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[6.2901 - 8.2357]\t{name}_M000\texc\t[2.5000, 2.5000, 2.5000]
C-E2:\tExcited;\t()
C-E3:\tExcited; Happiness;\t()
C-E4:\tHappiness;\t()
C-E1:\tNeutral state;\t()

[12.0000 - 13.5000]\t{name}_M002\thap\t[2.5000, 2.5000, 2.5000]
"""
TRANSCRIPT = """{name}_M000 [006.2901-008.2357]: Good morning: a fine day!
M: [LAUGHTER]
{name}_F001 [010.0100-011.3925]: Is it?
"""


def write_dialogue(root: Path, name: str, evaluation: str = EVALUATION, transcript: str = TRANSCRIPT) -> Path:
    dialog = root / f"Session{int(name[3:5])}" / "dialog"
    for part, text in (("EmoEvaluation", evaluation), ("transcriptions", transcript)):
        (dialog / part).mkdir(parents=True, exist_ok=True)
        (dialog / part / f"{name}.txt").write_text(text.format(name=name), encoding="utf-8")
    return dialog


def write_sound(root: Path, name: str) -> None:
    wav = root / f"Session{int(name[3:5])}" / "sentences" / "wav" / name.rpartition("_")[0]
    wav.mkdir(parents=True, exist_ok=True)
    make_sound(wav / f"{name}.wav", seconds=1.5)


def write_pictures(root: Path, name: str, recording: Path) -> None:
    shown = root / f"Session{int(name[3:5])}" / "dialog" / "avi" / "DivX"
    shown.mkdir(parents=True, exist_ok=True)
    copy(recording, shown / f"{name}.avi")


def write_table(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def made_meld(folder: Path, clips: Sequence[Path] = ()) -> None:
    """Three dialogues of five utterances in each split, and clips, in turn, of the first four of them all."""
    columns = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    times = ["00:01:02,500", "00:01:04,000"]
    rows = [
        [SAID[n], ("Ada", "Ben")[n % 2], EMOTIONS[(n + dialogue) % 7], dialogue, n, 1, 2, *times]
        for dialogue in range(3)
        for n in range(len(SAID))
    ]
    for split in meld.SPLITS:
        write_table(folder / f"{split}_sent_emo.csv", [columns.split(","), *rows])
        for n in range(4 if clips else 0):
            (folder / meld.SPLITS[split]).mkdir(exist_ok=True)
            copy(clips[n % len(clips)], folder / meld.SPLITS[split] / f"dia0_utt{n}.mp4")


def made_mosi(folder: Path) -> None:
    columns = "utterance_id,video_id,position,features_split,standard_split,sentiment,text"
    rows = [
        [f"{split}{v}_{n}", f"{split}{v}", n, PUBLISHED[split], split, (-1) ** n * 1.5, SAID[n].upper()]
        for split in ("train", "val", "test")
        for v in range(3)
        for n in range(len(SAID))
    ]
    write_table(folder / "utterances.csv", [columns.split(","), *rows])
    rng = np.random.default_rng(0)
    published = {modality_of(s): rng.normal(size=(len(rows), width)) for s, width in mosi.READY.items()}
    np.savez(folder / mosi.FEATURES, **published)  # pyright: ignore[reportArgumentType]


def made_iemocap(folder: Path, recording: Path) -> None:
    """Two dialogues in each session, of which one is dev; the same three utterances and pictures in each."""
    for session in range(1, 6):
        for number in (1, 2):
            name = f"Ses0{session}F_impro0{number}"
            write_dialogue(folder, name)
            write_pictures(folder, name, recording)
            for utterance in ("M000", "F001", "M002"):
                write_sound(folder, f"{name}_{utterance}")
