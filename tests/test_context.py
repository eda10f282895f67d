import pytest
import torch
from torch import Tensor, nn

from affectline.nn.context import DialogueContext, SpeakerContext, TransformerContext

LENGTHS = (4, 7, 1, 6)
DIM, HIDDEN = 5, 3
KINDS = ["dialogue", "speaker"]


@pytest.fixture(params=KINDS)
def context(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return {"dialogue": DialogueContext, "speaker": SpeakerContext}[request.param](DIM, HIDDEN).double()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Utterances, speakers and mask, as `collate` pads them."""
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(*mask.shape, DIM, dtype=torch.float64, generator=generator)
    speakers = torch.randint(3, mask.shape, generator=generator)
    return x.masked_fill(~mask[..., None], 0), speakers.masked_fill(~mask, -1), mask


def run(context: nn.Module, x: Tensor, speakers: Tensor, mask: Tensor) -> Tensor:
    return context(x, mask) if isinstance(context, DialogueContext) else context(x, speakers, mask)


def slow(context: nn.Module, x: Tensor, speakers: Tensor, mask: Tensor) -> Tensor:
    """One sequence after the other, without padding."""
    out = x.new_zeros(*mask.shape, 2 * HIDDEN)
    for b, (who, here) in enumerate(zip(speakers, mask, strict=True)):
        by_speaker = [here & (who == speaker) for speaker in who[here].unique()]
        for sequence in [here] if isinstance(context, DialogueContext) else by_speaker:
            assert isinstance(context.lstm, nn.LSTM)
            out[b, sequence] = context.lstm(x[b, sequence])[0]
    return out


def test_it_is_the_loop_over_the_sequences(context: nn.Module) -> None:
    torch.testing.assert_close(run(context, *batch()), slow(context, *batch()))


def test_its_gradients_are_those_of_the_loop(context: nn.Module) -> None:
    x, speakers, mask = batch()
    inputs = (x.requires_grad_(), *context.parameters())
    wanted = torch.randn(*mask.shape, 2 * HIDDEN, dtype=torch.float64)
    packed, by_loop = (
        torch.autograd.grad((f(context, x, speakers, mask) * wanted).sum(), inputs) for f in (run, slow)
    )
    torch.testing.assert_close(packed, by_loop)
    assert all(gradient.any() for gradient in packed)


def test_a_conversation_alone_is_as_in_a_batch(context: nn.Module) -> None:
    x, speakers, mask = batch()
    together = run(context, x, speakers, mask)
    for b, length in enumerate(LENGTHS):
        alone = run(context, *(part[b : b + 1, :length] for part in (x, speakers, mask)))
        torch.testing.assert_close(together[b, :length], alone[0])
        assert not together[b, length:].any()


def test_nothing_of_the_padding_reaches_an_output_or_a_gradient(context: nn.Module) -> None:
    x, speakers, mask = batch()
    spoilt = x.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    out = run(context, spoilt, speakers.masked_fill(~mask, 1), mask)
    torch.testing.assert_close(out, run(context, x, speakers, mask))
    out.sum().backward()
    gradients = [spoilt.grad, *(p.grad for p in context.parameters())]
    assert all(g is not None and g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_another_speaker_is_seen_by_the_dialogue_alone(kind: str) -> None:
    torch.manual_seed(0)
    context = {"dialogue": DialogueContext, "speaker": SpeakerContext}[kind](DIM, HIDDEN).double()
    x, _, mask = batch()
    speakers = torch.tensor([0, 1, 0, 2, 1, 0, 2]).expand(4, -1)
    changed = x.clone()
    changed[1, 2] += 1  # speaker 0's
    differs = (run(context, changed, speakers, mask) != run(context, x, speakers, mask)).any(dim=2)
    reached = mask[1] if kind == "dialogue" else speakers[1] == 0
    assert differs[1].equal(reached)
    assert not differs[[0, 2, 3]].any()


def test_what_speakers_are_called_does_not_count(context: nn.Module) -> None:
    x, speakers, mask = batch()
    called = torch.tensor([40, 7, 1000])[speakers].masked_fill(~mask, -1)
    torch.testing.assert_close(run(context, x, called, mask), run(context, x, speakers, mask))


def test_who_speaks_counts_for_the_speakers_context() -> None:
    torch.manual_seed(0)
    context = SpeakerContext(DIM, HIDDEN).double()
    x, speakers, mask = batch()
    merged = speakers.masked_fill(speakers == 2, 0)
    assert not torch.allclose(context(x, merged, mask), context(x, speakers, mask), atol=1e-4)


def test_a_batch_without_any_utterance_is_zero(context: nn.Module) -> None:
    x, speakers, mask = batch()
    out = run(context, x, speakers, torch.zeros_like(mask))
    assert out.shape == (*mask.shape, 2 * HIDDEN)
    assert not out.any()


def test_dropout_is_between_the_layers_and_for_training_only() -> None:
    torch.manual_seed(0)
    context = DialogueContext(DIM, HIDDEN, dropout=0.5).double()
    x, _, mask = batch()
    assert not torch.equal(context(x, mask), context(x, mask))
    context.eval()
    assert torch.equal(context(x, mask), context(x, mask))
    one_layer = DialogueContext(DIM, HIDDEN, layers=1, dropout=0.5).double()
    assert torch.equal(one_layer(x, mask), one_layer(x, mask))


def transformer() -> TransformerContext:
    torch.manual_seed(0)
    return TransformerContext(8, 2, 16, 0.0).double().eval()


def wide(x: Tensor) -> Tensor:
    return torch.cat([x, x[..., :3]], dim=2)


def test_a_transformer_reads_a_conversation_alone_as_in_a_batch_whatever_stands_in_the_padding() -> None:
    context, (x, speakers, mask) = transformer(), batch()
    spoilt = wide(x).masked_fill(~mask[..., None], torch.nan)
    together = context(spoilt, speakers, mask)
    for b, length in enumerate(LENGTHS):
        alone = context(wide(x)[b : b + 1, :length], speakers[b : b + 1, :length], mask[b : b + 1, :length])
        torch.testing.assert_close(together[b, :length], alone[0])
    assert not together[~mask].any()


def test_a_transformer_knows_past_future_and_order() -> None:
    context, (x, speakers, mask) = transformer(), batch()
    before = context(wide(x), speakers, mask)[1]
    for changed in (0, 6):
        other = wide(x).clone()
        other[1, changed] *= -2
        assert ((context(other, speakers, mask)[1] - before).abs().amax(dim=1) > 1e-6).all()
    turned = wide(x).clone()
    turned[1] = turned[1].flip(0)
    assert (context(turned, speakers, mask)[1].flip(0) - before).abs().max() > 1e-3


def test_a_conversation_without_the_modality_is_zero_to_a_transformer_and_has_a_gradient() -> None:
    context, (x, speakers, mask) = transformer(), batch()
    mask[0] = False
    inputs = wide(x).requires_grad_()
    out = context(inputs, speakers, mask)
    assert not out[0].any()
    out.sum().backward()
    assert inputs.grad is not None
    assert torch.isfinite(inputs.grad).all()
