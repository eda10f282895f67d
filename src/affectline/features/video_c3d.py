"""The stream "video.c3d": a 3-D CNN, by which MultiEMO's ablation replaces VisExtNet (Section 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from jaxtyping import Float32

from affectline.features import Item
from affectline.nn import pretrained
from affectline.nn.c3d import C3D, FRAMES, HEIGHT, MEAN, SIDE, WIDTH
from affectline.types import Conversation, Frames, Modality


@dataclass(frozen=True)
class Motion:
    """C3D's fc6 for 16 frames of an utterance: (1, 4096).

    Paper: (MultiEMO) "a 3D-CNN (Tran et al., 2015)"; no more is said. (Tran et al.) fc6 of every clip of 16
           frames in a row, averaged over the clips, of unit length.
    Here:  16 frames evenly over the utterance, as one clip; not scaled, as the model standardises.

    `weights`: a safetensors file with the weights, which are not shipped. `device`: where it is computed.
    """

    weights: str = ""
    device: str = field(default="cpu", repr=False)

    stream = "video.c3d"
    shape = (C3D.width,)
    dtype = np.float32
    stored = True

    def content(self, conversation: Conversation, index: int) -> str | None:
        clip = conversation.utterances[index].clip
        if clip is None or not clip.has_video:
            return None
        return f"{clip.content(Modality.VIDEO)} {pretrained.fingerprint(self.weights)}"

    @torch.inference_mode()
    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time 4096"]]:
        network = _network(self.weights, self.device)
        clips = [conversation.utterances[index].clip for conversation, index in items]
        seen = (prepared(clip.frames(count=FRAMES)) for clip in clips if clip is not None)
        return [network(torch.from_numpy(s)[None].to(self.device)).cpu().numpy() for s in seen]


def prepared(frames: Frames) -> Float32[np.ndarray, "3 16 112 112"]:
    """Pictures of 128 x 171 pixels, of which the middle is seen, blue first, less the mean."""
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    small = torch.nn.functional.interpolate(planes, (HEIGHT, WIDTH), mode="bilinear", antialias=True)
    top, left = (HEIGHT - SIDE) // 2, (WIDTH - SIDE) // 2
    middle = small[:, [2, 1, 0], top : top + SIDE, left : left + SIDE]
    return (middle - torch.tensor(MEAN)[:, None, None]).transpose(0, 1).contiguous().numpy()


@cache
def _network(weights: str, device: str) -> C3D:
    if not weights:
        raise ValueError(
            "video.c3d needs the weights of C3D, which are not shipped: give weights=, a safetensors file "
            "with conv1a.weight, conv1a.bias, conv2a.weight ... fc6.weight, fc6.bias"
        )
    return C3D.load(weights).to(device)
