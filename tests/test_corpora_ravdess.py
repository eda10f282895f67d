import wave
from pathlib import Path

import pytest

from affectline.corpora import ravdess


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for actor in range(1, 21):
        directory = tmp_path / f"Actor_{actor:02d}"
        directory.mkdir()
        for emotion in ("02", "08"):
            _write_silence(directory / f"03-01-{emotion}-01-02-01-{actor:02d}.wav")
    (tmp_path / "Actor_01" / "notes.txt").touch()
    return tmp_path


def _write_silence(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(3200))


def test_the_name_gives_emotion_speaker_and_sentence(folder: Path) -> None:
    calm, surprised = ravdess.read(folder, "test")[:2]
    assert calm.utterances[0].emotions == {"neutral"}
    assert surprised.utterances[0].emotions == {"surprise"}
    assert surprised.utterances[0].text == "Dogs are sitting by the door."
    assert surprised.speakers == ("Actor_17",)
    assert surprised.id == "03-01-08-01-02-01-17"


def test_odd_actors_are_men() -> None:
    assert ravdess.Take.parse("03-01-05-02-01-01-11").gender == "male"
    assert ravdess.Take.parse("03-01-05-02-01-01-12").gender == "female"


def test_every_file_carries_one_of_the_seven() -> None:
    assert set(ravdess.EMOTION_OF.values()) == set(ravdess.LABELS.names)


def test_the_splits_share_no_actor(folder: Path) -> None:
    read = {s: {c.speakers[0] for c in ravdess.read(folder, s)} for s in ravdess.SPLITS}
    assert {s: len(actors) for s, actors in read.items()} == {"train": 14, "dev": 2, "test": 4}
    assert len(set().union(*read.values())) == 20


def test_the_folds_test_each_actor_once_and_share_none(folder: Path) -> None:
    tested = []
    for fold in ravdess.folds(folder):
        train, dev, test = ({c.speakers[0] for c in part} for part in (fold.train, fold.dev, fold.test))
        assert (len(train), len(dev), len(test)) == (14, 2, 4)
        assert len(train | dev | test) == 20
        tested.extend(test)
    assert len(tested) == len(set(tested)) == 20


def test_a_missing_actor_says_where_to_get_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no RAVDESS at .*Actor_15.*zenodo\.org.*CC BY-NC-SA"):
        ravdess.read(tmp_path, "dev")


def test_an_unknown_split_names_the_splits(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no split 'all'; it has \['train', 'dev', 'test'\]"):
        ravdess.read(folder, "all")


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-01", "03-01-05-02-01-01", "holiday"])
def test_a_name_that_is_not_ravdess_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name!r} is no RAVDESS name"):
        ravdess.Take.parse(name)


@pytest.mark.corpus
def test_the_published_counts(data: Path) -> None:
    root = data / "ravdess"
    names = {actor: sorted(f.stem for f in (root / f"Actor_{actor:02d}").iterdir()) for actor in range(1, 21)}
    assert [len(files) for files in names.values()] == [60] * 20
    dev = ravdess.read(root, "dev")
    assert [c.id for c in dev] == names[15] + names[16]
    clip = dev[0].utterances[0].clip
    assert clip is not None
    assert clip.has_audio
    assert 2 < clip.duration < 6
