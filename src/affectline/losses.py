"""The losses as plain functions: tensors in, a scalar out, no state.

A batch that says nothing (no samples, one alone, nothing annotated) gives 0: with a graph, and never nan.
"""

from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from math import log
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, logsigmoid
from torch.special import entr

Rows = Float[Tensor, "sample dim"]
Temperature = float | Float[Tensor, ""]
"""What cosines are divided by; a tensor where it is learnt. Keeping it positive is the caller's affair."""
Reduction = Literal["mean", "none"]
Norm = Literal["none", "l1", "mean1"]
Teacher = Literal["geomean", "product", "poe", "mean"]


def binary_cross_entropy(
    logits: Float[Tensor, "sample classes"],
    targets: Float[Tensor, "sample classes"],
    known: Bool[Tensor, "sample classes"],
) -> Float[Tensor, ""]:
    """The mean over the labels that are annotated; 0 where none is. Targets may be soft."""
    terms = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (terms * known).sum() / known.sum().clamp(min=1)


def label_consistency(
    logits: Float[Tensor, "sample classes"],
    targets: Float[Tensor, "sample classes"],
    known: Bool[Tensor, "sample classes"],
) -> Float[Tensor, ""]:
    """L_LCC of SeMuL-PCD: -log p of a sample's positive labels, their mean, as a mean over the samples.

    The positive half of the binary cross-entropy, in which each sample counts alike: it pushes scores up, and
    what that does to calibration is to be measured.

    Paper: the mean over all samples, those without a positive label too, for which it divides by 0.
    Code:  a softmax of each positive label against the negative ones; fails where a batch has no positive.
    Here:  the mean over the samples that have a positive label among those annotated.
    """
    positive = (targets > 0) & known
    count = positive.sum(dim=1)
    per_sample = -(logsigmoid(logits) * positive).sum(dim=1) / count.clamp(min=1)
    return per_sample.sum() / (count > 0).sum().clamp(min=1)


def multimodal_distillation(
    logits: Float[Tensor, "sample classes"],
    peers: Sequence[Float[Tensor, "sample classes"]],
    available: Sequence[Bool[Tensor, " sample"]],
    known: Bool[Tensor, "sample classes"],
    *,
    teacher: Teacher = "geomean",
) -> Float[Tensor, ""]:
    """L_MDL of SeMuL-PCD: KL(T || P^f) of the fusion branch from what its peers say together, see `taught`.

    The mean over the annotated labels of the samples that have a peer; the peers get no gradient.

    Paper: 1 / tau_k before it, tau_k trained: its gradient is -L / tau_k, so that it grows for ever.
    Code:  the positive half of the divergence, which may be negative; the peers get a gradient.
    Here:  the whole divergence; tau_k is part of the term's weight.
    """
    there = torch.stack(list(available))
    t = taught(torch.stack(list(peers)).detach(), there, teacher)
    counts = known & there.any(dim=0)[:, None]
    divergence = binary_cross_entropy_with_logits(logits, t, reduction="none") - entr(t) - entr(1 - t)
    return (divergence * counts).sum() / counts.sum().clamp(min=1)


def taught(
    peers: Float[Tensor, "peer sample classes"], available: Bool[Tensor, "peer sample"], teacher: Teacher
) -> Float[Tensor, "sample classes"]:
    """T, what the peers that are there say together of each label, as a probability.

    "geomean": the geometric mean of their odds, sigmoid(mean l). "poe": the product of experts,
    sigmoid(sum l). "mean": of their probabilities. A peer alone is what is taught, by any of them.

    Paper: "product", of their probabilities: never above the least of them, .125 where three know nothing.
    Code:  sigmoid of the product of their logits: two that deny affirm.
    Here:  "geomean", unless a recipe asks for another.
    """
    there = available[..., None]
    logits, count = peers.masked_fill(~there, 0.0), there.sum(dim=0).clamp(min=1)
    if teacher == "geomean":
        return (logits.sum(dim=0) / count).sigmoid()
    if teacher == "poe":
        return logits.sum(dim=0).sigmoid()
    if teacher == "mean":
        return (logits.sigmoid() * there).sum(dim=0) / count
    return (logsigmoid(logits) * there).sum(dim=0).exp()


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


def focal(
    logits: Float[Tensor, "sample classes"], labels: Int[Tensor, " sample"], *, gamma: float = 1.0
) -> Float[Tensor, ""]:
    """Cross-entropy that minds less what is right already: the mean of -(1 - p)^gamma log p (AMuSE Eq. 5).

    p is the softmax at the sample's label; gamma = 0 is the cross-entropy.

    Paper: (1 - p)^gamma p, without the minus and the logarithm.
    Code:  the factor (1 - p)^gamma is detached; for single utterances the sign is wrong.
    Here:  as Lin et al. (2017) define it, the gradient through the factor too.
    """
    log_p = log_softmax(logits, dim=1)[torch.arange(len(labels), device=labels.device), labels]
    return _reduced(-_modulated(log_p, gamma), "mean")


def nce(
    anchors: Rows, targets: Rows, *, temperature: Temperature, reduction: Reduction = "mean"
) -> Float[Tensor, ""] | Float[Tensor, " sample"]:
    """Each anchor tells its own target from those of the other samples (SeMuL-PCD, below Eq. 2; AMuSE Eq. 4).

    With s the cosine over the temperature, B samples, K = B - 1 negatives and Z the mean of exp(s) over all
    B x B pairs: P = exp(s) / (B Z), and h = P / (P + K / B) is the probability that the two belong together.
    The mean over the anchors of -log h for their own target and of the sum of -log(1 - h) over the others;
    "none": the anchors' terms. The mean is the same in both directions, the terms are not.

    Paper: P is not defined; the 1 of 1 - h stands outside its logarithm, with the wrong sign. SeMuL-PCD
           conditions a feature on itself; AMuSE's negatives have no index, and |N_j| is over the modalities.
    Code:  AVID's: negatives from a memory bank, Z from the first batch for good; InfoNCE for SeMuL-PCD.
    Here:  negatives and Z are those of the batch, Z without gradient: no state, nothing to update.
    """
    scores = _cosines(anchors, targets) / temperature
    count = len(scores)
    if count < 2:
        return _reduced(scores.sum(dim=1) * 0, reduction)  # nobody to tell it from
    log_z = scores.detach().flatten().logsumexp(dim=0) - 2 * log(count)
    shifted = scores - log(count - 1) - log_z  # h = sigmoid(shifted)
    sign = 2 * torch.eye(count, dtype=scores.dtype, device=scores.device) - 1
    return _reduced(-logsigmoid(sign * shifted).sum(dim=1), reduction)


def infonce(
    a: Rows, b: Rows, *, temperature: Temperature, reduction: Reduction = "mean"
) -> Float[Tensor, ""] | Float[Tensor, " sample"]:
    """Cross-entropy over whose the other view is, mean of both directions (CLIP: Radford et al. 2021).

    "none": the samples' terms.

    Code:  SeMuL-PCD's takes the same direction twice, and exp(.08) for the scale where 1 / .08 is meant.
    Here:  both directions, over the temperature.
    """
    scores = _cosines(a, b) / temperature
    log_p = log_softmax(scores, dim=1).diagonal() + log_softmax(scores, dim=0).diagonal()
    return _reduced(-log_p / 2, reduction)


def pairwise_nce(
    views: Sequence[Rows],
    available: Sequence[Bool[Tensor, " sample"]],
    *,
    temperature: Temperature,
    loss: Callable[..., Tensor] = nce,
) -> Float[Tensor, ""]:
    """L_ACE (SeMuL-PCD Eq. 2, AMuSE Eq. 3): `loss` over all ordered pairs of the views of each sample.

    A pair is contrasted over the samples that have both of its views; what stands elsewhere is never read.
    `loss`: `nce`, `infonce` or another one that knows `reduction="none"`.

    Paper: mean over the samples of 1 / |M| times the sum over the |M| (|M| - 1) pairs; all |M| views exist.
    Here:  |M| is how many views this sample has. A sample with fewer than two has no pair and counts nowhere.
    """
    has = torch.stack(list(available)).sum(dim=0)  # |M| of each sample
    total = _nothing(views)
    for (f, there), (g, there_too) in permutations(zip(views, available, strict=True), 2):
        both = there & there_too
        terms = loss(f[both], g[both], temperature=temperature, reduction="none")
        total = total + (terms / has[both]).sum()
    return total / (has > 1).sum().clamp(min=1)


def class_weights(
    counts: Real[Tensor, " classes"], *, power: float, norm: Norm = "mean1"
) -> Float[Tensor, " classes"]:
    """(N / n_y)^power: how much more a sample of a rare class counts (MultiEMO Eq. 19; power is its alpha).

    `norm`: "mean1" makes the mean over the N samples counted 1, so that no power changes the size of a loss
    (power 1: the "balanced" weights of scikit-learn); "l1" makes the sum over the classes 1; "none" neither.
    A class without samples has weight 0: infinite by the formula, and nobody there to have it.

    Paper: counts of the batch, as they are.
    Code:  counts of the train part, "l1".
    Here:  whatever is counted; the recipes say what.
    """
    shares = counts / counts.sum().clamp(min=1)
    weights = torch.where(shares > 0, shares.pow(-power), 0.0)
    if norm == "none":
        return weights
    size = weights.sum() if norm == "l1" else (weights * shares).sum()
    return weights / size.clamp(min=torch.finfo(size.dtype).tiny)


def sample_weighted_focal_contrastive(
    z: Rows,
    labels: Int[Tensor, " sample"],
    weights: Float[Tensor, " classes"],
    *,
    temperature: Temperature,
    focus: float,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """SWFC: samples of a class find each other, rare classes and hard pairs above all (MultiEMO Eqs. 18-19).

    `weights` by class, see `class_weights`; `focus` is gamma. The mean over all samples; one that is alone in
    its class adds 0. Samples without a label are left out before.

    Paper: the sum over the samples, divided by N in Eq. 22; features as they are; no word on a class of one.
    Code:  features of length 1.
    Here:  features of length 1 unless `normalise` is off: without a length of their own they cannot win by
           growing. The gradient goes through the focal factor too.
    """
    scores = (_cosines(z, z) if normalise else z @ z.T) / temperature
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (labels[:, None] == labels) & ~itself
    floor = torch.finfo(scores.dtype).min  # as good as -inf, and a sample alone is no 0 / 0
    log_s = scores.masked_fill(itself, floor).log_softmax(dim=1).masked_fill(~positive, 0.0)  # Eq. 18
    per_sample = _modulated(log_s, focus).sum(dim=1) / positive.sum(dim=1).clamp(min=1)
    return _reduced(-weights[labels] * per_sample, "mean")  # Eq. 19


def soft_hgr(views: Sequence[Rows]) -> Float[Tensor, ""]:
    """The views correlate, and none by merely growing (MultiEMO Eq. 20; Wang et al. 2019).

    Minus the sum over pairs of views of E[f . g] - tr(cov f cov g) / 2. For each pair at least
    -sum(rho^2) / 2, rho the canonical correlations. Samples that lack a view are left out before.

    Paper: the parentheses leave the trace outside the sum; a constraint asks for features of mean zero; pairs
           Q != V may be ordered, which doubles all.
    Code:  see `soft_hgr_release`.
    Here:  the trace inside the sum, features centred over the samples, unordered pairs; covariances over the
           samples by 1 / (N - 1), the expectation by 1 / N.
    """
    count = len(views[0])
    total = _nothing(views)
    for f, g in combinations([f - f.mean(dim=0) for f in views], 2):
        correlation = (f * g).sum() / max(count, 1)
        total = total - correlation + _trace(f, g) / max(count - 1, 1) ** 2 / 2
    return total


def soft_hgr_release(views: Sequence[Rows]) -> Float[Tensor, ""]:
    """What MultiEMO's release computes for Eq. 20. Another quantity than `soft_hgr`, and smaller by far.

    Code:  features are not centred; the samples are taken for the variables, so a covariance is N x N, over
           the dimensions of the features; the trace is divided by N, and all by N once more.
    Here:  that, for the recipes of the release, from the equation. One sample alone: 0.
    """
    count, dim = views[0].shape
    total = _nothing(views)
    if count < 2:
        return total
    for f, g in combinations(views, 2):
        trace = _trace((f - f.mean(dim=1, keepdim=True)).T, (g - g.mean(dim=1, keepdim=True)).T)
        correlation = (f * g).sum() / count
        total = total - (correlation - trace / max(dim - 1, 1) ** 2 / count / 2) / count
    return total


def _trace(f: Float[Tensor, "n d"], g: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """tr(f'f g'g) = |f g'|^2, by whichever product is the smaller: one n x n or two d x d."""
    if f.shape[0] < 2 * f.shape[1]:
        return (f @ g.T).square().sum()
    return ((f.T @ f) * (g.T @ g)).sum()


def _cosines(a: Rows, b: Rows) -> Float[Tensor, "sample sample"]:
    """As precise as the rows are, also in a training in 16 bits: a temperature makes much of rounding."""
    with torch.autocast(a.device.type, enabled=False):
        return _unit(a) @ _unit(b).T


def _unit(rows: Rows) -> Rows:
    """Rows of length 1. One of zeros has no direction: it stays, and its gradient is of ordinary size."""
    length = rows.norm(dim=1, keepdim=True)
    return rows / length.masked_fill(length == 0, 1.0)


def _modulated(log_p: Float[Tensor, "*any"], focus: float) -> Float[Tensor, "*any"]:
    """(1 - p)^focus log p. At p = 1 a power below one has no finite slope; the product has, and it is 0."""
    away = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).tiny)
    return away.pow(focus) * log_p


def _reduced(terms: Float[Tensor, " sample"], reduction: Reduction) -> Tensor:
    return terms if reduction == "none" else terms.sum() / max(len(terms), 1)


def _nothing(views: Sequence[Rows]) -> Float[Tensor, ""]:
    """0, with a graph, and without a look at what the views hold."""
    return torch.cat([view[:0] for view in views]).sum()
