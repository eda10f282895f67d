"""What the dev part decides after training: calibration, thresholds, and when to abstain."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import combinations
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import nn

from affectline import abstention
from affectline.batch import Features
from affectline.checkpoint import Checkpoint, Platt, alone, calibrated, lengths_of, subset
from affectline.evaluation import fit_calibration, fit_temperature, fit_thresholds
from affectline.models import Inferred, infer, joined
from affectline.recipes import Data, Recipe, Tuning
from affectline.recipes.made_up import MADE_UP
from affectline.types import Modality, modality_of


@runtime_checkable
class CalibratesItself(Protocol):
    """A model that averages what its modalities say, calibrated before."""

    def calibrate(self, modality: Modality, scale: Sequence[float], bias: Sequence[float]) -> None: ...


def finish(recipe: Recipe, model: nn.Module, dev: Data, *, name: str) -> Checkpoint:
    """What dev decides after training: calibration, thresholds, and when to abstain."""
    checkpoint = Checkpoint(
        name=name,
        model=model,
        labels=recipe.labels,
        extractors=recipe.extractors,
        thresholds={},
        windows=recipe.windows,
        about={"data": [recipe.data], "languages": ["en"], "versions": versions()} | manifest_of(recipe),
    )
    out = infer(model, dev.conversations, dev.features, recipe.labels)
    if not recipe.labels.multilabel:
        temperature = fit_temperature(out.logits, out.targets > 0, out.known)
        checkpoint = replace(checkpoint, temperature=temperature)
    elif isinstance(model, CalibratesItself) and len(out.by_modality) == 1:
        out = _calibrated(model, out)
        checkpoint = replace(checkpoint, thresholds=thresholds(out))
    else:
        every = _with_each_subset(recipe, model, dev)
        platt = _calibration(every)
        checkpoint = replace(checkpoint, thresholds=thresholds(_after(every, platt)), calibration=platt)
    found = lengths_of(dev.conversations, dev.features)
    return replace(checkpoint, abstention=fit_abstention(checkpoint, [(out, found)]))


def _calibrated(model: CalibratesItself, out: Inferred) -> Inferred:
    """Calibrate the one modality of a late fusion, and what it said on dev."""
    (modality,) = out.by_modality
    there = out.present[modality]
    fitted = fit_calibration(out.logits[there], out.targets[there] > 0, out.known[there])
    model.calibrate(modality, fitted.scale, fitted.bias)
    logits = out.logits * np.array(fitted.scale) + np.array(fitted.bias)
    return replace(out, logits=logits, by_modality={modality: logits})


def _with_each_subset(recipe: Recipe, model: nn.Module, dev: Data) -> Inferred:
    """What the model says of dev with each non-empty set of its modalities, one after the other.

    What is made up says nothing of one modality alone: there real utterances do.
    """
    every = sorted({modality_of(e.stream) for e in recipe.extractors})
    found = []
    for kept in (s for n in range(1, len(every) + 1) for s in combinations(every, n)):
        rows = [n for n, c in enumerate(dev.conversations) if len(kept) > 1 or c.corpus != MADE_UP]
        features = [[_of(u, kept) for u in dev.features[n]] for n in rows]
        found.append(infer(model, [dev.conversations[n] for n in rows], features, recipe.labels))
    return joined(found)


def _of(features: Features, kept: Collection[Modality]) -> Features:
    return {s: a if modality_of(s) in kept else a[:0] for s, a in features.items()}


def _patterns(out: Inferred) -> Iterator[tuple[str, np.ndarray]]:
    """Each set of modalities that occurs and has annotated utterances, and which they are."""
    there = np.stack([out.present[m] for m in out.present], axis=1)
    for pattern in np.unique(there, axis=0):
        rows = (there == pattern).all(axis=1)
        if pattern.any() and out.known[rows].any():
            yield subset(m for m, t in zip(out.present, pattern, strict=True) if t), rows


def _calibration(out: Inferred) -> dict[str, Platt]:
    found = {name: _platt(out.logits, out, rows) for name, rows in _patterns(out)}
    return found | {alone(m): _platt(x, out, out.present[m]) for m, x in out.by_modality.items()}


def _platt(logits: np.ndarray, out: Inferred, rows: np.ndarray) -> Platt:
    fitted = fit_calibration(logits[rows], out.targets[rows] > 0, out.known[rows])
    return tuple(fitted.scale), tuple(fitted.bias)


def _after(out: Inferred, calibration: Mapping[str, Platt]) -> Inferred:
    keys = np.full(len(out.logits), "", dtype=object)
    for name, rows in _patterns(out):
        keys[rows] = name
    return replace(out, logits=calibrated(out.logits, keys.tolist(), calibration))


def thresholds(out: Inferred) -> dict[str, tuple[float, ...]]:
    """Thresholds of the best F1 for each set of modalities that occurs."""
    found: dict[str, tuple[float, ...]] = {}
    for name, rows in _patterns(out):
        scores = 1 / (1 + np.exp(-out.logits[rows]))
        best = fit_thresholds(scores, out.targets[rows] > 0, out.known[rows])
        found[name] = tuple(float(t) for t in best)
    return found


def fit_abstention(
    checkpoint: Checkpoint, dev: Sequence[tuple[Inferred, Sequence[Mapping[Modality, int]]]]
) -> abstention.Abstention:
    """The rule that says from the evidence how likely the strongest emotion is to be wrong."""
    rows, wrong = [], []
    for out, found in dev:
        predictions = replace(checkpoint, abstention=None).judge(out, found)
        rows += [abstention.evidence(p, n) for p, n in zip(predictions, found, strict=True)]
        truth = [checkpoint.labels.decode(row) for row in out.targets]
        wrong.append(abstention.wrong(predictions, truth))
    known = np.concatenate([out.known.all(axis=1) for out, _ in dev])
    return abstention.fit(np.stack(rows)[known], np.concatenate(wrong)[known])


def manifest_of(recipe: Recipe | Tuning) -> dict[str, Any]:
    """Which manifest names the data, where one does."""
    return {"manifest": dict(recipe.manifest)} if recipe.manifest else {}


def versions() -> dict[str, str]:
    """Of the packages that the numbers hang on."""
    return {package: version(package) for package in ("affectline", "torch", "transformers", "numpy")}
