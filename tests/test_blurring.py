"""Copies with blurred faces: what is in the boxes is gone, all else is as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_makers import make_sound, make_video

from affectline.blurring import GROWN, HELD, STRAYS, blur_faces, boxes_at, softened, veil
from affectline.cli import main
from affectline.media import FileClip, MediaError, probe
from affectline.media.recording import frames
from affectline.nn.mtcnn import MTCNN, Detections
from affectline.types import FaceTrack, Modality

SIZE, SIDE = (320, 200), 40  # of the pictures, and of the face in them, in pixels
STEP = 6  # pixels that the face goes on from one picture to the next


class Marked(MTCNN):
    """Finds what is red, where it is: a detector that is never wrong."""

    def detect(self, frames: np.ndarray) -> list[Detections]:
        return [self._found(picture) for picture in frames]

    def look_again(self, frame: np.ndarray, boxes: np.ndarray) -> Detections:
        found = self._found(frame)
        count = len(boxes)
        if not len(found):
            return Detections(boxes, np.zeros(count, np.float32), np.zeros((count, 5, 2), np.float32))
        rows = [np.repeat(values, count, axis=0) for values in (found.boxes, found.scores, found.landmarks)]
        return Detections(*rows)

    def _found(self, picture: np.ndarray) -> Detections:
        red = picture[..., 0].astype(int) - picture[..., 2] > 60
        if red.sum() < SIDE:
            return Detections(*(np.zeros((0, *rest), np.float32) for rest in ((4,), (), (5, 2))))
        down, across = (np.flatnonzero(red.any(axis=axis)) for axis in (1, 0))
        box = np.array([[across[0], down[0], across[-1] + 1, down[-1] + 1]], np.float32)
        places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
        marks = box[:, None, :2] + places * (box[:, None, 2:] - box[:, None, :2])
        return Detections(box, np.ones(1, np.float32), marks)


def left_of(n: int) -> int:
    """Where the face is in picture n: it comes after a while, and goes to and fro."""
    return 30 + abs((STEP * n) % 400 - 200)


def draw(n: int, size: tuple[int, int], first: int = 10) -> np.ndarray:
    """A fine pattern, and in it, from picture `first` on, a face: the same pattern in red."""
    width, height = size
    down, across = np.mgrid[:height, :width]
    picture = np.repeat((90 + 80 * ((down // 4 + across // 4) % 2))[..., None], 3, axis=2).astype(np.uint8)
    if n >= first:
        picture[80 : 80 + SIDE, left_of(n) : left_of(n) + SIDE, 1:] //= 5
    return picture


def detail(part: np.ndarray) -> float:
    """How much neighbouring pixels differ."""
    return float(np.abs(np.diff(part.astype(float), axis=1)).mean())


def pictures(path: Path) -> list[np.ndarray]:
    clip = FileClip(path)
    return [picture for _, picture in clip.pictures(clip.recording.frame_rate)]


def times(path: Path) -> list[float]:
    return [time for time, _ in frames(probe(path), Modality.VIDEO, 0.0)]


@pytest.mark.parametrize("rotation", [0, 90, 180])
def test_the_face_is_gone_from_every_picture_and_the_rest_is_as_it_was(tmp_path: Path, rotation: int) -> None:
    path, out = tmp_path / "talk.mp4", tmp_path / "copy.mp4"
    make_video(path, seconds=3.0, size=SIZE, draw=draw, rotation=rotation, tone=440.0, interleaved=True)
    blur_faces(path, out, Marked())
    before, after = pictures(path), pictures(out)
    assert len(before) == len(after) == 75
    for n, (old, new) in enumerate(zip(before, after, strict=True)):
        left = left_of(n)
        face = np.s_[80 : 80 + SIDE, left : left + SIDE]
        assert n < 10 or detail(new[face]) < 0.3 * detail(old[face]), n
        far = np.ones(old.shape[:2], bool)
        far[:, max(0, left - 70) : left + SIDE + 70] = n < 10  # before it comes, a box waits for it
        far[:, :20] = far[:, -20:] = True
        if n >= 10:
            assert np.abs(old[far].astype(int) - new[far]).mean() < 3, n
            assert detail(new[:20]) > 0.8 * detail(old[:20]), n
    assert detail(after[2][80:120, 30:300]) < 0.9 * detail(before[2][80:120, 30:300])  # a second too early


def test_sound_times_and_length_are_those_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "talk.mp4", tmp_path / "copy.mp4"
    shown = [0.0, 0.04, 0.2, 0.21, 0.5, 0.9, 1.5]  # not at a rate
    make_video(path, seconds=2.0, size=SIZE, draw=draw, times=shown, interleaved=True)
    asked: list[float] = []
    monkeypatch.setattr("affectline.blurring.boxes_at", lambda tracks, time: asked.append(time) or [])
    blur_faces(path, out, Marked())
    monkeypatch.undo()
    np.testing.assert_allclose(times(out), shown, atol=1e-3)
    np.testing.assert_allclose(asked, shown, atol=1e-3)
    for channels, start in ((1, 0.0), (2, 0.4)):
        sound: dict[str, Any] = {"tone": 330.0, "channels": channels, "sound_start": start}
        make_video(path, seconds=2.0, size=SIZE, draw=draw, interleaved=True, **sound)
        blur_faces(path, out, Marked())
        old, new = FileClip(path), FileClip(out)
        assert new.duration == pytest.approx(old.duration, abs=0.005)
        np.testing.assert_allclose(times(out), times(path), atol=2e-3)
        heard = [clip.waveform(16_000)[8_000:24_000] for clip in (old, new)]
        assert (
            max(np.correlate(heard[1][:8_000], heard[0][100:7_900])) > 0.99 * (heard[0][100:7_900] ** 2).sum()
        )


def test_sound_that_mp4_cannot_hold_is_coded_anew(tmp_path: Path) -> None:
    path, out = tmp_path / "talk.mkv", tmp_path / "copy.mp4"
    make_video(
        path,
        seconds=1.6,
        size=(161, 121),
        pixels="yuv444p",
        draw=lambda n, size: draw(n, (161, 121))[:121],
        tone=440.0,
        sound_codec="pcm_s16le",
        interleaved=True,
    )
    blur_faces(path, out, Marked())
    old, new = FileClip(path), FileClip(out)
    assert (new.recording.width, new.recording.height) == (160, 120)
    heard = [clip.waveform(16_000)[4_000:20_000] for clip in (old, new)]
    assert np.corrcoef(heard)[0, 1] > 0.99
    assert len(times(out)) == len(times(path))


def test_between_samples_all_from_one_to_the_next_is_covered() -> None:
    boxes = np.array([[100, 100, 140, 140], [200, 100, 240, 140]], np.float32)
    track = FaceTrack("F1", np.array([1.0, 1.08]), boxes, np.zeros((2, 5, 2), np.float32))
    grown = GROWN * 40
    (at,) = boxes_at([track], 1.04)
    np.testing.assert_allclose(at, [100 - grown, 100 - grown, 240 + grown, 140 + grown], atol=2)
    (before,) = boxes_at([track], 0.5)
    wide = (GROWN + 0.5 * STRAYS) * 40
    np.testing.assert_allclose(before, [100 - wide, 100 - wide, 140 + wide, 140 + wide], atol=1)
    (after,) = boxes_at([track], 1.08 + HELD - 0.01)
    assert after[0] < 200 - grown < 240 + grown < after[2]
    assert boxes_at([track], 1.08 + HELD + 0.01) == boxes_at([track], 1.0 - HELD - 0.01) == []


def test_little_is_left_of_what_is_blurred() -> None:
    part = np.random.default_rng(0).integers(0, 256, (93, 64), dtype=np.uint8)
    soft = softened(part)
    assert detail(soft) < 0.03 * detail(part)
    assert soft.mean() == pytest.approx(part.mean(), abs=3)
    assert len(np.linalg.svd(soft.astype(float))[1].nonzero()[0]) >= 5
    assert np.linalg.matrix_rank(soft.astype(float), tol=40) <= 5  # five cells on a side, and no more
    assert softened(part[:3, :2]).shape == (3, 2)


def test_brightness_and_colours_are_blurred_and_nothing_beside_the_box() -> None:
    rng = np.random.default_rng(1)
    planes = tuple(rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((60, 80), (30, 40), (30, 40)))
    before = [plane.copy() for plane in planes]
    veil((planes[0], planes[1], planes[2]), [(-8, 20, 41, 52), (70, 50, 200, 200), (300, 0, 400, 10)])
    for old, new, share in zip(before, planes, (1, 2, 2), strict=True):
        inside = np.zeros(old.shape, bool)
        inside[20 // share : 52 // share, : -(-41 // share)] = inside[50 // share :, 70 // share :] = True
        np.testing.assert_array_equal(old[~inside], new[~inside])
        part = np.s_[20 // share : 52 // share, : 41 // share]
        assert detail(new[part]) < 0.2 * detail(old[part])


def test_the_faces_of_the_demo_are_found_and_gone(tmp_path: Path) -> None:
    """Drawn ones, by the real detector, which then sees nobody any more."""
    demo, out = Path(__file__).parents[1] / "examples" / "demo.mp4", tmp_path / "copy.mp4"
    short = tmp_path / "short.mp4"
    clip = FileClip(demo)
    shown = clip.window(0.0, 1.2).frames(rate=10.0)
    make_video(short, seconds=1.2, rate=10.0, size=(640, 360), draw=lambda n, _size: shown[n])
    blur_faces(short, out)
    detector = MTCNN.load()
    whole, copy = (np.stack(pictures(path)[::4]) for path in (short, out))
    assert min(map(len, detector.detect(whole))) >= 2
    assert max(map(len, detector.detect(copy))) == 0


def test_what_cannot_be_blurred_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = make_sound(tmp_path / "talk.wav")
    with pytest.raises(MediaError, match="there are no pictures in it"):
        blur_faces(sound, tmp_path / "copy.mp4", Marked())
    video = make_video(tmp_path / "talk.mp4", seconds=0.4)
    with pytest.raises(ValueError, match="recording itself"):
        blur_faces(video, video, Marked())
    with pytest.raises(ValueError, match=r"ends in \.mp4"):
        blur_faces(video, tmp_path / "copy.avi", Marked())
    monkeypatch.setattr("affectline.blurring.veil", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        blur_faces(video, tmp_path / "copy.mp4", Marked())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.mp4", "talk.wav"]
    assert main(["blur", str(sound)]) == 1
    assert "no face to blur" in capsys.readouterr().err


def test_the_command_writes_the_copy_beside_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "talk.mov", seconds=0.4)
    assert main(["blur", str(video), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "talk.blurred.mp4")
    assert len(times(tmp_path / "talk.blurred.mp4")) == 10
