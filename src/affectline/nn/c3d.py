"""C3D: pictures and their motion by convolutions over space and time.

D. Tran, L. Bourdev, R. Fergus, L. Torresani, M. Paluri: Learning spatiotemporal features with 3D
convolutional networks. ICCV 2015. Eight convolutions, five poolings and two dense layers (Figure 3); here up
to the first of these, fc6, whose activations are the paper's descriptor of a clip.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

FRAMES, HEIGHT, WIDTH = 16, 128, 171  # of a clip, and of its pictures (Section 3.2)
SIDE = 112  # pixels: of the square out of their middle
MEAN = (90.0, 98.0, 102.0)  # blue, green, red: what its users take for the mean of Sports-1M in the release


class C3D(nn.Module):
    """The names of the layers are those of Figure 3: conv1a, conv2a, conv3a, conv3b ... conv5b, fc6."""

    width = 4096

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                [
                    *_convolution("1a", 3, 64),
                    ("pool1", nn.MaxPool3d((1, 2, 2))),  # time is not merged too early (Section 3.2)
                    *_convolution("2a", 64, 128),
                    ("pool2", nn.MaxPool3d(2)),
                    *_convolution("3a", 128, 256),
                    *_convolution("3b", 256, 256),
                    ("pool3", nn.MaxPool3d(2)),
                    *_convolution("4a", 256, 512),
                    *_convolution("4b", 512, 512),
                    ("pool4", nn.MaxPool3d(2)),
                    *_convolution("5a", 512, 512),
                    *_convolution("5b", 512, 512),
                    ("pool5", nn.MaxPool3d(2, padding=(0, 1, 1))),  # 7 x 7 become 4 x 4, as in the release
                ]
            )
        )
        self.fc6 = nn.Linear(512 * 1 * 4 * 4, self.width)

    @classmethod
    def load(cls, weights: str) -> "C3D":
        """The network with the weights of a safetensors file; those of layers behind fc6 are left out.

        Raises:
            ValueError: there is no such file, or a weight is missing or has another shape.
        """
        if not Path(weights).is_file():
            raise ValueError(f"no file {weights!r}; give C3D's weights: conv1a.weight ... as safetensors")
        found = load_file(weights)
        with torch.device("meta"):
            network = cls()
        own = {name.removeprefix("features."): name for name, _ in network.named_parameters()}
        shapes = {n: network.get_parameter(name).shape for n, name in own.items()}
        wrong = [n for n, shape in shapes.items() if n not in found or found[n].shape != shape]
        if wrong:
            raise ValueError(
                f"{weights!r} does not hold C3D: {len(wrong)} weights are missing or have another shape, "
                f"such as {wrong[0]!r}; the names are {', '.join(own)}"
            )
        network.load_state_dict({name: found[n].float() for n, name in own.items()}, assign=True)
        return network.eval().requires_grad_(False)

    def forward(self, clip: Float[Tensor, "batch 3 16 112 112"]) -> Float[Tensor, "batch 4096"]:
        return self.fc6(self.features(clip).flatten(1)).relu()


def _convolution(name: str, into: int, out: int) -> list[tuple[str, nn.Module]]:
    """Kernels of 3 x 3 x 3, which keep the size."""
    return [(f"conv{name}", nn.Conv3d(into, out, 3, padding=1)), (f"relu{name}", nn.ReLU())]
