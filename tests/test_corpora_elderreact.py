import os
from collections import Counter
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from media_makers import make_sound

from affectline.corpora import elderreact
from affectline.evaluation import Run, Truth, evaluate
from affectline.features import extract
from affectline.features.ready import Ready
from affectline.media import FileClip

DATA = Path(os.environ.get("AFFECTLINE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "elderreact"
LINES = ("a_b_1.mp4 1 0 0 0 0 1 f 1.5", "a_b_2.mp4 0 0 0 1 0 0 m 7.0", "c_10.mp4 0 0 0 0 0 0 f 4.0")


def numbers(first: object, count: int = 148) -> str:
    return " ".join(str(n) for n in (first, *range(1, count)))


def write(root: Path, *lines: str, annotations: str = ".", features: str = ".") -> Path:
    for folder in (annotations, features):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for split in elderreact.SPLITS:
        (root / annotations / f"{split}_labels.txt").write_text("".join(f"{line}\n" for line in lines))
        names = [line.split()[0].removesuffix(".mp4") for line in lines]
        rows = [f"{name}\t{numbers('inf' if name == 'c_10' else n)}\n" for n, name in enumerate(names)]
        (root / features / f"{split}_audio.txt").write_text("".join(rows))
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, *LINES)


def test_a_clip_is_a_conversation_of_one_with_several_labels_or_none(folder: Path) -> None:
    angry, glad, still = (c.utterances[0] for c in elderreact.read(folder, "train"))
    assert angry.emotions == {"anger", "surprise"}
    assert glad.emotions == {"joy"}
    assert still.emotions == frozenset()
    assert (angry.text, angry.text_source, angry.clip) == (None, "none", None)
    assert [u.sentiment for u in (angry, glad, still)] == [-2.5, 3.0, 0.0]
    assert [c.id for c in elderreact.read(folder, "dev")] == ["a_b_1", "a_b_2", "c_10"]


def test_a_clip_without_labels_is_known_to_show_none(folder: Path) -> None:
    truth = Truth.of(elderreact.read(folder, "test"), elderreact.LABELS)
    assert truth.known.all()
    assert not truth.targets[2].any()


def test_clips_of_one_video_have_one_speaker(folder: Path) -> None:
    assert [c.speakers for c in elderreact.read(folder, "test")] == [("a_b",), ("a_b",), ("c",)]
    assert elderreact.genders(folder, "test") == {"a_b_1": "female", "a_b_2": "male", "c_10": "female"}


def test_features_that_are_not_finite_are_a_missing_stream_and_a_fault(folder: Path) -> None:
    talks = elderreact.read(folder, "test")
    first, _, broken = extract(talks, [Ready("audio.covarep", 148)])
    np.testing.assert_array_equal(first[0]["audio.covarep"], np.arange(148, dtype=np.float32)[None])
    assert broken[0]["audio.covarep"].shape == (0, 148)
    assert talks[2].utterances[0].missing == {"audio.covarep"}
    found = [(f.file, f.where) for f in elderreact.faults(folder)]
    assert found == [(f"{split}_audio.txt", "c_10") for split in elderreact.SPLITS]


def test_the_folders_of_the_release_are_read_as_the_folder_itself(folder: Path, tmp_path: Path) -> None:
    released = write(tmp_path / "x", *LINES, annotations="Annotations", features="Features/Audio_feat")
    assert elderreact.read(released, "test") == elderreact.read(folder, "test")
    assert elderreact.read(released, "test")[0].utterances[0].ready


def test_clips_are_used_where_there_are_any_and_others_are_faults(folder: Path) -> None:
    clips = folder / "ElderReact_test"
    clips.mkdir()
    sound = folder / "sound.wav"
    make_sound(sound, seconds=0.1)
    for name in ("a_b_2.mp4", "c_10.mp4", "d_1.mp4"):
        copy(sound, clips / name)
    absent, there, _ = (c.utterances[0] for c in elderreact.read(folder, "test"))
    assert (absent.clip, absent.missing) == (None, frozenset())
    assert there.clip == FileClip(clips / "a_b_2.mp4")
    assert [f.where for f in elderreact.faults(folder) if f.file == "ElderReact_test"] == [
        "a_b_1",
        "d_1.mp4",
    ]


def test_labels_alone_are_enough(folder: Path) -> None:
    (folder / "test_audio.txt").unlink()
    assert [c.utterances[0].missing for c in elderreact.read(folder, "test")] == [{"audio.covarep"}] * 3
    assert not [f for f in elderreact.faults(folder) if f.file == "test_audio.txt"]


@pytest.mark.parametrize(
    "line",
    [
        "a_1.mp4 1 0 0 0 0 f 1.5",
        "a_1.mp4 1 0 0 0 0 1 0 f 1.5",
        "a_1.mp4 1 0 0 0 0 2 f 1.5",
        "a_1.mp4 1 0 0 0 0 1 x 1.5",
        "a_1.mp4 1 0 0 0 0 1 f 7.5",
        "file anger disgust fear happiness sadness surprise gender valence",
        "a_b_1.mp4 1 0 0 0 0 1 f 1.5",
    ],
)
def test_other_columns_are_refused_with_the_line(folder: Path, line: str) -> None:
    with (folder / "dev_labels.txt").open("a") as file:
        file.write(line)
    with pytest.raises(ValueError, match=r"dev_labels.txt line 4.*"):
        elderreact.read(folder, "dev")


def test_features_of_another_width_are_refused_with_the_line(folder: Path) -> None:
    (folder / "dev_audio.txt").write_text(f"a_b_1\t{numbers(0)}\na_b_2\t{numbers(0, 147)}\n")
    with pytest.raises(ValueError, match="line 2 must have a name and 148 numbers, but has 147"):
        elderreact.read(folder, "dev")
    (folder / "dev_audio.txt").write_text(f"a_b_1\t{numbers('x')}\n")
    with pytest.raises(ValueError, match="line 1: after the name"):
        elderreact.read(folder, "dev")


def test_a_folder_without_the_corpus_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Mayer123/ElderReact"):
        elderreact.read(tmp_path, "train")


@pytest.mark.corpus
@pytest.mark.skipif(not DATA.is_dir(), reason="ElderReact is not at hand")
def test_the_published_splits_have_their_sizes_and_prevalences() -> None:
    read = {split: elderreact.read(DATA, split) for split in elderreact.SPLITS}
    assert {split: len(talks) for split, talks in read.items()} == {"train": 615, "dev": 355, "test": 353}
    none = {split: sum(not c.utterances[0].emotions for c in talks) for split, talks in read.items()}
    assert none == {"train": 35, "dev": 17, "test": 40}
    held = Counter(e for c in read["test"] for e in c.utterances[0].emotions or ())
    share = {e: round(n / 353, 3) for e, n in held.items()}
    assert share == {
        "anger": 0.215,
        "disgust": 0.178,
        "fear": 0.082,
        "joy": 0.53,
        "sadness": 0.187,
        "surprise": 0.343,
    }
    assert len({c.speakers for talks in read.values() for c in talks}) == 43
    assert [(f.file, f.where) for f in elderreact.faults(DATA)] == [("test_audio.txt", "rammstein_30")]


@pytest.mark.corpus
@pytest.mark.skipif(not DATA.is_dir(), reason="ElderReact is not at hand")
def test_what_answers_without_input_has_the_numbers_that_were_counted_before() -> None:
    truth, train = (Truth.of(elderreact.read(DATA, split), elderreact.LABELS) for split in ("test", "train"))
    blind = Run(np.broadcast_to(train.base_rate, truth.targets.shape), np.full(6, 0.5))
    found = evaluate(truth, [blind], base_rate=train.base_rate, replicates=2).baselines
    names = ("weighted_f1", "macro_f1", "micro_f1", "wf1_bin", "acc_label", "accuracy")
    counted = {
        "majority": [23.9, 11.5, 41.8, 65.5, 75.4, 27.2],
        "all_zeros": [0.0, 0.0, 0.0, 64.4, 74.4, 11.3],
        "all_ones": [48.4, 38.8, 40.8, 12.4, 25.6, 0.0],
    }
    assert found.keys() == counted.keys()
    for name, percent in counted.items():
        assert [100 * (found[name][m] or 0) for m in names] == pytest.approx(percent, abs=0.11)


def test_a_clip_is_heard_beside_the_mean_of_its_video_in_the_same_split(folder: Path) -> None:
    first, second, broken = (c.utterances[0] for c in elderreact.read_in_videos(folder, "test"))
    own = [c.utterances[0].ready["audio.covarep"] for c in elderreact.read(folder, "test")[:2]]
    for utterance, numbers in zip((first, second), own, strict=True):
        heard = utterance.ready["audio.covarep_in_video"]
        np.testing.assert_allclose(heard, np.concatenate([numbers, np.mean(own, axis=0)]))
    assert (broken.ready, broken.missing) == ({}, {"audio.covarep_in_video"})
