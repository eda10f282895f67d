"""MAN, the multimodal attention network of AMuSE (Section III-B): what one mode sees in the others.

Symbols, as in the paper:
    f^m      a mode of an utterance, step by step: words, pictures, stretches of sound
    g_m^l    the central network of a mode after layer l
    K, V     keys and values of a peripheral mode
    f_CA^m   cross-attended descriptor of a mode, one for the utterance
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import gelu

Steps = Float[Tensor, "n time dim"]
Masked = tuple[Float[Tensor, "n _ dim"], Bool[Tensor, "n _"]]
"""The steps of a mode of each utterance, and which of them are there. Each mode has its own number."""


class MAN(nn.Module):
    """The cross-attended descriptor of each mode of an utterance, whatever modes there are.

    A mode is missing where its mask holds nowhere: there its own descriptor is 0, and the others do without.

    Paper: Eq. 1 divides the sum over the peripherals by |M|, one more than there are; keys and values change
           sides with their weights, and a linear map is put on the key axis, whose length differs.
    Code:  heads are concatenated; every utterance attends to all of its batch, padding included; the weights
           are memory as it was found.
    Here:  the mean over the peripherals that the utterance has; the linear map is on the query.
    """

    def __init__(self, modes: Sequence[str], dim: int, heads: int, layers: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads cannot share {dim} dimensions; take a multiple of {heads}")
        self.modes = tuple(modes)
        self.centres = nn.ModuleList(Centre(len(modes) - 1, dim, heads, layers) for _ in modes)

    def forward(self, sequences: Mapping[str, Masked]) -> dict[str, Float[Tensor, "n dim"]]:
        clean = {m: (f.masked_fill(~mask[..., None], 0.0), mask) for m, (f, mask) in sequences.items()}
        return {
            m: centre(clean[m], [clean[other] for other in self.modes if other != m])
            for m, centre in zip(self.modes, self.centres, strict=True)
        }


class Centre(nn.Module):
    """The central network of one mode: what is masked must be 0."""

    def __init__(self, peripherals: int, dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, dim, bias=False)
        self.layers = nn.ModuleList(Layer(peripherals, dim, heads) for _ in range(layers))

    def forward(self, own: Masked, others: Sequence[Masked]) -> Float[Tensor, "n dim"]:
        f, mask = own
        g = self.enter(f)
        for layer in self.layers:
            g = layer(g, others)
        weights = mask[..., None].to(g.dtype)
        return (g * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class Layer(nn.Module):
    """Attend to each peripheral mode, then a dense layer (Eq. 1).

    Paper: g^l = g^{l-1} + A^l, "dense layers" between; "responses from multiple heads are average pooled".
    Here:  both with a residual, the first normalised: g = LN(g^{l-1} + A^l), g^l = g + GELU(dense(g)). The
           heads share the values, of full width as the paper's sizes have it, and differ in queries and keys:
           the mean over the heads is one over where they look.
    """

    def __init__(self, peripherals: int, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.keys = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(peripherals))
        self.values = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(peripherals))
        self.norm = nn.LayerNorm(dim)
        self.dense = nn.Linear(dim, dim)

    def forward(self, g: Steps, others: Sequence[Masked]) -> Steps:
        attended, count = torch.zeros_like(g), g.new_zeros(len(g), 1, 1)
        for weights, value, (f, mask) in zip(self.weights(g, others), self.values, others, strict=True):
            attended = attended + weights @ value(f)  # 0 where the mode is missing: f is
            count = count + mask.any(dim=1)[:, None, None]
        g = self.norm(g + attended / count.clamp(min=1))
        return g + gelu(self.dense(g))

    def weights(self, g: Steps, others: Sequence[Masked]) -> list[Float[Tensor, "n time _"]]:
        """How much of each step of each peripheral a step takes, the mean of the heads."""
        q = self._split(self.query(g)) * (g.shape[2] // self.heads) ** -0.5
        found: list[Float[Tensor, "n time _"]] = []
        for key, (f, mask) in zip(self.keys, others, strict=True):
            scores = q @ self._split(key(f)).mT
            hidden = ~mask[:, None, None]
            found.append(scores.masked_fill(hidden, torch.finfo(g.dtype).min).softmax(dim=3).mean(dim=1))
        return found

    def _split(self, x: Steps) -> Float[Tensor, "n heads time width"]:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)
