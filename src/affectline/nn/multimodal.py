"""The multimodal transformer layer of SeMuL-PCD (Section 3.1): a peer for each modality, and their fusion.

Symbols, as in the paper:
    z^m   the tokens of a peer, its aggregation token first
    z^f   the one token of the fusion branch
    u^m   z^m after the norm before attention
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Tokens = Float[Tensor, "n _ dim"]
Seen = Bool[Tensor, "n _"] | None
"""Which tokens are there; None where all are, since attention is faster without a mask."""
Query = Float[Tensor, "n dim"]


class MultimodalLayer(nn.Module):
    """Each peer attends to itself, and the fusion branch to all that came into the peers.

    Code: one layer, applied again and again; what the fusion reads of a peer is normalised nowhere, mapped
          three times in a row and half as wide; padding is attended to.
    Here: the equations. The fusion reads u^m, which its peer has at hand.
    """

    def __init__(self, modes: Sequence[str], dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads cannot share {dim} dimensions; take a multiple of {heads}")
        self.norms = nn.ModuleDict({m: nn.LayerNorm(dim) for m in modes})
        self.peers = nn.ModuleDict({m: Peer(dim, heads, hidden, dropout) for m in modes})
        self.fusion = Fusion(modes, dim, heads, hidden, dropout)

    def forward(
        self, f: Query, z: Mapping[str, Tokens], there: Mapping[str, Seen], keys: Seen
    ) -> tuple[Query, dict[str, Tokens]]:
        """z^f and all z^m, one layer further. `keys`: what the fusion sees of the peers, side by side."""
        u = {m: self.norms[m](x) for m, x in z.items()}
        return self.fusion(f, u, keys), {m: self.peers[m](x, u[m], there[m]) for m, x in z.items()}


class Peer(nn.Module):
    """A transformer layer that normalises before (Baevski and Auli 2019), with GELU; `u`: z, normalised."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.feedforward = _feedforward(dim, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, z: Tokens, u: Tokens, there: Seen) -> Tokens:
        q, k, v = self.query_key_value(u).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = None if there is None else there[:, None, None]
        found = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        z = z + self.dropout(self.out(found.transpose(1, 2).flatten(2)))
        return z + self.dropout(self.feedforward(z))


class Fusion(nn.Module):
    """One query, and for each mode keys and values of its own: K^f and V^f are theirs, side by side.

    Where no mode has anything, attention adds 0.

    Paper: softmax(Q K^T / sqrt(d)) V; the text of K^f is garbled.
    Here:  the scale is that of a head. For one query it is the same, and at paper size a sixth of all work
           less, to take it to the tokens, (q W_K) u, and to map what it found, (p u) W_V, not every token.
    """

    def __init__(self, modes: Sequence[str], dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.keys = nn.ModuleDict({m: nn.Linear(dim, dim) for m in modes})
        self.values = nn.ModuleDict({m: nn.Linear(dim, dim) for m in modes})
        self.out = nn.Linear(dim, dim)
        self.feedforward = _feedforward(dim, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, f: Query, u: Mapping[str, Tokens], keys: Seen) -> Query:
        f = f + self.dropout(self.attend(self.norm(f), u, keys))
        return f + self.dropout(self.feedforward(f))

    def attend(self, f: Query, u: Mapping[str, Tokens], keys: Seen) -> Query:
        q = self.query(f).unflatten(1, (self.heads, -1)) * (f.shape[1] // self.heads) ** -0.5
        x = {m: tokens.to(q.dtype) for m, tokens in u.items()}
        scores = torch.cat([self._scores(q, self.keys[m], x[m]) for m in x], dim=2)
        if keys is not None:
            scores = scores.masked_fill(~keys[:, None], torch.finfo(scores.dtype).min)
        parts = scores.softmax(dim=2).to(q.dtype).split([tokens.shape[1] for tokens in x.values()], dim=2)
        found = torch.zeros_like(q)
        for part, m in zip(parts, x, strict=True):
            found = found + self._found(part, self.values[m], x[m])
        out = self.out(found.flatten(1))
        return out if keys is None else out.masked_fill(~keys.any(dim=1, keepdim=True), 0.0)

    def _scores(
        self, q: Float[Tensor, "n heads width"], key: nn.Module, x: Tokens
    ) -> Float[Tensor, "n heads _"]:
        weight, bias = self._by_head(key)
        own = torch.einsum("nhw,hw->nh", q, bias)[..., None]
        return torch.einsum("nhw,hwd->nhd", q, weight) @ x.mT + own

    def _found(
        self, p: Float[Tensor, "n heads _"], value: nn.Module, x: Tokens
    ) -> Float[Tensor, "n heads width"]:
        weight, bias = self._by_head(value)
        return torch.einsum("nhd,hwd->nhw", p @ x, weight) + p.sum(dim=2, keepdim=True) * bias

    def _by_head(
        self, linear: nn.Module
    ) -> tuple[Float[Tensor, "heads width dim"], Float[Tensor, "heads width"]]:
        assert isinstance(linear, nn.Linear)
        return linear.weight.unflatten(0, (self.heads, -1)), linear.bias.unflatten(0, (self.heads, -1))


def _feedforward(dim: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
