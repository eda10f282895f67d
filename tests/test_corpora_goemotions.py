from pathlib import Path

import pytest

from affectline.corpora import goemotions

NAMES = "\n".join(goemotions.FINE_LABELS.names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        'He said "so" and\u2028more\t2,3\tid1',
        "Thanks, I guess...\t6,15\tid2",
        "ok\t27\tid3",
    ]
    (tmp_path / "labels.txt").write_text(NAMES, encoding="utf-8")
    (tmp_path / "train.tsv").write_bytes(("\n".join(rows) + "\n").encode())
    return tmp_path


def test_labels_that_share_a_group_become_one(folder: Path) -> None:
    first, second, third = goemotions.read(folder, "train")
    assert [c.utterances[0].emotions for c in (first, second, third)] == [
        {"anger"},
        {"surprise", "joy"},
        {"neutral"},
    ]


def test_quotes_and_line_separators_are_part_of_the_comment(folder: Path) -> None:
    assert goemotions.read(folder, "train")[0].utterances[0].text == 'He said "so" and\u2028more'


def test_all_28_labels_can_be_asked_for(folder: Path) -> None:
    conversations = goemotions.read(folder, "train", goemotions.FINE_LABELS)
    assert conversations[1].utterances[0].emotions == {"confusion", "gratitude"}


def test_each_fine_label_is_in_one_group() -> None:
    members = [name for group in goemotions.GROUPS.values() for name in group]
    assert len(members) == len(set(members)) == 28
    assert set(goemotions.GROUPS) == set(goemotions.LABELS.names)


def test_a_missing_folder_says_where_to_get_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no GoEmotions at .*train\.tsv.*github\.com.*CC BY 4\.0"):
        goemotions.read(tmp_path / "nowhere", "train")


def test_an_unknown_split_names_the_splits(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no split 'validation'; it has \['train', 'dev', 'test'\]"):
        goemotions.read(folder, "validation")


def test_a_broken_row_is_named_with_its_line(folder: Path) -> None:
    (folder / "dev.tsv").write_text("fine\t27\tid1\nno label here\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"dev\.tsv line 2: 'no label here'"):
        goemotions.read(folder, "dev")


def test_a_label_number_out_of_range_is_refused(folder: Path) -> None:
    (folder / "dev.tsv").write_text("fine\t28\tid1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="label numbers 0 to 27"):
        goemotions.read(folder, "dev")


@pytest.mark.corpus
def test_the_published_counts(data: Path) -> None:
    root = data / "goemotions"
    assert [len(goemotions.read(root, split)) for split in goemotions.SPLITS] == [43410, 5426, 5427]
    assert (root / "labels.txt").read_text().split() == list(goemotions.FINE_LABELS.names)
