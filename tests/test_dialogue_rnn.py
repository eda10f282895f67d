import pytest
import torch
from known_answers import double, known_answer
from torch import Tensor, nn

from affectline.nn.dialogue_rnn import DialogueRNN, OneDirection

LENGTHS = (4, 7, 1, 6)
INPUTS, DIM = 3, 5


@pytest.fixture(params=[False, True], ids=["onwards", "both directions"])
def rnn(request: pytest.FixtureRequest) -> DialogueRNN:
    torch.manual_seed(0)
    return DialogueRNN(INPUTS, DIM, bidirectional=request.param).double().eval()


def batch(lengths: tuple[int, ...] = LENGTHS, speakers: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Utterances, speakers and mask, as `collate` pads them."""
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    generator = torch.Generator().manual_seed(1)
    u = torch.randn(*mask.shape, INPUTS, dtype=torch.float64, generator=generator)
    who = torch.randint(speakers, mask.shape, generator=generator)
    return u.masked_fill(~mask[..., None], 0), who.masked_fill(~mask, -1), mask


def loop(direction: OneDirection, utterances: Tensor, speakers: list[int]) -> Tensor:
    """The equations for one conversation, one utterance after the other."""
    g_cell, p_cell, e_cell = direction.everybody, direction.party, direction.emotion
    w = direction.attention.weight[0]
    zero = utterances.new_zeros(DIM)
    parties = dict.fromkeys(speakers, zero)
    g, e, history, emotions = zero, zero, [], []
    for u, speaker in zip(utterances, speakers, strict=True):
        g = g_cell(torch.cat([u, parties[speaker]]), g)
        past = torch.stack(history) if history else zero[None]
        c = (past @ w).softmax(dim=0) @ past
        parties[speaker] = p_cell(torch.cat([u, c]), parties[speaker])
        e = e_cell(parties[speaker], e)
        history.append(g)
        emotions.append(e)
    return torch.stack(emotions)


def slow(rnn: DialogueRNN, u: Tensor, speakers: Tensor, mask: Tensor) -> Tensor:
    out = u.new_zeros(*mask.shape, DIM)
    for b, length in enumerate(mask.sum(dim=1).tolist()):
        x, who = u[b, :length], speakers[b, :length].tolist()
        e = loop(rnn.onwards, x, who)
        if rnn.backwards is not None:
            back = loop(rnn.backwards, x.flip(0), who[::-1]).flip(0)
            e = rnn.join(torch.cat([e, back], dim=1))
        out[b, :length] = e.relu()
    return out


def test_it_is_the_loop_over_utterances_and_parties(rnn: DialogueRNN) -> None:
    torch.testing.assert_close(rnn(*batch()), slow(rnn, *batch()))


def test_its_gradients_are_those_of_the_loop(rnn: DialogueRNN) -> None:
    u, speakers, mask = batch()
    u.requires_grad_()
    wanted = torch.randn(*mask.shape, DIM, dtype=torch.float64)
    inputs = (u, *rnn.parameters())
    fast = torch.autograd.grad((rnn(u, speakers, mask) * wanted).sum(), inputs)
    by_loop = torch.autograd.grad((slow(rnn, u, speakers, mask) * wanted).sum(), inputs)
    torch.testing.assert_close(fast, by_loop)
    assert all(gradient.any() for gradient in fast)


def _wide(weights: Tensor, before: tuple[int, ...], after: tuple[int, ...]) -> Tensor:
    """A cell's weights with zeros in them, so that its gates are as wide as DIM and its inputs as `after`."""
    gates = weights.view(3, -1, weights.shape[-1])
    rows = nn.functional.pad(gates, (0, 0, 0, DIM - gates.shape[1])).flatten(0, 1)
    parts = zip(rows.split(before, dim=1), after, strict=True)
    return torch.cat([nn.functional.pad(part, (0, n - part.shape[1])) for part, n in parts], dim=1)


def test_it_gives_the_known_answer() -> None:
    """Its states are 4, 2 and 3 wide; ours are all as wide, and what is added stays 0."""
    answer = known_answer("dialogue_rnn")
    rnn = DialogueRNN(INPUTS, DIM).double()
    sizes = {"g": ((3, 2), (4,)), "p": ((3, 4), (2,)), "e": ((2,), (3,))}
    cells = {"g": rnn.onwards.everybody, "p": rnn.onwards.party, "e": rnn.onwards.emotion}
    for name, (inputs, state) in sizes.items():
        w_ih, w_hh, b_ih, b_hh = map(double, answer[name])
        outs = tuple(INPUTS if n == 0 and len(inputs) > 1 else DIM for n in range(len(inputs)))
        biases = (_wide(b[:, None], (1,), (1,))[:, 0] for b in (b_ih, b_hh))
        wide = (_wide(w_ih, inputs, outs), _wide(w_hh, state, (DIM,)), *biases)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        cells[name].load_state_dict(dict(zip(names, wide, strict=True)))
    rnn.onwards.attention.weight.data = nn.functional.pad(double(answer["att"]), (0, DIM - 4))[None]
    u, speakers = double(answer["U"])[None], torch.tensor(answer["speakers"])[None]
    out = rnn(u, speakers, torch.ones_like(speakers, dtype=torch.bool))[0]
    torch.testing.assert_close(out[:, :3], double(answer["out"]).relu())


def test_one_speaker_without_context_is_two_grus_one_upon_the_other() -> None:
    torch.manual_seed(0)
    rnn = DialogueRNN(INPUTS, DIM).double()
    party, emotion = rnn.onwards.party, rnn.onwards.emotion
    party.weight_ih.data[:, INPUTS:] = 0  # c_t does not count
    stacked = nn.GRU(INPUTS, DIM, num_layers=2, batch_first=True).double()
    first = dict(party.named_parameters()) | {"weight_ih": party.weight_ih[:, :INPUTS]}
    second = dict(emotion.named_parameters())
    layers = {f"{k}_l{n}": v.detach() for n, layer in enumerate((first, second)) for k, v in layer.items()}
    stacked.load_state_dict(layers)
    u, speakers, mask = batch((6, 6), speakers=1)
    torch.testing.assert_close(rnn(u, speakers, mask), stacked(u)[0].relu())


def test_a_conversation_alone_is_as_in_a_batch(rnn: DialogueRNN) -> None:
    u, speakers, mask = batch()
    together = rnn(u, speakers, mask)
    for b, length in enumerate(LENGTHS):
        alone = rnn(u[b : b + 1, :length], speakers[b : b + 1, :length], mask[b : b + 1, :length])
        torch.testing.assert_close(together[b, :length], alone[0])
        assert not together[b, length:].any()


def test_conversations_in_another_order_have_the_same_states(rnn: DialogueRNN) -> None:
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(rnn(*(x[order] for x in batch())), rnn(*batch())[order])


def test_nothing_of_the_padding_reaches_an_output_or_a_gradient(rnn: DialogueRNN) -> None:
    u, speakers, mask = batch()
    spoilt = u.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    out = rnn(spoilt, speakers.masked_fill(~mask, 7), mask)
    torch.testing.assert_close(out, rnn(u, speakers, mask))
    out.sum().backward()
    gradients = [spoilt.grad, *(p.grad for p in rnn.parameters())]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_an_utterance_that_the_mask_leaves_out_was_never_said(rnn: DialogueRNN) -> None:
    u, speakers, mask = batch((5,))
    said = torch.tensor([0, 1, 3, 4])
    mask[0, 2] = False
    without = rnn(u[:, said], speakers[:, said], mask[:, said])
    torch.testing.assert_close(rnn(u, speakers, mask)[:, said], without)


def test_only_the_direction_that_runs_backwards_sees_what_comes(rnn: DialogueRNN) -> None:
    u, speakers, mask = batch((6,))
    changed = u.clone()
    changed[0, 4] += 1
    differs = (rnn(u, speakers, mask) != rnn(changed, speakers, mask))[0].any(dim=1).tolist()
    assert differs == [rnn.backwards is not None] * 4 + [True] * 2


def test_who_speaks_counts_but_not_what_they_are_called(rnn: DialogueRNN) -> None:
    u, speakers, mask = batch()
    called = torch.tensor([40, 7, 1000])[speakers].masked_fill(~mask, -1)
    torch.testing.assert_close(rnn(u, called, mask), rnn(u, speakers, mask))
    merged = speakers.masked_fill(speakers == 2, 0)
    assert not torch.allclose(rnn(u, merged, mask), rnn(u, speakers, mask), atol=1e-4)


def test_a_speaker_of_one_conversation_is_nobody_in_the_next() -> None:
    """The first utterances do not depend on who spoke in the conversation before."""
    torch.manual_seed(0)
    rnn = DialogueRNN(INPUTS, DIM).double()
    u, speakers, mask = batch((3, 3))
    swapped = speakers.clone()
    swapped[0] = 9
    torch.testing.assert_close(rnn(u, swapped, mask)[1], rnn(u, speakers, mask)[1])


def test_conversations_of_one_utterance_need_no_history(rnn: DialogueRNN) -> None:
    torch.testing.assert_close(rnn(*batch((1, 1))), slow(rnn, *batch((1, 1))))


def test_a_batch_without_any_utterance_is_zero(rnn: DialogueRNN) -> None:
    u, speakers, mask = batch((2, 2))
    out = rnn(u, speakers, torch.zeros_like(mask))
    assert out.shape == (2, 2, DIM)
    assert not out.any()


def test_attention_stays_exact_where_exp_would_overflow(rnn: DialogueRNN) -> None:
    for direction in (rnn.onwards, rnn.backwards):
        if direction is not None:
            direction.attention.weight.data *= 1e5
    u, speakers, mask = batch((300,), speakers=50)
    out = rnn(u, speakers, mask)
    torch.testing.assert_close(out, slow(rnn, u, speakers, mask))
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in rnn.parameters())


@torch.no_grad()
def test_a_conversation_of_5000_utterances_and_50_speakers_is_none_too_long() -> None:
    torch.manual_seed(0)
    u, speakers, mask = batch((5000,), speakers=50)
    out = DialogueRNN(INPUTS, DIM)(u.float(), speakers, mask)
    assert out.isfinite().all()
    assert out[0, -100:].any()


def test_under_autocast_the_recurrence_stays_in_full_precision(rnn: DialogueRNN) -> None:
    rnn.float()
    u, speakers, mask = batch()
    full = rnn(u.bfloat16().float(), speakers, mask)
    expected = torch.autograd.grad(full.sum(), tuple(rnn.parameters()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = rnn(u.bfloat16(), speakers, mask)
    torch.testing.assert_close(out, full)
    torch.testing.assert_close(torch.autograd.grad(out.sum(), tuple(rnn.parameters())), expected)


def test_dropout_is_for_training_only() -> None:
    rnn = DialogueRNN(INPUTS, DIM, dropout=0.5).double()
    assert not torch.equal(rnn(*batch()), rnn(*batch()))
    rnn.eval()
    assert torch.equal(rnn(*batch()), rnn(*batch()))


def test_one_seed_gives_one_network() -> None:
    outs = []
    for _ in range(2):
        torch.manual_seed(3)
        outs.append(DialogueRNN(INPUTS, DIM, bidirectional=True).double()(*batch()))
    assert torch.equal(*outs)
