from itertools import combinations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from affectline.nn.attention import CrossAttention, MultiAttn, MultiAttnLayer

LENGTHS = (4, 7, 1, 6, 2)
DIM, HEADS = 8, 2
Conversation = tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]


def batch(lengths: tuple[int, ...] = LENGTHS, *, missing: float = 0.3) -> Conversation:
    """Query, its mask, and the others with theirs: padded, and without some modalities here and there."""
    generator = torch.Generator().manual_seed(0)
    real = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    masks = [real & (torch.rand(real.shape, generator=generator) >= missing) for _ in range(3)]
    xs = [torch.randn(*real.shape, DIM, dtype=torch.float64, generator=generator) for _ in masks]
    return xs[0], masks[0], list(zip(xs[1:], masks[1:], strict=True))


@pytest.fixture
def fuse() -> MultiAttn:
    torch.manual_seed(0)
    return MultiAttn(2, 3, DIM, HEADS, 16, 0.0).double()


def theirs(cross: CrossAttention) -> nn.MultiheadAttention:
    """An `nn.MultiheadAttention` with the same weights."""
    attention = nn.MultiheadAttention(DIM, HEADS, batch_first=True).double()
    attention.in_proj_weight = nn.Parameter(torch.cat([cross.query.weight, cross.key_value.weight]))
    attention.in_proj_bias = nn.Parameter(torch.cat([cross.query.bias, cross.key_value.bias]))
    attention.out_proj.load_state_dict(cross.out.state_dict())
    return attention


def one_by_one(fuse: MultiAttn, query: Tensor, mask: Tensor, others: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Each conversation alone, without padding, by torch's own attention; no stage where there is no key."""
    out = torch.zeros_like(query)
    for b, here in enumerate(mask):
        x = query[b : b + 1, here]
        for layer in fuse.layers if here.any() else ():
            assert isinstance(layer, MultiAttnLayer)
            for cross, norm, (other, there) in zip(layer.cross, layer.norms, others, strict=True):
                assert isinstance(cross, CrossAttention)
                keys = other[b : b + 1, there[b]]
                x = norm(x + theirs(cross)(x, keys, keys)[0]) if there[b].any() else norm(x)
            first, _, second, _ = layer.feedforward
            x = layer.norm(x + second(relu(first(x))))
        out[b, here] = x[0]
    return out


@pytest.mark.parametrize(
    ("lengths", "missing"),
    [(LENGTHS, 0.0), (LENGTHS, 0.3), (LENGTHS, 0.8), ((7, 5, 4), 0.3), ((3, 3), 0.0), ((1,), 0.0)],
)
def test_it_is_torchs_attention_and_layer_norm_on_each_conversation_alone(
    fuse: MultiAttn, lengths: tuple[int, ...], missing: float
) -> None:
    query, mask, others = batch(lengths, missing=missing)
    xs = [x.requires_grad_() for x in (query, *(x for x, _ in others))]
    fused, alone = fuse(query, mask, others), one_by_one(fuse, query, mask, others)
    torch.testing.assert_close(fused, alone)
    wanted = torch.randn_like(fused)
    gradients = (torch.autograd.grad((out * wanted).sum(), xs) for out in (fused, alone))
    torch.testing.assert_close(*gradients)


def test_nothing_that_is_padded_or_missing_reaches_an_output_or_a_gradient(fuse: MultiAttn) -> None:
    query, mask, others = batch()
    spoilt = [
        x.masked_fill(~there[..., None], torch.nan).requires_grad_() for x, there in ((query, mask), *others)
    ]
    out = fuse(spoilt[0], mask, [(x, there) for x, (_, there) in zip(spoilt[1:], others, strict=True)])
    torch.testing.assert_close(out, fuse(query, mask, others))
    assert not out[~mask].any()
    out.square().sum().backward()
    gradients = [x.grad for x in spoilt] + [p.grad for p in fuse.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_more_padding_changes_nothing(fuse: MultiAttn) -> None:
    query, mask, others = batch()
    wide = nn.functional.pad(query, (0, 0, 0, 5), value=3.0)
    wide_mask, *wide_masks = (nn.functional.pad(m, (0, 5)) for m in (mask, *(m for _, m in others)))
    wide_others = [nn.functional.pad(x, (0, 0, 0, 5), value=3.0) for x, _ in others]
    out = fuse(wide, wide_mask, list(zip(wide_others, wide_masks, strict=True)))
    torch.testing.assert_close(out[:, : mask.shape[1]], fuse(query, mask, others))


def test_conversations_in_another_order_are_fused_the_same(fuse: MultiAttn) -> None:
    query, mask, others = batch()
    order = torch.tensor([3, 1, 4, 0, 2])
    out = fuse(query[order], mask[order], [(x[order], there[order]) for x, there in others])
    torch.testing.assert_close(out, fuse(query, mask, others)[order])


def test_the_order_of_the_utterances_does_not_count(fuse: MultiAttn) -> None:
    query, mask, others = batch()
    back = torch.arange(mask.shape[1]).flip(0)
    out = fuse(query[:, back], mask[:, back], [(x[:, back], there[:, back]) for x, there in others])
    torch.testing.assert_close(out, fuse(query, mask, others)[:, back])


@pytest.mark.parametrize("kept", [n for k in range(3) for n in combinations(range(2), k)])
def test_a_modality_without_keys_adds_nothing(fuse: MultiAttn, kept: tuple[int, ...]) -> None:
    query, mask, others = batch()
    some = [(x, there if n in kept else torch.zeros_like(there)) for n, (x, there) in enumerate(others)]
    out = fuse(query, mask, some)
    torch.testing.assert_close(out, one_by_one(fuse, query, mask, some))
    out.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in fuse.parameters())


def test_one_modality_alone_has_nothing_to_attend_to() -> None:
    torch.manual_seed(0)
    fuse = MultiAttn(0, 2, DIM, HEADS, 16, 0.0).double()
    query, mask, _ = batch()
    torch.testing.assert_close(fuse(query, mask, []), one_by_one(fuse, query, mask, []))


def test_without_the_modality_itself_all_is_zero(fuse: MultiAttn) -> None:
    query, mask, others = batch()
    assert not fuse(query, torch.zeros_like(mask), others).any()


def test_an_utterance_without_the_modality_is_still_a_key_of_the_others(fuse: MultiAttn) -> None:
    query, mask, others = batch(missing=0.0)
    mask[1, 2] = False
    changed = others[0][0].clone()
    changed[1, 2] += 1
    with_change = fuse(query, mask, [(changed, others[0][1]), others[1]])
    differs = (with_change != fuse(query, mask, others)).any(dim=2)
    assert differs.equal(mask & (torch.arange(len(mask)) == 1)[:, None])


def test_every_parameter_learns(fuse: MultiAttn) -> None:
    """But for the bias of the keys, which moves all of a query's scores by the same."""
    out = fuse(*batch())
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in fuse.named_parameters():
        assert parameter.grad is not None
        learns = parameter.grad[DIM:] if name.endswith("key_value.bias") else parameter.grad
        assert (learns.abs() > 1e-9).any(), name


@torch.no_grad()
def test_attention_over_no_keys_is_exactly_zero() -> None:
    torch.manual_seed(0)
    cross = CrossAttention(DIM, HEADS, 0.0)
    query, other = torch.randn(3, 2, DIM), torch.randn(3, 4, DIM)
    mask = torch.tensor([[True, True, False, True], [False] * 4, [True, False, False, False]])
    found = cross(query, other.masked_fill(~mask[..., None], torch.nan), mask)
    assert (found == 0).all(dim=(1, 2)).tolist() == [False, True, False]
    assert found.isfinite().all()


def test_cross_attention_is_torchs_attention() -> None:
    torch.manual_seed(0)
    cross = CrossAttention(DIM, HEADS, 0.0).double()
    query, other = (torch.randn(3, n, DIM, dtype=torch.float64) for n in (2, 4))
    mask = torch.tensor([[True, True, False, True], [True] * 4, [True, False, False, False]])
    expected, _ = theirs(cross)(query, other, other, key_padding_mask=~mask)
    torch.testing.assert_close(cross(query, other, mask), expected)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads cannot share 8 dimensions; take a multiple of 3"):
        CrossAttention(8, 3, 0.0)


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    fuse = MultiAttn(2, 1, DIM, HEADS, 16, 0.5).double()
    assert not torch.equal(fuse(*batch()), fuse(*batch()))
    fuse.eval()
    assert torch.equal(fuse(*batch()), fuse(*batch()))


def test_half_precision_comes_near(fuse: MultiAttn) -> None:
    fuse.float()
    query, mask, others = batch()
    others = [(x.float(), there) for x, there in others]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = fuse(query.float(), mask, others)
    torch.testing.assert_close(half.float(), fuse(query.float(), mask, others), atol=0.1, rtol=0.1)
