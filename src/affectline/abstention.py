"""When to say nothing: a rule from the evidence at hand to the risk that the strongest emotion is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from affectline.types import Modality, Prediction

LENGTHS = {Modality.TEXT: "words", Modality.AUDIO: "speech", Modality.VIDEO: "faces"}
"""What the length of a stream tells: tokens, hundredths of a second of sound, pictures of a face."""

EVIDENCE = (*(str(m) for m in Modality), *LENGTHS.values(), "uncertainty", "strongest")


def evidence(prediction: Prediction, lengths: Mapping[Modality, int]) -> Float[np.ndarray, " evidence"]:
    """What speaks for and against trusting a prediction, in the order of EVIDENCE.

    Which modalities are there; the logarithm of one plus the length of each; the mean entropy of the scores
    in bits; the logit of the strongest score.
    """
    there = [float(lengths.get(m, 0) > 0) for m in Modality]
    long = [float(np.log1p(lengths.get(m, 0))) for m in LENGTHS]
    strongest = float(np.clip(max(prediction.scores.values()), 1e-6, 1 - 1e-6))
    return np.array([*there, *long, prediction.uncertainty, np.log(strongest / (1 - strongest))])


@dataclass(frozen=True)
class Abstention:
    """A logistic regression on EVIDENCE, fitted on dev: abstain where the risk is over `limit`.

    Without any modality there is nothing to judge by, and it always abstains.
    """

    weights: tuple[float, ...]
    intercept: float
    limit: float = 0.5

    def __post_init__(self) -> None:
        if len(self.weights) != len(EVIDENCE):
            raise ValueError(f"the rule needs a weight for each of {EVIDENCE}, got {len(self.weights)}")

    def risk(self, rows: Float[np.ndarray, "utterance evidence"]) -> Float[np.ndarray, " utterance"]:
        """The probability that the strongest emotion of each utterance is not among the true ones."""
        return 1 / (1 + np.exp(-(rows @ np.array(self.weights) + self.intercept)))

    def __call__(self, rows: Float[np.ndarray, "utterance evidence"]) -> Bool[np.ndarray, " utterance"]:
        nothing = ~rows[:, : len(Modality)].any(axis=1)
        return nothing | (self.risk(rows) > self.limit)


def fit(
    rows: Float[np.ndarray, "utterance evidence"], wrong: Bool[np.ndarray, " utterance"], limit: float = 0.5
) -> Abstention:
    """Fit the rule on dev utterances and whether the strongest emotion was wrong in them.

    Where it always was, or never, the evidence tells nothing apart: the risk is the rule of succession's.
    """
    from sklearn.linear_model import LogisticRegression

    if wrong.all() or not wrong.any():
        risk = (wrong.sum() + 1) / (len(wrong) + 2)
        return Abstention((0.0,) * len(EVIDENCE), float(np.log(risk / (1 - risk))), limit)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(rows, wrong)
    return Abstention(tuple(float(w) for w in model.coef_[0]), float(model.intercept_[0]), limit)


def wrong(
    predictions: Sequence[Prediction], truth: Sequence[frozenset[str]]
) -> Bool[np.ndarray, " utterance"]:
    """Where the strongest emotion is not among the true ones."""
    strongest = [max(p.scores, key=p.scores.__getitem__) for p in predictions]
    return np.array([s not in t for s, t in zip(strongest, truth, strict=True)])
