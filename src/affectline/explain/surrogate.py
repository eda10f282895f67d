"""Linear models of a model, near one utterance: LIME and KernelSHAP, as Captum has them.

LIME: Ribeiro et al., "Why Should I Trust You?", KDD 2016. KernelSHAP: Lundberg and Lee, A Unified Approach
to Interpreting Model Predictions, NeurIPS 2017.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from affectline.explain.answers import Answers

if TYPE_CHECKING:
    from captum.attr import LimeBase
    from torch.utils.data import DataLoader

METHODS = ("lime", "shap")
WIDTH = 0.25  # of the kernel, in cosine distance
PENALTY = 1.0  # of the ridge


@dataclass(frozen=True, eq=False)
class Fitted:
    """Of each emotion the weights of the parts, and how much of the answers they explain."""

    weights: Float[np.ndarray, "emotion part"]
    fit: Float[np.ndarray, " emotion"]


def fitted(method: str, answers: Answers, parts: int, samples: int, *, seed: int) -> Fitted:
    """A linear model for each emotion on the same samples, of which the first is the utterance as it is.

    The first samples of a seed are the same however many there are, and `answers` asks each once: so the
    model is run once for all emotions, and going on with more costs only what is new.

    Raises:
        ImportError: the extra "explain" is not installed.
    """
    rows = [_one(method, answers, n, parts, samples=samples, seed=seed) for n in range(len(answers.emotions))]
    return Fitted(np.stack([weights for weights, _ in rows]), np.array([fit for _, fit in rows]))


def _one(
    method: str, answers: Answers, emotion: int, parts: int, *, samples: int, seed: int
) -> tuple[Float[np.ndarray, " part"], float]:
    whole = torch.ones(1, parts)

    def asked(masks: Tensor) -> Tensor:
        return torch.from_numpy(answers(masks.bool().numpy())[:, emotion])

    line = _Line(method)
    base, options = _shap(asked, line) if method == "shap" else (_lime(asked, line, parts, seed), {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # which KernelSHAP draws by
        weights = base.attribute(whole, n_samples=samples, perturbations_per_eval=samples, **options)
    return weights.detach().double().numpy().reshape(parts), line.fit_of_all


def _lime(asked: Callable[[Tensor], Tensor], line: "_Line", parts: int, seed: int) -> "LimeBase":
    drawn = _drawn(parts, seed)
    return captum().LimeBase(
        asked,
        line,
        similarity_func=_near,
        perturb_func=lambda *_, **__: next(drawn),
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda mask, *_, **__: mask,
        to_interp_rep_transform=None,
    )


def _shap(asked: Callable[[Tensor], Tensor], line: "_Line") -> "tuple[LimeBase, dict[str, Any]]":
    base = captum().KernelShap(asked)
    base.interpretable_model = line
    return base, {"baselines": 0.0, "return_input_shape": False}


def _drawn(parts: int, seed: int) -> Iterator[Tensor]:
    """All parts; then as many off as chance will have, one to all, and any of them."""
    rng = np.random.default_rng(seed)
    yield torch.ones(1, parts)
    while True:
        mask = np.ones(parts, np.float32)
        mask[rng.permutation(parts)[: rng.integers(1, parts + 1)]] = 0
        yield torch.from_numpy(mask)[None]


def _near(_whole: Tensor, _changed: Tensor, mask: Tensor, **_: object) -> Tensor:
    """The weight of a sample: a kernel over its cosine distance from all ones."""
    distance = 1 - (mask.float().mean(dim=1)).sqrt()
    return (-(distance**2) / WIDTH**2).exp().sqrt()


@dataclass
class _Line:
    """The linear model, as Captum asks for one: `fit` to a loader, and `representation`, its weights."""

    method: str
    fit_of_all: float = 0.0
    weights: Tensor = field(default_factory=lambda: torch.zeros(0))

    def fit(self, loader: "DataLoader[Any]") -> None:
        from sklearn.linear_model import LinearRegression, Ridge

        masks, values, near = (torch.cat(column).double().numpy() for column in zip(*loader, strict=True))
        model = Ridge(alpha=PENALTY) if self.method == "lime" else LinearRegression()
        model.fit(masks, values, sample_weight=near)
        self.weights = torch.from_numpy(np.asarray(model.coef_))
        self.fit_of_all = _explained(values, model.predict(masks), np.minimum(near, 1.0))

    def representation(self) -> Tensor:
        return self.weights


def _explained(
    values: Float[np.ndarray, " sample"],
    said: Float[np.ndarray, " sample"],
    near: Float[np.ndarray, " sample"],
) -> float:
    """R2, weighted; 1 where there is nothing to explain."""
    mean = np.average(values, weights=near)
    spread = np.average((values - mean) ** 2, weights=near)
    missed = np.average((values - said) ** 2, weights=near)
    return float(1 - missed / spread) if spread > 1e-12 else 1.0


def captum() -> Any:
    """Captum's methods.

    Raises:
        ImportError: the extra "explain" is not installed.
    """
    try:
        import captum.attr as found
    except ImportError as error:
        raise ImportError('explanations need Captum: pip install "affectline[explain]"') from error
    return found


def stable(before: Fitted, now: Fitted, *, change: float = 0.2, least: float = 1e-3) -> bool:
    """Whether twice the samples moved no emotion's weights by over a fifth, or none by over a thousandth."""
    moved = np.linalg.norm(now.weights - before.weights, axis=1)
    size = np.linalg.norm(now.weights, axis=1)
    small = np.abs(now.weights - before.weights).max(axis=1) < least
    return bool(((moved <= change * size) | small).all())
