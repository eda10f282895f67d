"""What a model answers to an utterance of which some parts are off: each set of parts is asked once."""

from collections.abc import Callable, Collection

import numpy as np
from jaxtyping import Bool, Float

from affectline.explain.parts import Perturbation, Predict

BATCH = 64
"""Perturbed conversations that are made and asked at once, which bounds the memory."""

Known = Float[np.ndarray, " label"]
"""The probabilities of all labels under a mask."""


class Answers:
    """The probabilities of an utterance under masks; `progress` is told how many have been asked so far.

    `known`: what the same model has answered to the same perturbation, which is added to.

    Raises:
        ValueError: an emotion is asked for that the model does not know.
    """

    def __init__(
        self,
        perturbation: Perturbation,
        predict: Predict,
        emotions: Collection[str] | None = None,
        *,
        batch: int = BATCH,
        progress: Callable[[int], None] = lambda _asked: None,
        known: dict[bytes, Known] | None = None,
    ) -> None:
        self._perturbation, self._predict = perturbation, predict
        self._batch, self._progress = batch, progress
        self._known = {} if known is None else known
        whole = predict([perturbation.conversation])[0][perturbation.index]
        unknown = [name for name in emotions or () if name not in whole.scores]
        if unknown:
            raise ValueError(f"the model knows no {unknown[0]!r}; it knows {', '.join(whole.scores)}")
        best = max(whole.scores, key=lambda name: whole.scores[name])
        held = [name for name in whole.scores if name in whole.emotions] or [best]
        self.emotions = tuple(dict.fromkeys(held if emotions is None else emotions))
        self._labels = tuple(whole.scores)

    def __call__(self, masks: Bool[np.ndarray, "sample part"]) -> Float[np.ndarray, "sample emotion"]:
        """Of the emotions that are explained, in their order."""
        keys = [mask.tobytes() for mask in masks]
        new = {key: mask for key, mask in zip(keys, masks, strict=True) if key not in self._known}
        todo = list(new)
        for start in range(0, len(todo), self._batch):
            chunk = todo[start : start + self._batch]
            answered = self._predict([self._perturbation(new[key]) for key in chunk])
            for key, row in zip(chunk, answered, strict=True):
                scores = row[self._perturbation.index].scores
                self._known[key] = np.array([scores[name] for name in self._labels])
            self._progress(len(self._known))
        columns = [self._labels.index(name) for name in self.emotions]
        return np.stack([self._known[key] for key in keys])[:, columns]
