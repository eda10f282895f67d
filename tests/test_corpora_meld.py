import csv
from collections import Counter
from pathlib import Path
from shutil import copy

import pytest
from media_makers import make_video

from affectline.corpora import Fault, meld
from affectline.types import Modality, Span, Utterance

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
)


def row(
    dialogue: int,
    number: int,
    times: tuple[str, str] = ("00:01:02,500", "00:01:04,000"),
    *,
    text: str = "Well, hello.",
    speaker: str = "Ada",
    emotion: str = "joy",
    episode: int = 7,
) -> list[str]:
    cells = [1, text, speaker, emotion, "positive", dialogue, number, 3, episode, *times]
    return [str(cell) for cell in cells]


def write(root: Path, split: str, *rows: list[str], header: str = HEADER) -> None:
    with (root / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def add_clips(root: Path, folder: str, *names: str) -> None:
    """Clips of half a second; to check that a clip is one, the tests open it."""
    (root / folder).mkdir()
    first = make_video(root / folder / names[0], seconds=0.5, rate=10, tone=300.0)
    for name in names[1:]:
        copy(first, root / folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    train = [
        row(10, 1, ("00:02:00,000", "00:02:01,000"), text="No, Ben, no.", speaker="Cy", emotion="anger"),
        row(10, 0, ("0:01:02,500", "0:01:04,125"), text='She said "yes",\nand left', emotion="surprise"),
        row(2, 0, ("00:10:00,000", "00:10:02,000"), emotion="neutral"),
    ]
    write(tmp_path, "train", *train)
    write(tmp_path, "dev", row(2, 0, ("00:20:00,000", "00:20:02,000"), emotion="fear"))
    write(tmp_path, "test", row(2, 0, ("00:30:00,000", "00:30:02,000"), emotion="sadness"))
    return tmp_path


def only(root: Path, split: str = "train") -> Utterance:
    (conversation,) = meld.read(root, split)
    (utterance,) = conversation
    return utterance


def of(root: Path, where: str) -> list[tuple[str, str]]:
    """What is wrong there, and what is done."""
    return [(fault.what, fault.done) for fault in meld.faults(root) if fault.where == where]


def test_dialogues_and_utterances_come_in_the_order_of_their_numbers(folder: Path) -> None:
    small, large = meld.read(folder, "train")
    assert (small.id, large.id) == ("train_dia2", "train_dia10")
    assert [u.id for u in large] == ["train_dia10_utt0", "train_dia10_utt1"]
    assert large.speakers == ("Ada", "Cy")
    assert [u.emotions for u in large] == [{"surprise"}, {"anger"}]
    assert large.utterances[0].text == 'She said "yes",\nand left'
    assert large.utterances[0].sentiment is None


def test_times_are_those_of_the_episode_with_and_without_a_leading_zero(folder: Path) -> None:
    _, large = meld.read(folder, "train")
    assert [u.span for u in large] == [Span(62.5, 64.125), Span(120.0, 121.0)]
    write(folder, "dev", row(0, 0, ("1:00:02,000", "01:00:03,500")))
    assert only(folder, "dev").span == Span(3602.0, 3603.5)


def test_equal_numbers_in_two_splits_have_two_ids(folder: Path) -> None:
    ids = [c.id for split in meld.SPLITS for c in meld.read(folder, split)]
    assert len(ids) == len(set(ids)) == 4


def test_punctuation_of_windows_1252_is_repaired_in_words_and_names(tmp_path: Path) -> None:
    text = "It\x92s \x93caf\xe9\x94\x85 no\x97yes \u2019 \x81"
    write(tmp_path, "train", row(0, 0, text=text, speaker="Bo\x92s aunt"))
    said = only(tmp_path)
    assert said.text == "It\u2019s \u201ccaf\xe9\u201d\u2026 no\u2014yes \u2019 \x81"
    assert said.speaker == "Bo\u2019s aunt"
    write(tmp_path, "dev")
    write(tmp_path, "test")
    assert [fault.done for fault in meld.faults(tmp_path) if fault.where == "1 rows"] == ["repaired"]


@pytest.mark.parametrize("end", ["0:12:32,632", "0:12:31,000"])
def test_a_span_that_does_not_end_after_its_start_becomes_none_and_a_fault(folder: Path, end: str) -> None:
    write(folder, "test", row(0, 0, ("00:12:32,632", end)))
    assert only(folder, "test").span is None
    assert [done for _, done in of(folder, "test_dia0_utt0")] == ["read without times"]


def test_without_a_folder_of_clips_none_is_missing(folder: Path) -> None:
    said = only(folder, "test")
    assert said.clip is None
    assert said.missing == frozenset()


def test_a_clip_is_its_own_file_and_is_not_cut_to_the_times_of_the_episode(folder: Path) -> None:
    add_clips(folder, "output_repeated_splits_test", "dia2_utt0.mp4")
    said = only(folder, "test")
    assert said.clip is not None
    assert said.clip.has_audio
    assert said.clip.has_video
    assert said.clip.duration == pytest.approx(0.5, abs=0.1)
    assert said.span == Span(1800.0, 1802.0)


def test_an_absent_clip_is_a_missing_modality_and_the_utterance_stays(folder: Path) -> None:
    add_clips(folder, "train_splits", "dia10_utt0.mp4", "dia2_utt0.mp4")
    _, large = meld.read(folder, "train")
    there, absent = large
    assert there.clip is not None
    assert there.missing == frozenset()
    assert absent.clip is None
    assert not absent.has(Modality.AUDIO)
    assert not absent.has(Modality.VIDEO)
    assert absent.has(Modality.TEXT)
    assert of(folder, "train_dia10_utt1") == [("there is no dia10_utt1.mp4", "sound and picture are missing")]


def test_a_clip_that_is_known_to_be_broken_is_not_used(folder: Path) -> None:
    write(folder, "train", row(125, 3))
    write(folder, "dev", row(125, 3, ("00:05:00,000", "00:05:01,000")))
    add_clips(folder, "train_splits", "dia125_utt3.mp4")
    add_clips(folder, "dev_splits_complete", "dia125_utt3.mp4")
    assert only(folder).clip is None
    assert only(folder).missing == {"audio", "video"}
    assert only(folder, "dev").clip is not None  # another clip of the same name
    assert ("the clip is damaged (issue 39)", "sound and picture are missing") in of(
        folder, "train_dia125_utt3"
    )


def test_clips_without_a_row_are_faults_and_read_by_nobody(folder: Path) -> None:
    extra = ["final_videos_testdia2_utt0.mp4", "dia108_utt2.mp4"]
    add_clips(folder, "output_repeated_splits_test", "dia2_utt0.mp4", *extra)
    found = [fault for fault in meld.faults(folder) if fault.file == "output_repeated_splits_test"]
    assert found == [
        Fault("output_repeated_splits_test", name, "no row says what it is", "not read", "extra")
        for name in sorted(extra)
    ]
    assert len(meld.read(folder, "test")) == 1


def test_a_doubtful_clip_is_used_and_named(folder: Path) -> None:
    write(folder, "train", row(793, 0))
    add_clips(folder, "train_splits", "dia793_utt0.mp4")
    assert only(folder).clip is not None
    assert ("the sound is disturbed (issue 9)", "kept") in of(folder, "train_dia793_utt0")


def test_gaps_and_disorder_are_found_and_change_nothing(folder: Path) -> None:
    times = [("00:05:00,000", "00:05:01,000"), ("0:04:00,000", "0:04:01,000"), ("0:05:00,000", "0:05:03,000")]
    write(folder, "test", *[row(1, number, t) for number, t in zip([0, 2, 3], times, strict=True)])
    assert [u.id for u in meld.read(folder, "test")[0]] == [f"test_dia1_utt{n}" for n in (0, 2, 3)]
    assert of(folder, "test_dia0") == [("has no rows", "nothing to read")]
    assert of(folder, "test_dia1") == [
        ("numbers of utterances are left out", "read without those"),
        ("starts are out of order", "ordered by Utterance_ID"),
        ("two utterances start at once", "kept"),
    ]


def test_hardly_possible_lengths_are_found_and_kept(folder: Path) -> None:
    times = [("00:05:00,000", "00:05:00,250"), ("00:06:00,000", "00:07:01,000")]
    write(folder, "test", *[row(0, n, t) for n, t in enumerate(times)])
    assert of(folder, "test_dia0_utt0") == [("lasts 0.250 s", "kept")]
    assert of(folder, "test_dia0_utt1") == [("lasts 61.000 s", "kept")]
    assert [u.span for u in meld.read(folder, "test")[0]] == [Span(300.0, 300.25), Span(360.0, 421.0)]


def test_a_wrong_folder_says_where_to_get_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no MELD at .*dev_sent_emo\.csv.*train_splits.*declare-lab/MELD.*GPL"
    ):
        meld.read(tmp_path, "dev")


def test_a_mark_at_the_start_of_the_file_is_no_part_of_a_column(folder: Path) -> None:
    path = folder / "dev_sent_emo.csv"
    write(folder, "dev", row(2, 0)[1:], header=HEADER.removeprefix("Sr No.,"))
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert only(folder, "dev").text == "Well, hello."


def test_an_unknown_split_names_the_splits(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no split 'val'; it has \['train', 'dev', 'test'\]"):
        meld.read(folder, "val")


def test_a_missing_column_is_named_with_those_there_are(folder: Path) -> None:
    write(folder, "dev", row(0, 0), header=HEADER.replace("Emotion", "Label"))
    with pytest.raises(ValueError, match=r"dev_sent_emo\.csv lacks the columns \['Emotion'\].*'Label'"):
        meld.read(folder, "dev")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (row(0, 0, emotion="happy"), r"line 2: the emotion 'happy' is none of \['neutral', 'joy'"),
        (row(0, 0, ("00:01", "00:02")), r"line 2: .* times such as 00:16:21,731"),
        (row(0, 0, ("00:01:xx,000", "00:02:00,000")), r"line 2: .*'xx\.000'"),
        (["1", "Hi", "Ada", "joy", "positive", "one", *row(0, 0)[6:]], r"line 2: Dialogue_ID .*'one'"),
        (row(0, 0)[:-1], r"line 2 must have 11 cells"),
        ([*row(0, 0), "more"], r"line 2 must have 11 cells"),
    ],
)
def test_a_broken_row_is_named_with_its_line(folder: Path, cells: list[str], message: str) -> None:
    write(folder, "dev", cells)
    with pytest.raises(ValueError, match=r"dev_sent_emo\.csv " + message):
        meld.read(folder, "dev")


def test_two_rows_of_one_utterance_are_refused(folder: Path) -> None:
    write(folder, "dev", row(4, 2), row(4, 3), row(4, 2))
    with pytest.raises(ValueError, match=r"lines 2 and 4 are both dev_dia4_utt2"):
        meld.read(folder, "dev")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", "Utterance\n".encode("utf-16"), b'a,b\n"' + b"x" * 200_000]
)
def test_a_file_that_is_no_table_is_refused(folder: Path, content: bytes) -> None:
    (folder / "dev_sent_emo.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"dev_sent_emo\.csv is not a table \(CSV\) in UTF-8"):
        meld.read(folder, "dev")


COUNTS = {"train": (1038, 9989), "dev": (114, 1109), "test": (280, 2610)}
SUPPORT = {
    "neutral": 1256,
    "surprise": 281,
    "fear": 50,
    "sadness": 208,
    "joy": 402,
    "disgust": 68,
    "anger": 345,
}


@pytest.fixture(scope="session")
def root(data: Path) -> Path:
    if not (data / "meld").is_dir():
        pytest.skip(f"no MELD at {data / 'meld'}")
    return data / "meld"


@pytest.mark.corpus
def test_the_published_counts(root: Path) -> None:
    splits = {split: meld.read(root, split) for split in meld.SPLITS}
    assert {s: (len(cs), sum(map(len, cs))) for s, cs in splits.items()} == COUNTS
    everything = [c for conversations in splits.values() for c in conversations]
    assert len({c.id for c in everything}) == len(everything)
    assert len({u.id for c in everything for u in c}) == 9989 + 1109 + 2610
    assert max(len(c.speakers) for c in everything) == 9
    assert max(len(c) for c in everything) == 33
    assert Counter(e for c in splits["test"] for u in c for e in u.emotions or ()) == SUPPORT
    assert [u.id for c in everything for u in c if u.span is None] == ["test_dia155_utt3"]


@pytest.mark.corpus
def test_the_known_faults_are_found(root: Path) -> None:
    found = [fault for fault in meld.faults(root) if fault.file.endswith(".csv")]
    files = [f"{split}_sent_emo.csv" for split in meld.SPLITS]

    def count(*parts: str) -> list[int]:
        return [sum(f.file == file and any(p in f.what for p in parts) for f in found) for file in files]

    assert count("left out") == [72, 2, 2]
    assert count("out of order") == [23, 4, 4]
    assert count("lasts 0.", "ends 0.000") == [151, 18, 54]
    assert [f.where for f in found if f.what == "has no rows"] == ["train_dia60"]
