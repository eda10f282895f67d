"""DialogueRNN (Majumder et al., AAAI 2019): an utterance after all that was said, and that its speaker said.

Symbols, as in the paper:
    u_t   an utterance; s(t) is who speaks it
    g_t   the global state: everything that was said
    c_t   context: attention over the global states before t
    q_t   the state of the party that speaks; those of the others wait
    e_t   the emotion: the states of whoever spoke, one after the other
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import dropout, linear, pad, relu

from affectline.nn.packing import conversations, pack_conversations, parties

Rows = Float[Tensor, "row dim"]
States = Float[Tensor, "row cell dim"]

aten = torch.ops.aten


class DialogueRNN(nn.Module):
    """The emotion states of each conversation; 0 at padding.

    Utterances that the mask leaves out are not there for any state. Speakers are numbers that only tell one
    from the other; there may be any number of them.

    Paper: several kinds of attention; listeners' states may change too; the two directions are concatenated.
    Code:  (MultiEMO's release) attention by one learned vector, c_t = sum_i softmax_i(w g_i) g_i; only who
           speaks changes; both directions through a linear layer to `dim`; dropout and ReLU at the end.
    Here:  as that release, but a conversation is walked backwards from its own last utterance.
    """

    def __init__(self, inputs: int, dim: int, *, bidirectional: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.onwards = OneDirection(inputs, dim)
        self.backwards = OneDirection(inputs, dim) if bidirectional else None
        self.join = nn.Linear(2 * dim, dim) if bidirectional else nn.Identity()

    def forward(
        self,
        u: Float[Tensor, "batch utterance inputs"],
        speakers: Int[Tensor, "batch utterance"],
        mask: Bool[Tensor, "batch utterance"],
    ) -> Float[Tensor, "batch utterance dim"]:
        with torch.autocast(u.device.type, enabled=False):  # thousands of steps: in full precision
            packing = pack_conversations(mask)
            if not len(packing.index):
                return u.new_zeros(*mask.shape, self.onwards.attention.in_features)
            rows = packing.pack(u).to(self.onwards.attention.weight.dtype)
            groups = (
                conversations(mask).flatten()[packing.index],
                parties(speakers).flatten()[packing.index],
            )
            e = self.onwards(rows, groups, packing.sizes)
            if self.backwards is not None:
                back = _reversal(packing.sizes).to(packing.index.device)
                reverse = self.backwards(rows[back], (groups[0], groups[1][back]), packing.sizes)[back]
                e = torch.cat([e, reverse], dim=1)
            return packing.unpack(relu(dropout(self.join(e), self.dropout, self.training)))


def _reversal(sizes: Int[Tensor, " step"]) -> Int[Tensor, " row"]:
    """For each packed row, the row that it is when every sequence runs from its end to its beginning."""
    first = sizes.cumsum(0) - sizes
    step = torch.arange(len(sizes)).repeat_interleave(sizes)
    sequence = torch.arange(len(step)) - first[step]
    last = (sizes[:, None] > torch.arange(int(sizes.amax()))).sum(dim=0) - 1
    return first[last[sequence] - step] + sequence


class OneDirection(nn.Module):
    """The recurrence from the first utterance of each conversation to its last, on packed rows."""

    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.everybody = nn.GRUCell(inputs + dim, dim)
        self.party = nn.GRUCell(inputs + dim, dim)
        self.emotion = nn.GRUCell(dim, dim)
        self.attention = nn.Linear(dim, 1, bias=False)

    def forward(
        self,
        u: Float[Tensor, "row inputs"],
        groups: tuple[Int[Tensor, " row"], Int[Tensor, " row"]],
        sizes: Int[Tensor, " step"],
    ) -> Rows:
        """`groups`: the conversation that each row is in, and the party that speaks in it."""
        g, p, e, inputs = self.everybody, self.party, self.emotion, u.shape[1]
        (w_gu, w_gq), (w_pu, w_pc) = (cell.weight_ih.tensor_split([inputs], dim=1) for cell in (g, p))
        of_u, of_q = torch.cat([w_gu, w_pu]), torch.cat([w_gq, _of_state(p)])
        weights = (of_u, self.attention.weight[0], _of_state(g), of_q, w_pc)
        q = _recur(u, (g, p), weights, _Steps.of(groups, sizes))[:, 1]
        return _recur(q, (e,), (e.weight_ih, None, _of_state(e)), _Steps.of(groups[:1], sizes))[:, 0]


def _of_state(cell: nn.GRUCell) -> Float[Tensor, "gates dim"]:
    """The weights of the old state, in the order of `_gru`'s gates."""
    return cell.weight_hh.roll(cell.hidden_size, 0)


def _recur(
    x: Float[Tensor, "row inputs"],
    cells: Sequence[nn.GRUCell],
    weights: tuple[Tensor | None, ...],
    steps: "_Steps",
) -> States:
    """The states of the cells: of e alone, or of g and p, which read each other's.

    `weights`: of x, of the attention, then as `FIRST` has them.
    """
    of_x, *others = weights
    d = cells[0].hidden_size
    bias = torch.cat([cell.bias_ih + pad(cell.bias_hh[: 2 * d], (0, d)) for cell in cells])
    of_h = torch.stack([cell.bias_hh[2 * d :] for cell in cells])
    assert of_x is not None
    return _Recurrence.apply(linear(x, of_x, bias).view(-1, len(cells), 3, d), of_h, steps, *others)


@dataclass(frozen=True)
class _Steps:
    """What each step needs to know.

    `rows`: its packed rows, `sizes` of them. `on`: the rows of the step before whose sequences go on.
    `before`: where the states that each of its rows goes on from are, in a flat list of all rows' states;
    `after`: where those are that go on from it. Behind the last row: nobody's.
    """

    rows: list[slice]
    sizes: list[int]
    on: list[slice]
    before: Sequence[Int[Tensor, " _"]]
    after: Sequence[Int[Tensor, " _"]]

    @classmethod
    def of(cls, groups: Sequence[Int[Tensor, " row"]], sizes: Int[Tensor, " step"]) -> "_Steps":
        """`groups`: for each cell, the rows that share a state."""
        ends, cells = [0, *sizes.cumsum(0).tolist()], len(groups)
        rows = [slice(*pair) for pair in pairwise(ends)]
        on = [slice(a.start, a.start + b.stop - b.start) for a, b in pairwise(rows)]
        cell = torch.arange(cells, device=groups[0].device)
        before = (cells * torch.stack([_previous(group) for group in groups], dim=1) + cell).flatten()
        after = (cells * ends[-1] + cell).repeat(ends[-1] + 1)
        after[before] = torch.arange(len(before), device=before.device)
        states = (cells * sizes).tolist()
        split = before.split(states), after[: len(before)].split(states)
        return cls(rows, sizes.tolist(), [slice(0), *on], *split)


def _previous(group: Int[Tensor, " row"]) -> Int[Tensor, " row"]:
    """The last row before this one that is of the same group; the number of rows where there is none."""
    order = group.argsort(stable=True)
    follows = group[order[1:]] == group[order[:-1]]
    previous = torch.full_like(group, len(group))
    previous[order[1:][follows]] = order[:-1][follows]
    return previous


FIRST = (0, 1, 5)
"""The first of all cells' gates (four each, see `_gru`) that the old g, the old q and c add to."""


class _Recurrence(torch.autograd.Function):
    """Step after step, with the gradients by hand.

    Autograd would add to the gradient of every weight at every step, which costs more than the steps; here
    that is one product over all rows.
    """

    @staticmethod
    def forward(
        ctx: Any,
        of_x: Float[Tensor, "row cell 3 dim"],
        of_h: Float[Tensor, "cell dim"],
        steps: _Steps,
        w_a: Float[Tensor, " dim"] | None,
        *weights: Float[Tensor, "_ dim"],
    ) -> States:
        total, cells, _, d = of_x.shape
        gates = torch.cat([of_h[None, :, None].expand(total, -1, -1, -1), of_x], dim=2)
        states, past = of_x.new_zeros(total + 1, cells, d), of_x.new_zeros(total, cells, d)
        c, share = of_x.new_zeros(total, d), of_x.new_ones(total)
        log_z = of_x.new_full((steps.sizes[0],), -torch.inf)
        now, old, new = (x.split(steps.sizes) for x in (gates, past, states[:total]))
        sums = _sums(gates, past, c, weights, steps.sizes)
        for n, (rows, on) in enumerate(zip(steps.rows, steps.on, strict=True)):
            if n:  # before the first step all states are 0
                torch.index_select(states.view(-1, d), 0, steps.before[n], out=old[n].view(-1, d))
                if w_a is not None:  # c_t = softmax(w g) g is c_{t-1} with a share of g_{t-1} in it
                    g = states[on, 0]
                    score, log_z = g @ w_a, log_z[: len(g)]
                    share[on] = torch.sigmoid(score - log_z)
                    log_z = torch.logaddexp(log_z, score)
                    torch.lerp(c[on], g, share[on, None], out=c[rows])
                for gate, source, w in sums[n]:
                    gate.addmm_(source, w.T)
            _gru(now[n], old[n], out=new[n])
        ctx.steps = steps
        ctx.save_for_backward(gates, states, past, c, share, w_a, *weights)
        return states[:total]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: States) -> tuple[Tensor | None, ...]:  # pyright: ignore
        return _gradients(grad_outputs[0], ctx.steps, ctx.saved_tensors)


def _gradients(d_states: States, steps: _Steps, saved: Sequence[Any]) -> tuple[Tensor | None, ...]:
    """In the order in which `_Recurrence` takes them."""
    gates, states, past, c, share, w_a, *weights = saved
    d_gates, d_past, d_c = torch.empty_like(gates), torch.zeros_like(states), torch.zeros_like(c)
    d_score, d_log_z = torch.zeros_like(share), share.new_zeros(steps.sizes[0])
    now, old, d_now = (x.split(steps.sizes) for x in (gates, past, d_gates))
    d_new, d_old = d_states.split(steps.sizes), d_past[:-1].split(steps.sizes)
    sums = _sums(d_gates, d_past[:-1], d_c, weights, steps.sizes)
    for n in reversed(range(len(steps.sizes))):
        d = d_past.flatten(0, 1).index_select(0, steps.after[n]).view_as(d_new[n]).add_(d_new[n])
        if w_a is not None and n + 1 < len(steps.sizes):
            on = steps.on[n + 1]
            d_next, w, d_z = d_c[steps.rows[n + 1]], share[on], d_log_z[: on.stop - on.start]
            d_w = (d_next * (states[on, 0] - c[on])).sum(dim=1) * w * (1 - w)
            d_score[on] = d_w + d_z * w
            d_z.mul_(1 - w).sub_(d_w)
            d[: len(w), 0].addcmul_(d_next, w[:, None]).addr_(d_score[on], w_a)
            torch.mul(d_next, 1 - w[:, None], out=d_c[on])
        _gru_backward(now[n], old[n], d, d_now[n], out=d_old[n])
        for gate, source, w in sums[n] if n else ():
            source.addmm_(gate, w)
    d_w_a = None if w_a is None else d_score @ states[:-1, 0]
    _, late = _sums(d_gates, past, c, weights, [steps.sizes[0], len(c) - steps.sizes[0]])
    d_weights = (gate.T @ source for gate, source, _ in late)
    return d_gates[:, :, 1:], d_gates[:, :, 0].sum(dim=0), None, d_w_a, *d_weights


def _sums(
    gates: Tensor, past: Tensor, c: Tensor, weights: Sequence[Tensor], sizes: list[int]
) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
    """What is added to the gates: in runs of so many rows, gates, old states or c, and their weights."""
    flat, d = gates.flatten(1), c.shape[1]
    parts = [
        (flat[:, first * d : first * d + len(w)].split(sizes), source.split(sizes), w)
        for first, source, w in zip(FIRST, (*past.unbind(1), c), weights, strict=False)
    ]
    return [[(gate[n], source[n], w) for gate, source, w in parts] for n in range(len(sizes))]


def _gru(gates: Tensor, h: Tensor, *, out: Tensor) -> None:
    """The new states (row, cell, dim) of `nn.GRUCell`s from the old ones.

    Gates (row, cell, 4, dim): what the old state adds to the candidate, reset, update, what the input adds to
    the candidate. Reset, update and candidate are left in the last three.
    """
    gates[:, :, 1:3].sigmoid_()
    of_h, reset, update, candidate = gates.unbind(dim=2)
    candidate.addcmul_(reset, of_h).tanh_()
    torch.lerp(candidate, h, update, out=out)


def _gru_backward(gates: Tensor, h: Tensor, d_new: Tensor, d_gates: Tensor, *, out: Tensor) -> None:
    """From the gradient of the new states to those of the gates and, through update alone, of the old."""
    of_h, reset, update, candidate = gates.unbind(dim=2)
    d_of_h, d_reset, d_update, d_candidate = d_gates.unbind(dim=2)
    torch.mul(d_new, update, out=out)
    aten.tanh_backward(d_new - out, candidate, grad_input=d_candidate)
    torch.mul(d_candidate, of_h, out=d_reset)
    torch.mul(d_new, h - candidate, out=d_update)
    aten.sigmoid_backward(d_gates[:, :, 1:3], gates[:, :, 1:3], grad_input=d_gates[:, :, 1:3])
    torch.mul(d_candidate, reset, out=d_of_h)
