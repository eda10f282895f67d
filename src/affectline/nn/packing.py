"""Sequences of different lengths laid out as torch's PackedSequence has them: padding costs nothing."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

Turns = Float[Tensor, "batch utterance dim"]
Mask = Bool[Tensor, "batch utterance"]


@dataclass(frozen=True)
class Packing:
    """Step after step, and within a step the sequences that are still going on, the longest first.

    `index`: for each packed row, its place in the flattened batch of utterances. `sizes`: how many
    sequences there are at each step, on the CPU. `padded`: the batch and its utterances, with padding.
    """

    index: Int[Tensor, " row"]
    sizes: Int[Tensor, " step"]
    padded: tuple[int, int]

    def pack(self, x: Turns) -> Float[Tensor, "row dim"]:
        """What is not in a sequence is left behind, and gets no gradient."""
        return x.flatten(0, 1).index_select(0, self.index)

    def unpack(self, rows: Float[Tensor, "row dim"]) -> Turns:
        """Every row where it was, and 0 between them."""
        batch, utterances = self.padded
        flat = rows.new_zeros(batch * utterances, rows.shape[1]).index_copy(0, self.index, rows)
        return flat.view(batch, utterances, -1)


def pack_conversations(mask: Mask) -> Packing:
    """A sequence is what is said in one conversation."""
    return _pack(conversations(mask), mask)


def pack_speakers(speakers: Int[Tensor, "batch utterance"], mask: Mask) -> Packing:
    """A sequence is what one speaker says in one conversation."""
    return _pack(parties(speakers), mask)


def conversations(grid: Shaped[Tensor, "batch utterance"]) -> Int[Tensor, "batch utterance"]:
    """The number of the conversation that each utterance is in."""
    return torch.arange(len(grid), device=grid.device)[:, None].expand_as(grid)


def parties(speakers: Int[Tensor, "batch utterance"]) -> Int[Tensor, "batch utterance"]:
    """A number for each speaker in each conversation; which one does not matter."""
    first, last = (int(n) for n in speakers.aminmax())
    return conversations(speakers) * (last - first + 1) + speakers - first


def _pack(groups: Int[Tensor, "batch utterance"], mask: Mask) -> Packing:
    place = mask.flatten().nonzero().squeeze(1)
    _, group, lengths = groups.flatten()[place].unique(return_inverse=True, return_counts=True)
    in_order = group.argsort(stable=True)
    first = lengths.cumsum(0) - lengths
    step = torch.empty_like(place)
    step[in_order] = torch.arange(len(place), device=place.device) - first[group[in_order]]
    rank = lengths.argsort(descending=True, stable=True).argsort()
    row = (step * len(lengths) + rank[group]).argsort()
    return Packing(place[row], step.bincount().cpu(), (mask.shape[0], mask.shape[1]))
