"""The stream "video.visextnet": faces as a face recogniser sees them (MultiEMO, Section 3.3.3, Figure 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from affectline import faces
from affectline.features import Item
from affectline.features.video_faces import resized, track_hash
from affectline.nn import pretrained, resnet
from affectline.types import Conversation, Modality

FRAMES = 20
MARGIN = 1.3  # of MTCNN's box, which is too tight for a head (Cao et al. 2018, readme of their networks)
MIDDLE = 224 / 256  # of the shorter side is seen: a square out of the middle (the same)


@dataclass(frozen=True)
class VisExtNet:
    """MTCNN's faces in 20 frames, one every twentieth of the utterance, through a ResNet: (1, its width).

    The mean over the faces of a frame, then over the frames that show one; length 0 where none does.

    Paper: a ResNet-101 trained on VGGFace2; the faces of a frame are concatenated, the frames averaged, which
           gives 1000 numbers.
    Code:  the network is left in training mode; the mean over all faces of at most 20 frames that show one;
           1000 zeros where none does.
    Here:  evaluation mode; the mean over the faces of a frame, as their number varies; the vector before the
           classifier, of whatever width the network has: VGGFace2 has 8631 faces to tell apart, not 1000.

    `weights`: the ResNet: a folder with config.json and model.safetensors as transformers' ResNetModel saves
    them, or a name on the hub; none is shipped. `trained_on`: "vggface2" or "imagenet", by which the colours
    are normalised. `width`: how many numbers the ResNet gives. `speaker`: only the face of who speaks, not
    all. `device`: where it is computed.
    """

    weights: str = ""
    width: int = 2048
    trained_on: str = "vggface2"
    speaker: bool = False
    device: str = field(default="cpu", repr=False)

    stream = "video.visextnet"
    dtype = np.float32
    stored = True

    def __post_init__(self) -> None:
        if self.trained_on not in resnet.NORMALISATIONS:
            raise ValueError(
                f"trained_on={self.trained_on!r}: colours are known for {list(resnet.NORMALISATIONS)}"
            )

    @property
    def shape(self) -> tuple[int]:
        return (self.width,)

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip, track = conversation.utterances[index].clip, conversation.utterances[index].face
        if clip is None or not clip.has_video:
            return None
        shown = f"{clip.content(Modality.VIDEO)} {pretrained.fingerprint(self.weights)}"
        if not self.speaker:
            return shown
        return f"{shown} {track_hash(track)}" if track is not None and len(track.times) else None

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time width"]]:
        return [self._vector(*item) for item in items]

    def _vector(self, conversation: Conversation, index: int) -> Float32[np.ndarray, "time width"]:
        clip = conversation.utterances[index].clip
        assert clip is not None  # `content` said so
        encoder = self._encoder
        crops: list[UInt8[np.ndarray, "224 224 3"]] = []
        frame: list[int] = []
        for n, (time, picture) in enumerate(clip.pictures(FRAMES / clip.duration)):
            found = [head(picture, box) for box in self._boxes(conversation, index, time, picture)]
            crops += found
            frame += [n] * len(found)
        if not crops:
            return np.zeros((0, self.width), np.float32)
        vectors, of = encoder(np.stack(crops)), np.array(frame)
        means = np.stack([vectors[of == n].mean(axis=0) for n in np.unique(of)])
        return means.mean(axis=0, keepdims=True)

    def _boxes(
        self, conversation: Conversation, index: int, time: float, picture: faces.Picture
    ) -> Float32[np.ndarray, "faces 4"]:
        if not self.speaker:
            return faces.detector(self.device).detect(picture[None])[0].boxes
        track = conversation.utterances[index].face
        assert track is not None  # `content` said so
        nearest = faces.sample_at(track, time)
        return track.boxes[:0] if nearest is None else track.boxes[nearest : nearest + 1]

    @property
    def _encoder(self) -> resnet.Encoder:
        if not self.weights:
            raise ValueError(
                "video.visextnet needs a ResNet trained on faces, which is not shipped: give weights=, "
                "a folder with config.json and model.safetensors as transformers' ResNetModel saves them"
            )
        return resnet.encoder(self.weights, self.trained_on, self.width, self.device)


def head(picture: faces.Picture, box: Float32[np.ndarray, "4"]) -> UInt8[np.ndarray, "224 224 3"]:
    """What a network for faces sees: the box with a margin, as far as the picture goes; of that the middle.

    Cao et al. 2018 (readme): the box of MTCNN is extended by 0.3, "except the extension outside image"; the
    shorter side becomes 256 pixels; a square of 224 is cut out, at random in training, else in the middle.
    """
    limit = np.array(picture.shape[1::-1])
    centre, reach = (box[:2] + box[2:]) / 2, MARGIN * (box[2:] - box[:2]) / 2
    low, high = np.clip(centre - reach, 0, limit), np.clip(centre + reach, 0, limit)
    side = max(1, round(MIDDLE * float((high - low).min())))
    x, y = np.clip(np.rint((low + high - side) / 2).astype(int), 0, np.maximum(limit - side, 0))
    return resized(picture[None, y : y + side, x : x + side], resnet.SIDE)[0]
