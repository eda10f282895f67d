"""The stream "video.scene": the surroundings, without the faces (AMuSE, Section III-A)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from affectline import faces
from affectline.features import Item
from affectline.features.video_faces import resized
from affectline.nn import pretrained, resnet
from affectline.types import Clip, Conversation, Modality

FRAMES = 16
MARGIN = 5  # pixels


@dataclass(frozen=True)
class Scene:
    """What a ResNet trained on ImageNet makes of 16 frames with all faces blacked out: (frames, its width).

    Paper: "back frames": keyframes with all faces removed, and a learned descriptor of each.
    Code:  all frames, blue first, 0 to 255 as they are; ResNet-101, 2048 numbers.
    Here:  one frame every sixteenth of the utterance, in the colours that the network was trained on. All of
           the picture becomes the square that it was trained on: a scene reaches to the edges.

    `weights`: a folder with config.json and model.safetensors, or a name on the hub, here at a commit: the
    main branch has no safetensors.
    `width`: how many numbers it gives. `device`: where it is computed.
    """

    weights: str = "microsoft/resnet-101@5b977138c80713ccee33a115e91899aea7a2f9a6"
    width: int = 2048
    device: str = field(default="cpu", repr=False)

    stream = "video.scene"
    dtype = np.float32
    stored = True

    @property
    def shape(self) -> tuple[int]:
        return (self.width,)

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip = conversation.utterances[index].clip
        if clip is None or not clip.has_video:
            return None
        return f"{clip.content(Modality.VIDEO)} {pretrained.fingerprint(self.weights)}"

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time width"]]:
        clips = [conversation.utterances[index].clip for conversation, index in items]
        return [self.of(clip) for clip in clips if clip is not None]

    def of(self, clip: Clip) -> Float32[np.ndarray, "time width"]:
        """Of a clip: as many steps as it shows of its sixteen frames."""
        encoder = resnet.encoder(self.weights, "imagenet", self.width, self.device)
        squares = [np.zeros((0, resnet.SIDE, resnet.SIDE, 3), np.uint8)]
        for _, picture in clip.pictures(FRAMES / clip.duration):
            found = faces.detector(self.device).detect(picture[None])[0]
            squares.append(resized(without(picture, found.boxes)[None], resnet.SIDE))
        return encoder(np.concatenate(squares))


def without(picture: faces.Picture, boxes: Float32[np.ndarray, "faces 4"]) -> faces.Picture:
    """A copy of the picture in which the boxes, and five pixels around each, are black.

    Code: a box over the left or upper edge counts from the other side.
    """
    rest = picture.copy()
    for box in boxes:
        x0, y0 = np.floor(box[:2] - MARGIN).astype(int).clip(min=0)
        x1, y1 = np.ceil(box[2:] + MARGIN).astype(int).clip(min=0)
        rest[y0:y1, x0:x1] = 0
    return rest
