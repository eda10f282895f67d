"""FER+: 48-pixel grey faces, each judged by ten people (Barsoum et al. 2016; images of FER2013).

`ferplus.npz` holds images (n, 48, 48) uint8, votes (n, 10) over `classes`, and the split of each. A face is a
conversation of one. `ratings` are shares of all votes, those for contempt, unknown and no face ("NF")
included, so that the seven need not sum to one; a label holds from three votes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from affectline.corpora import Fault, Published, Source
from affectline.media.pictures import resized, size
from affectline.types import EMOTIONS, Conversation, Frames, LabelSpace, Modality, Utterance, Waveform

SOURCE = Source(
    name="FER+",
    page="https://github.com/microsoft/FERPlus",
    licence="labels MIT; the images are FER2013's, for research",
    layout="a folder with ferplus.npz (images, votes, split, classes)",
)
LABELS = LabelSpace(EMOTIONS, multilabel=True)
SPLITS = ("train", "dev", "test")
PUBLISHED = {"train": Published(28559, 28559), "dev": Published(3579, 3579), "test": Published(3574, 3574)}
PICTURES_ARE_FACES = True
"""The pictures are cropped faces already: none is looked for in them."""
VOTES = 3
"""A label holds from this many of the ten votes."""
NAME_OF = {"happiness": "joy", "NF": "no face"}
"""Our names for classes of FER+ that it calls otherwise."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A still grey picture as a clip of one second. Kept grey: the corpus would be three times as large."""

    grey: UInt8[np.ndarray, "height width"]

    @property
    def duration(self) -> float:
        return 1.0

    @property
    def has_audio(self) -> bool:
        return False

    @property
    def has_video(self) -> bool:
        return True

    def waveform(self, rate: int) -> Waveform:
        return np.zeros(0, dtype=np.float32)

    def frames(self, *, count: int | None = None, rate: float | None = None) -> Frames:
        """The picture `count` times, or once for a rate: nothing moves in it."""
        rgb = np.repeat(self.grey[None, :, :, None], 3, axis=3)
        return np.repeat(rgb, 1 if count is None else count, axis=0)

    def pictures(
        self, rate: float, *, max_side: int | None = None
    ) -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
        height, width = self.grey.shape
        yield 0.0, resized(self.frames()[0], size(height, width, max_side))

    def window(self, start: float, duration: float) -> "Picture":
        return self

    def content(self, modality: Modality) -> str:
        size = "x".join(map(str, self.grey.shape))
        pixels = self.grey.tobytes() if modality is Modality.VIDEO else b""
        return hashlib.sha256(f"grey {size} {modality}".encode() + pixels).hexdigest()


def read(root: Path, split: str) -> list[Conversation]:
    """Faces of a split. From train, those that most annotators call no face are left out (2 of 28,561).

    Raises:
        ValueError: where the corpus or the split is not there.
    """
    part = _part(root, SOURCE.one_of(split, SPLITS))
    keep = ~part.faceless if split == "train" else np.ones(len(part.votes), dtype=bool)
    return [_face(f"{split}{n:05d}", part.images[n], part.votes[n], part.names) for n in np.flatnonzero(keep)]


def faults(root: Path) -> list[Fault]:
    """What is wrong in this copy: what most annotators call no face.

    Raises:
        ValueError: where the corpus is not there.
    """
    found = []
    for split in SPLITS:
        kind, done = ("left-out", "not read") if split == "train" else ("known", "kept: it is judged by")
        for n in np.flatnonzero(_part(root, split).faceless):
            found.append(Fault("ferplus.npz", f"{split}{n:05d}", "most votes are for no face", done, kind))
    return found


@dataclass(frozen=True, eq=False)
class _Part:
    """The rows of a split."""

    images: UInt8[np.ndarray, "face 48 48"]
    votes: np.ndarray
    names: list[str]

    @property
    def faceless(self) -> Bool[np.ndarray, " face"]:
        return 2 * self.votes[:, self.names.index("no face")] > self.votes.sum(axis=1)


def _part(root: Path, split: str) -> _Part:
    path = SOURCE.require(root / "ferplus.npz")
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        missing = {"images", "votes", "split", "classes"} - set(file)
        if missing:
            raise ValueError(f"{path} lacks {sorted(missing)}: it is not {SOURCE.layout}")
        rows = np.flatnonzero(file["split"] == split)
        names = [NAME_OF.get(str(name), str(name)) for name in file["classes"]]
        return _Part(file["images"][rows], file["votes"][rows].astype(int), names)


def _face(name: str, image: UInt8[np.ndarray, "48 48"], votes: np.ndarray, names: list[str]) -> Conversation:
    total = int(votes.sum())
    utterance = Utterance(
        id=name,
        speaker="face",
        text_source="none",
        clip=Picture(image),
        emotions=frozenset(n for n, v in zip(names, votes, strict=True) if v >= VOTES and n in EMOTIONS),
        ratings={n: int(v) / total for n, v in zip(names, votes, strict=True) if v},
    )
    return Conversation(name, (utterance,))


def most_voted(conversations: Sequence[Conversation]) -> list[str | None]:
    """The class of each face that got most of the ten votes; None where two share the lead.

    Classes are our seven and "contempt", "unknown", "no face".
    """
    return [_leader(utterance) for conversation in conversations for utterance in conversation]


def accuracy_mask(conversations: Sequence[Conversation]) -> Bool[np.ndarray, " face"]:
    """The faces on which 'accuracy' is counted: those whose one most-voted class is among our seven.

    The lead is counted over all ten classes: a face that is led by, or shares its lead with, contempt,
    unknown or no face does not count. 3,350 of the 3,574 test faces do.
    """
    return np.array([leader in EMOTIONS for leader in most_voted(conversations)], dtype=bool)


def _leader(utterance: Utterance) -> str | None:
    shares = utterance.ratings or {}
    best = max(shares.values(), default=0.0)
    leaders = [name for name, share in shares.items() if share == best]
    return leaders[0] if len(leaders) == 1 else None
