"""Faces over time: finding and following them, cutting them out, and whose mouth moves with the sound.

A recording is seen once, picture by picture; of each face only boxes, landmarks and a few pixels of its
mouth are kept, so an hour takes no more memory than its tracks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch.nn.functional import grid_sample

from affectline.nn.mtcnn import FOUND, MTCNN, Detections
from affectline.nn.summed import shrunk
from affectline.types import Clip, FaceTrack

FRAMING = np.array([[0.31, 0.40], [0.69, 0.40], [0.50, 0.615], [0.34, 0.79], [0.66, 0.79]])
"""Where the five landmarks lie in a crop, as shares of its side: the framing of FER2013, on which our face
network is trained. The median of what MTCNN finds in 600 of its training pictures (found in 490), made even
between left and right; tests/test_faces.py measures it again."""

Picture = UInt8[np.ndarray, "height width 3"]
Landmarks = Float[np.ndarray, "5 2"]

RATE = 12.5  # pictures a second that are enough to follow a face and its mouth
EVERY = 1.0  # seconds between looks at the whole picture
SEARCH = 0.5  # the same, while no face is followed or one is missing
PATIENCE = 0.6  # seconds without being found after which a face is gone
CUT = 22.0  # change of a coarse picture, of 255, that is a cut to another scene: camera moves stay under it
SAME = 0.3  # least overlap, over the union, of a face with itself a moment later
TWICE = 0.5  # overlap of two tracks that follow the same face
SURE, LASTING = 0.8, 0.25  # least mean score, and seconds, of a face that is believed
NEAR = 0.5  # seconds between a picture and the sample of the track that it is cut by
MOUTH_SIZE = 32  # pixels of the crop in which `MOUTH` is
MOUTH = slice(22, 30), slice(10, 22)  # rows and columns of the lips and what is between them


@dataclass(frozen=True, eq=False)
class Tracked:
    """A face over time, how sure the detector was of it, and its mouth: grey, 8 rows of 12 pixels.

    The mouth is cut out by landmarks that are smoothed over three pictures: their jitter would be motion.
    """

    track: FaceTrack
    scores: Float32[np.ndarray, " time"]
    mouths: UInt8[np.ndarray, "time 8 12"]


@dataclass(eq=False)
class _Face:
    """A track in the making."""

    times: list[float] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    landmarks: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    mouths: list[np.ndarray] = field(default_factory=list)
    picture: Picture | None = None  # the last, until the next landmarks are known: then its mouth is cut out
    since: int = 0  # the first sample after the face was last lost

    def see(self, time: float, picture: Picture, found: Detections, n: int) -> None:
        self.times.append(time)
        self.boxes.append(found.boxes[n])
        self.landmarks.append(found.landmarks[n])
        self.scores.append(float(found.scores[n]))
        self._cut_mouth()
        self.picture = picture

    def lose(self) -> None:
        """It is not in this picture."""
        self._cut_mouth()
        self.picture, self.since = None, len(self.times)

    def _cut_mouth(self) -> None:
        if self.picture is not None:
            n = len(self.mouths)
            near = [self.landmarks[n], *self.landmarks[max(n - 1, self.since) : n + 2]]
            mouth = _warped(self.picture, np.mean(near, axis=0), MOUTH_SIZE, *MOUTH)
            self.mouths.append(np.rint(mouth.mean(axis=2)).astype(np.uint8))

    def tracked(self, name: str) -> Tracked:
        times = np.array(self.times, dtype=np.float64)
        track = FaceTrack(name, times, np.stack(self.boxes), np.stack(self.landmarks))
        return Tracked(track, np.array(self.scores, np.float32), np.stack(self.mouths))

    @property
    def followed(self) -> bool:
        """Seen in every picture of late; a face that only looks at the whole picture find never is."""
        return self.picture is not None and self.times[-1] - self.times[self.since] >= LASTING

    @property
    def believed(self) -> bool:
        """Whether it is a face: seen for a while, or so sure that one picture is enough."""
        lasted = self.times[-1] - self.times[0] >= LASTING
        return bool(np.mean(self.scores) > (SURE if lasted else 0.99))


def track_faces(
    pictures: Iterable[tuple[float, Picture]],
    detector: MTCNN,
    *,
    every: float = EVERY,
    doubtful: bool = False,
) -> list[Tracked]:
    """Follow every face through pictures that come one by one with their times in seconds.

    All of the picture is looked at every second, after a cut and when a face is lost, and twice a second
    while one is missing; in between only the place where a face was.

    Args:
        pictures: RGB, upright; some ten a second (`RATE`), such as `clip.pictures(RATE)`.
        detector: finds faces.
        every: seconds between looks at all of the picture, at most.
        doubtful: also give what may be no face.

    Returns:
        The faces in order of appearance, named F1, F2, ...; a face that is gone for over half a second,
        or is cut away, comes back as another.
    """
    tracker = _Tracker(detector, every)
    for time, picture in pictures:
        tracker.see(time, picture)
    tracker.end()
    faces = sorted((f for f in tracker.gone if doubtful or f.believed), key=lambda f: f.times[0])
    return [face.tracked(f"F{n}") for n, face in enumerate(faces, start=1)]


class _Tracker:
    """The faces that are here, and those that are gone."""

    def __init__(self, detector: MTCNN, every: float) -> None:
        self.detector, self.every = detector, every
        self.here: list[_Face] = []
        self.gone: list[_Face] = []
        self.looked = -np.inf  # when all of a picture was last looked at
        self.coarse: np.ndarray | None = None

    def see(self, time: float, picture: Picture) -> None:
        if self._is_cut(picture):
            self.end()
            self.looked = -np.inf
        followed = [face for face in self.here if face.followed]
        self._follow(time, picture)
        lost = any(face.picture is None for face in followed)
        wait = EVERY if self.here and all(face.picture is not None for face in self.here) else SEARCH
        if lost or time - self.looked >= min(wait, self.every):
            self._look(time, picture)
        self.end(lambda face: time - face.times[-1] > PATIENCE)
        self._end_doubles()

    def _follow(self, time: float, picture: Picture) -> None:
        """Find each face near where it was, or lose it."""
        if not self.here:
            return
        found = self.detector.look_again(picture, np.stack([face.boxes[-1] for face in self.here]))
        for n, face in enumerate(self.here):
            near = overlap(found.boxes[n : n + 1], face.boxes[-1][None])[0, 0] > SAME
            if near and found.scores[n] > FOUND:
                face.see(time, picture, found, n)
            else:
                face.lose()

    def _look(self, time: float, picture: Picture) -> None:
        """Find faces everywhere: those that were lost, and new ones."""
        self.looked = time
        found = self.detector.detect(picture[None])[0]
        unseen = list(range(len(found)))
        overlaps = overlap(np.stack([f.boxes[-1] for f in self.here]), found.boxes) if self.here else None
        for n, face in enumerate(self.here):
            assert overlaps is not None
            best = max(unseen, key=lambda m, n=n: overlaps[n, m], default=None)
            if best is None or overlaps[n, best] <= SAME:
                continue
            unseen.remove(best)
            if face.times[-1] < time:
                face.see(time, picture, found, best)
        for m in unseen:
            face = _Face()
            face.see(time, picture, found, m)
            self.here.append(face)

    def end(self, is_gone: Callable[[_Face], bool] = lambda _: True) -> None:
        gone = [face for face in self.here if is_gone(face)]
        for face in gone:
            face.lose()
        self.gone += gone
        self.here = [face for face in self.here if not is_gone(face)]

    def _end_doubles(self) -> None:
        """Of two tracks that follow one face, the younger ends."""
        overlaps = (
            overlap(*[np.stack([f.boxes[-1] for f in self.here])] * 2) if self.here else np.zeros((0, 0))
        )
        double = {id(self.here[n]) for n in np.flatnonzero(np.triu(overlaps > TWICE, k=1).any(axis=0))}
        self.end(lambda face: id(face) in double)

    def _is_cut(self, picture: Picture) -> bool:
        height, width, _ = picture.shape
        step = max(1, min(height, width) // 72)
        thin = picture[::step, ::step].mean(axis=2)
        rows, columns = (np.linspace(0, n, 13)[:-1].astype(int) for n in thin.shape)
        sums = np.add.reduceat(np.add.reduceat(thin, rows, axis=0), columns, axis=1)
        coarse = sums / (thin.size / sums.size)
        before, self.coarse = self.coarse, coarse
        return before is not None and bool(
            before.shape != coarse.shape or np.abs(coarse - before).mean() > CUT
        )


def overlap(a: Float32[np.ndarray, "n 4"], b: Float32[np.ndarray, "m 4"]) -> Float32[np.ndarray, "n m"]:
    """What two boxes share, over their union."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b)]
    return shared / (areas[0][:, None] + areas[1] - shared)


def crop(picture: Picture, landmarks: Landmarks, size: int = 112) -> UInt8[np.ndarray, "size size 3"]:
    """The face upright and in the framing of FER2013; what lies outside the picture repeats its edge."""
    return np.rint(_warped(picture, landmarks, size)).astype(np.uint8)


def _warped(
    picture: Picture,
    landmarks: Landmarks,
    size: int,
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> Float32[np.ndarray, "rows columns 3"]:
    """A face of `size` pixels, turned, scaled and shifted so that its landmarks come nearest to `FRAMING`.

    Of it, these rows and columns.
    """
    turn, shift = _similarity(FRAMING * size, landmarks)
    (top, bottom, _), (left, right, _) = (part.indices(size) for part in (rows, columns))
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]]) @ turn.T + shift
    height, width, _ = picture.shape
    low = np.clip(np.floor(corners.min(axis=0)) - 1, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, low + 1, [width, height]).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    across, down = np.ceil((high - low) / max(1.0, float(np.hypot(*turn[0])))).astype(int)
    planes = shrunk(part, int(down), int(across)).permute(2, 0, 1)  # of the size of the crop's pixels
    steps = np.arange(size) + 0.5
    places = np.stack(np.meshgrid(steps[columns], steps[rows]), axis=-1) @ turn.T + shift
    grid = torch.from_numpy((places - low) / (high - low) * 2 - 1).float().flip(-1)  # `shrunk` transposes
    crop = grid_sample(planes[None], grid[None], padding_mode="border", align_corners=False)
    return crop[0].permute(1, 2, 0).numpy()


def _similarity(
    source: Float[np.ndarray, "points 2"], target: Float[np.ndarray, "points 2"]
) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, "2"]]:
    """The turn with scale, and the shift, that bring `source` nearest to `target` in the least squares."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    along, across = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    turn = np.array([[along, -across], [across, along]]) / (a**2).sum()
    return turn, target.mean(axis=0) - turn @ source.mean(axis=0)


def in_crop(places: Float[np.ndarray, "*place 2"], landmarks: Landmarks) -> Float[np.ndarray, "*place 2"]:
    """Where places of a picture, x and y in pixels, lie in the crop of a face: shares of its side."""
    turn, shift = _similarity(FRAMING, landmarks)
    return (places - shift) @ np.linalg.inv(turn).T


def crop_box(landmarks: Landmarks, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """The x0, y0, x1, y1 of all that the crop of a face has of a picture of this height and width."""
    turn, shift = _similarity(FRAMING, landmarks)
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) @ turn.T + shift
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    (x0, y0), (x1, y1) = (np.clip(edge, 0, [shape[1], shape[0]]) for edge in (low, high))
    return int(x0), int(y0), int(x1), int(y1)


@runtime_checkable
class Cropped(Protocol):
    """A clip that knows the crops of its faces without those who ask cutting them out of its pictures."""

    def crops(
        self, track: FaceTrack, rate: float, size: int, limit: int
    ) -> UInt8[np.ndarray, "time size size 3"]: ...


def crops(
    clip: Clip, track: FaceTrack, rate: float = 5.0, size: int = 112, limit: int = 32
) -> UInt8[np.ndarray, "time size size 3"]:
    """The face in pictures of the clip, `rate` per second and `limit` at most, evenly over its track.

    Each picture is cut by the sample of the track nearest to it in time; where none is within half a second,
    it is left out. Times of the track are those of the clip.
    """
    if isinstance(clip, Cropped):
        return clip.crops(track, rate, size, limit)
    return crops_of(clip, track, rate, size, limit)


def crops_of(
    clip: Clip, track: FaceTrack, rate: float, size: int, limit: int
) -> UInt8[np.ndarray, "time size size 3"]:
    """As `crops`, out of the clip's pictures."""
    found = []
    rate = min(rate, limit / max(clip.duration, 1e-6))
    for time, picture in clip.pictures(rate) if len(track.times) else ():
        nearest = sample_at(track, time)
        if nearest is not None and len(found) < limit:
            found.append(crop(picture, track.landmarks[nearest], size))
    return np.stack(found) if found else np.zeros((0, size, size, 3), np.uint8)


def sample_at(track: FaceTrack, time: float) -> int | None:
    """The sample of a track nearest to a time of its clip; None where none is within half a second."""
    away = np.abs(track.times - time)
    return int(away.argmin()) if len(away) and away.min() <= NEAR else None


@cache
def detector(device: str = "cpu") -> MTCNN:
    """The detector that all share who do not ask for one of their own."""
    return MTCNN.load().to(device)
