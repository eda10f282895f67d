"""ResNets as ready-made encoders of pictures (He et al. 2016), and how pictures were prepared for them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import nn

from affectline.nn import pretrained

SIDE = 224  # pixels: of the pictures in both trainings
_BATCH = 32


@dataclass(frozen=True)
class Normalisation:
    """Of red, green and blue, 0 to 255: what is taken from them, and what the rest is divided by.

    `bgr`: the network takes blue first.
    """

    mean: tuple[float, float, float]
    sd: tuple[float, float, float]
    bgr: bool = False


NORMALISATIONS = {
    "imagenet": Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "vggface2": Normalisation((131.0912, 103.8827, 91.4953), (1.0, 1.0, 1.0), bgr=True),
}
"""By what a network was trained on. ImageNet: means 0.485, 0.456, 0.406 and deviations 0.229, 0.224, 0.225 of
colours up to 1, in the preprocessor_config.json of microsoft/resnet-101. VGGFace2: the readme of the networks
that Cao et al. 2018 published."""


class Encoder(nn.Module):
    """One vector for each picture: what the last stage of a ResNet finds, averaged over the picture."""

    def __init__(self, weights: str, normalisation: Normalisation) -> None:
        from transformers import ResNetModel

        super().__init__()
        self.network = pretrained.load(ResNetModel, weights)
        self.width: int = self.network.config.hidden_sizes[-1]  # pyright: ignore[reportOptionalSubscript]
        self.bgr = normalisation.bgr
        self.mean = nn.Buffer(torch.tensor(normalisation.mean)[:, None, None])
        self.sd = nn.Buffer(torch.tensor(normalisation.sd)[:, None, None])

    @torch.inference_mode()
    def forward(
        self, pictures: UInt8[np.ndarray, "pictures side side 3"]
    ) -> Float32[np.ndarray, "pictures width"]:
        found = [np.zeros((0, self.width), np.float32)]
        for start in range(0, len(pictures), _BATCH):
            batch = torch.from_numpy(pictures[start : start + _BATCH]).to(self.mean.device)
            planes = (batch.permute(0, 3, 1, 2) - self.mean) / self.sd
            planes = planes.flip(1) if self.bgr else planes
            found.append(self.network(planes).pooler_output.flatten(1).cpu().numpy())
        return np.concatenate(found)


@cache
def encoder(weights: str, trained_on: str, width: int, device: str) -> Encoder:
    """The encoder that all share.

    Args:
        weights: a folder, or a name on the hub.
        trained_on: a key of `NORMALISATIONS`.
        width: how many numbers it must give for a picture.
        device: where it computes.

    Raises:
        ValueError: there is no such network, or it has another width.
    """
    made = Encoder(weights, NORMALISATIONS[trained_on])
    if made.width != width:
        raise ValueError(
            f"{weights!r} gives {made.width} numbers for a picture, not {width}: set width={made.width}"
        )
    return made.to(device).eval()
