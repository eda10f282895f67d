import csv
from collections.abc import Callable
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from media_makers import make_video

from affectline.corpora import held_out, mosi
from affectline.features import extract
from affectline.features.ready import Ready
from affectline.media import FileClip
from affectline.types import Conversation

HEADER = ["utterance_id", "video_id", "position", "features_split", "standard_split"]
HEADER += ["sentiment", "positive", "has_clip", "text"]
TRAINING = [f"v{n:02d}" for n in range(20)]
TESTED = [f"w{n:02d}" for n in range(20)]


def row(
    video: str, position: int, features: str = "train", standard: str = "train", sentiment: str = "1.5"
) -> list[str]:
    cells = [f"{video}_{position}", video, position, features, standard, sentiment, 1, 0, "IT WAS FINE"]
    return [str(cell) for cell in cells]


def write(root: Path, *rows: list[str], header: list[str] = HEADER) -> None:
    with (root / "utterances.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def videos(conversations: list[Conversation]) -> set[str]:
    return {c.id for c in conversations}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path,
        row("b", 2, "test", "train", "-0.2"),
        row("b", 1, "test", "train", "0.0"),
        row("c", 1, "test", "val", "-3.0"),
        row("d", 1, "test", "test", "3.0"),
        *[row(video, 1, "train", "test") for video in TRAINING],
        *[row(video, 1, "test", "test") for video in TESTED],
    )
    count = np.arange(44.0)[:, None]
    np.savez(
        tmp_path / mosi.FEATURES,
        text=count.repeat(100, axis=1),
        audio=count.repeat(73, axis=1) + 1000,
        video=count.repeat(100, axis=1) + 2000,
    )
    return tmp_path


def test_a_video_is_a_conversation_of_one_speaker_in_the_order_of_position(folder: Path) -> None:
    (video,) = mosi.read(folder, "train")
    assert video.id == "b"
    assert video.speakers == ("b",)
    assert [u.id for u in video] == ["b_1", "b_2"]
    assert video.utterances[0].text == "IT WAS FINE"


def test_a_sentiment_of_zero_is_positive(folder: Path) -> None:
    zero, below = mosi.read(folder, "train")[0]
    assert (zero.emotions, zero.sentiment) == ({"positive"}, 0.0)
    assert (below.emotions, below.sentiment) == ({"negative"}, -0.2)


def test_the_official_val_is_dev(folder: Path) -> None:
    assert videos(mosi.read(folder, "dev")) == {"c"}
    assert videos(mosi.read(folder, "test")) == {"d", *TRAINING, *TESTED}


def test_dev_of_the_published_division_is_a_tenth_of_its_training_videos(folder: Path) -> None:
    train, dev, test = (videos(mosi.read_published(folder, split)) for split in mosi.SPLITS)
    assert len(dev) == 2
    assert train | dev == set(TRAINING)
    assert not train & dev
    assert test == {"b", "c", "d", *TESTED}
    assert videos(mosi.read_published(folder, "dev")) == dev


def test_a_tenth_does_not_hang_on_the_order_of_the_names() -> None:
    again = ["v16"] * 10  # as a video is in many rows
    assert held_out(TRAINING) == held_out([*reversed(TRAINING), *again]) == {"v11", "v16"}


def test_clips_that_are_there_are_used_and_absent_ones_are_not_declared_missing(folder: Path) -> None:
    (folder / "clips").mkdir()
    make_video(folder / "clips" / "b_2.mp4", seconds=0.5, rate=10)
    without, with_clip = mosi.read(folder, "train")[0]
    assert without.clip is None
    assert without.missing == frozenset()  # its published features are there
    assert with_clip.clip == FileClip(folder / "clips" / "b_2.mp4")


def brought(conversations: list[Conversation]) -> dict[str, dict[str, float]]:
    """The first number of each stream that an utterance comes with."""
    return {u.id: {s: float(v[0]) for s, v in u.ready.items()} for c in conversations for u in c}


def test_features_go_by_the_rows_of_the_table_and_the_official_split_gets_the_clean_ones(
    folder: Path,
) -> None:
    first = brought(mosi.read_published(folder, "test"))
    assert first["b_2"] == {"text.published": 0, "audio.published": 1000, "video.published": 2000}
    assert first["b_1"] == {"text.published": 1, "audio.published": 1001, "video.published": 2001}
    assert brought(mosi.read(folder, "train"))["b_1"] == {"audio.published": 1001}


def test_an_extractor_reads_what_an_utterance_comes_with(folder: Path) -> None:
    talks = mosi.read(folder, "train")
    (row,) = extract(talks, [Ready("audio.published", 73), Ready("video.published", 100)])
    np.testing.assert_array_equal(
        row[0]["audio.published"], talks[0].utterances[0].ready["audio.published"][None]
    )
    assert row[0]["video.published"].shape == (0, 100)


def test_a_nan_in_a_feature_names_the_utterance(folder: Path) -> None:
    talk = mosi.read(folder, "train")[0]
    talk = talk.edit(0, ready={"audio.published": np.full(73, np.nan, np.float32)})
    with pytest.raises(ValueError, match=r"'audio\.published', .* made a NaN or an infinity for 'b_1'"):
        extract([talk], [Ready("audio.published", 73)])


def test_without_the_features_the_words_are_there_and_the_published_split_is_refused(folder: Path) -> None:
    (folder / mosi.FEATURES).unlink()
    assert brought(mosi.read(folder, "train"))["b_1"] == {}
    with pytest.raises(ValueError, match=r"no CMU-MOSI at .*utterance_features\.npz"):
        mosi.read_published(folder, "train")


def test_features_of_another_number_of_utterances_are_refused(folder: Path) -> None:
    np.savez(folder / mosi.FEATURES, audio=np.zeros((43, 73)))
    with pytest.raises(ValueError, match=r"'audio' in .*npz is \(43, 73\), but must be \(44, 73\)"):
        mosi.read(folder, "train")
    with pytest.raises(ValueError, match=r"npz lacks text, video, and has audio"):
        mosi.read_published(folder, "train")


def test_a_wrong_folder_says_where_to_get_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no CMU-MOSI at .*utterances\.csv.*multicomp.*for research"):
        mosi.read(tmp_path, "train")


@pytest.mark.parametrize("read", [mosi.read, mosi.read_published])
def test_an_unknown_split_names_the_splits(
    folder: Path, read: Callable[[Path, str], list[Conversation]]
) -> None:
    with pytest.raises(ValueError, match=r"no split 'val'; it has \['train', 'dev', 'test'\]"):
        read(folder, "val")


def test_a_missing_column_is_named(folder: Path) -> None:
    write(folder, row("b", 1), header=[*HEADER[:5], "score", *HEADER[6:]])
    with pytest.raises(ValueError, match=r"utterances\.csv lacks the columns \['sentiment'\].*'score'"):
        mosi.read(folder, "train")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("b", 1, sentiment="good")], r"line 2: position and sentiment must be numbers: .*'good'"),
        ([row("b", 1, sentiment="3.2")], r"line 2: the sentiment is 3\.2, but must lie in -3 to 3"),
        ([row("b", 1, sentiment="nan")], r"line 2: the sentiment is nan"),
        ([row("b", 1), row("c", 1), row("b", 1)], r"line 4: a second utterance 1 of 'b'"),
    ],
)
def test_a_broken_row_is_named_with_its_line(folder: Path, rows: list[list[str]], message: str) -> None:
    (folder / mosi.FEATURES).unlink()
    write(folder, *rows)
    with pytest.raises(ValueError, match=r"utterances\.csv " + message):
        mosi.read(folder, "train")


@pytest.fixture(scope="session")
def root(data: Path) -> Path:
    if not (data / "mosi").is_dir():
        pytest.skip(f"no CMU-MOSI at {data / 'mosi'}")
    return data / "mosi"


@pytest.mark.corpus
def test_the_published_counts(root: Path) -> None:
    official = {split: mosi.read(root, split) for split in mosi.SPLITS}
    assert {s: (len(cs), sum(map(len, cs))) for s, cs in official.items()} == {
        "train": (52, 1284),
        "dev": (10, 229),
        "test": (31, 686),
    }
    assert len({c.id for cs in official.values() for c in cs}) == 93
    utterances = {u.id: u for cs in official.values() for c in cs for u in c}
    assert sum(u.clip is not None for u in utterances.values()) == 216
    with (root / "utterances.csv").open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            assert (utterances[cells["utterance_id"]].emotions == {"positive"}) == (cells["positive"] == "1")


@pytest.mark.corpus
def test_the_published_division_keeps_videos_apart(root: Path) -> None:
    published = {split: mosi.read_published(root, split) for split in mosi.SPLITS}
    assert {s: len(cs) for s, cs in published.items()} == {"train": 56, "dev": 6, "test": 31}
    assert sum(len(c) for s in ("train", "dev") for c in published[s]) == 1447
    assert sum(len(c) for c in published["test"]) == 752
    assert len({c.id for cs in published.values() for c in cs}) == 93
    tested, trained = (videos(part) for part in (mosi.read(root, "test"), published["train"]))
    assert len(tested & (trained | videos(published["dev"]))) == 24  # why the two are never mixed


@pytest.mark.corpus
def test_the_published_columns_have_a_vector_for_every_utterance(root: Path) -> None:
    published = [u for split in mosi.SPLITS for c in mosi.read_published(root, split) for u in c]
    assert len(published) == 2199
    assert all({s: len(v) for s, v in u.ready.items()} == mosi.READY for u in published)
    assert all(set(u.ready) == {"audio.published"} for c in mosi.read(root, "test") for u in c)


def test_raw_clips_are_divided_by_video_so_that_each_is_tested_once(tmp_path: Path) -> None:
    names = [f"v{n}" for n in range(10)]
    write(tmp_path, *[row(v, n, sentiment=str(n - 1)) for v in names for n in (0, 1, 2, 3)])
    clip = make_video(tmp_path / "clip.mp4", seconds=0.1)
    (tmp_path / "clips").mkdir()
    for name in names:
        for n in range(3):
            copy(clip, tmp_path / "clips" / f"{name}_{n}.mp4")
    tested: list[str] = []
    for fold in range(mosi.FOLDS):
        parts = {s: {c.id[:2] for c in mosi.read_raw(tmp_path, s, fold)} for s in mosi.SPLITS}
        assert [len(parts[s]) for s in mosi.SPLITS] == [6, 2, 2]
        assert set.union(*parts.values()) == set(names)
        tested += parts["test"]
    assert sorted(tested) == names
    whole = [(c.id, [u.clip is not None for u in c]) for c in mosi.read_videos(tmp_path, "dev")]
    assert whole == [(video, [True, True, True, False]) for video in ("v1", "v6")]
    shown = [u.emotions for c in mosi.read_raw(tmp_path, "test")[:3] for u in c]
    assert shown == [{"negative"}, frozenset(), {"positive"}]
    assert mosi.RAW_LABELS.multilabel
    with pytest.raises(ValueError, match="fold 5 is none of the 5: 0 to 4"):
        mosi.read_raw(tmp_path, "test", 5)


def test_without_any_clip_there_is_nothing_raw(folder: Path) -> None:
    with pytest.raises(ValueError, match="clips has no clip of an utterance; get the recordings"):
        mosi.read_raw(folder, "train")
