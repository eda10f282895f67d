"""CMU-MOSI: people who review films in front of a camera, sentiment from -3 to 3 (Zadeh et al. 2016).

`utterances.csv` holds the words of 2,199 utterances of 93 videos, their sentiment and two divisions;
`clips/{utterance}.mp4` the recordings, of which not all need be there. A video is a conversation of one
speaker, in the order of `position`. Two labels by the sign of the sentiment, 0 being positive. The words
are in capitals, as published.

**The published features have seen labels.** The text and the video columns of `utterance_features.npz`
(Poria et al. 2017) come from networks trained on the labels of the training part of `features_split`, in
which 24 of the 31 official test videos are. So `read_published` alone gives them; the audio column is clean.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from affectline.corpora import Fault, Published, Source, held_out, table
from affectline.media import FileClip
from affectline.types import Conversation, LabelSpace, Utterance, modality_of

SOURCE = Source(
    name="CMU-MOSI",
    page="http://multicomp.cs.cmu.edu/resources/cmu-mosi-dataset",
    licence="for research",
    layout="a folder with utterances.csv and, where there are recordings, clips/",
)
LABELS = LabelSpace(("negative", "positive"))
RAW_LABELS = LabelSpace(LABELS.names, multilabel=True)
"""Of `read_raw`, where 0 is neither."""
FOLDS = 5
READY = {"text.published": 100, "audio.published": 73, "video.published": 100}
"""The streams of utterance_features.npz (Poria et al. 2017), and their widths."""
CLEAN = ("audio.published",)
"""Those that have seen no labels."""
SPLITS = {"train": "train", "dev": "val", "test": "test"}
"""Our names for the official splits, and the corpus' own."""
PUBLISHED = {"train": Published(52, 1284), "dev": Published(10, 229), "test": Published(31, 686)}
COLUMNS = ("utterance_id", "video_id", "position", "features_split", "standard_split", "sentiment", "text")
FEATURES = "utterance_features.npz"

Row = dict[str, str]


def read(root: Path, split: str) -> list[Conversation]:
    """Videos of an official split: 52, 10 and 31 of them, 1,284, 229 and 686 utterances.

    Raises:
        ValueError: where the corpus or the split is not there, or a row is not as it should be.
    """
    name = SPLITS[SOURCE.one_of(split, SPLITS)]
    streams = CLEAN if (root / FEATURES).is_file() else ()
    return _conversations(root, streams, lambda row: row["standard_split"] == name)


def read_published(root: Path, split: str) -> list[Conversation]:
    """Videos of a split that the published features were made for: 62 to train on, 31 to test on.

    It has no dev part: dev is a tenth of the training videos, always the same, and is not in train. With
    the text and the video column that dev is *blind*: it lies among the labels that the features have seen,
    and whatever is chosen on it is chosen by memory (a bc-LSTM has .99 there and .78 on test).

    Raises:
        ValueError: where the corpus or the split is not there, or a row is not as it should be.
    """
    SOURCE.one_of(split, SPLITS)
    dev = held_out(row["video_id"] for _, row in _rows(root) if row["features_split"] == "train")

    def part(row: Row) -> str:
        return "dev" if row["video_id"] in dev else row["features_split"]

    return _conversations(root, tuple(READY), lambda row: part(row) == split)


def read_raw(root: Path, split: str, fold: int = 0) -> list[Conversation]:
    """The utterances whose clip is there, each by itself; neither label where the sentiment is 0.

    One of five divisions of their videos, see `read_videos`.

    Raises:
        ValueError: where the corpus, the split or the fold is not there, or no clip.
    """
    return [
        Conversation(u.id, (replace(u, emotions=_sign(u.sentiment)),))
        for video in read_videos(root, split, fold)
        for u in video
        if u.clip is not None
    ]


def read_videos(root: Path, split: str, fold: int = 0) -> list[Conversation]:
    """The videos of which there are clips, with all that is said in them; others have words alone.

    One of five divisions: every fifth of them, in the order of their names, is for test, those after them are
    for dev, the others for train; so each is tested once.

    Raises:
        ValueError: where the corpus, the split or the fold is not there, or no clip.
    """
    SOURCE.one_of(split, SPLITS)
    if not 0 <= fold < FOLDS:
        raise ValueError(f"fold {fold} is none of the {FOLDS}: 0 to {FOLDS - 1}")
    talks = [c for c in _conversations(root, (), lambda _: True) if any(u.clip is not None for u in c)]
    if not talks:
        raise ValueError(f"{root / 'clips'} has no clip of an utterance; get the recordings of {SOURCE.page}")
    videos = sorted(c.id for c in talks)
    part = {video: "train" for video in videos}
    part |= dict.fromkeys(videos[(fold + 1) % FOLDS :: FOLDS], "dev")
    part |= dict.fromkeys(videos[fold::FOLDS], "test")
    return [c for c in talks if part[c.id] == split]


def _sign(sentiment: float | None) -> frozenset[str]:
    return frozenset({"positive"} if sentiment > 0 else {"negative"} if sentiment < 0 else ())  # pyright: ignore


def faults(root: Path) -> list[Fault]:
    """What is wrong in this copy: published features, where there are any, have seen labels of the test part.

    Raises:
        ValueError: where the corpus is not there.
    """
    rows = [row for _, row in _rows(root) if row["standard_split"] == SPLITS["test"]]
    tested = {row["video_id"] for row in rows}
    seen = {row["video_id"] for row in rows if row["features_split"] == "train"}
    if not seen or not (root / FEATURES).is_file():
        return []
    what = f"its text and video columns have seen the labels of {len(seen)} of the {len(tested)} test videos"
    return [Fault(FEATURES, "test", what, "only `read_published` gives them", "seen-labels")]


def _ready(root: Path, streams: Collection[str]) -> list[dict[str, Float32[np.ndarray, " dim"]]]:
    """The published features of each row of utterances.csv; the file has no names, its rows are those."""
    path, count = SOURCE.require(root / FEATURES), len(_rows(root))
    with np.load(path, allow_pickle=False) as file:
        absent = [m for m in map(modality_of, streams) if m not in file]
        if absent:
            raise ValueError(f"{path} lacks {', '.join(absent)}, and has {', '.join(file)}; get it again")
        arrays = {stream: file[modality_of(stream)].astype(np.float32) for stream in streams}
    for stream, array in arrays.items():
        if array.shape != (count, READY[stream]):
            raise ValueError(
                f"'{modality_of(stream)}' in {path} is {array.shape}, but must be {(count, READY[stream])}: "
                "one row for each of utterances.csv; get both from the same place"
            )
    return [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]


def _rows(root: Path) -> list[tuple[int, Row]]:
    return table(SOURCE.require(root / "utterances.csv"), COLUMNS)


def _conversations(
    root: Path, streams: Collection[str], belongs: Callable[[Row], bool]
) -> list[Conversation]:
    """One for each video, in the order of the file; its utterances in the order in which they were said."""
    clips = root / "clips"
    there = {path.name for path in clips.iterdir()} if clips.is_dir() else set()
    videos: dict[str, dict[int, Utterance]] = {}
    rows = _rows(root)
    brought = _ready(root, streams) if streams else [{} for _ in rows]
    for (line, row), ready in zip(rows, brought, strict=True):
        if not belongs(row):
            continue
        said = videos.setdefault(row["video_id"], {})
        position, utterance = _utterance(root, line, row, there)
        utterance = replace(utterance, ready=ready)
        if position in said:
            raise ValueError(f"{_where(root, line)}: a second utterance {position} of {row['video_id']!r}")
        said[position] = utterance
    return [Conversation(video, tuple(said[n] for n in sorted(said))) for video, said in videos.items()]


def _utterance(root: Path, line: int, row: Row, there: Collection[str]) -> tuple[int, Utterance]:
    """Its position in the video, and the utterance."""
    clip = f"{row['utterance_id']}.mp4"
    try:
        position, sentiment = int(row["position"]), float(row["sentiment"])
    except ValueError as error:
        raise ValueError(f"{_where(root, line)}: position and sentiment must be numbers: {error}") from error
    if not -3 <= sentiment <= 3:
        raise ValueError(f"{_where(root, line)}: the sentiment is {sentiment}, but must lie in -3 to 3")
    return position, Utterance(
        id=row["utterance_id"],
        speaker=row["video_id"],
        text=row["text"],
        clip=FileClip(root / "clips" / clip) if clip in there else None,
        emotions=frozenset({"positive" if sentiment >= 0 else "negative"}),
        sentiment=sentiment,
    )


def _where(root: Path, line: int) -> str:
    return f"{root / 'utterances.csv'} line {line}"
