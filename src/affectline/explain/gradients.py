"""Integrated gradients: what each part says, from a model that answers to parts that are there by halves.

Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, as Captum has them. The path
leads from nothing at all to all parts, each as much there as the others; so the weights of the numbers that a
part is made of are summed by the chain rule.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from affectline.explain.parts import Explanation, Perturbation
from affectline.explain.surrogate import captum

METHOD = "ig"
STEPS = 32
"""Places on the path at which the gradient is taken."""
AT_ONCE = 8  # of them

Soft = Callable[[Float[Tensor, "n part"]], Float[Tensor, "n emotion"]]
"""Probabilities of the emotions while each part is there from 0 to 1; gradients flow through it."""


def integrated(
    perturbation: Perturbation,
    soft: Soft,
    emotions: Sequence[str],
    *,
    absent: str,
    steps: int = STEPS,
    progress: Callable[[int], None] = lambda _done: None,
) -> Explanation:
    """The weights of all parts for these emotions, which are those that `soft` gives, in its order.

    They sum to what the probability is over that of nothing at all: `fit` is how nearly, 1 where they do.
    `absent`: what `soft` has in place of a part that is 0. `progress` is told how many emotions are done.

    Raises:
        ValueError: there are no steps.
        ImportError: the extra "explain" is not installed.
    """
    if steps < 1:
        raise ValueError(f"integrated gradients need steps, got {steps}")
    whole = torch.ones(1, len(perturbation.parts))
    with torch.no_grad():
        ends = soft(torch.cat([whole, torch.zeros_like(whole)])).double()
    weights: dict[str, Float[np.ndarray, " part"]] = {}
    fit: dict[str, float] = {}
    for n, emotion in enumerate(emotions):
        gradients = captum().IntegratedGradients(lambda masks, n=n: soft(masks.float())[:, n].double())
        found = gradients.attribute(
            whole.double(), torch.zeros_like(whole).double(), n_steps=steps, internal_batch_size=AT_ONCE
        )
        weights[emotion] = found[0].detach().numpy()
        moved = float(ends[0, n] - ends[1, n])
        fit[emotion] = 1 - abs(float(weights[emotion].sum()) - moved) / max(abs(moved), 1e-3)
        progress(n + 1)
    return Explanation(
        utterance=perturbation.conversation.utterances[perturbation.index].id,
        modality=perturbation.modality,
        method=METHOD,
        absent=absent,
        parts=perturbation.parts,
        weights=weights,
        fit=fit,
        probabilities={name: float(p) for name, p in zip(emotions, ends[0], strict=True)},
        samples=steps,
        seed=0,
        shown=perturbation.shown,
    )
