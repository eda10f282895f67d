"""Faults that are planted in small copies of corpora: the corpus, the kind, where it is found, and how."""

from collections.abc import Callable
from pathlib import Path
from shutil import copy, rmtree

import numpy as np
from doctor_makers import (
    clock,
    ferplus_arrays,
    meld_rows,
    mosei_videos,
    sound,
    words,
    write_meld,
    write_sequence,
)
from media_makers import make_video

from affectline.corpora import mosi

Plant = Callable[[Path], object]


def replaced(path: str, old: str, new: str) -> Plant:
    def plant(root: Path) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert old in text
        (root / path).write_text(text.replace(old, new, 1), encoding="utf-8")

    return plant


def row(split: str, index: int, **changes: object) -> Plant:
    """MELD with one row that says something else."""

    def plant(root: Path) -> None:
        rows = meld_rows(split)
        rows[index] |= changes
        write_meld(root, split, *rows)

    return plant


def without(split: str, *indices: int) -> Plant:
    return lambda root: write_meld(
        root, split, *[r for n, r in enumerate(meld_rows(split)) if n not in indices]
    )


def same_bytes(old: str, new: str) -> Plant:
    return lambda root: copy(root / old, root / new)


def half(path: str) -> Plant:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:9000])


def quiet(path: str) -> Plant:
    return lambda root: sound(root / path, 0, level=0.0)


def remove(path: str) -> Plant:
    return lambda root: (root / path).unlink()


def add(path: str, text: str) -> Plant:
    return lambda root: (root / path).write_bytes((root / path).read_bytes() + text.encode("utf-8"))


def latin(path: str) -> Plant:
    return lambda root: (root / path).write_bytes((root / path).read_bytes() + b"caf\xe9")


def episode(split: str, dialogue: int, seconds: float) -> dict[str, object]:
    return {"Dialogue_ID": dialogue, "StartTime": clock(seconds), "EndTime": clock(seconds + 1)}


def faces(change: Callable[[dict[str, np.ndarray]], object]) -> Plant:
    def plant(root: Path) -> None:
        arrays = ferplus_arrays()
        change(arrays)
        np.savez(root / "ferplus.npz", **arrays)  # pyright: ignore[reportArgumentType]

    return plant


def votes(arrays: dict[str, np.ndarray], n: int, name: str) -> None:
    arrays["votes"][n] = 10 * (arrays["classes"] == name)


def same_face(arrays: dict[str, np.ndarray]) -> None:
    arrays["images"][20] = arrays["images"][0]


def mosi_zeros(root: Path) -> None:
    with np.load(root / mosi.FEATURES) as file:
        arrays = dict(file)
    arrays["audio"][1], arrays["audio"][2] = 0, np.nan
    np.savez(root / mosi.FEATURES, **arrays)


def early(root: Path) -> None:
    videos = mosei_videos()
    videos["train_video"][0][0] = [-0.5, 1.0]
    write_sequence(root / "CMU_MOSEI_Labels.csd", "All Labels", videos)


def no_fold(root: Path) -> None:
    videos = mosei_videos()
    write_sequence(root / "CMU_MOSEI_Labels.csd", "All Labels", videos | {"lone": videos["test_video"]})


FIRST = {"Season": 1, "Episode": 0, "StartTime": clock(100), "EndTime": clock(101)}
"""The stretch of train_dia0_utt0, which shows neutral."""
CLIPS = [f"dia{n // 3}_utt{n % 3}.mp4" for n in range(9)]
TRAIN = [f"train_splits/{name}" for name in CLIPS]
TEST = [f"output_repeated_splits_test/{name}" for name in CLIPS]
WAV = "Session5/sentences/wav/Ses05F_impro01/Ses05F_impro01_{}.wav"
CREMAD = "AudioWAV/{}_DFA_ANG_XX.wav"
PLANTS: list[tuple[str, str, str, Plant]] = [
    ("meld", "missing", "test_dia0_utt0", remove(TEST[0])),
    ("meld", "missing", "dev", lambda root: rmtree(root / "dev_splits_complete")),
    ("meld", "cut-short", "test_dia0_utt1", half(TEST[1])),
    ("meld", "silent", "test_dia0_utt2", quiet(TEST[2])),
    ("meld", "clipped", "test_dia1_utt0", lambda root: sound(root / TEST[3], 0, level=1.5)),
    ("meld", "length", "train_dia0_utt2", lambda root: sound(root / TRAIN[2], 0, 3.0)),
    ("meld", "mute", "test_dia1_utt1", lambda root: make_video(root / TEST[4], seconds=1.0, rate=5)),
    ("meld", "leak", "test_dia1_utt2", same_bytes(TRAIN[1], TEST[5])),
    ("meld", "duplicate", "train_dia1_utt0", same_bytes(TRAIN[0], TRAIN[3])),
    ("meld text", "leak", "test_dia0_utt0", row("test", 0, **FIRST)),
    ("meld text", "conflict", "dev_dia0_utt1", row("dev", 1, **FIRST)),
    ("meld text", "source", "test", row("test", 0, Episode=0)),
    ("meld text", "speaker", "test", row("test", 3, Speaker="train 0")),
    ("meld text", "words-in-train", "test_dia0_utt0", row("test", 0, Utterance=f"{words(0).upper()}!")),
    ("meld text", "pace", "test_dia0_utt0", row("test", 0, Utterance="and so on " * 4)),
    ("meld text", "pace", "test_dia0_utt0", row("test", 0, EndTime=clock(170))),
    ("meld text", "times", "test_dia0_utt0", row("test", 0, EndTime=clock(9))),
    ("meld text", "no-words", "train_dia0_utt0", row("train", 0, Utterance=" ")),
    ("meld text", "garbled", "train_dia0_utt0", row("train", 0, Utterance="caf\N{REPLACEMENT CHARACTER}")),
    ("meld text", "repaired", "1 rows", row("train", 0, Utterance="It\x92s a fine day")),
    ("meld text", "gap", "train_dia1", without("train", 4)),
    ("meld text", "gap", "dev_dia1", without("dev", 3, 4, 5)),
    ("meld text", "alone", "train_dia1", without("train", 4, 5)),
    ("meld text", "order", "train_dia0", row("train", 2, **episode("train", 0, 90))),
    ("meld text", "together", "train_dia0", row("train", 2, **episode("train", 0, 100))),
    ("meld", "extra", "new.mp4", same_bytes(TRAIN[0], "train_splits/new.mp4")),
    ("meld text", "no-label", "test", row("test", 6, Emotion="joy")),
    ("meld text", "unread", "train", latin("train_sent_emo.csv")),
    ("meld text", "unread", "dev", remove("dev_sent_emo.csv")),
    ("meld text", "unread", "dev", row("dev", 1, Utterance_ID=0)),
    ("meld text", "unread", "test", row("test", 1, Emotion="glee")),
    ("iemocap", "missing", "Ses05F_impro01_M000", remove(WAV.format("M000"))),
    ("iemocap", "silent", "Ses05F_impro01_F000", quiet(WAV.format("F000"))),
    ("iemocap", "length", "Ses05F_impro01_M001", lambda root: sound(root / WAV.format("M001"), 0, 4.0)),
    (
        "iemocap",
        "leak",
        "Ses05F_impro02_M001",
        same_bytes(WAV.format("M001").replace("5", "4"), WAV.format("M001").replace("impro01", "impro02")),
    ),
    ("iemocap", "unread", "test", lambda root: rmtree(root / "Session5")),
    ("iemocap", "unread", "train", latin("Session1/dialog/transcriptions/Ses01F_impro01.txt")),
    (
        "iemocap",
        "no-words",
        "Ses05F_impro01_M000",
        replaced("Session5/dialog/transcriptions/Ses05F_impro01.txt", "Ses05F_impro01_M000", "M"),
    ),
    ("mosei", "times", "train_video[0]", early),
    ("mosei", "extra", "lone", no_fold),
    ("mosei", "no-words", "test_video[0]", remove("Raw/Transcript/Segmented/Combined/test_video.txt")),
    ("mosei", "silent", "dev_video[2]", quiet("Raw/Videos/Segmented/Combined/dev_video_2.mp4")),
    ("mosei", "unread", "test", lambda root: (root / "CMU_MOSEI_Labels.csd").write_bytes(b"half")),
    ("mosei", "unread", "test", latin("cmu_mosei_std_folds.py")),
    ("mosi", "unread", "train", latin("utterances.csv")),
    ("mosi", "unread", "train", replaced("utterances.csv", "train0_1,train0,1", "train0_1,train0,0")),
    ("mosi", "missing", "train1_2", remove("clips/train1_2.mp4")),
    ("mosi", "zeros", "train0_1", mosi_zeros),
    ("mosi", "not-finite", "train0_2", mosi_zeros),
    ("mosi", "seen-labels", "test", replaced("utterances.csv", "test0,0,test,test", "test0,0,train,test")),
    ("mosi", "unread", "train", remove("utterances.csv")),
    ("emoreact", "missing", "SHOWNC_3", remove("Data/Test/SHOWNC_3.mp4")),
    ("emoreact", "leak", "SHOWNC_4", same_bytes("Data/Train/SHOWNA_1.mp4", "Data/Test/SHOWNC_4.mp4")),
    ("emoreact", "speaker", "test", replaced("Labels/Test_names.txt", "SHOWNC_3", "SHOWNA_9")),
    ("emoreact", "unread", "dev", add("Labels/val_labels.text", "\n1,0")),
    ("emoreact", "unread", "dev", latin("Labels/val_labels.text")),
    ("emoreact", "unread", "dev", replaced("Labels/Val_names.txt", "SHOWNB_3", "SHOWNB_4")),
    ("elderreact", "unread", "test", latin("test_labels.txt")),
    ("elderreact", "not-finite", "test_2", lambda root: infinite(root / "test_audio.txt", 2)),
    ("elderreact", "no-features", "dev_0", replaced("dev_audio.txt", "dev_0 ", "dev_9 ")),
    ("elderreact", "extra", "dev_9", replaced("dev_audio.txt", "dev_0 ", "dev_9 ")),
    ("elderreact", "missing", "train_1", remove("ElderReact_train/train_1.mp4")),
    ("elderreact", "unread", "train", add("train_labels.txt", "\ntrain_0.mp4 0 0 0 0 0 0 f 4.0")),
    ("ravdess", "gap", "03-01-08-01-01-01-07", remove("Actor_07/03-01-08-01-01-01-07.wav")),
    ("ravdess", "silent", "03-01-01-01-01-01-08", quiet("Actor_08/03-01-01-01-01-01-08.wav")),
    ("ravdess", "left-out", "Actor_24", lambda root: (root / "Actor_24").mkdir()),
    ("ravdess", "unread", "test", lambda root: rmtree(root / "Actor_20")),
    ("cremad", "silent", "1065_DFA_ANG_XX", quiet("AudioWAV/1065_DFA_ANG_XX.wav")),
    ("cremad", "leak", "1074_DFA_ANG_XX", same_bytes(CREMAD.format(1001), CREMAD.format(1074))),
    ("cremad", "unread", "train", same_bytes(CREMAD.format(1001), "AudioWAV/joy.wav")),
    ("goemotions", "leak", "test3", replaced("test.tsv", words(59), words(0))),
    ("goemotions", "conflict", "test3", replaced("test.tsv", words(59), words(0))),
    ("goemotions", "words-in-train", "test3", replaced("test.tsv", words(59), f"{words(0)}?")),
    ("goemotions", "duplicate", "dev3", replaced("dev.tsv", words(31), words(30))),
    ("goemotions", "same-id", "train3", replaced("dev.tsv", "dev3", "train3")),
    ("goemotions", "unread", "dev", latin("dev.tsv")),
    ("ferplus", "leak", "test00006", faces(same_face)),
    ("ferplus", "conflict", "test00006", faces(same_face)),
    ("ferplus", "blank", "train00001", faces(lambda arrays: arrays["images"][1].fill(9))),
    ("ferplus", "left-out", "train00001", faces(lambda arrays: votes(arrays, 1, "NF"))),
    ("ferplus", "known", "test00000", faces(lambda arrays: votes(arrays, 14, "NF"))),
    ("ferplus", "unread", "train", half("ferplus.npz")),
]


OF_CLIPS = {
    "missing",
    "cut-short",
    "silent",
    "clipped",
    "length",
    "mute",
    "leak",
    "duplicate",
    "extra",
    "gap",
}
OF_FILES = ("meld", "iemocap", "mosei", "mosi", "emoreact", "elderreact", "ravdess", "cremad", "goemotions")


def infinite(path: Path, line: int) -> None:
    rows = path.read_text().split("\n")
    rows[line] = " ".join([*rows[line].split()[:-1], "inf"])
    path.write_text("\n".join(rows))
