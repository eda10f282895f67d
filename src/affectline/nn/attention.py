"""MultiAttn: one modality of a conversation fused with the others by cross-attention (MultiEMO, Section 3.4).

Shi and Huang, MultiEMO, ACL 2023; the attention is that of Vaswani et al. 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Turns = Float[Tensor, "batch utterance dim"]
Mask = Bool[Tensor, "batch utterance"]


class MultiAttn(nn.Module):
    """One modality, fused with the others over and over: each layer's output is the next one's query.

    Utterances without this modality are 0. One without another modality is no key of that one; where a
    conversation has no key at all, that stage adds 0.
    """

    def __init__(  # noqa: PLR0917 - sizes, each of which a model's Config names
        self, others: int, layers: int, dim: int, heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        sizes = (others, dim, heads, hidden, dropout)
        self.layers = nn.ModuleList(MultiAttnLayer(*sizes) for _ in range(layers))

    def forward(self, query: Turns, mask: Mask, others: Sequence[tuple[Turns, Mask]]) -> Turns:
        if not mask.any():
            return torch.zeros_like(query)
        rows = _Rows.of(torch.stack([mask, *(there for _, there in others)]).any(dim=0))
        x = rows.lay(query, mask)
        keys = [
            Keys.of(rows.lay(other, there), rows.lay_mask(there), rows.together) for other, there in others
        ]
        for layer in self.layers:
            x = layer(x, keys)
        return rows.lift(x, mask)


class MultiAttnLayer(nn.Module):
    """Attend to one other modality after the other, then a feed-forward network (Eqs. 2-12).

    Code: drops twice after the feed-forward network.
    Here: once, as after each attention.
    """

    def __init__(self, others: int, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.cross = nn.ModuleList(CrossAttention(dim, heads, dropout) for _ in range(others))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(others))
        self.feedforward = nn.Sequential(
            nn.Linear(dim, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dim), nn.Dropout(dropout)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, x: Float[Tensor, "batch query dim"], others: Sequence["Keys"]
    ) -> Float[Tensor, "batch query dim"]:
        for cross, norm, keys in zip(self.cross, self.norms, others, strict=True):
            assert isinstance(cross, CrossAttention)
            x = norm(x + cross.attend(x, keys))  # Eqs. 2-5 and 6-9
        forward = self.feedforward(x.flatten(0, 1)).view_as(x)  # Eqs. 10-11, flat: ReLU in place is cheaper
        return self.norm(x + forward)  # Eq. 12


@dataclass(frozen=True)
class Keys:
    """What can be attended to, and by whom: added to a query's scores, `bias` is 0 where it sees the key.

    `blind`: the queries that see no key; None where there are none of them. By their bias they see all keys,
    so that nothing is divided by 0.
    """

    values: Float[Tensor, "batch key dim"]
    bias: Float[Tensor, "batch query_or_1 key"]
    blind: Bool[Tensor, "batch query_or_1 1"] | None

    @classmethod
    def of(
        cls,
        values: Float[Tensor, "batch key dim"],
        mask: Bool[Tensor, "batch key"],
        together: Bool[Tensor, "batch query key"] | None = None,
    ) -> "Keys":
        """The keys of the mask, each for those queries that `together` has it with; nothing else remains."""
        seen = mask[:, None] if together is None else mask[:, None] & together
        blind = ~seen.any(dim=2, keepdim=True)
        bias = values.new_zeros(seen.shape).masked_fill(~(seen | blind), -torch.inf)
        return cls(values.masked_fill(~mask[..., None], 0.0), bias, blind if blind.any() else None)


class CrossAttention(nn.Module):
    """Queries from one modality, keys and values from another, in several heads (Eqs. 2-4).

    Paper: Eq. 2 takes the values of the text-audio stage from C^v.
    Code:  takes them from C^a, as the text of Section 3.4 says; padding is attended to as well.
    Here:  C^a, and padding is no key. We read Eq. 2 as a misprint.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads cannot share {dim} dimensions; take a multiple of {heads}")
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        query: Float[Tensor, "batch query dim"],
        other: Float[Tensor, "batch key dim"],
        mask: Bool[Tensor, "batch key"],
    ) -> Float[Tensor, "batch query dim"]:
        """What each query finds among the keys of the mask; 0 where there are none."""
        return self.attend(query, Keys.of(other, mask))

    def weights(
        self, query: Float[Tensor, "batch query dim"], keys: Keys
    ) -> Float[Tensor, "batch query key"]:
        """How much of each key a query takes, the mean of the heads; 0 where it sees none (Eq. 3)."""
        q, k = (
            x.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for x in (self.query(query), self.key_value(keys.values).chunk(2, dim=2)[0])
        )
        found = (q @ k.mT / q.shape[3] ** 0.5 + keys.bias[:, None]).softmax(dim=3).mean(dim=1)
        return found if keys.blind is None else found.masked_fill(keys.blind, 0.0)

    def attend(self, query: Float[Tensor, "batch query dim"], keys: Keys) -> Float[Tensor, "batch query dim"]:
        q, k, v = (
            x.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for x in (self.query(query), *self.key_value(keys.values).chunk(2, dim=2))
        )
        found = scaled_dot_product_attention(q, k, v, attn_mask=keys.bias[:, None])  # Eq. 3
        out = self.dropout(self.out(found.transpose(1, 2).flatten(2)))  # Eq. 4
        return out if keys.blind is None else out.masked_fill(keys.blind, 0.0)


@dataclass(frozen=True)
class _Rows:
    """Conversations laid side by side in rows as long as the longest of them: hardly any padding is left.

    `place`: the utterances that count, by their place in the flattened batch. `slot`: where each of them
    is in the flattened rows. `source`: for each slot its utterance, for an empty one any. `together`: which
    slots of a row are of one conversation; None where each row is one.
    """

    place: Int[Tensor, " utterance"]
    slot: Int[Tensor, " utterance"]
    source: Int[Tensor, "row slot"]
    filled: Bool[Tensor, "row slot"]
    together: Bool[Tensor, "row slot slot"] | None

    @classmethod
    def of(cls, mask: Mask) -> "_Rows":
        conversation, _ = place = mask.nonzero().unbind(dim=1)
        lengths = mask.sum(dim=1)
        width, (row, start) = int(lengths.max()), _side_by_side(lengths.tolist())
        nth = (mask.cumsum(dim=1) - 1)[place]
        first = torch.stack([torch.tensor(x) for x in (row, start)]).to(mask.device)
        flat = conversation * mask.shape[1] + place[1]
        slot = first[0][conversation] * width + first[1][conversation] + nth
        source = flat[:1].repeat((max(row) + 1) * width)
        owner = torch.full_like(source, -1)
        source[slot], owner[slot] = flat, conversation
        source, owner = (x.view(-1, width) for x in (source, owner))
        alone = len(owner) == len(mask)
        return cls(flat, slot, source, owner >= 0, None if alone else owner[:, :, None] == owner[:, None])

    def lay(self, x: Turns, mask: Mask) -> Float[Tensor, "row slot dim"]:
        """0 where the mask does not hold; empty slots repeat some utterance."""
        clean = x.masked_fill(~mask[..., None], 0.0).flatten(0, 1)
        return clean.index_select(0, self.source.flatten()).view(*self.source.shape, -1)

    def lay_mask(self, mask: Mask) -> Bool[Tensor, "row slot"]:
        return mask.flatten()[self.source] & self.filled

    def lift(self, x: Float[Tensor, "row slot dim"], mask: Mask) -> Turns:
        """Back to where they were; 0 where the mask does not hold."""
        here = mask.flatten()[self.place]
        out = x.new_zeros(mask.numel(), x.shape[2])
        out = out.index_copy(0, self.place[here], x.flatten(0, 1).index_select(0, self.slot[here]))
        return out.view(*mask.shape, -1)


def _side_by_side(lengths: Sequence[int]) -> tuple[list[int], list[int]]:
    """Row and first slot of each: the longest first, which fills its row, each where most room is left."""
    room: list[tuple[int, int]] = []  # minus what is left, row
    row, start, width = [0] * len(lengths), [0] * len(lengths), max(lengths)
    for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        left, row[n] = heappop(room) if room and -room[0][0] >= lengths[n] else (-width, len(room))
        start[n] = width + left
        heappush(room, (left + lengths[n], row[n]))
    return row, start
