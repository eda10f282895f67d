"""The stream "video.aus", with a detector that has the signature and the table of py-feat 2.1.5."""

import sys

import numpy as np
import pytest
from explain_makers import model
from package_makers import Detectorv1, put_feat

from affectline.explain import explain
from affectline.explain.units import units as held_units
from affectline.features import extract, video_aus
from affectline.features.video_aus import UNITS, ActionUnits
from affectline.media import MemoryClip
from affectline.types import Conversation, FaceTrack, Utterance


@pytest.fixture(autouse=True)
def feat(monkeypatch: pytest.MonkeyPatch):
    put_feat(monkeypatch)
    video_aus._detector.cache_clear()
    yield
    video_aus._detector.cache_clear()


def units(face: FaceTrack | None = None, count: int = 16) -> np.ndarray:
    pictures = np.zeros((count, 40, 60, 3), np.uint8)
    pictures[..., 0] = np.arange(count)[:, None, None]
    clip = MemoryClip(None, 16000, pictures, 10.0)
    talk = Conversation("c", (Utterance(id="u", speaker="A", clip=clip, face=face),))
    return extract([talk], [ActionUnits()])[0][0]["video.aus"]


def track(*box: float, times: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)) -> FaceTrack:
    count = len(times)
    boxes, points = np.tile(np.array(box, np.float32), (count, 1)), np.zeros((count, 5, 2), np.float32)
    return FaceTrack("F1", np.array(times), boxes, points)


def numbers(found: np.ndarray) -> list[int]:
    """The pictures whose units these are."""
    return [round(100 * (row[1] - 2)) for row in found]


def test_the_units_are_the_twelve_of_jaa_net_in_their_order():
    [first, *_] = units()
    assert tuple(f"AU{n:02}" for n in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)) == UNITS
    assert first.tolist() == [-1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24]


def test_units_are_held_still_one_by_one_and_the_detector_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model of one unit answers is told by that unit alone."""
    pictures = np.zeros((16, 40, 60, 3), np.uint8)
    clip = MemoryClip(None, 16000, pictures, 10.0)
    talk = Conversation("c", (Utterance(id="u", speaker="A", clip=clip),))
    perturbation = held_units(talk, 0)
    ran: list[int] = []
    found = ActionUnits._found
    monkeypatch.setattr(ActionUnits, "_found", lambda self, *a: ran.append(1) or found(self, *a))

    def score(conversation: Conversation, index: int) -> dict[str, float]:
        seen = extract([conversation], [ActionUnits()])[index][0]["video.aus"]
        return {"joy": float(seen[:, UNITS.index("AU12")].mean()) / 24}

    explained = explain(perturbation, model(score), emotions=["joy"], samples=60)
    assert explained.top("joy", 1) == ["AU12 lip corner puller"]
    weights = explained.weights["joy"]
    assert weights.max() == pytest.approx(0.5, abs=0.12)  # the unit is 12; the ridge makes it less
    assert weights.max() > 4 * np.sort(abs(weights))[-2]
    assert sum(ran) <= 3
    half = perturbation.judge(np.arange(12) != 6).utterances[0].clip
    assert half is not None
    (row, *_) = extract([talk.edit(0, clip=half)], [ActionUnits()])[0][0]["video.aus"]
    assert row.tolist() == [-1, 2, 4, 6, 7, 10, 0.5, 14, 15, 17, 23, 24]


def test_the_largest_face_is_taken_and_frames_without_one_are_left_out():
    found = units()
    assert numbers(found) == [0, 2, 3, 4, 6, 8, 9, 10, 12, 14, 15]
    assert [row[0] == -1 for row in found] == [n not in (3, 9, 15) for n in numbers(found)]


def test_the_face_of_the_speaker_is_taken_if_it_is_known():
    found = units(track(5, 9, 16, 22))
    assert numbers(found) == [0, 3, 6, 9, 12, 15]
    assert (found[:, 0] == 1).all()
    assert not len(units(track(18, 9, 29, 22)))


def test_only_where_the_speaker_is_followed():
    assert numbers(units(track(5, 9, 16, 22, times=(0.1,)))) == [0, 3, 6]
    assert not len(units(track(5, 9, 16, 22, times=())))


def test_sixteen_frames_are_looked_at_evenly():
    assert numbers(units(count=64)) == list(range(0, 64, 4))


def test_only_units_are_asked_of_the_detector():
    units()
    nothing = dict.fromkeys(["emotion", "identity", "gaze"])
    assert Detectorv1.made == {"au": "xgb", "device": "cpu", **nothing}


def test_without_the_extra_the_error_names_it_and_the_licence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "feat", None)
    with pytest.raises(ImportError, match=r'research.*pip install "affectline\[aus\]"'):
        units()


def test_no_pictures_no_units():
    clip = MemoryClip(np.zeros(9, np.float32), 9)
    talk = Conversation("c", (Utterance(id="u", speaker="A", clip=clip),))
    assert extract([talk], [ActionUnits()])[0][0]["video.aus"].shape == (0, 12)
