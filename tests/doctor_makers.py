"""Small copies of every corpus, in their official layouts, with nothing wrong but that they are small."""

import json
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from corpus_makers import write_table

from affectline.corpora import (
    cremad,
    elderreact,
    emoreact,
    ferplus,
    goemotions,
    iemocap,
    meld,
    mosei,
    mosi,
    ravdess,
)

RATE = 8000
MELD = [
    "Utterance",
    "Speaker",
    "Emotion",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
]
MOSI = ["utterance_id", "video_id", "position", "features_split", "standard_split", "sentiment", "text"]
CODES = [*iemocap.EMOTION_OF, "hap"]


def sound(path: Path, seed: int, seconds: float = 1.0, level: float = 0.3) -> Path:
    """Noise, another one for each seed; a WAV file whatever its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-level, level, round(seconds * RATE))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((noise * 32767).clip(-32767, 32767).astype("<i2").tobytes())
    return path


def words(n: int) -> str:
    """A sentence that no other number has."""
    return f"this is number {'abcdefghij'[n // 100]}{'abcdefghij'[n // 10 % 10]}{'abcdefghij'[n % 10]} of all"


def clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{seconds % 60:06.3f}".replace(".", ",")


def meld_row(n: int, dialogue: int, number: int, **changes: object) -> dict[str, object]:
    start = 100.0 + 2 * n
    cells = [words(n), "Ada", "joy", dialogue, number, 1, n // 9, clock(start), clock(start + 1)]
    return dict(zip(MELD, cells, strict=True)) | changes


def write_meld(folder: Path, split: str, *rows: dict[str, object]) -> None:
    write_table(folder / f"{split}_sent_emo.csv", [MELD, *(list(row.values()) for row in rows)])


def meld_rows(split: str) -> list[dict[str, object]]:
    first = 9 * list(meld.SPLITS).index(split)
    return [
        meld_row(first + 3 * d + n, d, n, Speaker=f"{split} {n}", Emotion=meld.LABELS.names[(3 * d + n) % 7])
        for d in range(3)
        for n in range(3)
    ]


def made_meld_text(folder: Path) -> None:
    for split in meld.SPLITS:
        write_meld(folder, split, *meld_rows(split))


def made_meld(folder: Path) -> None:
    made_meld_text(folder)
    for s, split in enumerate(meld.SPLITS):
        for n in range(9):
            sound(folder / meld.SPLITS[split] / f"dia{n // 3}_utt{n % 3}.mp4", 9 * s + n)


def made_iemocap(folder: Path) -> None:
    """Ten dialogues of three utterances, each of another label."""
    for n in range(10):
        session, name = folder / f"Session{n // 2 + 1}", f"Ses0{n // 2 + 1}F_impro0{n % 2 + 1}"
        for part in ("EmoEvaluation", "transcriptions"):
            (session / "dialog" / part).mkdir(parents=True, exist_ok=True)
        said, evaluated = "", ""
        for i, who in enumerate(("M000", "F000", "M001")):
            code, start = CODES[(3 * n + i) % 6], 5.0 + 2 * i
            evaluated += f"[{start:.4f} - {start + 1:.4f}]\t{name}_{who}\t{code}\t[2.5, 2.5, 2.5]\n\n"
            said += f"{name}_{who} [{start:08.4f}-{start + 1:08.4f}]: {words(3 * n + i)}\n"
            sound(session / "sentences" / "wav" / name / f"{name}_{who}.wav", 3 * n + i)
        (session / "dialog" / "EmoEvaluation" / f"{name}.txt").write_text(evaluated)
        (session / "dialog" / "transcriptions" / f"{name}.txt").write_text(said)


def write_sequence(path: Path, root: str, videos: dict, names: list[str] | None = None) -> None:
    """As the SDK of CMU-MOSEI writes a computational sequence."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        top = file.create_group(root)
        for video, (intervals, features) in videos.items():
            group = top.create_group(f"data/{video}")
            group.create_dataset("intervals", data=np.array(intervals))
            group.create_dataset("features", data=np.array(features))
        if names:
            written = top.create_dataset("metadata/dimension names", (1,), dtype=h5py.special_dtype(vlen=str))
            written[0] = json.dumps(names)


def mosei_videos() -> dict[str, tuple[list[list[float]], list[list[float]]]]:
    labels = [[1.0, *(float(n == i) for n in range(6))] for i in range(6)]
    times = [[2.0 * n, 2.0 * n + 1] for n in range(6)]
    return {f"{split}_video": (times, labels) for split in mosei.SPLITS}


def made_mosei(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_sequence(folder / "CMU_MOSEI_Labels.csd", "All Labels", mosei_videos())
    folds = [f"{name} = ['{split}_video']\n" for split, name in mosei.SPLITS.items()]
    (folder / "cmu_mosei_std_folds.py").write_text("".join(folds))
    (folder / mosei.TRANSCRIPTS).mkdir(parents=True)
    for s, split in enumerate(mosei.SPLITS):
        lines = [f"{split}_video___{n}___{2.0 * n}___{2.0 * n + 1}___{words(6 * s + n)}" for n in range(6)]
        (folder / mosei.TRANSCRIPTS / f"{split}_video.txt").write_text("\n".join(lines))
        for n in range(6):
            sound(folder / mosei.SEGMENTS / f"{split}_video_{n}.mp4", 6 * s + n)


def mosi_rows() -> list[list[object]]:
    return [
        [f"{split}{v}_{n}", f"{split}{v}", n, split, split, (-1) ** n * 1.5, words(6 * s + 3 * v + n)]
        for s, split in enumerate(("train", "val", "test"))
        for v in range(2)
        for n in range(3)
    ]


def made_mosi(folder: Path) -> None:
    rows = mosi_rows()
    write_table(folder / "utterances.csv", [MOSI, *rows])
    for n, row in enumerate(rows):
        sound(folder / "clips" / f"{row[0]}.mp4", n)
    rng = np.random.default_rng(0)
    widths = {stream.partition(".")[0]: width for stream, width in mosi.READY.items()}
    arrays = {name: rng.normal(size=(len(rows), width)) for name, width in widths.items()}
    np.savez(folder / mosi.FEATURES, **arrays)  # pyright: ignore[reportArgumentType]


def made_emoreact(folder: Path) -> None:
    (folder / "Labels").mkdir(parents=True)
    for s, (labels, names, clips) in enumerate(emoreact.SPLITS.values()):
        marks = [",".join([*(str(int(n == i)) for n in range(8)), "4.0"]) for i in range(8)]
        clip = [f"SHOWN{chr(65 + s)}_{n}.mp4" for n in range(8)]
        (folder / "Labels" / labels).write_text("\n".join(marks))
        (folder / "Labels" / names).write_text("\n".join(f"'{name}'" for name in clip))
        for n, name in enumerate(clip):
            sound(folder / clips / name, 8 * s + n)


def made_elderreact(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for s, (split, clips) in enumerate(elderreact.SPLITS.items()):
        names = [f"{split}_{n}" for n in range(6)]
        marks = [
            f"{name}.mp4 {' '.join(str(int(n == i)) for n in range(6))} f 4.0" for i, name in enumerate(names)
        ]
        numbers = np.random.default_rng(s).normal(size=(6, 148))
        vectors = [f"{name} {' '.join(map(str, row))}" for name, row in zip(names, numbers, strict=True)]
        (folder / f"{split}_labels.txt").write_text("\n".join(marks))
        (folder / f"{split}_audio.txt").write_text("\n".join(vectors))
        for n, name in enumerate(names):
            sound(folder / clips / f"{name}.mp4", 6 * s + n)


def made_ravdess(folder: Path) -> None:
    """A take of each of twenty actors, whose expression goes by the number of the actor."""
    for actor in range(1, 21):
        name = f"03-01-{list(ravdess.EMOTION_OF)[actor % 8]}-01-01-01-{actor:02d}.wav"
        sound(folder / f"Actor_{actor:02d}" / name, actor)


def made_cremad(folder: Path) -> None:
    """Six emotions of six actors, two in each part."""
    for a, actor in enumerate((1001, 1002, 1065, 1066, 1074, 1075)):
        for n, emotion in enumerate(cremad.EMOTION_OF):
            sound(folder / "AudioWAV" / f"{actor}_DFA_{emotion}_XX.wav", 6 * a + n)


def made_goemotions(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.txt").write_text("\n".join(goemotions.FINE_LABELS.names))
    for s, split in enumerate(goemotions.SPLITS):
        rows = [f"{words(28 * s + n)}\t{n}\t{split}{n}" for n in range(28)]
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def ferplus_arrays() -> dict[str, np.ndarray]:
    classes = [
        "neutral",
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "contempt",
        "unknown",
        "NF",
    ]
    return {
        "images": np.random.default_rng(0).integers(0, 256, (21, 48, 48), dtype=np.uint8),
        "votes": np.concatenate([10 * np.eye(10, dtype=np.uint8)[:7]] * 3),
        "split": np.repeat(list(ferplus.SPLITS), 7),
        "classes": np.array(classes),
    }


def made_ferplus(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "ferplus.npz", **ferplus_arrays())  # pyright: ignore[reportArgumentType]


MAKERS: dict[str, Callable[[Path], None]] = {
    "meld": made_meld,
    "meld text": made_meld_text,
    "iemocap": made_iemocap,
    "mosei": made_mosei,
    "mosi": made_mosi,
    "emoreact": made_emoreact,
    "elderreact": made_elderreact,
    "ravdess": made_ravdess,
    "cremad": made_cremad,
    "goemotions": made_goemotions,
    "ferplus": made_ferplus,
}


def lines(path: Path) -> Iterator[str]:
    yield from path.read_text(encoding="utf-8").splitlines()
