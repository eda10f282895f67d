from typing import Any

import pytest
import torch
from known_answers import double, drawn, known_answer
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from affectline.nn.multimodal import Fusion, MultimodalLayer

MODES = ("text", "audio", "video")


def layer() -> Any:
    torch.manual_seed(0)
    return MultimodalLayer(MODES, 8, 2, 12, 0.0).double()


def tokens(lengths: tuple[int, ...] = (3, 5, 4), n: int = 2, dim: int = 8) -> dict[str, Tensor]:
    return {
        m: drawn(n, length, dim, seed=k) for k, (m, length) in enumerate(zip(MODES, lengths, strict=True))
    }


def some(lengths: tuple[int, ...] = (3, 5, 4)) -> dict[str, Tensor]:
    """Masks of two utterances: the second lacks the end of each mode, and all of the second mode."""
    ends = ((3, 2), (5, 0), (4, 3))
    return {
        m: torch.arange(length) < torch.tensor(end)[:, None]
        for m, length, end in zip(MODES, lengths, ends, strict=True)
    }


def test_a_peer_is_torchs_transformer_layer() -> None:
    ours, z, masks = layer(), tokens(), some()
    for m in MODES:
        masks[m][:, 0] = True  # the aggregation token
        theirs = nn.TransformerEncoderLayer(
            8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        ).double()
        peer = ours.peers[m]
        pairs = {
            theirs.self_attn.in_proj_weight: peer.query_key_value.weight,
            theirs.self_attn.in_proj_bias: peer.query_key_value.bias,
            theirs.self_attn.out_proj.weight: peer.out.weight,
            theirs.self_attn.out_proj.bias: peer.out.bias,
            theirs.linear1.weight: peer.feedforward[1].weight,
            theirs.linear1.bias: peer.feedforward[1].bias,
            theirs.linear2.weight: peer.feedforward[3].weight,
            theirs.linear2.bias: peer.feedforward[3].bias,
        }
        with torch.no_grad():
            for there, here in pairs.items():
                there.copy_(here)
        expected = theirs(z[m], src_key_padding_mask=~masks[m])
        found = peer(z[m], ours.norms[m](z[m]), masks[m])
        torch.testing.assert_close(found[masks[m]], expected[masks[m]])


def test_a_layer_reads_what_came_into_it() -> None:
    """The fusion sees its peers before they have attended, and they do not see the fusion."""
    ours, z, f = layer(), tokens(), drawn(2, 8, seed=9)
    u = {m: ours.norms[m](z[m]) for m in MODES}
    out, further = ours(f, z, dict.fromkeys(MODES), None)
    torch.testing.assert_close(out, ours.fusion(f, u, None))
    for m in MODES:
        torch.testing.assert_close(further[m], ours.peers[m](z[m], u[m], None))


def parts(fusion: Fusion, f: Tensor, u: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The query, and keys and values of all modes side by side, as the paper writes them, by head."""
    q = fusion.query(f)[:, None]
    k = torch.cat([fusion.keys[m](x) for m, x in u.items()], dim=1)
    v = torch.cat([fusion.values[m](x) for m, x in u.items()], dim=1)
    q, k, v = (x.unflatten(2, (fusion.heads, -1)).transpose(1, 2) for x in (q, k, v))
    return q, k, v


@pytest.mark.parametrize("masked", [False, True])
def test_the_fusion_is_attention_of_one_query_to_the_keys_side_by_side(masked: bool) -> None:
    fusion, f, u = layer().fusion, drawn(2, 8, seed=9), tokens()
    keys = torch.cat(list(some().values()), dim=1) if masked else None
    q, k, v = parts(fusion, f, u)
    found = scaled_dot_product_attention(q, k, v, attn_mask=None if keys is None else keys[:, None, None])
    torch.testing.assert_close(fusion.attend(f, u, keys), fusion.out(found.transpose(1, 2).flatten(1)))


def test_the_fusion_gives_the_known_answer() -> None:
    known = known_answer("fusion_attention")
    fusion = Fusion(MODES, 4, known["heads"], 8, 0.0).double()
    with torch.no_grad():
        linear = [fusion.query, fusion.out, *fusion.keys.values(), *fusion.values.values()]
        weights = [known["WQ"], known["WO"], *known["WK"], *known["WV"]]
        for module, weight in zip(linear, weights, strict=True):
            module.weight.copy_(double(weight).T)
            module.bias.zero_()
    u = {m: double(z)[None] for m, z in zip(MODES, known["z"], strict=True)}
    torch.testing.assert_close(fusion.attend(double(known["q"]), u, None), double(known["out"]))


def test_with_equal_maps_for_all_modes_the_fusion_is_torchs_multi_head_attention() -> None:
    fusion, f, u = layer().fusion, drawn(2, 8, seed=9), tokens()
    theirs = nn.MultiheadAttention(8, 2, kdim=8, vdim=8, batch_first=True).double()
    with torch.no_grad():
        q, k, v = fusion.query, fusion.keys["text"], fusion.values["text"]
        for m in MODES[1:]:
            fusion.keys[m].load_state_dict(k.state_dict())
            fusion.values[m].load_state_dict(v.state_dict())
        theirs.in_proj_weight.copy_(torch.cat([x.weight for x in (q, k, v)]))
        theirs.in_proj_bias.copy_(torch.cat([x.bias for x in (q, k, v)]))
        theirs.out_proj.load_state_dict(fusion.out.state_dict())
    side_by_side, keys = torch.cat(list(u.values()), dim=1), torch.cat(list(some().values()), dim=1)
    expected, _ = theirs(f[:, None], side_by_side, side_by_side, key_padding_mask=~keys)
    torch.testing.assert_close(fusion.attend(f, u, keys), expected[:, 0])


def test_the_order_of_the_tokens_and_of_the_modes_does_not_matter_to_the_fusion() -> None:
    fusion, f, u = layer().fusion, drawn(2, 8, seed=9), tokens()
    before = fusion.attend(f, u, None)
    shuffled = {m: u[m].flip(1) for m in reversed(MODES)}
    torch.testing.assert_close(fusion.attend(f, shuffled, None), before)


def test_what_is_masked_is_as_good_as_not_there() -> None:
    ours, z, masks, f = layer(), tokens(), some(), drawn(2, 8, seed=9)
    keys = torch.cat(list(masks.values()), dim=1)
    seen = {m: mask | (torch.arange(mask.shape[1]) == 0) for m, mask in masks.items()}
    out, further = ours(f, z, seen, keys)
    short = {m: z[m][1:, : int(seen[m][1].sum())] for m in MODES}
    alone_keys = torch.cat([masks[m][1:, : short[m].shape[1]] for m in MODES], dim=1)
    alone, alone_further = ours(f[1:], short, dict.fromkeys(MODES), alone_keys)
    torch.testing.assert_close(out[1:], alone)
    for m in MODES:
        torch.testing.assert_close(further[m][1:, : short[m].shape[1]], alone_further[m])
        loud = {**z, m: z[m].masked_fill(~seen[m][..., None], 1e4)}
        torch.testing.assert_close(ours(f, loud, seen, keys)[0], out)


def test_over_no_keys_at_all_the_fusion_finds_nothing() -> None:
    fusion, f, u = layer().fusion, drawn(2, 8, seed=9).requires_grad_(), tokens()
    keys = torch.zeros(2, 12, dtype=torch.bool)
    keys[1] = True
    found = fusion.attend(f, u, keys)
    assert not found[0].any()
    assert found[1].any()
    found.sum().backward()
    assert f.grad is not None
    assert f.grad.isfinite().all()


def test_heads_that_cannot_share_the_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads cannot share 8 dimensions"):
        MultimodalLayer(MODES, 8, 3, 12, 0.0)
