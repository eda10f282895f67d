from pathlib import Path

import pytest
from corpus_makers import EVALUATION, write_dialogue, write_pictures, write_sound
from media_makers import make_video, read_number

from affectline.corpora import iemocap
from affectline.types import Span


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for session in range(1, 6):
        for number in range(1, 6):
            write_dialogue(tmp_path, f"Ses0{session}F_impro0{number}")
    return tmp_path


def test_utterances_come_in_the_order_in_which_they_start(folder: Path) -> None:
    first = iemocap.read(folder, "test")[0]
    assert first.id == "Ses05F_impro01"
    assert [u.id for u in first] == [f"{first.id}_{n}" for n in ("M000", "F001", "M002")]
    assert first.utterances[0].span == Span(6.2901, 8.2357)


def test_a_speaker_is_named_by_session_and_by_who_speaks_not_by_who_wears_the_markers(folder: Path) -> None:
    first = iemocap.read(folder, "test")[0]
    assert [u.speaker for u in first] == ["Ses05M", "Ses05F", "Ses05M"]
    assert {s for c in iemocap.read(folder, "train") for s in c.speakers} == {
        f"Ses0{session}{sex}" for session in range(1, 5) for sex in "FM"
    }


def test_words_are_those_of_the_utterance_and_none_where_it_has_no_line(folder: Path) -> None:
    first = iemocap.read(folder, "test")[0]
    assert [u.text for u in first] == ["Good morning: a fine day!", "Is it?", None]
    assert [u.text_source for u in first] == ["given", "given", "none"]


def test_what_has_none_of_the_six_stays_and_is_not_known(folder: Path) -> None:
    first = iemocap.read(folder, "test")[0]
    assert [u.emotions for u in first] == [{"excitement"}, None, {"joy"}]


@pytest.mark.parametrize("code", iemocap.OTHERS)
def test_the_other_labels_are_known_and_not_used(folder: Path, code: str) -> None:
    write_dialogue(folder, "Ses05F_impro01", EVALUATION.replace("\texc\t", f"\t{code}\t"))
    assert iemocap.read(folder, "test")[0].utterances[0].emotions is None


def test_the_six_codes_are_the_six_labels() -> None:
    assert tuple(sorted(iemocap.EMOTION_OF.values())) == tuple(sorted(iemocap.LABELS.names))
    assert not iemocap.LABELS.multilabel


def test_ratings_are_shares_of_annotators_and_not_of_actors(folder: Path) -> None:
    excited, nobody_agreed, unrated = iemocap.read(folder, "test")[0]
    assert excited.ratings == {"excitement": 0.5, "joy": 0.5, "neutral": 0.25}
    assert nobody_agreed.ratings == pytest.approx(
        {"neutral": 1 / 3, "anger": 1 / 3, "frustration": 1 / 3, "surprise": 1 / 3}
    )
    assert unrated.ratings is None


def test_dev_is_a_tenth_of_the_dialogues_of_the_first_sessions(folder: Path) -> None:
    train, dev, test = ({c.id for c in iemocap.read(folder, split)} for split in iemocap.SPLITS)
    assert (len(train), len(dev), len(test)) == (18, 2, 5)
    assert not train & dev
    assert {name[:5] for name in train | dev} == {f"Ses0{n}" for n in range(1, 5)}
    assert {name[:5] for name in test} == {"Ses05"}
    assert {c.id for c in iemocap.read(folder, "dev")} == dev


def test_the_sound_of_an_utterance_is_its_clip(folder: Path) -> None:
    for utterance in ("M000", "F001"):
        write_sound(folder, f"Ses05F_impro01_{utterance}")
    first, second, silent = iemocap.read(folder, "test")[0]
    assert first.clip is not None
    assert first.clip.duration == pytest.approx(1.5)
    assert first.clip.has_audio
    assert not first.clip.has_video
    assert second.clip is not None
    assert silent.clip is None
    assert silent.missing == {"audio"}
    assert first.missing == frozenset()


def test_pictures_are_the_stretch_of_the_dialogue_and_the_sound_is_the_utterances_own(
    folder: Path, tmp_path: Path
) -> None:
    recording = make_video(tmp_path / "both.avi", seconds=14, rate=10, codec="mpeg4")
    write_pictures(folder, "Ses05F_impro01", recording)
    write_sound(folder, "Ses05F_impro01_M000")
    first, second, _ = iemocap.read(folder, "test")[0]
    assert first.clip is not None
    assert (first.clip.duration, first.clip.has_audio) == (pytest.approx(1.5), True)
    assert [read_number(p) for _, p in first.clip.pictures(10)] == list(range(62, 77))
    assert second.clip is not None
    assert [read_number(p) for p in second.clip.frames(count=2)] == [103, 110]
    assert (second.missing, first.missing) == ({"audio"}, frozenset())
    other = iemocap.read(folder, "test")[1].utterances[0]
    assert (other.clip, other.missing) == (None, {"audio", "video"})
    write_dialogue(folder, "Ses05F_impro01", EVALUATION.replace("6.2901 - 8.2357", "8.2357 - 8.2357"))
    nowhere = iemocap.read(folder, "test")[0].utterances[0]
    assert nowhere.id.endswith("M000")
    assert nowhere.clip is not None
    assert (nowhere.clip.has_video, nowhere.missing) == (False, {"video"})


def test_without_any_sound_none_is_missing(folder: Path) -> None:
    assert {(u.clip, u.missing) for c in iemocap.read(folder, "test") for u in c} == {(None, frozenset())}


def test_hidden_copies_of_a_mac_are_no_dialogues(folder: Path) -> None:
    dialog = folder / "Session5" / "dialog"
    (dialog / "EmoEvaluation" / "._Ses05F_impro01.txt").write_bytes(b"\x00\x05\xff")
    assert len(iemocap.read(folder, "test")) == 5


def test_an_impossible_span_is_none(folder: Path) -> None:
    write_dialogue(folder, "Ses05F_impro01", EVALUATION.replace("6.2901 - 8.2357", "8.2357 - 8.2357"))
    assert iemocap.read(folder, "test")[0].utterances[0].span is None


def test_a_missing_session_says_where_to_get_the_corpus(tmp_path: Path) -> None:
    write_dialogue(tmp_path, "Ses01F_impro01")
    with pytest.raises(ValueError, match=r"no IEMOCAP at .*Session2.*Session1 to Session5.*on request"):
        iemocap.read(tmp_path, "train")


def test_a_session_without_dialogues_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Session5" / "dialog" / "EmoEvaluation").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"no dialogue in .*EmoEvaluation: expected a folder with Session1"):
        iemocap.read(tmp_path, "test")


def test_a_dialogue_without_transcript_is_refused(folder: Path) -> None:
    (folder / "Session5" / "dialog" / "transcriptions" / "Ses05F_impro03.txt").unlink()
    with pytest.raises(
        ValueError, match=r"no IEMOCAP at .*transcriptions.Ses05F_impro03\.txt.*sail\.usc\.edu"
    ):
        iemocap.read(folder, "test")


def test_an_unknown_split_names_the_splits(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no split 'Session5'; it has \['train', 'dev', 'test'\]"):
        iemocap.read(folder, "Session5")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\texc\t", "\tjoy\t", r"line 10: the emotion 'joy' of Ses05F_impro02_M000 is none of \['hap'"),
        ("\texc\t", " exc ", r"line 10: .* is not \[start - end\], utterance, emotion"),
        ("6.2901 - 8.2357", "now - then", r"line 10: '\[now - then\]"),
        ("6.2901 - 8.2357", "6.2.9 - 8.2357", r"line 10: '\[6\.2\.9 - "),
        ("_F001", "_X001", r"line 3: "),
    ],
)
def test_a_broken_line_is_named_with_its_number(folder: Path, old: str, new: str, message: str) -> None:
    write_dialogue(folder, "Ses05F_impro02", EVALUATION.replace(old, new))
    with pytest.raises(ValueError, match=r"Ses05F_impro02\.txt " + message):
        iemocap.read(folder, "test")


def test_a_file_that_is_no_text_is_refused(folder: Path) -> None:
    dialog = write_dialogue(folder, "Ses05F_impro02")
    (dialog / "transcriptions" / "Ses05F_impro02.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"Ses05F_impro02\.txt is not text in UTF-8"):
        iemocap.read(folder, "test")
