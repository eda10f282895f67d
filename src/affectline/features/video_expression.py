"""The stream "video.expression": what the face network of the checkpoint `base` makes of each picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from affectline.features import Item
from affectline.features.video_faces import Faces
from affectline.nn.small_cnn import FaceNet, standardise
from affectline.types import EMOTIONS, Conversation

BRANCH = "branches.video."


@cache
def shipped() -> tuple[bytes, str]:
    """The weights of the face network that comes with the package, and their sha256."""
    weights = files("affectline").joinpath("checkpoints/base/video/model.safetensors").read_bytes()
    return weights, hashlib.sha256(weights).hexdigest()


@dataclass(frozen=True)
class Expression:
    """For each picture of the face the scores of the seven emotions, in their order, and an embedding.

    The network learned the votes of FER+ (recipe base.face); the scores are calibrated. Pictures are taken
    as by `Faces`. `weights`: the sha256 of those of the network, which are in the key of what is stored.
    `device`: where it is computed.
    """

    rate: float = 5.0
    limit: int = 32
    whole: bool = False
    weights: str = field(default_factory=lambda: shipped()[1])
    device: str = field(default="cpu", repr=False)

    stream = "video.expression"
    dtype = np.float32
    stored = True

    def __post_init__(self) -> None:
        if self.weights != shipped()[1]:
            raise ValueError(
                f"video.expression was made with the face network {self.weights[:12]}..., this version has "
                f"{shipped()[1][:12]}...; extract it again, or install the version that made it"
            )

    @property
    def shape(self) -> tuple[int]:
        return (len(EMOTIONS) + _network("cpu").net.embedding,)

    @property
    def faces(self) -> Faces:
        return Faces(_network("cpu").net.size, self.rate, self.limit, self.whole)

    def content(self, conversation: Conversation, index: int) -> str | None:
        return self.faces.content(conversation, index)

    def __call__(self, items: Sequence[Item]) -> list[Float32[np.ndarray, "_time dim"]]:
        network = _network(self.device)
        return [network(crops) for crops in self.faces(items)]


class _Calibrated(nn.Module):
    """The face branch of `base`: its network, and the scale and bias of its logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = FaceNet(len(EMOTIONS), width)
        self.scale = nn.Buffer(torch.ones(len(EMOTIONS)))
        self.bias = nn.Buffer(torch.zeros(len(EMOTIONS)))

    @torch.inference_mode()
    def forward(self, faces: UInt8[np.ndarray, "time size size 3"]) -> Float32[np.ndarray, "time dim"]:
        pictures = torch.from_numpy(faces).to(self.scale.device)
        embedding: Float[Tensor, "time dim"] = self.net.embed(standardise(pictures, self.net.size))
        scores = torch.sigmoid(self.net.head(embedding) * self.scale + self.bias)
        return torch.cat([scores, embedding], dim=1).cpu().numpy()


@cache
def _network(device: str) -> _Calibrated:
    from safetensors.torch import load

    state = {
        name.removeprefix(BRANCH).removeprefix("network."): tensor.float()
        for name, tensor in load(shipped()[0]).items()
        if name.startswith(BRANCH)
    }
    network = _Calibrated(width=state["net.body.0.0.weight"].shape[0])
    network.load_state_dict(
        {n: t.long() if n.endswith("num_batches_tracked") else t for n, t in state.items()}
    )
    return network.to(device).eval().requires_grad_(False)
