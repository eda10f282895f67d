"""The stream "video.aus": action units, the movements of a face (AMuSE, Section III-A), by py-feat.

py-feat's code is MIT. Its weights, which it fetches when they are first needed, were trained on corpora that
are for research; its LICENSES/PYFEAT-V1.md says what is known of each. Nothing on the default path needs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32

from affectline import faces
from affectline.features import Item
from affectline.features.video_faces import track_hash
from affectline.types import Clip, Conversation, FaceTrack, Modality

if TYPE_CHECKING:
    import pandas as pd
    from feat import Detectorv1  # pyright: ignore[reportMissingImports]

FRAMES = 16
UNITS = tuple(f"AU{n:02}" for n in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24))
"""Those that JAA-Net finds, trained on BP4D (Shao et al. 2021), as py-feat calls them."""


@runtime_checkable
class Posed(Protocol):
    """A clip that is another one, but for action units that are held at a value."""

    @property
    def clip(self) -> Clip: ...
    @property
    def held(self) -> Mapping[str, float]: ...


_BOX = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight"]


@dataclass(frozen=True)
class ActionUnits:
    """Twelve action units of the speaker's face in 16 frames, 0 to 1: (frames that show it, 12).

    Where no track says which face speaks, it is the largest. `device`: where it is computed.

    Paper: JAA-Net on the face of each keyframe.
    Code:  py-feat's JAA-Net; the largest face; where there is none, the units of the frame before.
    Here:  py-feat's boosted trees, as it has JAA-Net no more; frames without the face are left out.

    Raises:
        ImportError: if the extra `aus` is not installed.
    """

    device: str = field(default="cpu", repr=False)

    stream = "video.aus"
    shape = (len(UNITS),)
    dtype = np.float32
    stored = True

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip, track = conversation.utterances[index].clip, conversation.utterances[index].face
        if clip is None or not clip.has_video:
            return None
        return f"{clip.content(Modality.VIDEO)} {track_hash(track) if track is not None else ''}"

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time 12"]]:
        return [self._units(*item) for item in items]

    def _units(self, conversation: Conversation, index: int) -> Float32[np.ndarray, "time 12"]:
        clip, track = conversation.utterances[index].clip, conversation.utterances[index].face
        assert clip is not None  # `content` said so
        if not isinstance(clip, Posed):
            return self._found(clip, track)
        units = _once(self, clip.clip, track).copy()
        for name, value in clip.held.items():
            units[:, UNITS.index(name)] = value
        return units

    def _found(self, clip: Clip, track: FaceTrack | None) -> Float32[np.ndarray, "time 12"]:
        detector = _detector(self.device)
        shown = list(clip.pictures(FRAMES / clip.duration))
        pictures = torch.from_numpy(np.stack([picture for _, picture in shown])).permute(0, 3, 1, 2)
        found = detector.detect(pictures, data_type="tensor", progress_bar=False)
        found = found[found[[*_BOX, *UNITS]].notna().all(axis=1)]  # a frame without a face is a row of NaN
        rows = [_chosen(found[found["frame"] == n], track, time) for n, (time, _) in enumerate(shown)]
        return np.concatenate([np.zeros((0, len(UNITS)), np.float32), *rows])


@lru_cache(maxsize=4)
def _once(units: ActionUnits, clip: Clip, track: FaceTrack | None) -> Float32[np.ndarray, "time 12"]:
    return units._found(clip, track)


def _chosen(
    found: "pd.DataFrame", track: FaceTrack | None, time: float
) -> Float32[np.ndarray, "one_or_none 12"]:
    """Of the faces of a frame, the units of the one that is meant; none where it is not there."""
    sizes = found[_BOX].to_numpy(np.float32)
    if track is None:
        fit = sizes[:, 2] * sizes[:, 3]
    elif (nearest := faces.sample_at(track, time)) is not None:
        boxes = np.concatenate([sizes[:, :2], sizes[:, :2] + sizes[:, 2:]], axis=1)
        fit = faces.overlap(boxes, track.boxes[nearest : nearest + 1])[:, 0]
        fit = np.where(fit > faces.SAME, fit, 0)
    else:
        fit = np.zeros(len(sizes))
    best = [int(fit.argmax())] if fit.any() else []
    return found[list(UNITS)].to_numpy(np.float32)[best]


@cache
def _detector(device: str) -> "Detectorv1":
    try:
        from feat import Detectorv1  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ImportError(
            "py-feat is not installed (its weights are for research, so it is never installed unasked); "
            'pip install "affectline[aus]" brings it'
        ) from error
    with torch.random.fork_rng(devices=[]):
        return Detectorv1(emotion_model=None, identity_model=None, gaze_model=None, device=device)
