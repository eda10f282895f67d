"""Adaptive fusion of AMuSE (Sections III-C and III-E): each mode, mixed with every other one.

How far is the closed form of ALFA-Mix (Parvaneh et al. 2022): of all steps as long as `epsilon` times the
distance between two modes, the one that raises the loss of a mode's own class head most.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

Alpha = Literal["pseudo", "gate", "static", "equal", "random", "none", "oracle"]
Descriptor = Float[Tensor, "n dim"]
Labels = Int[Tensor, " n"]


class AdaptiveFusion(nn.Module):
    """The modes' descriptors, each mixed with the others (Eq. 2), one beside the other in the modes' order.

    A mode that is missing leaves zeros in its place and is mixed into no other; one that is alone stays as it
    is. `alpha`, the weights of the other mode in a mixture, 0 to 1:
        pseudo   Eq. 6 with the class that the mode's own head holds for the true one
        oracle   Eq. 6 with the true class: what is fused then tells the label
        gate     a small network of both descriptors, the same for all pairs
        static   learned, one vector for each ordered pair
        random   one number for each ordered pair, drawn once and kept with the weights (Table III, Test-1)
        equal    one half (Table III, Test-2)
        none     nothing of the other: the descriptors are concatenated as they are (Tables I and II)

    Paper: the true class, also when testing; 0 <= alpha <= 1 in Eq. 2, which Eq. 6 does not keep to; the sum
           over the other modes by |M|, one more than there are.
    Code:  learned vectors that start at random, one for each ordered pair.
    Here:  the head's own answer unless asked for more; alpha is cut off at 0 and 1 and, with Eq. 6, gets no
           gradient; the mean over the other modes that are there.
    """

    def __init__(
        self,
        modes: Sequence[str],
        dim: int,
        *,
        alpha: Alpha = "pseudo",
        epsilon: float = 0.3,
        allow_label_leak: bool = False,
    ) -> None:
        super().__init__()
        self.modes, self.alpha, self.epsilon = tuple(modes), alpha, epsilon
        self.allow_label_leak = allow_label_leak
        pairs = len(modes) * (len(modes) - 1)
        if alpha == "gate":
            hidden, out = nn.Linear(3 * dim, dim), nn.Linear(dim, dim)
            self.gate = nn.Sequential(hidden, nn.ReLU(), out, nn.Sigmoid())
        elif alpha == "static":
            self.static = nn.Parameter(torch.zeros(pairs, dim))
        elif alpha == "random":
            self.random = nn.Buffer(torch.rand(pairs, 1))

    def forward(
        self,
        features: Mapping[str, Descriptor],
        available: Mapping[str, Bool[Tensor, " n"]],
        heads: Mapping[str, nn.Linear],
        labels: Labels | None = None,
    ) -> Float[Tensor, "n modes_x_dim"]:
        """`heads`: the modes' class heads, which Eq. 6 asks. `labels` are read by "oracle" alone.

        Raises:
            ValueError: "oracle" without labels, or in evaluation without `allow_label_leak`.
        """
        if self.alpha == "oracle":
            self._allow(labels)
        there = {m: available[m].unsqueeze(1) for m in self.modes}
        f = {m: features[m].masked_fill(~there[m], 0.0) for m in self.modes}
        mixed = {m: torch.zeros_like(f[m]) for m in self.modes}
        count = {m: torch.zeros_like(f[m][:, :1]) for m in self.modes}
        for pair, (m, other) in enumerate(permutations(self.modes, 2)):
            alpha = self._alpha(pair, f[other], f[m], heads[m], labels)
            mixed[m] = mixed[m] + there[other] * (alpha * f[other] + (1 - alpha) * f[m])
            count[m] = count[m] + there[other]
        parts = (torch.where(count[m] > 0, mixed[m] / count[m].clamp(min=1), f[m]) for m in self.modes)
        return torch.cat([part * there[m] for m, part in zip(self.modes, parts, strict=True)], dim=1)

    def _allow(self, labels: Labels | None) -> None:
        if not self.training and not self.allow_label_leak:
            raise ValueError(
                'alpha="oracle" reads the true labels, which no evaluation may; take "pseudo", or '
                "allow_label_leak=True for a diagnostic whose report says LEAKY"
            )
        if labels is None or (labels < 0).any():
            raise ValueError('alpha="oracle" needs the true label of every utterance; take "pseudo"')

    def _alpha(
        self, pair: int, f1: Descriptor, f2: Descriptor, head: nn.Linear, labels: Labels | None
    ) -> Float[Tensor, "..."]:
        """How much of f1 there is in the mixture with f2."""
        match self.alpha:
            case "equal":
                return f2.new_full((), 0.5)
            case "none":
                return f2.new_zeros(())
            case "random":
                return self.random[pair]
            case "static":
                return self.static[pair].sigmoid()
            case "gate":
                return self.gate(torch.cat([f1, f2, f1 - f2], dim=1))
            case "oracle":
                true = labels
            case "pseudo":
                true = None
            case unknown:
                raise ValueError(f"unknown alpha {unknown!r}; there are {', '.join(get_args(Alpha))}")
        with torch.no_grad():
            return interpolation(f1, f2, loss_gradient(f2, head, true), self.epsilon).clamp(0, 1)


def loss_gradient(f: Descriptor, head: nn.Linear, labels: Labels | None) -> Descriptor:
    """Of each utterance's cross-entropy with respect to f; without labels the head's answer is the label."""
    logits = head(f)
    true = one_hot(logits.argmax(dim=1) if labels is None else labels, logits.shape[1])
    return (logits.softmax(dim=1) - true) @ head.weight


def interpolation(f1: Descriptor, f2: Descriptor, gradient: Descriptor, epsilon: float) -> Descriptor:
    """Alpha of Eq. 6, unclamped: alpha (f1 - f2) is `epsilon` of their distance long, along the gradient."""
    delta = f1 - f2
    length = delta.norm(dim=1, keepdim=True) / (gradient.norm(dim=1, keepdim=True) + 1e-12)
    return epsilon * length * gradient / delta.abs().clamp(min=1e-8).copysign(delta)


def chain(features: Sequence[Descriptor], alphas: Sequence[Descriptor]) -> Descriptor:
    """Mixed one after the other, u_n = alpha_n u_{n-1} + (1 - alpha_n) f_{n+1}: their order counts.

    Paper: the mean of both mixtures, with coefficients that are those of the last one.
    Here:  the last one, whose coefficients sum to 1.
    """
    u, *others = features
    for f, alpha in zip(others, alphas, strict=True):
        u = alpha * u + (1 - alpha) * f
    return u
