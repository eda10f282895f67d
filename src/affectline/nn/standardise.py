"""Features brought to mean 0 and deviation 1, as they were in the train part."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from affectline.batch import Features

LIMIT = 10.0  # deviations: openSMILE's functionals have outliers of thousands


class Standardise(nn.Module):
    """(x - mean) / deviation, cut off at ten deviations; what never varied in training becomes 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(width))
        self.scale = nn.Buffer(torch.ones(width))

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "sample width"]) -> None:
        """Take mean and deviation from samples of the train part; of fewer than two nothing is known."""
        if len(x) < 2:
            return
        deviation = x.double().std(dim=0)
        varies = deviation > 1e-8 * x.abs().amax(dim=0).clamp(min=1e-30)
        self.mean.copy_(x.double().mean(dim=0))
        self.scale.copy_(torch.where(varies, 1 / deviation, torch.zeros_like(deviation)))

    def forward(self, x: Float[Tensor, "*n width"]) -> Float[Tensor, "*n width"]:
        return ((x - self.mean) * self.scale).clamp(-LIMIT, LIMIT)


def fit_streams(
    modules: Mapping[str, nn.Module], train: Sequence[Sequence[Features]], *, pooled: bool
) -> None:
    """Fit the module of each stream on that stream: on every time step, or on the mean over them."""
    for stream, module in modules.items():
        steps = [u[stream] for row in train for u in row if len(u[stream])]
        if steps:
            seen = [s.mean(axis=0, keepdims=True) for s in steps] if pooled else steps
            assert isinstance(module, Standardise)
            module.fit(torch.from_numpy(np.concatenate(seen)).float())
