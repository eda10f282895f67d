from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from raw_makers import (
    CONFIG,
    LABELS,
    PICTURES,
    SOUND,
    WORDS,
    raw_batch,
    raw_conversations,
    raw_spoilt,
)
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

from affectline.batch import Batch, Stream, collate
from affectline.checkpoint import Checkpoint, load, save
from affectline.losses import (
    Teacher,
    binary_cross_entropy,
    label_consistency,
    multimodal_distillation,
    pairwise_nce,
)
from affectline.models import infer
from affectline.models.semul_pcd import FUSION, Config, Objective, SeMuLPCD
from affectline.nn.multimodal import Fusion, Peer
from affectline.types import Modality

LOST = [(), ("text",), ("audio",), ("video",), ("text", "audio"), ("audio", "video"), tuple(Modality)]


def built(config: Config = CONFIG, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return SeMuLPCD(config).eval()


def loss(model: SeMuLPCD, batch: Batch, objective: Objective | None = None) -> Tensor:
    return torch.stack(list((objective or Objective())(model, batch).values())).sum()


def gradients(model: SeMuLPCD, batch: Batch) -> dict[str, Tensor]:
    model.zero_grad()
    loss(model, batch).backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def alone(batch: Batch, row: int) -> Batch:
    """One conversation without its padding, neither of utterances nor of steps."""
    length = int(batch.mask[row].sum())
    streams = {}
    for name, s in batch.streams.items():
        longest = max(int(s.mask[row].sum(dim=1).max()), 1)
        kept = (slice(row, row + 1), slice(length), slice(longest))
        streams[name] = Stream(s.values[kept], s.mask[kept])
    rest = ("mask", "speakers", "targets", "known", "ratings")
    return Batch(streams, *(getattr(batch, name)[row : row + 1, :length] for name in rest))


def by_hand(model: Any, z: dict[str, Tensor]) -> dict[str, Tensor]:
    """The logits of one utterance from tokens that are all there: the equations, head by head."""
    f = model.aggregate
    for layer in model.layers:
        u = {m: normed(layer.norms[m], x) for m, x in z.items()}
        f = fused(layer.fusion, f, u)
        z = {m: attended(layer.peers[m], x, u[m]) for m, x in z.items()}
    out = {**{m: x[0] for m, x in z.items()}, FUSION: f}
    return {b: model.classify[b](normed(model.norms[b], x)[None])[0] for b, x in out.items()}


def normed(norm: torch.nn.Module, x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:], norm.weight, norm.bias)  # pyright: ignore[reportArgumentType]


def attended(peer: Peer, z: Tensor, u: Tensor) -> Tensor:
    q, k, v = peer.query_key_value(u).chunk(3, dim=1)
    found, width = [], z.shape[1] // peer.heads
    for h in range(peer.heads):
        part = slice(h * width, (h + 1) * width)
        found.append((q[:, part] @ k[:, part].T / width**0.5).softmax(dim=1) @ v[:, part])
    return forwarded(peer, z + peer.out(torch.cat(found, dim=1)))


def fused(fusion: Fusion, f: Tensor, u: dict[str, Tensor]) -> Tensor:
    q = fusion.query(normed(fusion.norm, f))
    keys = torch.cat([fusion.keys[m](x) for m, x in u.items()])
    values = torch.cat([fusion.values[m](x) for m, x in u.items()])
    found, width = [], len(f) // fusion.heads
    for h in range(fusion.heads):
        part = slice(h * width, (h + 1) * width)
        found.append((keys[:, part] @ q[part] / width**0.5).softmax(dim=0) @ values[:, part])
    return forwarded(fusion, f + fusion.out(torch.cat(found)))


def forwarded(branch: Peer | Fusion, z: Tensor) -> Tensor:
    norm, grow, _, shrink = branch.feedforward
    return z + shrink(gelu(grow(normed(norm, z))))


@torch.no_grad()
def test_the_answer_is_the_equations() -> None:
    model, batch = built(), raw_batch((1,), missing=0.0)
    entered = {}
    for stream, m in zip(model.streams, model.modes, strict=True):
        values, mask = batch.streams[stream].values[0], batch.streams[stream].mask[0]
        entered[m] = torch.cat([model.enter[m].aggregate[None], model.enter[m].tokens(values, mask)[0][0]])
    expected, out = by_hand(model, entered), model(batch)
    torch.testing.assert_close(out.logits[0, 0], expected[FUSION], atol=1e-5, rtol=1e-4)
    for m in model.modes:
        torch.testing.assert_close(out.by_modality[m][0, 0], expected[m], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_padding_does_not_change_the_answer_whatever_stands_in_it() -> None:
    model, batch = built(), raw_batch((2, 1, 3, 2))
    together = model(raw_spoilt(batch))
    for row, length in enumerate(batch.mask.sum(dim=1).tolist()):
        one = model(alone(batch, row))
        torch.testing.assert_close(together.logits[row, :length], one.logits[0], atol=1e-5, rtol=1e-4)
        for m, there in one.present.items():
            assert torch.equal(together.present[m][row, :length], there[0])
            found, expected = together.by_modality[m][row, :length], one.by_modality[m][0]
            torch.testing.assert_close(found[there[0]], expected[there[0]], atol=1e-5, rtol=1e-4)


def test_nothing_of_what_is_masked_reaches_the_losses_or_the_gradients() -> None:
    model, batch = built().train(), raw_batch()
    here, spoilt = gradients(model, batch), gradients(model, raw_spoilt(batch))
    torch.testing.assert_close(loss(model, raw_spoilt(batch)), loss(model, batch))
    assert here.keys() == spoilt.keys()
    for name, gradient in here.items():
        torch.testing.assert_close(spoilt[name], gradient, msg=name)


@torch.no_grad()
@pytest.mark.parametrize("gone", [gone for gone in LOST if gone])
def test_what_is_lost_is_as_good_as_what_never_came(gone: tuple[str, ...]) -> None:
    model, (conversations, features) = built(), raw_conversations(missing=0.0)
    batch = collate(conversations, features, LABELS)
    fewer = [
        [{s: a[:0] if s.split(".")[0] in gone else a for s, a in u.items()} for u in row] for row in features
    ]
    never = model(collate(conversations, fewer, LABELS))
    lost, masked = model(batch.without(*gone)), model(raw_spoilt(batch.without(*gone)))
    torch.testing.assert_close(lost.logits, never.logits)
    torch.testing.assert_close(masked.logits, never.logits)
    assert [m for m in model.modes if lost.present[m].any()] == [m for m in model.modes if m not in gone]
    assert not torch.allclose(lost.logits, model(batch).logits, atol=1e-4)
    for m in gone:  # nor does what stands for a whole modality tell that it is gone
        model.enter[m].aggregate.neg_()
    torch.testing.assert_close(model(batch.without(*gone)).logits, never.logits)


@pytest.mark.parametrize(("gone", "teacher"), list(zip(LOST, [*get_args(Teacher)] * 2, strict=False)))
def test_every_set_of_modalities_gives_finite_answers_and_gradients(
    gone: tuple[str, ...], teacher: Teacher
) -> None:
    model = built().train()
    terms = Objective(teacher=teacher)(model, raw_batch().without(*gone))
    sum(terms.values(), torch.zeros(())).backward()
    assert all(t.isfinite() for t in terms.values())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_where_nothing_is_there_the_fusion_alone_learns() -> None:
    model = built().train()
    batch = raw_batch().without(*Modality)
    logits = model(batch).logits[batch.mask]
    torch.testing.assert_close(logits, logits[:1].expand_as(logits))  # the same for all of them
    terms = Objective()(model, batch)
    assert terms["mdl"] == terms["nce"] == 0
    assert terms["bce"] > 0
    sum(terms.values(), torch.zeros(())).backward()
    for m in model.modes:
        assert not any(p.grad is not None and p.grad.any() for p in model.classify[m].parameters())


def test_a_peer_learns_from_the_utterances_that_have_it() -> None:
    model, batch = built().train(), raw_batch((1, 1), missing=0.0)
    voice = batch.streams[SOUND]
    lost = Stream(voice.values, voice.mask & torch.tensor([True, False])[:, None, None])
    batch = replace(batch, streams={**batch.streams, SOUND: lost})
    other = replace(batch, targets=torch.stack([batch.targets[0], 1 - batch.targets[1]]))
    bce = Objective(calibration=0, distillation=0, contrast=0)
    of_voice = []
    for b in (batch, other):
        model.zero_grad()
        loss(model, b, bce).backward()
        of_voice.append(model.classify["audio"][-1].weight.grad.clone())
    torch.testing.assert_close(*of_voice)


@torch.no_grad()
@pytest.mark.parametrize("only", [WORDS, SOUND, PICTURES])
def test_one_modality_can_be_built_alone_and_still_has_a_peer_and_the_fusion(only: str) -> None:
    model, batch = built(replace(CONFIG, streams={only: 0})), raw_batch()
    out = model(batch)
    assert list(out.by_modality) == list(model.modes) == [only.split(".", maxsplit=1)[0]]
    assert list(out.joint) == [*model.modes, FUSION]
    assert all(t.isfinite() for t in Objective()(model, batch).values())
    assert (out.logits - out.by_modality[model.modes[0]])[batch.mask].abs().max() > 1e-3


@torch.no_grad()
def test_ready_made_numbers_are_one_token_standardised_as_in_the_train_part() -> None:
    rng = np.random.default_rng(0)
    conversations, _ = raw_conversations((3, 2))
    stream, numbers = "audio.covarep", rng.normal(7, 3, (5, 1, 148)).astype(np.float32)
    features = [[{stream: x} for x in numbers[:3]], [{stream: x} for x in numbers[3:]]]
    features[0][1] = {stream: numbers[1, :0]}
    model = built(replace(CONFIG, streams={stream: 148}))
    model.fit(features)
    batch = collate(conversations, features, LABELS)
    seen = batch.streams[stream]
    tokens, there = model.enter["audio"](seen.values[batch.mask], seen.mask[batch.mask])
    assert tokens.shape == (5, 2, CONFIG.dim)
    assert there.tolist() == [[True, n != 1] for n in range(5)]
    known = np.concatenate([u[stream] for row in features for u in row])
    standard = torch.from_numpy((known - known.mean(axis=0)) / known.std(axis=0, ddof=1))
    expected = model.enter["audio"].tokens.project(standard)
    torch.testing.assert_close(tokens[there[:, 1], 1], expected, atol=1e-5, rtol=1e-4)
    assert model(batch).present[Modality.AUDIO][0].tolist() == [True, False, True]


@torch.no_grad()
def test_the_aggregation_token_is_what_is_classified() -> None:
    model, batch, seen = built(), raw_batch(), list[Any]()
    model.layers[-1].register_forward_hook(lambda _module, _given, out: seen.append(out))
    out = model(batch)
    ((f, z),) = seen
    assert torch.equal(out.logits[batch.mask], model.classify[FUSION](model.norms[FUSION](f)))
    for m in model.modes:
        assert z[m].shape[1] > 1
        expected = model.norms[m](z[m][:, 0])
        torch.testing.assert_close(out.by_modality[m][batch.mask], model.classify[m](expected))
        torch.testing.assert_close(out.joint[m], model.join[m](expected))


@torch.no_grad()
def test_no_answer_depends_on_the_labels_or_on_who_else_is_in_the_batch() -> None:
    model, batch = built(), raw_batch((2, 2, 2))
    other = replace(batch, targets=1 - batch.targets, known=torch.zeros_like(batch.known))
    assert torch.equal(model(batch).logits, model(other).logits)
    order = torch.tensor([2, 0, 1])
    streams = {n: Stream(s.values[order], s.mask[order]) for n, s in batch.streams.items()}
    turned = model(replace(batch, streams=streams, mask=batch.mask[order]))
    torch.testing.assert_close(turned.logits, model(batch).logits[order])


@torch.no_grad()
def test_an_answer_changes_nothing_in_the_model() -> None:
    model = built()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(raw_batch())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_every_weight_learns_and_begins_as_its_seed_says() -> None:
    model = built().train()
    found = gradients(model, raw_batch((4, 4)))
    assert not [n for n, _ in model.named_parameters() if n not in found or not found[n].abs().sum() > 0]
    again, other = built(), built(seed=1)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    for name, weight in other.named_parameters():
        constant = model.get_parameter(name).unique().numel() == 1  # norms and the temperature
        assert constant or not torch.equal(weight, model.get_parameter(name)), name


@pytest.mark.parametrize("share", [False, True])
def test_checkpointing_gives_the_same_losses_and_gradients(share: bool) -> None:
    config = replace(CONFIG, dropout=0.2, drop_tokens=0.3, share_layers=share)
    found = []
    for checkpointing in (False, True):
        model = built(replace(config, checkpointing=checkpointing)).train()
        torch.manual_seed(1)
        found.append(gradients(model, raw_batch()))
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, msg=name)


@torch.no_grad()
def test_a_shared_layer_is_one_that_stands_in_the_place_of_each() -> None:
    shared, own, batch = built(replace(CONFIG, share_layers=True)), built(seed=1), raw_batch()
    assert len(shared.layers) == 1
    one = shared.state_dict()
    own.load_state_dict({n: one[n.replace("layers.1.", "layers.0.")] for n in own.state_dict()})
    torch.testing.assert_close(own(batch).logits, shared(batch).logits)


def test_tokens_are_dropped_of_sound_and_pictures_and_in_training_alone() -> None:
    model, batch = built(replace(CONFIG, drop_tokens=0.5)), raw_batch(missing=0.0)
    torch.testing.assert_close(model(batch).logits, built()(batch).logits)
    lengths = []
    for training in (False, True):
        model.train(training)
        streams = {m: batch.streams[s] for m, s in zip(model.modes, model.streams, strict=True)}
        entered = [model.enter[m](s.values[batch.mask], s.mask[batch.mask])[0] for m, s in streams.items()]
        lengths.append([x.shape[1] - 1 for x in entered])
    (words, *whole), (kept, *half) = lengths
    assert kept == words
    assert half == [n - n // 2 for n in whole]


def test_the_terms_are_those_of_the_paper_weighted_and_named() -> None:
    model, batch = built(), raw_batch((3, 3))
    batch = replace(batch, known=batch.known & (torch.rand_like(batch.targets) < 0.7))
    out, real = model(batch), batch.mask
    y, known = batch.targets[real], batch.known[real]
    peers, there = ([x[m][real] for m in model.modes] for x in (out.by_modality, out.present))
    bce = binary_cross_entropy(out.logits[real], y, known)
    for said, here in zip(peers, there, strict=True):
        bce = bce + binary_cross_entropy(said[here], y[here], known[here])
    expected = {
        "bce": bce,
        "lcc": 2 * label_consistency(out.logits[real], y, known),
        "mdl": 3 * multimodal_distillation(out.logits[real], peers, there, known, teacher="mean"),
        "nce": 4 * pairwise_nce(list(out.joint.values()), [*there, there[0]], temperature=0.08),
    }
    terms = Objective(calibration=2, distillation=3, contrast=4, teacher="mean")(model, batch)
    assert list(terms) == list(expected)  # the words, the first of the modes, are never missing
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name])
    assert list(Objective(calibration=0, distillation=0, contrast=0)(model, batch)) == ["bce"]
    usual = Objective()
    assert (usual.calibration, usual.distillation, usual.contrast) == (1, 0.5, 1)


def test_what_is_not_annotated_teaches_nothing() -> None:
    model, batch = built(), raw_batch()
    unknown = torch.rand_like(batch.targets) < 0.3
    batch = replace(batch, known=batch.known & ~unknown)
    other = replace(batch, targets=torch.where(unknown, 1 - batch.targets, batch.targets))
    torch.testing.assert_close(loss(model, other), loss(model, batch))
    nothing = Objective()(model, replace(batch, known=torch.zeros_like(batch.known)))
    assert {n for n, term in nothing.items() if term} == {"nce"}  # which asks for no label


def test_the_temperature_learns_and_stays_in_its_range() -> None:
    model = built()
    for log_temperature, expected in ((-9.0, 0.01), (np.log(0.2), 0.2), (3.0, 1.0)):
        model.log_temperature.data.fill_(log_temperature)
        assert model(raw_batch((1,))).temperature.item() == pytest.approx(expected)


def test_it_learns_eight_utterances_by_heart() -> None:
    model, batch = built(replace(CONFIG, layers=1)).train(), raw_batch((1,) * 8, missing=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss(model, batch).backward()
        optimizer.step()
    terms, out = Objective()(model.eval(), batch), model(batch)
    assert terms["bce"] + terms["lcc"] + terms["mdl"] < 0.4  # of four branches; it began at 3.5
    for logits in (out.logits, *out.by_modality.values()):
        assert torch.equal(logits > 0, batch.targets == 1)


@torch.no_grad()
def test_a_checkpoint_that_was_saved_and_loaded_gives_the_same_numbers(tmp_path: Path) -> None:
    model, batch = built(), raw_batch()
    save(Checkpoint("tiny", model, LABELS, (), {}), tmp_path)
    loaded = load(tmp_path).model
    assert loaded.config == model.config
    assert torch.equal(loaded(batch).logits, model(batch).logits)


def test_inference_in_batches_gives_what_the_model_gives_and_the_peers_too() -> None:
    model, (conversations, features) = built(), raw_conversations((2, 1, 3))
    found = infer(model, conversations, features, LABELS, size=2)
    out, batch = model(collate(conversations, features, LABELS)), raw_batch((2, 1, 3))
    np.testing.assert_allclose(found.logits, out.logits[batch.mask].detach().numpy(), atol=1e-5)
    assert set(found.by_modality) == set(Modality)
    assert np.array_equal(found.present[Modality.AUDIO], out.present[Modality.AUDIO][batch.mask].numpy())


@torch.no_grad()
def test_sixteen_bits_give_about_the_same() -> None:
    model, batch = built(), raw_batch()
    expected = model(batch).logits
    with torch.autocast("cpu", torch.bfloat16):
        found = model(batch).logits
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05


def test_a_rank_without_an_utterance_learns_nothing_and_does_not_fail() -> None:
    model, batch = built().train(), raw_batch((1,)).share(1, 2)
    assert not batch.mask.any()
    assert loss(model, batch) == 0
    assert all(not g.any() for g in gradients(model, batch).values())
