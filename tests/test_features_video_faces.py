from dataclasses import replace

import numpy as np
import pytest

from affectline import faces
from affectline.corpora.ferplus import Picture
from affectline.features import extract
from affectline.features.video_faces import Faces
from affectline.media import MemoryClip
from affectline.types import Clip, Conversation, FaceTrack, Utterance


def film(count: int, height: int = 40, width: int = 60, rate: float = 5.0) -> MemoryClip:
    pictures = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return MemoryClip(None, 16000, pictures, rate)


def track(count: int, shift: float = 0.0, match: float | None = None) -> FaceTrack:
    box = np.array([10, 5, 40, 35], np.float32) + np.float32(shift)
    points = np.array([[18, 15], [32, 15], [25, 22], [20, 28], [30, 28]], np.float32) + np.float32(shift)
    return FaceTrack(
        "F1", np.arange(count) / 5.0, np.tile(box, (count, 1)), np.tile(points, (count, 1, 1)), match
    )


def shown(clip: Clip | None, face: FaceTrack | None = None) -> Conversation:
    return Conversation(id="c", utterances=(Utterance(id="u", speaker="A", clip=clip, face=face),))


def crops(extractor: Faces, *conversations: Conversation) -> list[np.ndarray]:
    return [rows[0]["video.faces"] for rows in extract(conversations, [extractor])]


def test_crops_are_those_of_the_face_of_the_utterance():
    clip, face = film(10), track(10)
    [array] = crops(Faces(size=24, rate=5.0, limit=4), shown(clip, face))
    assert 0 < len(array) <= 4
    np.testing.assert_array_equal(array, faces.crops(clip, face, 5.0, 24, 4))


@pytest.mark.parametrize("conversation", [shown(None), shown(film(3)), shown(film(3), track(0))])
def test_without_a_face_there_is_nothing(conversation: Conversation):
    assert crops(Faces(size=8), conversation)[0].shape == (0, 8, 8, 3)


def test_a_moved_face_is_cropped_again_but_a_better_match_is_not():
    base = shown(film(3), track(3))
    key = Faces().content(base, 0)
    assert Faces().content(base.edit(0, face=track(3, shift=2.0)), 0) != key
    assert Faces().content(base.edit(0, face=track(3, match=0.9)), 0) == key
    assert Faces().content(base.edit(0, clip=replace_pictures(film(3))), 0) != key


def replace_pictures(clip: MemoryClip) -> MemoryClip:
    assert clip.images is not None
    return replace(clip, images=255 - clip.images)


def test_whole_pictures_are_resized_as_they_are():
    flat = np.stack([np.full((48, 48, 3), level, np.uint8) for level in (10, 200)])
    [array] = crops(Faces(size=112, rate=5.0, whole=True), shown(MemoryClip(None, 16000, flat, 5.0)))
    assert array.shape == (2, 112, 112, 3)
    assert [set(np.unique(picture)) for picture in array] == [{10}, {200}]


def test_whole_pictures_of_the_right_size_are_untouched():
    clip = film(1, 48, 48)
    [array] = crops(Faces(size=48, whole=True), shown(clip))
    np.testing.assert_array_equal(array, clip.frames(count=1))


def test_a_long_film_gives_no_more_pictures_than_the_limit():
    assert len(crops(Faces(size=8, limit=6, whole=True), shown(film(50)))[0]) == 6


@pytest.mark.parametrize("settings", [{"size": 0}, {"rate": 0.0}, {"limit": 0}])
def test_impossible_settings_are_refused(settings: dict):
    with pytest.raises(ValueError, match="over 0"):
        Faces(**settings)


def test_a_still_picture_is_one_face():
    still = Picture(np.arange(48 * 48, dtype=np.uint8).reshape(48, 48))
    [array] = crops(Faces(size=48, whole=True), shown(still))
    assert len(array) == 1
