"""The batches of each epoch: which utterances come together, and what is changed about them."""

import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64

from affectline.batch import Batch, Features, collate
from affectline.features import Extractor, extract
from affectline.types import Conversation, LabelSpace

Augment = Callable[[Batch, torch.Generator], Batch]
Rows = Int64[np.ndarray, " _conversation"]
View = Callable[[Conversation, np.random.Generator], Conversation]


@runtime_checkable
class Epochs(Protocol):
    """The batches of each epoch; the same epoch is the same batches."""

    def __len__(self) -> int: ...
    def __call__(self, epoch: int) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Shuffled:
    """Random batches of conversations of like length, with an augmentation; a pure function of the epoch.

    `draw`: how many conversations of a corpus an epoch has, where those are not all of them. Each epoch goes
    on where the last one stopped: all of a corpus has been seen before any of it comes again.
    """

    conversations: Sequence[Conversation]
    features: Sequence[Sequence[Features]]
    labels: LabelSpace
    size: int
    seed: int
    augment: Augment | None = None
    draw: Mapping[str, int] | None = None

    def __len__(self) -> int:
        return math.ceil(sum(map(self._count, self._corpora)) / self.size)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng((self.seed, epoch))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for rows in self._batches(rng, self._seen(epoch)):
            batch = collate(
                [self.conversations[i] for i in rows], [self.features[i] for i in rows], self.labels
            )
            yield self.augment(batch, generator) if self.augment else batch

    @cached_property
    def _corpora(self) -> dict[str, Rows]:
        return rows_of(self.conversations, self.draw or {})

    def _count(self, corpus: str) -> int:
        return (self.draw or {}).get(corpus, len(self._corpora[corpus]))

    def _seen(self, epoch: int) -> Rows:
        """The conversations of an epoch: all of them, or of each corpus as many as are drawn."""
        if not self.draw:
            return np.arange(len(self.conversations))
        return np.concatenate([self._drawn(corpus, epoch) for corpus in self._corpora])

    def _drawn(self, corpus: str, epoch: int) -> Rows:
        """The next ones of a corpus, which lies in one random order after another, without end."""
        rows, count = self._corpora[corpus], self._count(corpus)
        first, start = divmod(epoch * count, len(rows))
        orders = range(first, first + math.ceil((start + count) / len(rows)))
        seeds = ((self.seed, zlib.crc32(corpus.encode()), n) for n in orders)
        return np.concatenate([np.random.default_rng(s).permutation(rows) for s in seeds])[start:][:count]

    def _batches(self, rng: np.random.Generator, rows: Rows) -> list[Rows]:
        """Sorted by length within large random pools: little padding, and still random."""
        lengths = np.array([sum(len(a) for u in row for a in u.values()) for row in self.features])
        order = rows[rng.permutation(len(rows))]
        pools = np.array_split(order, max(1, len(order) // (50 * self.size)))
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        batches = [order[i : i + self.size] for i in range(0, len(order), self.size)]
        return [batches[i] for i in rng.permutation(len(batches))]


def rows_of(conversations: Sequence[Conversation], draw: Mapping[str, int]) -> dict[str, Rows]:
    """Where the conversations of each corpus are.

    Raises:
        ValueError: `draw` names a corpus that is not there, or wants none of one.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for n, conversation in enumerate(conversations):
        rows[conversation.corpus].append(n)
    for name, count in draw.items():
        if name not in rows or count < 1:
            raise ValueError(
                f"draw.{name} is {count}: an epoch draws 1 or more conversations of a corpus that is there, "
                f"and there are {', '.join(filter(None, rows)) or 'none by name, as the recipe mixes none'}"
            )
    return {name: np.array(own) for name, own in rows.items()}


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
