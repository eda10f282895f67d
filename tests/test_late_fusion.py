import numpy as np
import pytest
import torch
from model_makers import LABELS, batch_of, conversations_with_features

from affectline.batch import collate
from affectline.models import infer
from affectline.models.late_fusion import Config, LateFusion, Objective
from affectline.types import EMOTIONS, Modality

CONFIG = Config(classes=len(EMOTIONS), text=4, audio=8, face=8)


@pytest.fixture(scope="module")
def model() -> LateFusion:
    torch.manual_seed(0)
    model = LateFusion(CONFIG).eval()
    for weights in model.weights.values():
        torch.nn.init.normal_(weights)
    torch.nn.init.normal_(model.prior)
    return model


@torch.no_grad()
def test_padding_does_not_change_the_answer(model: LateFusion) -> None:
    conversations, features = conversations_with_features(4)
    together = model(collate(conversations, features, LABELS)).logits
    for row, conversation, own in zip(together, conversations, features, strict=True):
        alone = model(collate([conversation], [own], LABELS)).logits[0]
        torch.testing.assert_close(row[: len(conversation)], alone, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("gone", list(Modality))
def test_a_missing_modality_has_no_weight_and_the_others_share_it(model: LateFusion, gone: Modality) -> None:
    batch = batch_of()
    out = model(batch.without(gone))
    whole = model(batch)
    kept = [m for m in Modality if m != gone]
    weights = torch.stack([model.weights[m].exp() for m in kept])
    expected = sum(w * whole.by_modality[m] for w, m in zip(weights / weights.sum(dim=0), kept, strict=True))
    torch.testing.assert_close(
        out.logits[batch.mask], torch.as_tensor(expected)[batch.mask], atol=1e-4, rtol=1e-4
    )
    assert not out.present[gone].any()


@torch.no_grad()
@pytest.mark.parametrize("only", list(Modality))
def test_one_modality_alone_is_its_own_classifier(model: LateFusion, only: Modality) -> None:
    batch = batch_of().without(*(m for m in Modality if m != only))
    out = model(batch)
    torch.testing.assert_close(out.logits[batch.mask], out.by_modality[only][batch.mask])


def test_calibrating_twice_is_calibrating_by_both(model: LateFusion) -> None:
    torch.manual_seed(0)
    other = LateFusion(Config(classes=7, audio=8)).eval()
    batch = batch_of()
    with torch.no_grad():
        raw = other(batch).logits[batch.mask]
    other.calibrate(Modality.AUDIO, (2.0,) * 7, (1.0,) * 7)
    other.calibrate(Modality.AUDIO, (3.0,) * 7, (-1.0,) * 7)
    with torch.no_grad():
        torch.testing.assert_close(other(batch).logits[batch.mask], 3 * (2 * raw + 1) - 1)


@pytest.mark.parametrize("part", ["text", "audio", "face"])
def test_each_branch_learns_labels_that_it_can_see(part: str) -> None:
    torch.manual_seed(0)
    model = LateFusion(Config(**{"classes": 7, "dropout": 0.0, part: 8}))
    conversations, features = conversations_with_features(24, turns=1)
    batch = collate(conversations, features, LABELS)
    objective = Objective(ratings=1.0)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    model.train()
    losses = []
    for _ in range(25):
        terms = objective(model, batch)
        assert set(terms) == {"bce", "ratings"}
        loss = terms["bce"] + terms["ratings"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_minilm_itself_is_never_trained() -> None:
    model = LateFusion(Config(classes=7, text=4))
    named = {n for n, p in model.named_parameters() if p.requires_grad and ".encoder." in n}
    assert named
    assert all(n.endswith((".up", ".down")) for n in named)


def test_inference_answers_in_the_order_given(model: LateFusion) -> None:
    conversations, features = conversations_with_features(5)
    together = infer(model, conversations, features, LABELS, size=2)
    alone = [infer(model, [c], [f], LABELS).logits for c, f in zip(conversations, features, strict=True)]
    np.testing.assert_allclose(together.logits, np.concatenate(alone), atol=1e-4)
    assert (together.targets.sum(axis=1) == 1).all()
