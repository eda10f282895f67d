from pathlib import Path
from shutil import copy

import pytest
from media_makers import make_sound

from affectline.corpora import elderreact, emoreact
from affectline.media import FileClip

NAMES = ("'KIMCHI65_2.mp4'", "'WHAT''S_IT12.mp4'", "'KIMCHI7.mp4'")
LINES = ("1,0,1,1,0,0,0,0,6.3333", "0,0,0,0,1,0,1,0,2", "0,0,0,0,0,0,0,0,4.0")


def write(root: Path, lines: tuple[str, ...] = LINES, names: tuple[str, ...] = NAMES) -> Path:
    (root / "Labels").mkdir(parents=True, exist_ok=True)
    for labels, named, _ in emoreact.SPLITS.values():
        (root / "Labels" / labels).write_text("".join(f"{line}\n" for line in lines))
        (root / "Labels" / named).write_text("".join(f"{name}\n" for name in names))
    return root


def test_labels_and_names_belong_together_by_their_lines(tmp_path: Path) -> None:
    glad, afraid, still = (c.utterances[0] for c in emoreact.read(write(tmp_path), "dev"))
    assert (glad.id, glad.emotions) == ("KIMCHI65_2", {"curiosity", "excitement", "joy"})
    assert (afraid.id, afraid.emotions) == ("WHAT'S_IT12", {"surprise", "fear"})
    assert still.emotions == frozenset()
    assert [u.sentiment for u in (glad, afraid, still)] == [pytest.approx(2.3333), -2.0, 0.0]
    assert [u.speaker for u in (glad, afraid, still)] == ["KIMCHI", "WHAT'S_IT", "KIMCHI"]
    assert glad.clip is None


def test_what_it_shares_with_elderreact_is_found_by_name() -> None:
    shared = set(emoreact.LABELS.names) & set(elderreact.LABELS.names)
    assert shared == {"joy", "surprise", "disgust", "fear"}


def test_names_may_lie_beside_the_labels_and_clips_are_used_where_they_are(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "Labels" / "Val_names.txt").rename(root / "Val_names.txt")
    (root / "Data" / "Validation").mkdir(parents=True)
    make_sound(root / "sound.wav", seconds=0.1)
    clip = Path(copy(root / "sound.wav", root / "Data" / "Validation" / "WHAT'S_IT12.mp4"))
    absent, there, _ = (c.utterances[0] for c in emoreact.read(root, "dev"))
    assert absent.clip is None
    assert there.clip == FileClip(clip)


@pytest.mark.parametrize(
    "line",
    [
        "1,0,1,1,0,0,0,6.3",
        "1,0,1,1,0,0,0,0,0,6.3",
        "1,0,1,1,0,0,0,2,6.3",
        "1,0,1,1,0,0,0,0,7.5",
        "Curiosity,Uncertainty,Excitement,Happiness,Surprise,Disgust,Fear,Frustration,Valence",
    ],
)
def test_other_columns_are_refused_with_the_line(tmp_path: Path, line: str) -> None:
    root = write(tmp_path, (LINES[0], line, LINES[2]))
    with pytest.raises(ValueError, match=r"train_labels.text line 2.*joined by commas"):
        emoreact.read(root, "train")


def test_names_that_are_not_as_many_or_not_distinct_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"2 names and train_labels\.text 3 lines"):
        emoreact.read(write(tmp_path, names=NAMES[:2]), "train")
    with pytest.raises(ValueError, match="names a clip twice"):
        emoreact.read(write(tmp_path, names=(*NAMES[:2], NAMES[0])), "train")


def test_a_folder_without_the_corpus_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no EmoReact at .*behnaznojavan"):
        emoreact.read(tmp_path, "train")
