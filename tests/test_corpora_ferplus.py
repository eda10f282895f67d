from pathlib import Path

import numpy as np
import pytest

from affectline.corpora import ferplus
from affectline.types import Clip, Modality

CLASSES = np.array(
    ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
)
VOTES = {
    "train": [
        [0, 7, 3, 0, 0, 0, 0, 0, 0, 0],
        [2, 2, 2, 2, 2, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 4, 6],  # no face
        [0, 0, 0, 0, 5, 0, 0, 0, 0, 5],  # no majority for no face
    ],
    "dev": [[0, 0, 0, 0, 0, 0, 0, 8, 2, 0]],
    "test": [
        [0, 6, 0, 0, 0, 0, 0, 4, 0, 0],
        [4, 0, 0, 4, 2, 0, 0, 0, 0, 0],  # two lead
        [4, 0, 0, 0, 0, 0, 0, 6, 0, 0],  # contempt leads
        [4, 0, 0, 0, 0, 0, 0, 0, 4, 1],  # unknown shares the lead
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
        [0, 0, 0, 0, 0, 3, 2, 2, 2, 0],  # nine votes
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    split = np.array([s for s, rows in VOTES.items() for _ in rows])
    votes = np.array([row for rows in VOTES.values() for row in rows], dtype=np.uint8)
    images = np.random.default_rng(0).integers(0, 256, (len(votes), 48, 48), dtype=np.uint8)
    np.savez(tmp_path / "ferplus.npz", images=images, votes=votes, split=split, classes=CLASSES)
    return tmp_path


def test_three_votes_make_a_label(folder: Path) -> None:
    emotions = [c.utterances[0].emotions for c in ferplus.read(folder, "train")]
    assert emotions == [{"joy", "surprise"}, frozenset(), {"anger"}]


def test_faces_that_most_call_none_are_left_out_of_train_alone(folder: Path) -> None:
    assert [c.id for c in ferplus.read(folder, "train")] == ["train00000", "train00001", "train00003"]
    assert len(ferplus.read(folder, "test")) == len(VOTES["test"])


def test_ratings_are_shares_of_all_votes(folder: Path) -> None:
    assert ferplus.read(folder, "dev")[0].utterances[0].ratings == {"contempt": 0.8, "unknown": 0.2}
    ratings = ferplus.read(folder, "test")[5].utterances[0].ratings
    assert ratings is not None
    assert ratings["disgust"] == pytest.approx(3 / 9)


def test_accuracy_counts_faces_led_by_one_of_the_seven(folder: Path) -> None:
    test = ferplus.read(folder, "test")
    assert ferplus.most_voted(test) == ["joy", None, "contempt", None, "no face", "disgust"]
    assert ferplus.accuracy_mask(test).tolist() == [True, False, False, False, False, True]


def test_a_picture_is_a_clip_that_shows_what_is_in_the_file(folder: Path) -> None:
    clip = ferplus.read(folder, "dev")[0].utterances[0].clip
    assert isinstance(clip, Clip)
    with np.load(folder / "ferplus.npz") as file:
        image = file["images"][len(VOTES["train"])]
    frames = clip.frames(count=2)
    assert frames.shape == (2, 48, 48, 3)
    assert (frames == image[None, :, :, None]).all()
    assert len(clip.waveform(16000)) == 0
    assert len(list(clip.pictures(5.0))) == 1


def test_pictures_that_differ_have_other_contents(folder: Path) -> None:
    clips = [c.utterances[0].clip for c in ferplus.read(folder, "test")]
    hashes = {clip.content(Modality.VIDEO) for clip in clips if clip is not None}
    assert len(hashes) == len(VOTES["test"])


def test_a_missing_file_says_where_to_get_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no FER\+ at .*ferplus\.npz.*microsoft/FERPlus"):
        ferplus.read(tmp_path, "train")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "ferplus.npz", images=np.zeros(3))
    with pytest.raises(ValueError, match=r"lacks \['classes', 'split', 'votes'\]"):
        ferplus.read(tmp_path, "train")


def test_an_unknown_split_names_the_splits(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no split 'PublicTest'; it has \['train', 'dev', 'test'\]"):
        ferplus.read(folder, "PublicTest")


@pytest.mark.corpus
def test_the_published_counts(data: Path) -> None:
    root = data / "ferplus"
    assert len(ferplus.read(root, "train")) == 28561 - 2  # two that most call no face
    assert len(ferplus.read(root, "dev")) == 3579
    test = ferplus.read(root, "test")
    assert len(test) == 3574
    assert ferplus.accuracy_mask(test).sum() == 3350
