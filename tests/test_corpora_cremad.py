from pathlib import Path

import pytest
from doctor_makers import made_cremad, sound

from affectline.corpora import cremad
from affectline.doctor import examine


def test_the_name_gives_emotion_speaker_and_sentence(tmp_path: Path) -> None:
    made_cremad(tmp_path)
    (tmp_path / "AudioWAV" / "._1074_DFA_ANG_XX.wav").touch()
    found = {c.id: c.utterances[0] for c in cremad.read(tmp_path, "test")}
    assert len(found) == 12
    happy = found["1075_DFA_HAP_XX"]
    assert (happy.emotions, happy.speaker, happy.text) == ({"joy"}, "1075", "Don't forget a jacket.")


def test_parts_keep_actors_apart() -> None:
    actors = [set(part) for part in cremad.SPLITS.values()]
    assert set.union(*actors) == set(range(1001, 1092))
    assert sum(map(len, actors)) == 91


def test_a_clip_that_is_known_to_be_bad_is_not_used_and_is_told(tmp_path: Path) -> None:
    made_cremad(tmp_path / "cremad")
    sound(tmp_path / "cremad" / "AudioWAV" / "1076_MTI_SAD_XX.wav", 0)
    (bad,) = (u for c in cremad.read(tmp_path / "cremad", "test") for u in c if u.clip is None)
    assert (bad.id, bad.missing) == ("1076_MTI_SAD_XX", {"audio"})
    report = examine("cremad", tmp_path).by_kind()
    assert [(f.where, f.what) for f in report["known"]] == [("1076_MTI_SAD_XX", "no sound is in it")]
    assert "missing" not in report
    assert [f.what for f in report["count"]] == ["37 utterances, not 7,442"]


def test_other_names_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no CREMA-D at .*AudioWAV"):
        cremad.read(tmp_path, "train")
    with pytest.raises(ValueError, match="'1001_DFA_JOY_XX' is no name of CREMA-D"):
        cremad.Take.parse("1001_DFA_JOY_XX")
