"""What the modes of an utterance say together, and what a missing one would have said (AM2-EmoJE).

Symbols:
    c_m   the cross-attended descriptor of a mode
    s_m   how much that mode counts, asked of the descriptor; their softmax are the weights w_m
    p_m   its place in the joint space, a vector of length 1
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

Descriptors = Float[Tensor, "n mode dim"]
There = Bool[Tensor, "n mode"]
Scores = Float[Tensor, "n mode"]


class Query(nn.Module):
    """s_m = v^T tanh(W c_m + b_m): an utterance is asked what of it counts.

    Paper: "query adaptive fusion ... relative importance of mode-specific representations in a query-specific
           manner", without an equation.
    Here:  additive attention (Bahdanau et al. 2015) over the modes that are there.
    """

    def __init__(self, modes: int, dim: int) -> None:
        super().__init__()
        self.ask = nn.Linear(dim, dim, bias=False)
        self.own = nn.Parameter(torch.zeros(modes, dim))
        self.score = nn.Linear(dim, 1, bias=False)

    def forward(self, c: Descriptors) -> Scores:
        return self.score(torch.tanh(self.ask(c) + self.own)).squeeze(2)


def weights(s: Float[Tensor, "*n mode"], there: Bool[Tensor, "*n mode"]) -> Float[Tensor, "*n mode"]:
    """The softmax over the modes that are there; all 0 where none is."""
    return s.masked_fill(~there, torch.finfo(s.dtype).min).softmax(dim=-1) * there


class JointSpace(nn.Module):
    """Each mode's place in a space that all share, and the way back from there.

    `guess`: each mode's descriptor as the others tell it, h_m of the direction in which they lie together,
    weighted as the query has it; whether the mode is there or not, so that what is there teaches. Without
    another mode it is one learned vector.

    Paper: descriptors are aligned "pairwise within a joint-embedding space" to "compensate for missing
           modalities during inference"; nothing on how.
    Here:  into the space by one hidden layer for each mode, and out of it by another.
    """

    def __init__(self, modes: int, dim: int, joint: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList(_two_layers(dim, dim, joint) for _ in range(modes))
        self.leave = nn.ModuleList(_two_layers(joint, dim, dim) for _ in range(modes))
        self.others = nn.Buffer(~torch.eye(modes, dtype=torch.bool), persistent=False)

    def forward(
        self, c: Descriptors, s: Scores, there: There
    ) -> tuple[Float[Tensor, "n mode joint"], Descriptors]:
        """p_m, 0 where the mode is missing, and the guess."""
        placed = torch.stack([g(x) for g, x in zip(self.enter, c.unbind(dim=1), strict=True)], dim=1)
        p = normalize(placed, dim=2).masked_fill(~there[..., None], 0.0)
        told_by = weights(s[:, None].expand(-1, len(self.others), -1), there[:, None] & self.others)
        together = normalize(told_by @ p, dim=2)
        guess = [h(x) for h, x in zip(self.leave, together.unbind(dim=1), strict=True)]
        return p, torch.stack(guess, dim=1)


def _two_layers(before: int, hidden: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, hidden), nn.GELU(), nn.Linear(hidden, after))
