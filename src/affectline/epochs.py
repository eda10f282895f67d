"""The batches of each epoch: which utterances come together, and what is changed about them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from affectline.batch import Batch, Features, collate
from affectline.features import Extractor, extract
from affectline.types import Conversation, LabelSpace

Augment = Callable[[Batch, torch.Generator], Batch]
View = Callable[[Conversation, np.random.Generator], Conversation]


@runtime_checkable
class Epochs(Protocol):
    """The batches of each epoch; the same epoch is the same batches."""

    def __len__(self) -> int: ...
    def __call__(self, epoch: int) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Shuffled:
    """Random batches of conversations of like length, with an augmentation; a pure function of the epoch."""

    conversations: Sequence[Conversation]
    features: Sequence[Sequence[Features]]
    labels: LabelSpace
    size: int
    seed: int
    augment: Augment | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.conversations) / self.size)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng((self.seed, epoch))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for rows in self._rows(rng):
            batch = collate(
                [self.conversations[i] for i in rows], [self.features[i] for i in rows], self.labels
            )
            yield self.augment(batch, generator) if self.augment else batch

    def _rows(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Sorted by length within large random pools: little padding, and still random."""
        lengths = np.array([sum(len(a) for u in row for a in u.values()) for row in self.features])
        order = rng.permutation(len(lengths))
        pools = np.array_split(order, max(1, len(order) // (50 * self.size)))
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        batches = [order[i : i + self.size] for i in range(0, len(order), self.size)]
        return [batches[i] for i in rng.permutation(len(batches))]


@dataclass(frozen=True)
class Drawn:
    """Random batches of conversations each of which is seen in a new view: features are made as they go.

    That is done by `workers` processes while the model computes; by this one where there are none. What a
    view shows depends on the seed, the epoch and the conversation alone.
    """

    conversations: Sequence[Conversation]
    extractors: Sequence[Extractor]
    labels: LabelSpace
    size: int
    seed: int
    view: View
    workers: int = 0

    def __len__(self) -> int:
        return math.ceil(len(self.conversations) / self.size)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        from torch.utils.data import DataLoader

        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.conversations)).tolist()
        yield from DataLoader(
            _Views(self, epoch),  # pyright: ignore[reportArgumentType] - it has a length and items by number
            batch_sampler=[order[i : i + self.size] for i in range(0, len(order), self.size)],
            collate_fn=partial(_together, self.labels),
            num_workers=self.workers,
        )


@dataclass(frozen=True)
class _Views:
    """What torch's loader asks for by number."""

    drawn: Drawn
    epoch: int

    def __len__(self) -> int:
        return len(self.drawn.conversations)

    def __getitem__(self, index: int) -> tuple[Conversation, list[Features]]:
        rng = np.random.default_rng((self.drawn.seed, self.epoch, index))
        seen = self.drawn.view(self.drawn.conversations[index], rng)
        return seen, extract([seen], self.drawn.extractors)[0]


def _together(labels: LabelSpace, items: Sequence[tuple[Conversation, list[Features]]]) -> Batch:
    return collate([c for c, _ in items], [features for _, features in items], labels)
