"""Regions of a picture that speak for an emotion: of the speaker's face, or of all that is seen.

The same regions are off in every picture of the clip, where the face is in it: of a face they are drawn in
its upright crop, as the face network sees it, and laid into each picture by the face's landmarks.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int, UInt8
from scipy.ndimage import gaussian_filter

from affectline import faces
from affectline.explain.parts import Mask, Part, enough
from affectline.media import ChangedClip
from affectline.types import Clip, Conversation, FaceTrack, Frames, Modality, Utterance

if TYPE_CHECKING:
    from affectline.media.pictures import Picture

SIDE = 48
"""Rows and columns of the grid that regions of a face are drawn in, and rows of that of a whole picture."""
SUPERPIXELS = 20
SHOWN = 112  # pixels of the side of the picture that an explanation shows
LOOKS = 8  # pictures of which the one that is most like the others is shown
KINDS = ("superpixels", "parts", "scene")
MOST = 12
"""Pictures of a face that are looked at under a mask, where they are not judged: evenly over the clip."""
BLUR = 0.15  # of the face's side, the Gaussian that stands for a region where an explanation is judged
Labels = Int[np.ndarray, "rows columns"]


@dataclass(frozen=True, eq=False)
class Regions:
    """An utterance with regions of its pictures switched off.

    `labels`: of each place of the grid the part that has it. `track`: the face that the grid is laid over;
    None where it is laid over whole pictures. `picture`: the one in which the regions were found. `absent`:
    a flat colour, the mean of what is there, or a blur. `most`: crops of the face that changed clips have at
    most, evenly over their time; None: as many as are asked for.
    """

    conversation: Conversation
    index: int
    parts: tuple[Part, ...]
    labels: Labels = field(repr=False)
    track: FaceTrack | None
    picture: UInt8[np.ndarray, "height width 3"] = field(repr=False)
    absent: str = "flat colour"
    most: int | None = MOST

    modality = Modality.VIDEO

    def __call__(self, mask: Mask) -> Conversation:
        clip = self.conversation.utterances[self.index].clip
        if mask.all() or clip is None:
            return self.conversation
        return self.conversation.edit(self.index, clip=CoveredClip(clip, self._grid, ~mask, most=self.most))

    @cached_property
    def _grid(self) -> "Grid":  # one for all calls: what it covers is made once
        return Grid(self.labels, self.track, blurred=self.absent == "blur")

    @property
    def judge(self) -> "Regions":
        """The same parts in all pictures with another "absent", by which an explanation is judged."""
        return replace(self, absent="blur", most=None)

    @property
    def shown(self) -> dict[str, Any]:
        """The picture, and how many rows and columns of the grid lie over it."""
        return {"picture": data_uri(self.picture), "grid": list(self.labels.shape)}


def regions(conversation: Conversation, index: int, *, kind: str = "superpixels") -> Regions:
    """The regions of what an utterance shows.

    Args:
        conversation: read only.
        index: of the utterance that is explained.
        kind: "superpixels" of the speaker's face; its "parts" by name: brows, eyes, nose, mouth, jaw and what
            is around them; or superpixels of the whole picture: "scene".

    Raises:
        ValueError: there is no picture, or no face in it, or no such kind of region.
        ImportError: the extra "explain" is not installed.
    """
    own = conversation.utterances[index]
    if kind not in KINDS:
        raise ValueError(f"there are no regions {kind!r}; there are {', '.join(KINDS)}")
    if Modality.VIDEO in own.missing or own.clip is None or not own.clip.has_video:
        raise ValueError(f"utterance {own.id!r} has no picture; explain its words or its sound")
    track = None if kind == "scene" else own.face
    picture = _scene(own.clip) if kind == "scene" else _face(own, own.clip)
    labels, names = _named() if kind == "parts" else _superpixels(picture, scene=kind == "scene")
    parts = tuple(Part(name, own.id, own.span, labels == n) for n, name in enumerate(names))
    enough(parts, own, "one region")
    return Regions(conversation, index, parts, labels, track, picture)


def _face(utterance: Utterance, clip: Clip) -> UInt8[np.ndarray, "size size 3"]:
    track = utterance.face
    rate = LOOKS / max(clip.duration, 1e-6)
    found = faces.crops(clip, track, rate, SHOWN, LOOKS) if track is not None else ()
    if not len(found):
        raise ValueError(
            f"no face was found in utterance {utterance.id!r}; explain its words or its sound, or the scene "
            "where the model looks at it"
        )
    return _typical(np.asarray(found))


def _scene(clip: Clip) -> UInt8[np.ndarray, "height width 3"]:
    picture = _typical(clip.frames(count=LOOKS))
    step = max(1, min(picture.shape[:2]) // (2 * SHOWN))
    return np.ascontiguousarray(picture[::step, ::step])


def _typical(pictures: Frames) -> UInt8[np.ndarray, "height width 3"]:
    """The one that is nearest to their mean."""
    away = np.abs(pictures - pictures.mean(axis=0)).mean(axis=(1, 2, 3))
    return pictures[int(away.argmin())]


def _named() -> tuple[Labels, list[str]]:
    labels = np.select([*NAMED.values()], [*range(len(NAMED))])
    return labels, [*NAMED]


def _superpixels(picture: UInt8[np.ndarray, "height width 3"], *, scene: bool) -> tuple[Labels, list[str]]:
    """Of like colour and near one another (SLIC, Achanta et al. 2012); of a face named by where they lie."""
    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise ImportError('regions need scikit-image: pip install "affectline[explain]"') from error
    fine = slic(picture, n_segments=SUPERPIXELS, compactness=10, start_label=0, channel_axis=-1)
    height, width = fine.shape
    columns = round(SIDE * width / height)
    down, across = (np.arange(SIDE) + 0.5) * height / SIDE, (np.arange(columns) + 0.5) * width / columns
    found, labels = np.unique(fine[down.astype(int)][:, across.astype(int)], return_inverse=True)
    labels = labels.reshape(SIDE, columns)
    if scene:
        return labels, [f"region {n + 1}" for n in range(len(found))]
    places, names = _named()
    return labels, [
        f"{names[int(np.bincount(places[labels == n]).argmax())]} {n + 1}" for n in range(len(found))
    ]


@dataclass(frozen=True, eq=False)
class Grid:
    """Where regions lie in the pictures of a clip, and what covers them."""

    labels: Labels
    track: FaceTrack | None
    blurred: bool

    @cached_property
    def key(self) -> str:
        """A hash of all of it."""
        track = () if self.track is None else (self.track.times, self.track.landmarks)
        arrays = b"".join(np.ascontiguousarray(a).tobytes() for a in (self.labels, *track))
        return hashlib.sha256(arrays + bytes([self.blurred])).hexdigest()

    def cover(self, picture: "Picture", time: float, scale: float) -> "Cover | None":
        """What regions cover of a picture of the clip; None where there is no face in it.

        `scale`: of its pixels to those of the clip's own pictures.
        """
        height, width, _ = picture.shape
        rows, columns = self.labels.shape
        if self.track is None:
            box, places = (0, 0, width, height), None
        else:
            sample = faces.sample_at(self.track, time)
            if sample is None:
                return None
            places = self.track.landmarks[sample] * scale
            box = faces.crop_box(places, (height, width))
        left, top, right, bottom = box
        if right <= left or bottom <= top:
            return None
        x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        seen = np.stack([x, y], axis=-1)
        shares = seen / (width, height) if places is None else faces.in_crop(seen, places)
        across, down = np.floor(shares * (columns, rows)).astype(int).transpose(2, 0, 1)
        inside = (across >= 0) & (across < columns) & (down >= 0) & (down < rows)
        labels = np.where(inside, self.labels[down.clip(0, rows - 1), across.clip(0, columns - 1)], -1)
        part = picture[top:bottom, left:right]
        return Cover((slice(top, bottom), slice(left, right)), labels, self._instead(part, inside))

    def _instead(self, part: "Picture", inside: Bool[np.ndarray, "height width"]) -> "Picture":
        if self.blurred:
            sigma = BLUR * min(part.shape[:2])
            return gaussian_filter(part.astype(np.float32), (sigma, sigma, 0)).round().astype(np.uint8)
        flat = part[inside].mean(axis=0) if inside.any() else np.zeros(3)
        return np.broadcast_to(flat.round().astype(np.uint8), part.shape)


@dataclass(frozen=True, eq=False)
class Cover:
    """A part of a picture: the region of each pixel, -1 in none, and what it is where that is off."""

    place: tuple[slice, slice]
    labels: Int[np.ndarray, "height width"]
    instead: UInt8[np.ndarray, "height width 3"]

    def __call__(self, picture: "Picture", off: Bool[np.ndarray, " part"]) -> "Picture":
        covered = picture.copy()
        np.copyto(covered[self.place], self.instead, where=np.append(off, False)[self.labels][..., None])
        return covered


@dataclass(frozen=True, eq=False)
class CoveredClip(ChangedClip):
    """A clip in whose pictures regions are covered; `start`: where it begins in the clip of the grid.

    `most`: crops of a face that it has at most.
    """

    grid: Grid
    off: Mask
    start: float = 0.0
    most: int | None = None

    def frames(self, *, count: int | None = None, rate: float | None = None) -> Frames:
        found = _decoded(self.clip, self.grid, self.start, count=count, rate=rate)
        covered = [self._covered(picture, cover) for _, picture, cover in found]
        return np.stack(covered) if covered else np.zeros((0, 0, 0, 3), np.uint8)

    def pictures(self, rate: float, *, max_side: int | None = None) -> Iterator[tuple[float, "Picture"]]:
        for time, picture, cover in _decoded(self.clip, self.grid, self.start, rate=rate, max_side=max_side):
            yield time, self._covered(picture, cover)

    def _covered(self, picture: "Picture", cover: Cover | None) -> "Picture":
        return picture if cover is None else cover(picture, self.off)

    def crops(
        self, track: FaceTrack, rate: float, size: int, limit: int
    ) -> UInt8[np.ndarray, "time size size 3"]:
        """As `faces.crops`; of the face under the grid the crops are covered, not the pictures."""
        own, limit = self.grid.track, min(limit, self.most or limit)
        if own is None or (own is not track and not _same(own, track)) or self.start:
            return faces.crops_of(self, track, rate, size, limit)
        plain, instead = _cropped(self.clip, self.grid, rate, size, limit)
        rows, columns = self.grid.labels.shape
        at = (np.arange(size) + 0.5) / size
        labels = self.grid.labels[(at * rows).astype(int)][:, (at * columns).astype(int)]
        return np.where(self.off[labels][..., None], instead, plain)

    def window(self, start: float, duration: float) -> "CoveredClip":
        return replace(self, clip=self.clip.window(start, duration), start=self.start + start)

    def content(self, modality: Modality) -> str:
        own = self.clip.content(modality)
        if modality is not Modality.VIDEO:
            return own
        off = "".join("01"[int(x)] for x in self.off)
        return hashlib.sha256(
            f"{own} {self.grid.key} {off} {self.start:.6f} {self.most}".encode()
        ).hexdigest()


def _same(a: FaceTrack, b: FaceTrack) -> bool:
    return np.array_equal(a.times, b.times) and np.array_equal(a.landmarks, b.landmarks)


@lru_cache(maxsize=4)
def _cropped(
    clip: Clip, grid: Grid, rate: float, size: int, limit: int
) -> tuple[UInt8[np.ndarray, "time size size 3"], UInt8[np.ndarray, "time size size 3"]]:
    """The crops of the face as it is, and with all regions off."""
    assert grid.track is not None
    off = np.ones(int(grid.labels.max()) + 1, bool)
    covered = CoveredClip(clip, grid, off)
    plain, instead = (faces.crops_of(c, grid.track, rate, size, limit) for c in (clip, covered))
    return plain, instead


@lru_cache(maxsize=4)
def _decoded(
    clip: Clip,
    grid: Grid,
    start: float,
    *,
    count: int | None = None,
    rate: float | None = None,
    max_side: int | None = None,
) -> list[tuple[float, "Picture", Cover | None]]:
    """The pictures of a clip with their times and what covers them: once for all that is asked of it."""
    if count is not None:
        pictures = list(clip.frames(count=count))
        timed = [((n + 0.5) * clip.duration / count, picture) for n, picture in enumerate(pictures)]
        scale = 1.0
    else:
        assert rate is not None
        timed = list(clip.pictures(rate, max_side=max_side))
        whole = next(iter(clip.pictures(rate)), None) if max_side else None
        scale = 1.0 if whole is None or not timed else timed[0][1].shape[0] / whole[1].shape[0]
    return [(time, picture, grid.cover(picture, start + time, scale)) for time, picture in timed]


def data_uri(picture: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture as it stands in a page: JPEG in base64."""
    import base64
    import io

    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(picture).save(held, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()


_X, _Y = np.meshgrid((np.arange(SIDE) + 0.5) / SIDE, (np.arange(SIDE) + 0.5) / SIDE)
_MIDDLE = abs(_X - 0.5) < 0.42
NAMED: dict[str, Bool[np.ndarray, "rows columns"]] = {
    "brows": (_Y >= 0.2) & (_Y < 0.325) & _MIDDLE,
    "eyes": (_Y >= 0.325) & (_Y < 0.475) & _MIDDLE,
    "nose": (_Y >= 0.475) & (_Y < 0.69) & (abs(_X - 0.5) < 0.15),
    "mouth": (_Y >= 0.69) & (_Y < 0.89) & (abs(_X - 0.5) < 0.25),
    "jaw": (_Y >= 0.69) & _MIDDLE,
    "cheeks": (_Y >= 0.475) & (_Y < 0.69) & _MIDDLE,
    "forehead": (_Y < 0.2) & _MIDDLE,
    "edges": np.ones((SIDE, SIDE), bool),
}
"""Parts of a face whose landmarks lie as in `faces.FRAMING`; each place is of the first that has it."""
