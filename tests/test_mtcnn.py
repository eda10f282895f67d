import builtins
import hashlib
import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from affectline.nn import mtcnn
from affectline.nn.mtcnn import FOUND, MTCNN
from affectline.nn.summed import Summed

# What facenet-pytorch 2.6.0 finds on the astronaut with the same smallest face (512 / 12 pixels); less one
# its x0 and y0, which count pixels from 1.
BOX = (178.52925, 60.18369, 267.57620, 174.97536)
LANDMARKS = (
    (204.3326, 101.1647),
    (246.2406, 103.4983),
    (224.6709, 128.3378),
    (202.0116, 140.9285),
    (244.5006, 142.0063),
)


@pytest.fixture(scope="module")
def detector() -> MTCNN:
    return MTCNN.load()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()


def test_the_astronaut_has_one_face_where_a_second_implementation_finds_it(detector, astronaut):
    (found,) = detector.detect(astronaut[None])
    assert len(found) == 1
    assert found.scores[0] > 0.999
    np.testing.assert_allclose(found.boxes[0], BOX, atol=0.05)
    np.testing.assert_allclose(found.landmarks[0], LANDMARKS, atol=0.05)


def test_a_mirrored_picture_has_mirrored_faces(detector, astronaut):
    (found,) = detector.detect(astronaut[None, :, ::-1])
    x0, y0, x1, y1 = found.boxes[0]
    np.testing.assert_allclose((512 - x1, y0, 512 - x0, y1), BOX, atol=8)
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_pictures_in_a_batch_have_the_faces_they_have_alone(detector, astronaut):
    pictures = np.stack([astronaut, np.zeros_like(astronaut), np.roll(astronaut, 60, axis=1)])
    together = detector.detect(pictures)
    assert [len(found) for found in together] == [1, 0, 1]
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = detector.detect(picture[None])
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.01)
        np.testing.assert_allclose(found.landmarks, alone.landmarks, atol=0.01)


@pytest.mark.parametrize(
    "shape", [(0, 90, 160, 3), (1, 1, 1, 3), (2, 200, 1, 3), (1, 12, 400, 3), (1, 90, 160, 3)]
)
def test_pictures_without_a_face_or_without_room_for_one_have_none(detector, shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert [len(found) for found in detector.detect(noise)] == [0] * shape[0]


@pytest.mark.parametrize("part", [(85, 0, 512, 512), (0, 205, 512, 512), (0, 0, 512, 240)])
def test_the_landmarks_of_a_face_that_the_edge_cuts_stay_where_they_are(detector, astronaut, part):
    top, left, bottom, right = part
    (found,) = detector.detect(astronaut[None, top:bottom, left:right])
    assert len(found) == 1
    np.testing.assert_allclose(found.landmarks[0] + (left, top), LANDMARKS, atol=5)


def test_a_box_beyond_the_picture_holds_no_face(detector, astronaut):
    beyond = np.array([(600, 20, 700, 120), (-300, -300, -200, -200), (9, 9, 9, 9)], dtype=np.float32)
    assert (detector.look_again(astronaut, beyond).scores < FOUND).all()


def test_a_face_that_moved_a_little_is_found_again_and_one_that_left_is_not(detector, astronaut):
    boxes = np.array([BOX, (300, 300, 400, 420), BOX], dtype=np.float32)
    boxes[2] += 12
    found = detector.look_again(astronaut, boxes)
    assert found.scores[1] < FOUND < min(found.scores[0], found.scores[2])
    for n in (0, 2):
        np.testing.assert_allclose(found.landmarks[n], LANDMARKS, atol=4)


def test_the_smallest_face_is_a_share_of_the_picture(detector, astronaut):
    six = np.tile(astronaut, (2, 3, 1))[None]  # of 1024 pixels each face takes an eleventh
    assert len(detector.detect(six)[0]) == 6
    assert not len(MTCNN.load(min_face=1 / 2).detect(astronaut[None])[0])
    with pytest.raises(ValueError, match="0 to 1; got 40"):
        MTCNN.load(min_face=40)


@pytest.mark.parametrize("part", ["_propose", "_refine", "_output"])
def test_pictures_go_to_where_the_networks_are(part, astronaut):
    """Meta tensors are as far from the processor as a GPU's: they meet no other, and none comes back."""
    pictures = [Summed(astronaut)]
    which, boxes = torch.zeros(1, dtype=torch.long), torch.tensor([BOX])
    arguments = pictures if part == "_propose" else [pictures, which, boxes]
    with pytest.raises(NotImplementedError, match="meta"):
        getattr(MTCNN().to("meta"), part)(*arguments)


def test_the_networks_compute_what_the_weights_say_in_their_own_layout(detector):
    """R-Net and O-Net written out as TensorFlow's layers (height, width, channels), not transposed."""
    rng = np.random.default_rng(0)
    for name, size, pools in (("rnet", 24, (3, 3)), ("onet", 48, (3, 3, 2))):
        network = getattr(detector, name)
        picture = rng.integers(0, 256, (size, size, 3)).astype(np.float32)
        face, box = _written_out(mtcnn._arrays(name), picture, pools)
        with torch.inference_mode():
            transposed = torch.from_numpy(picture.transpose(2, 1, 0)[None].copy())
            x = network.dense(network.stem(transposed).flatten(1))
        np.testing.assert_allclose(network.face(x)[0], face, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(network.box(x)[0], box, rtol=1e-3, atol=1e-4)


def _written_out(arrays, picture, pools):
    rest = [torch.from_numpy(a.copy()) for a in arrays]
    x = torch.from_numpy((picture - 127.5) / 128).permute(2, 0, 1)[None]
    while rest[0].ndim == 4:
        kernel, bias, slope, *rest = rest
        x = functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias)
        x = torch.where(x > 0, x, x * slope.reshape(-1, 1, 1))
        if pools:
            x = functional.max_pool2d(x, pools[0], stride=2, ceil_mode=True)
            pools = pools[1:]
    weight, bias, slope, *rest = rest
    x = x[0].permute(2, 1, 0).flatten() @ weight + bias
    x = torch.where(x > 0, x, x * slope)
    return x @ rest[-2] + rest[-1], x @ rest[0] + rest[1]


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_suppression_in_a_map_is_greedy_suppression_of_its_boxes(seed):
    torch.manual_seed(seed)
    score = torch.randn(9, 7)
    places = (score >= 0).nonzero()
    corners = (places * 2).float()
    boxes = torch.cat([corners, corners + 12], dim=1)
    values = score[places[:, 0], places[:, 1]]
    kept = _greedy(boxes, values, torch.zeros(len(boxes)), limit=0.5, of_smaller=False)
    assert mtcnn._peaks(score, 0.0).nonzero().tolist() == sorted(places[kept].tolist())


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=15, deadline=None)
def test_suppression_of_boxes_is_greedy_and_within_each_picture(seed, of_smaller):
    torch.manual_seed(seed)
    low = torch.rand(25, 2) * 20
    boxes = torch.cat([low, low + 20 + torch.rand(25, 2) * 20], dim=1)
    scores, which = torch.rand(25), torch.randint(0, 2, (25,))
    kept = mtcnn._best(which, boxes, scores, of_smaller=of_smaller)
    assert kept.tolist() == _greedy(boxes, scores, which, limit=0.7, of_smaller=of_smaller)


def _greedy(boxes, scores, which, limit, of_smaller):
    kept: list[int] = []
    boxes, which = boxes.tolist(), which.tolist()
    for n in scores.argsort(descending=True, stable=True).tolist():
        if all(which[n] != which[k] or _share(boxes[n], boxes[k], of_smaller) <= limit for k in kept):
            kept.append(n)
    return kept


def _share(a, b, of_smaller):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return shared / (min(areas) if of_smaller else sum(areas) - shared)


def test_a_weight_file_that_was_changed_is_refused(monkeypatch):
    monkeypatch.setitem(mtcnn.SHA256, "rnet", hashlib.sha256(b"another").hexdigest())
    with pytest.raises(ValueError, match=r"rnet\.lz4 has sha256 cb00e646.*pip install"):
        MTCNN.load()


def test_the_unpickler_reads_what_joblib_wrote():
    joblib = pytest.importorskip("joblib")
    rng = np.random.default_rng(0)
    arrays = [
        rng.random((2, 3, 4), np.float32),
        np.asfortranarray(rng.random((5, 3), np.float32)),
        np.zeros(1, np.float32),
    ]
    file = io.BytesIO()
    joblib.dump(arrays, file)
    for ours, array in zip(mtcnn._unpickled(file.getvalue()), arrays, strict=True):
        np.testing.assert_array_equal(ours, array)


class _Harmful:
    def __reduce__(self):
        return print, ("harm",)


@pytest.mark.parametrize("content", [_Harmful(), [np.float64(1)], {"a": np.array([object()], dtype=object)}])
def test_the_unpickler_refuses_everything_but_arrays(content, capsys):
    with pytest.raises(pickle.UnpicklingError, match="arrays alone"):
        mtcnn._unpickled(pickle.dumps(content))
    assert not capsys.readouterr().out


def test_the_package_of_the_weights_is_not_imported(monkeypatch):
    asked = set()
    real = builtins.__import__

    def watched(name, *arguments, **settings):
        asked.add(name.split(".")[0])
        return real(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", watched)
    MTCNN.load()
    assert "lz4" in asked
    assert not asked & {"mtcnn", "tensorflow", "joblib"}
