"""From conversations and their features to padded tensors, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from affectline.types import Conversation, LabelSpace, Utterance, modality_of

Features = Mapping[str, Shaped[np.ndarray, "_time ..."]]
"""One utterance: stream name -> array. A pooled feature has length one, a missing one length zero."""


@dataclass(frozen=True)
class Stream:
    values: Shaped[Tensor, "batch utterance time *dims"]
    mask: Bool[Tensor, "batch utterance time"]

    def pooled(self) -> Float[Tensor, "batch utterance dim"]:
        """The mean over time; zeros where there is none."""
        mask = self.mask.unsqueeze(-1)
        return self.values.masked_fill(~mask, 0.0).sum(dim=2) / mask.sum(dim=2).clamp(min=1)


@dataclass(frozen=True)
class Batch:
    """Padded conversations.

    `targets` are multi-hot, `known` says which of them are annotated, `ratings` are the shares of annotators
    (the targets where nobody counted them).
    """

    streams: Mapping[str, Stream]
    mask: Bool[Tensor, "batch utterance"]
    speakers: Int[Tensor, "batch utterance"]
    targets: Float[Tensor, "batch utterance classes"]
    known: Bool[Tensor, "batch utterance classes"]
    ratings: Float[Tensor, "batch utterance classes"]

    def pooled(self, stream: str) -> Float[Tensor, "batch utterance dim"]:
        """The stream averaged over time; zeros where it is missing."""
        return self.streams[stream].pooled()

    def present(self, stream: str) -> Bool[Tensor, "batch utterance"]:
        """Which utterances have anything of this stream."""
        return self.streams[stream].mask.any(dim=2)

    def without(self, *what: str) -> "Batch":
        """As `Conversation.without`, done to tensors: those streams have no valid time step any more."""
        gone = {n for n in self.streams if n in what or modality_of(n) in what}
        lost = {
            n: Stream(torch.zeros_like(s.values), torch.zeros_like(s.mask)) if n in gone else s
            for n, s in self.streams.items()
        }
        return replace(self, streams=lost)

    def share(self, rank: int, ranks: int) -> "Batch":
        """Every `ranks`-th conversation from `rank` on; where there is none, one in which nothing is said."""
        if ranks == 1:
            return self
        rows = torch.arange(rank, len(self.mask), ranks)
        there = torch.ones(1, dtype=torch.bool)
        if not len(rows):
            rows, there = torch.zeros(1, dtype=torch.long), ~there
        return Batch(
            streams={n: Stream(s.values[rows], s.mask[rows] & there) for n, s in self.streams.items()},
            mask=self.mask[rows] & there,
            speakers=self.speakers[rows],
            targets=self.targets[rows],
            known=self.known[rows] & there,
            ratings=self.ratings[rows],
        )

    def to(self, device: torch.device | str) -> "Batch":
        return Batch(
            streams={n: Stream(s.values.to(device), s.mask.to(device)) for n, s in self.streams.items()},
            mask=self.mask.to(device),
            speakers=self.speakers.to(device),
            targets=self.targets.to(device),
            known=self.known.to(device),
            ratings=self.ratings.to(device),
        )


def collate(
    conversations: Sequence[Conversation], features: Sequence[Sequence[Features]], labels: LabelSpace
) -> Batch:
    """Pad conversations and their features; a label is known where its corpus annotates it."""
    size, turns = len(conversations), max(len(c) for c in conversations)
    mask = torch.zeros(size, turns, dtype=torch.bool)
    speakers = torch.full((size, turns), -1)
    targets = torch.zeros(size, turns, len(labels.names))
    known = torch.zeros(size, turns, len(labels.names), dtype=torch.bool)
    ratings = torch.zeros(size, turns, len(labels.names))
    for b, conversation in enumerate(conversations):
        order = {speaker: n for n, speaker in enumerate(conversation.speakers)}
        annotated = torch.tensor(
            [conversation.labels is None or n in conversation.labels for n in labels.names]
        )
        for n, utterance in enumerate(conversation):
            mask[b, n] = True
            speakers[b, n] = order[utterance.speaker]
            targets[b, n] = torch.from_numpy(labels.encode(utterance.emotions or ()))
            known[b, n] = annotated & (utterance.emotions is not None)
            ratings[b, n] = _ratings(utterance, labels, targets[b, n])
    streams = {name: _pad(features, name, turns) for name in features[0][0]}
    return Batch(streams, mask, speakers, targets, known, ratings)


def _ratings(utterance: Utterance, labels: LabelSpace, targets: Tensor) -> Tensor:
    shares = utterance.ratings
    return targets if shares is None else torch.tensor([shares.get(name, 0.0) for name in labels.names])


def _pad(features: Sequence[Sequence[Features]], name: str, turns: int) -> Stream:
    longest = max([1, *(len(f[name]) for row in features for f in row)])
    first = torch.from_numpy(features[0][0][name])
    values = first.new_zeros(len(features), turns, longest, *first.shape[1:])
    mask = torch.zeros(len(features), turns, longest, dtype=torch.bool)
    for b, row in enumerate(features):
        for n, utterance in enumerate(row):
            array = utterance[name]
            values[b, n, : len(array)] = torch.from_numpy(array)
            mask[b, n, : len(array)] = True
    return Stream(values, mask)


def turns(
    rows: Shaped[Tensor, "n *dims"], real: Bool[Tensor, "batch utterance"]
) -> Shaped[Tensor, "batch utterance *dims"]:
    """Rows back in their conversations; 0 at padding."""
    laid = rows.new_zeros(*real.shape, *rows.shape[1:])
    laid[real] = rows
    return laid
