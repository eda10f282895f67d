import sys
from pathlib import Path

import pytest
from doctor_makers import write_sequence
from media_makers import make_sound

from affectline.corpora import mosei
from affectline.media import FileClip
from affectline.types import Span

NAMES = ["sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear"]
VIDEOS = {
    "abc-1_X": ([[4.0, 8.5], [-0.4, 4.2]], [[1.0, 0.666, 0, 0, 0, 0, 1 / 3], [-3.0, 0, 0, 0, 0, 0, 0]]),
    "lone": ([[0.0, 1.0]], [[0.0] * 7]),
}
FOLDS = "standard_train_fold=['abc-1_X']\n\nstandard_valid_fold=['nowhere']\nstandard_test_fold=[]\n"
WORDS = [["sp", 0.0, 0.1], ["so", 0.1, 0.4], ["it", 4.3, 4.5], ["was", 8.4, 9.0]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sequence(tmp_path / "CMU_MOSEI_Labels.csd", "All Labels", VIDEOS, NAMES)
    (tmp_path / "cmu_mosei_std_folds.py").write_text(FOLDS)
    return tmp_path


def add_transcript(root: Path, *lines: str) -> None:
    (root / mosei.TRANSCRIPTS).mkdir(parents=True)
    (root / mosei.TRANSCRIPTS / "abc-1_X.txt").write_text("\n".join(lines) + "\n")


def test_labels_alone_are_enough(folder: Path) -> None:
    (video,) = mosei.read(folder, "train")
    first, second = video
    assert (video.id, video.speakers) == ("abc-1_X", ("abc-1_X",))
    assert [u.id for u in video] == ["abc-1_X[1]", "abc-1_X[0]"]  # in the order of time
    assert (first.emotions, second.emotions) == (frozenset(), {"joy", "fear"})
    assert (first.sentiment, second.sentiment) == (-3.0, 1.0)
    assert (first.span, second.span) == (Span(0.0, 4.2), Span(4.0, 8.5))
    assert (second.text, second.text_source, second.clip) == (None, "none", None)
    assert mosei.read(folder, "dev") == mosei.read(folder, "test") == []


def test_words_belong_to_the_stretch_in_which_their_middle_is(folder: Path) -> None:
    times, said = [w[1:] for w in WORDS], [[str(w[0]).encode()] for w in WORDS]
    write_sequence(folder / "CMU_MOSEI_TimestampedWords.csd", "words", {"abc-1_X": (times, said)})
    first, second = mosei.read(folder, "train")[0]
    assert [(w.text, w.span) for w in first.words] == [("so", Span(0.1, 0.4))]
    assert [w.text for w in second.words] == ["it"]
    assert (second.text, second.text_source) == ("it", "given")


def test_a_transcript_belongs_to_labels_by_its_times(folder: Path) -> None:
    add_transcript(folder, "abc-1_X___0___-0.4___4.2___So.", "abc-1_X___7___4.0___8.5___It was ___ fine.")
    first, second = mosei.read(folder, "train")[0]
    assert (first.text, second.text) == ("So.", "It was ___ fine.")


def test_a_segment_is_used_before_the_stretch_of_the_whole_video(folder: Path) -> None:
    add_transcript(folder, "abc-1_X___0___-0.4___4.2___So.", "abc-1_X___7___4.0___8.5___Fine.")
    for place, name in ((mosei.SEGMENTS, "abc-1_X_7.mp4"), (mosei.VIDEOS, "abc-1_X.mp4")):
        (folder / place).mkdir(parents=True)
        make_sound(folder / "sound.wav", seconds=9, rate=8000).rename(folder / place / name)
    first, second = mosei.read(folder, "train")[0]
    assert first.clip == FileClip(folder / mosei.VIDEOS / "abc-1_X.mp4", 0.0, 4.2)
    assert second.clip == FileClip(folder / mosei.SEGMENTS / "abc-1_X_7.mp4")


def test_faults_are_early_starts_stretches_without_text_and_videos_of_no_fold(folder: Path) -> None:
    add_transcript(folder, "abc-1_X___0___-0.4___4.2___So.")
    found = [(f.where, f.done) for f in mosei.faults(folder)]
    assert found == [
        ("abc-1_X[0]", "read without a text"),
        ("abc-1_X[1]", "read from 0 on"),
        ("lone", "not read"),
    ]


def test_other_columns_are_refused(folder: Path) -> None:
    write_sequence(folder / "CMU_MOSEI_Labels.csd", "All Labels", VIDEOS, [NAMES[0], *NAMES[:0:-1]])
    with pytest.raises(ValueError, match=r"has the columns \['sentiment', 'fear'"):
        mosei.read(folder, "train")
    narrow = {"abc-1_X": ([[0.0, 1.0]], [[0.0] * 6])}
    write_sequence(folder / "CMU_MOSEI_Labels.csd", "All Labels", narrow)
    with pytest.raises(ValueError, match=r"abc-1_X has times of shape \(1, 2\) and labels of \(1, 6\)"):
        mosei.read(folder, "train")
    wide = {"abc-1_X": ([[0.0, 1.0]], [[0.0, 4.0, *[0.0] * 5]])}
    write_sequence(folder / "CMU_MOSEI_Labels.csd", "All Labels", wide)
    with pytest.raises(ValueError, match="intensity outside 0 to 3"):
        mosei.read(folder, "train")


def test_a_transcript_in_another_form_is_refused_with_its_line(folder: Path) -> None:
    add_transcript(folder, "abc-1_X___0___-0.4___4.2___So.", "It was fine.")
    with pytest.raises(ValueError, match=r"abc-1_X.txt line 2: 'It was fine.' is not"):
        mosei.read(folder, "train")


def test_the_list_of_folds_is_read_and_not_run(folder: Path) -> None:
    ran = folder / "ran"
    (folder / "cmu_mosei_std_folds.py").write_text(f"open({str(ran)!r}, 'w')\n{FOLDS}")
    assert len(mosei.read(folder, "train")) == 1
    assert not ran.exists()
    (folder / "cmu_mosei_std_folds.py").write_text("standard_train_fold = []\n")
    with pytest.raises(ValueError, match="copy it from the SDK"):
        mosei.read(folder, "train")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cmu_mosei_std_folds.py").write_text(FOLDS)
    (tmp_path / "CMU_MOSEI_Labels.csd").touch()
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install \"affectline\[mosei\]\""):
        mosei.read(tmp_path, "train")


def test_what_is_no_computational_sequence_is_refused(folder: Path) -> None:
    (folder / "CMU_MOSEI_Labels.csd").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="is no computational sequence"):
        mosei.read(folder, "train")
    with pytest.raises(ValueError, match="no CMU-MOSEI at"):
        mosei.read(folder / "elsewhere", "train")
