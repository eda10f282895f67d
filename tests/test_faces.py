from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from affectline import faces
from affectline.faces import FRAMING, RATE, crop, crops, track_faces
from affectline.media import MemoryClip
from affectline.nn.mtcnn import MTCNN, Detections

BOX = np.array([179, 60, 268, 175])
LANDMARKS = np.array([(204.3, 101.2), (246.2, 103.5), (224.7, 128.3), (202.0, 140.9), (244.5, 142.0)])
"""Of the astronaut's face, as a second implementation finds them (see test_mtcnn.py)."""


@pytest.fixture(scope="module")
def detector() -> MTCNN:
    return MTCNN.load()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def head(astronaut: np.ndarray) -> np.ndarray:
    return astronaut[20:220, 130:330]


def scene(head: np.ndarray, *places: tuple[int, int], grey: int = 120) -> np.ndarray:
    """The head at some places (left, top) of an empty picture of 640 x 360."""
    picture = np.full((360, 640, 3), grey, np.uint8)
    for left, top in places:
        picture[top : top + 200, left : left + 200] = head
    return picture


def film(pictures: list[np.ndarray]) -> Iterator[tuple[float, np.ndarray]]:
    return ((n / RATE, picture) for n, picture in enumerate(pictures))


def middle(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def test_a_face_that_moves_is_one_track_that_follows_it(detector: MTCNN, head: np.ndarray) -> None:
    lefts = np.arange(20, 320, 10)
    (face,) = track_faces(film([scene(head, (int(x), 80)) for x in lefts]), detector)
    assert face.track.id == "F1"
    assert len(face.track.times) == len(lefts)
    expected = lefts + (BOX[0] + BOX[2]) / 2 - 130
    np.testing.assert_allclose(middle(face.track.boxes)[:, 0], expected, atol=6)
    np.testing.assert_allclose(face.track.landmarks[-1], LANDMARKS - [130, 20] + [lefts[-1], 80], atol=6)


def test_two_faces_are_two_tracks_and_do_not_change_places(detector: MTCNN, head: np.ndarray) -> None:
    found = track_faces(
        film([scene(head, (20 + 5 * n, 20), (400 - 5 * n, 140)) for n in range(15)]), detector
    )
    assert len(found) == 2
    for face in found:
        steps = np.diff(middle(face.track.boxes)[:, 0])
        assert len(set(np.sign(steps.round()))) == 1
        assert (np.abs(steps) < 15).all()


def test_a_face_that_comes_back_after_a_while_is_another(detector: MTCNN, head: np.ndarray) -> None:
    here, gone = [scene(head, (200, 80))] * 8, [scene(head)] * 15
    found = track_faces(film(here + gone + here), detector)
    assert [face.track.id for face in found] == ["F1", "F2"]
    assert found[0].track.times[-1] == pytest.approx(7 / RATE)
    assert found[1].track.times[0] == pytest.approx(23 / RATE, abs=0.5)


def test_a_moment_without_the_face_does_not_end_its_track(detector: MTCNN, head: np.ndarray) -> None:
    here, gone = [scene(head, (200, 80))] * 8, [scene(head)] * 3
    found = track_faces(film(here + gone + here), detector)
    assert [face.track.id for face in found] == ["F1"]


def test_a_cut_to_another_scene_ends_every_track_at_once(detector: MTCNN, head: np.ndarray) -> None:
    first, second = scene(head, (200, 80), grey=40), scene(head, (220, 85), grey=220)
    found = track_faces(film([first] * 8 + [second] * 8), detector)
    assert [len(face.track.times) for face in found] == [8, 8]


def test_pictures_without_a_face_have_no_track(detector: MTCNN) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 90, 160, 3), dtype=np.uint8)
    assert track_faces(film(list(noise)), detector) == []
    assert track_faces(iter(()), detector) == []


def test_the_mouth_is_cut_out_and_holds_still_in_a_head_that_moves(detector: MTCNN, head: np.ndarray) -> None:
    """The pixels of the lips follow what is painted there, and nothing else."""

    def mouths(pictures: list[np.ndarray]) -> np.ndarray:
        (face,) = track_faces(film(pictures), detector)
        assert len(face.mouths) == len(face.track.times) == len(pictures)
        return face.mouths.astype(float)

    dark = head.copy()
    dark[114:136, 60:130] //= 2
    opens = mouths([scene(part, (200, 80)) for part in [head, dark] * 6]).mean(axis=(1, 2))
    moves = mouths([scene(head, (200 + 2 * n, 80)) for n in range(12)])
    assert (opens[::2] - opens[1::2]).min() > 20
    assert np.abs(np.diff(moves, axis=0)).mean() < 6


def test_the_landmarks_that_cut_a_mouth_are_smoothed_until_the_face_is_lost() -> None:
    """Seen on ramps of grey: the mean of the mouth is where its landmarks are. Each picture has its own."""
    face = faces._Face()
    for n, x in enumerate([0.0, 0.0, 8.0, 0.0, 0.0, 8.0]):
        if n == 4:
            face.lose()
        landmarks = (FRAMING * 64 + [16 + x, 16]).astype(np.float32)[None]
        found = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), landmarks)
        ramp = np.tile(np.arange(96, dtype=np.uint8)[None, :, None], (96, 1, 3)) + np.uint8(100 * (n % 2))
        face.see(float(n), ramp, found, 0)
    face.lose()
    shown = face.tracked("F1").mouths.mean(axis=(1, 2)) - [0, 100] * 3
    np.testing.assert_allclose(shown - shown[0], [0, 8 / 4, 16 / 4, 8 / 3, 8 / 3, 16 / 3], atol=0.6)


def test_a_crop_is_upright_and_in_the_framing(astronaut: np.ndarray) -> None:
    whole = crop(astronaut, LANDMARKS, 112)
    assert whole.shape == (112, 112, 3)
    marked = np.zeros_like(astronaut)
    for x, y in LANDMARKS:
        marked[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 255
    lit = crop(marked, LANDMARKS, 112)[..., 0]
    for x, y in FRAMING * 112:
        near = lit[max(0, int(y) - 5) : int(y) + 6, max(0, int(x) - 5) : int(x) + 6]
        assert near.max() > 60


def test_a_turned_face_gives_the_crop_of_the_straight_one(astronaut: np.ndarray) -> None:
    turned = np.rot90(astronaut)  # (x, y) goes to (y, width - x)
    landmarks = np.stack([LANDMARKS[:, 1], 512 - LANDMARKS[:, 0]], axis=1)
    straight, again = crop(astronaut, LANDMARKS), crop(turned, landmarks)
    assert np.abs(straight.astype(int) - again).mean() < 1


def test_a_face_over_the_edge_is_cropped_with_the_edge_repeated() -> None:
    picture = np.full((60, 60, 3), 77, np.uint8)
    assert (crop(picture, LANDMARKS - [180, 80]) == 77).all()


def test_crops_are_taken_where_the_track_is(astronaut: np.ndarray) -> None:
    clip = MemoryClip(None, 16_000, np.stack([astronaut] * 20), 10.0)
    times = np.arange(5) / 10 + 1.0  # the face is there from 1.0 to 1.4 s of 2 s
    track = faces.FaceTrack(
        "F1", times, np.tile(BOX.astype(np.float32), (5, 1)), np.tile(LANDMARKS.astype(np.float32), (5, 1, 1))
    )
    made = crops(clip, track, rate=10.0, size=48)
    assert made.shape[1:] == (48, 48, 3)
    assert 12 <= len(made) <= 15  # and for half a second around it
    np.testing.assert_array_equal(made[0], crop(astronaut, LANDMARKS.astype(np.float32), 48))
    assert len(crops(clip, track, rate=10.0, size=48, limit=4)) <= 4


@pytest.mark.corpus
def test_the_framing_is_that_of_ferplus(data: Path, detector: MTCNN) -> None:
    with np.load(data / "ferplus" / "ferplus.npz") as stored:
        images = stored["images"][stored["split"] == "train"][:120]
    found = []
    for image in images:
        large = np.kron(image, np.ones((4, 4), np.uint8))
        (one,) = detector.detect(np.repeat(np.pad(large, 40)[None, ..., None], 3, axis=3))
        if len(one):
            found.append((one.landmarks[0] - 40) / 192)
    assert len(found) > 60
    np.testing.assert_allclose(np.median(found, axis=0), FRAMING, atol=0.04)
