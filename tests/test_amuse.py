from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conversation_makers import (
    LABELS,
    STREAMS,
    assert_padding_changes_nothing,
    assert_who_is_the_same_matters_and_no_name,
    batch_of,
    talks,
    with_steps,
)

from affectline.batch import collate
from affectline.checkpoint import Checkpoint, load, save
from affectline.losses import focal
from affectline.models.amuse import AMuSE, Config, Objective, Unimodal, informative
from affectline.types import EMOTIONS, Modality

CONFIG = Config(
    classes=len(EMOTIONS), streams=STREAMS, dim=16, heads=2, layers=2, context=6, dropout=0.0, attention=2
)


def built(config: Config = CONFIG, seed: int = 0) -> AMuSE:
    torch.manual_seed(seed)
    model = AMuSE(config)
    model.fit(talks(streams=config.streams)[1])
    return model.eval()


def test_self_attention_in_a_mode_is_the_equation() -> None:
    torch.manual_seed(0)
    mode = Unimodal({"text.words": 5}, 8, layers=1)
    values, mask = torch.randn(1, 3, 5), torch.tensor([[True, True, False]])
    steps, there = mode({"text.words": (values, mask)})
    w = mode.lstm[0](mode.project[0](values), mask)[0, :2] + mode.kind[0]
    rows = [sum(p * w[k] for k, p in enumerate((w @ w[n] / 8**0.5).softmax(dim=0))) for n in range(2)]
    expected = mode.attention[0](torch.stack([torch.as_tensor(row) for row in rows]))
    torch.testing.assert_close(steps[0, :2], expected)
    assert torch.equal(there, mask)


@torch.no_grad()
@pytest.mark.parametrize("make", [batch_of, with_steps])
def test_padding_does_not_change_the_answer_whatever_stands_in_it(make: type) -> None:
    assert_padding_changes_nothing(built(), make())


@torch.no_grad()
@pytest.mark.parametrize("only", list(Modality))
def test_one_modality_can_be_built_alone(only: Modality) -> None:
    stream = next(s for s in STREAMS if s.startswith(only))
    model = built(replace(CONFIG, streams={stream: STREAMS[stream]}))
    out = model(batch_of())
    assert torch.isfinite(out.logits).all()
    assert list(out.by_modality) == [only]


@torch.no_grad()
@pytest.mark.parametrize("alpha", ["pseudo", "gate", "static", "equal", "random"])
def test_no_answer_depends_on_the_labels(alpha: str) -> None:
    model, batch = built(replace(CONFIG, alpha=alpha)), batch_of()
    other = replace(batch, targets=batch.targets.roll(1, dims=2), known=torch.zeros_like(batch.known))
    torch.testing.assert_close(model(batch).logits, model(other).logits, rtol=0, atol=0)


def test_the_true_labels_may_be_read_in_training_alone() -> None:
    model, batch = built(replace(CONFIG, alpha="oracle")), batch_of()
    assert torch.isfinite(model.train()(batch).logits).all()
    with pytest.raises(ValueError, match="no evaluation may"):
        model.eval()(batch)


@torch.no_grad()
def test_the_speakers_other_utterances_matter_more_than_their_names() -> None:
    assert_who_is_the_same_matters_and_no_name(built(), batch_of())


@torch.no_grad()
def test_a_mode_may_have_several_streams_and_each_is_heard() -> None:
    streams = {"text.words": 8, "video.mien": 10, "video.scene": 4}
    model, (conversations, features) = built(replace(CONFIG, streams=streams)), talks(streams=streams)
    batch = collate(conversations, features, LABELS)
    answers = [
        model(b).logits[batch.mask] for b in (batch, batch.without("video.scene"), batch.without("video"))
    ]
    assert len(model.modes) == 2
    assert (answers[0] - answers[1]).abs().max() > 1e-4
    assert (answers[1] - answers[2]).abs().max() > 1e-4


def test_every_weight_learns() -> None:
    model = built().train()
    sum(Objective()(model, with_steps()).values(), torch.zeros(())).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_it_learns_a_few_conversations_by_heart() -> None:
    torch.manual_seed(0)
    model, batch = built().train(), batch_of((3, 2, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(40):
        loss = sum(Objective(contrast=0.1)(model, batch).values(), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = model.eval()(batch).logits[batch.mask].argmax(dim=1) == batch.targets[batch.mask].argmax(dim=1)
    assert right.all()


def test_the_terms_are_weighted_and_named() -> None:
    model, batch = built(), batch_of()
    whole, half = Objective()(model, batch), Objective(heads=0.5, contrast=0.5)(model, batch)
    assert set(whole) == {"focal", "heads", "ace"}
    for name, share in (("focal", 1.0), ("heads", 0.5), ("ace", 0.5)):
        torch.testing.assert_close(share * whole[name], half[name])
    assert set(Objective(heads=0.0, contrast=0.0)(model, batch)) == {"focal"}


@torch.no_grad()
def test_a_checkpoint_that_was_saved_and_loaded_gives_the_same_numbers(tmp_path: Path) -> None:
    model = built()
    save(Checkpoint("tiny", model, LABELS, (), {}), tmp_path)
    torch.testing.assert_close(load(tmp_path).model(batch_of()).logits, model(batch_of()).logits)


@torch.no_grad()
def test_informative_samples_are_those_that_the_fusion_makes_look_otherwise_and_count_again() -> None:
    model, batch = built(replace(CONFIG, epsilon=3.0)), batch_of((5, 6, 7, 8))
    out = model(batch)
    rows = informative(model, out, batch)
    for n in range(len(rows)):
        parts = out.fused[n].split(CONFIG.dim)
        said = [
            model.heads[m](part).argmax() != model.heads[m](out.descriptors[m][n]).argmax()
            for m, part in zip(Modality, parts, strict=True)
            if out.present[m][batch.mask][n]
        ]
        assert bool(rows[n]) == any(map(bool, said))
    assert 0 < rows.sum() < len(rows)
    terms = Objective(informative=0.5)(model, batch)
    labels = batch.targets[batch.mask][rows].argmax(dim=1)
    expected = 0.5 * focal(out.logits[batch.mask][rows], labels, gamma=1.0)
    torch.testing.assert_close(terms["informative"], expected)


def test_where_nothing_is_mixed_no_sample_is_informative() -> None:
    model, batch = built(replace(CONFIG, alpha="none")), batch_of()
    assert Objective(informative=1.0)(model, batch)["informative"] == 0
