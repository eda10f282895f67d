from collections.abc import Mapping
from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from affectline.nn.man import MAN, Centre, Layer

N, DIM, HEADS = 6, 8, 2
MODES = ("text", "audio", "video", "pulse.rate")
LENGTHS = dict(zip(MODES, (4, 2, 5, 3), strict=True))
Sequences = Mapping[str, tuple[Tensor, Tensor]]


@pytest.fixture
def man() -> MAN:
    torch.manual_seed(0)
    return MAN(MODES, DIM, HEADS, layers=2).double()


def batch() -> dict[str, tuple[Tensor, Tensor]]:
    """Steps and masks, with gaps; the first utterance has all modes, the others lack some."""
    generator = torch.Generator().manual_seed(0)
    out = {}
    for mode, length in LENGTHS.items():
        mask = torch.rand(N, length, generator=generator) < 0.6
        mask[0, 0] = True
        out[mode] = torch.randn(N, length, DIM, dtype=torch.float64, generator=generator), mask
    return out


def attended(layer: Layer, g: Tensor, others: list[Tensor]) -> Tensor:
    """A of Eq. 1 for one utterance, one head after the other."""
    width = DIM // HEADS
    total = torch.zeros_like(g)
    for key, value, f in zip(layer.keys, layer.values, others, strict=True):
        for head in range(HEADS) if len(f) else ():
            part = slice(head * width, (head + 1) * width)
            scores = layer.query(g)[:, part] @ key(f)[:, part].T / width**0.5
            total = total + scores.softmax(dim=1) @ value(f) / HEADS
    return total / max(1, sum(len(f) > 0 for f in others))


def slow(man: MAN, sequences: Sequences) -> dict[str, Tensor]:
    """One utterance, one mode and one step of the mode after the other, with what is there alone."""
    out = {mode: torch.zeros(N, DIM, dtype=torch.float64) for mode in man.modes}
    for n in range(N):
        f = {mode: x[n, mask[n]] for mode, (x, mask) in sequences.items()}
        for mode, centre in zip(man.modes, man.centres, strict=True):
            assert isinstance(centre, Centre)
            if not len(f[mode]):
                continue
            g = centre.enter(f[mode])
            for layer in centre.layers:
                assert isinstance(layer, Layer)
                g = layer.norm(g + attended(layer, g, [f[other] for other in man.modes if other != mode]))
                g = g + gelu(layer.dense(g))
            out[mode][n] = g.mean(dim=0)
    return out


def test_it_is_the_loop_over_utterances_modes_and_heads(man: MAN) -> None:
    torch.testing.assert_close(man(batch()), slow(man, batch()))


def test_nothing_that_is_masked_reaches_an_output_or_a_gradient(man: MAN) -> None:
    spoilt = {
        m: (x.masked_fill(~mask[..., None], torch.nan).requires_grad_(), mask)
        for m, (x, mask) in batch().items()
    }
    out = man(spoilt)
    torch.testing.assert_close(out, man(batch()))
    torch.stack(list(out.values())).square().sum().backward()
    gradients = [x.grad for x, _ in spoilt.values()] + [p.grad for p in man.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_an_utterance_alone_is_as_in_a_batch(man: MAN) -> None:
    together = man(batch())
    for n in range(N):
        alone = man({m: (x[n : n + 1], mask[n : n + 1]) for m, (x, mask) in batch().items()})
        torch.testing.assert_close(alone, {m: out[n : n + 1] for m, out in together.items()})


@pytest.mark.parametrize("kept", [c for k in range(5) for c in combinations(MODES, k)])
def test_any_of_the_modes_can_be_there(man: MAN, kept: tuple[str, ...]) -> None:
    sequences = {m: (x, mask & (m in kept)) for m, (x, mask) in batch().items()}
    out = man(sequences)
    torch.testing.assert_close(out, slow(man, sequences))
    for mode, (_, mask) in sequences.items():
        assert not out[mode][~mask.any(dim=1)].any()
    torch.stack(list(out.values())).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in man.parameters())


def test_a_mode_alone_has_nobody_to_attend_to(man: MAN) -> None:
    x, mask = batch()["text"]
    one = MAN(["text"], DIM, HEADS, layers=2).double()
    torch.testing.assert_close(one({"text": (x, mask)}), slow(one, {"text": (x, mask)}))


def test_the_order_of_the_steps_does_not_count(man: MAN) -> None:
    back = {m: (x.flip(1), mask.flip(1)) for m, (x, mask) in batch().items()}
    torch.testing.assert_close(man(back), man(batch()))


def test_every_parameter_learns(man: MAN) -> None:
    out = man(batch())
    torch.stack([(x * torch.randn_like(x)).sum() for x in out.values()]).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in man.parameters())


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads cannot share 8 dimensions; take a multiple of 3"):
        MAN(MODES, 8, 3, 1)
