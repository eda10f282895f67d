"""The losses as plain functions: tensors in, a scalar out, no state."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax


def binary_cross_entropy(
    logits: Float[Tensor, "sample classes"],
    targets: Float[Tensor, "sample classes"],
    known: Bool[Tensor, "sample classes"],
) -> Float[Tensor, ""]:
    """The mean over the labels that are annotated; 0 where none is. Targets may be soft."""
    terms = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (terms * known).sum() / known.sum().clamp(min=1)


def rating_cross_entropy(
    logits: Float[Tensor, "sample classes"],
    ratings: Float[Tensor, "sample classes"],
    known: Bool[Tensor, "sample classes"],
) -> Float[Tensor, ""]:
    """Cross-entropy of a softmax with the annotators' shares (Barsoum et al. 2016, their PLD).

    Samples count by how much of their votes falls on known labels, so one without votes counts nothing.
    """
    shares = ratings * known
    log_p = log_softmax(logits.masked_fill(~known, -torch.inf), dim=-1).masked_fill(~known, 0.0)
    return -(shares * log_p).sum() / shares.sum().clamp(min=1e-6)
