"""The stream "video.aus", with a detector that has the signature and the table of py-feat 2.1.5."""

import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from affectline.features import extract, video_aus
from affectline.features.video_aus import UNITS, ActionUnits
from affectline.media import MemoryClip
from affectline.types import Conversation, FaceTrack, Utterance

TABLE = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
BOX = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]


class Detectorv1:
    """Finds a small face in the left of every third picture, and a large one in the right of every second."""

    made: dict[str, object]

    def __init__(  # noqa: PLR0917
        self,
        face_model="retinaface",
        landmark_model="mobilefacenet",
        au_model="xgb",
        emotion_model="resmasknet",
        identity_model="arcface",
        gaze_model="l2cs",
        device="cpu",
    ):
        Detectorv1.made = {"au": au_model, "device": device}
        Detectorv1.made |= {"emotion": emotion_model, "identity": identity_model, "gaze": gaze_model}

    def detect(  # noqa: PLR0917
        self,
        inputs,
        data_type="image",
        output_size=None,
        batch_size=1,
        num_workers=0,
        pin_memory=False,
        face_identity_threshold=0.8,
        face_detection_threshold=0.5,
        skip_frames=None,
        progress_bar=True,
        save=None,
        **kwargs,
    ):
        assert data_type == "tensor"
        assert inputs.dtype == torch.uint8
        assert inputs.shape[1:] == (3, 40, 60)
        rows = [row for n, picture in enumerate(inputs) for row in self.faces(n, int(picture[0, 0, 0]))]
        return pd.DataFrame(rows)

    def faces(self, n: int, number: int) -> list[dict[str, float]]:
        boxes = [(5, 10, 10, 12, 0.9)] * (number % 3 == 0) + [(30, 5, 20, 30, 0.8)] * (number % 2 == 0)
        units = {f"AU{u:02}": u + number / 100 for u in TABLE}
        rows = [{**dict(zip(BOX, box, strict=True)), **units, "frame": n} for box in boxes]
        for row in rows:
            row["AU01"] = -1.0 if row["FaceRectX"] == 30 else 1.0
        none = dict.fromkeys([*BOX, *units], float("nan")) | {"FaceScore": 0.0, "frame": n}
        return rows or [none]


@pytest.fixture(autouse=True)
def feat(monkeypatch: pytest.MonkeyPatch):
    module = ModuleType("feat")
    module.__dict__["Detectorv1"] = Detectorv1
    monkeypatch.setitem(sys.modules, "feat", module)
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
