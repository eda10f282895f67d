"""Other labels than a model learnt, told from what it says of its own."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from affectline.evaluation import Truth

PRIORS = (1.0, 3.0, 10.0, 30.0, 100.0)
FOLDS = 5
Weight = Float[Tensor, "label classes"]
Bias = Float[Tensor, " label"]


def fit_layer(layer: nn.Linear, x: Float[np.ndarray, "row classes"], truth: Truth) -> None:
    """The likeliest logistic regression of the labels on `x`, standardised; several may hold, or one.

    Its weights have a normal prior that counts about as much as so many rows as cross-validation over
    groups finds best: seven numbers are much for a small corpus.
    """
    some = truth.known.all(axis=1) if not truth.labels.multilabel else truth.known.any(axis=1)
    mean, sd = (torch.from_numpy(f(x[some], axis=0)).float() for f in (np.mean, np.std))
    sd = sd.clamp(min=1e-6)
    rows = _Rows(
        (torch.from_numpy(x[some]).float() - mean) / sd,
        torch.from_numpy(truth.targets[some]).float(),
        torch.from_numpy(truth.known[some]).float(),
        truth.labels.multilabel,
    )
    fold = torch.from_numpy(np.unique(truth.groups[some], return_inverse=True)[1] % FOLDS)
    weight, bias = rows.fitted(min(PRIORS, key=lambda prior: rows.loss_of_others(prior, fold)))
    with torch.no_grad():
        layer.weight.copy_(weight / sd)
        layer.bias.copy_(bias - layer.weight @ mean)


@dataclass(frozen=True)
class _Rows:
    """What a layer is fitted to."""

    x: Float[Tensor, "row classes"]
    targets: Float[Tensor, "row label"]
    known: Float[Tensor, "row label"]
    several: bool

    def of(self, some: Bool[Tensor, " row"]) -> "_Rows":
        return _Rows(self.x[some], self.targets[some], self.known[some], self.several)

    def loss(
        self, weight: Float[Tensor, "label classes"], bias: Float[Tensor, " label"]
    ) -> Float[Tensor, ""]:
        logits = self.x @ weight.T + bias
        if self.several:
            return binary_cross_entropy_with_logits(logits, self.targets, weight=self.known, reduction="sum")
        return cross_entropy(logits, self.targets, reduction="sum")

    def fitted(self, prior: float) -> tuple[Weight, Bias]:
        labels = self.targets.shape[1]
        weight = torch.zeros(labels, self.x.shape[1], requires_grad=True)
        bias = torch.zeros(labels, requires_grad=True)
        optimiser = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            found = self.loss(weight, bias) + (prior * weight.square().sum() + 1e-3 * bias.square().sum()) / 2
            found.backward()
            return found

        optimiser.step(loss)
        return weight.detach(), bias.detach()

    def loss_of_others(self, prior: float, fold: Int[Tensor, " row"]) -> float:
        """Of each fold, as the others have it."""
        return sum(
            float(self.of(fold == n).loss(*self.of(fold != n).fitted(prior))) for n in fold.unique().tolist()
        )
