from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_answers import double, drawn, known_answer
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from affectline.losses import Norm, binary_cross_entropy, class_weights, focal, rating_cross_entropy


def test_unknown_labels_do_not_count() -> None:
    logits, targets = torch.randn(5, 3), torch.rand(5, 3)
    known = torch.tensor([[True, False, True]] * 5)
    expected = binary_cross_entropy_with_logits(logits[:, [0, 2]], targets[:, [0, 2]])
    torch.testing.assert_close(binary_cross_entropy(logits, targets, known), expected)
    wild = logits.clone()
    wild[:, 1] = 100.0
    torch.testing.assert_close(binary_cross_entropy(wild, targets, known), expected)


def test_nothing_known_is_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    loss = binary_cross_entropy(logits, torch.rand(2, 3), nothing)
    loss = loss + rating_cross_entropy(logits, torch.rand(2, 3), nothing)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_ratings_that_sum_to_one_give_the_soft_cross_entropy() -> None:
    logits, shares = torch.randn(6, 4), torch.rand(6, 4).softmax(dim=1)
    known = torch.ones(6, 4, dtype=torch.bool)
    torch.testing.assert_close(rating_cross_entropy(logits, shares, known), cross_entropy(logits, shares))


def test_a_sample_counts_by_its_known_votes() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    shares = torch.tensor([[0.5, 0.0], [0.0, 0.25]])  # the rest went to labels that are not ours
    log_p = torch.log_softmax(logits, dim=1).numpy()
    by_hand = -(0.5 * log_p[0, 0] + 0.25 * log_p[1, 1]) / 0.75
    loss = rating_cross_entropy(logits, shares, torch.ones(2, 2, dtype=torch.bool))
    np.testing.assert_allclose(loss.item(), by_hand, rtol=1e-6)


def test_focal_gives_the_known_answers() -> None:
    known = known_answer("focal")
    for case in known["cases"]:
        loss = focal(double(known["logits"]), torch.tensor(known["target"]), gamma=case["gamma"])
        assert loss.item() == pytest.approx(case["loss"], abs=1e-12)


def test_focal_by_hand() -> None:
    logits = torch.tensor([[0.0, log(3)], [0.0, 0.0]])  # p = 1/4 and 1/2 at the first label
    by_hand = ((3 / 4) ** 2 * log(4) + (1 / 2) ** 2 * log(2)) / 2
    assert focal(logits, torch.tensor([0, 0]), gamma=2).item() == pytest.approx(by_hand)


@given(st.integers(0, 10_000), st.floats(0, 4))
@settings(max_examples=20, deadline=None)
def test_focal_is_its_sum_over_the_samples(seed: int, gamma: float) -> None:
    logits, labels = drawn(6, 4, seed=seed), torch.arange(6) % 4
    p = [row.exp()[label].item() / row.exp().sum().item() for row, label in zip(logits, labels, strict=True)]
    by_sample = sum(-((1 - q) ** gamma) * log(q) for q in p) / 6
    assert focal(logits, labels, gamma=gamma).item() == pytest.approx(by_sample, rel=1e-9)


def test_focal_without_focus_is_the_cross_entropy() -> None:
    logits, labels = drawn(7, 5).requires_grad_(), torch.arange(7) % 5
    torch.testing.assert_close(focal(logits, labels, gamma=0), cross_entropy(logits, labels))
    (ours,) = torch.autograd.grad(focal(logits, labels, gamma=0), logits)
    (theirs,) = torch.autograd.grad(cross_entropy(logits, labels), logits)
    torch.testing.assert_close(ours, theirs)


def test_focal_of_two_classes_is_the_binary_form() -> None:
    logit, labels = drawn(9), torch.arange(9) % 2
    p = torch.where(labels == 1, logit.sigmoid(), 1 - logit.sigmoid())
    plain = binary_cross_entropy_with_logits(logit, labels.double(), reduction="none")
    two = torch.stack([torch.zeros_like(logit), logit], dim=1)
    torch.testing.assert_close(focal(two, labels, gamma=1.5), ((1 - p) ** 1.5 * plain).mean())


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.5])
def test_the_gradient_of_focal_goes_through_the_factor(gamma: float) -> None:
    labels = torch.tensor([0, 2, 1])
    assert torch.autograd.gradcheck(lambda x: focal(x, labels, gamma=gamma), drawn(3, 4).requires_grad_())


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("size", [0.0, 1e4], ids=["undecided", "certain"])
def test_focal_of_any_certainty_has_a_finite_gradient(gamma: float, rows: int, size: float) -> None:
    """Certain and right is p = 1 exactly, where (1 - p)^gamma has no slope for a gamma below one."""
    logits = (size * torch.eye(3)[:rows]).requires_grad_()
    for labels in (torch.arange(rows), torch.zeros(rows, dtype=torch.long)):
        loss = focal(logits, labels, gamma=gamma)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert gradient.isfinite().all()
    assert rows or loss.item() == 0


def test_class_weights_by_hand() -> None:
    weights = class_weights(torch.tensor([6, 3, 1]), power=1, norm="none")
    torch.testing.assert_close(weights, torch.tensor([10 / 6, 10 / 3, 10.0]))
    torch.testing.assert_close(class_weights(torch.tensor([6, 3, 1]), power=1, norm="l1"), weights / 15)
    torch.testing.assert_close(class_weights(torch.tensor([6, 3, 1]), power=1), weights / 3)
    squared = class_weights(torch.tensor([6, 3, 1]), power=2, norm="none")
    torch.testing.assert_close(squared, weights**2)


def test_weights_of_mean_one_with_power_one_are_the_balanced_ones() -> None:
    labels = np.repeat([0, 1, 2], [5, 2, 9])
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights(double([5, 2, 9]), power=1), balanced)


def test_the_weights_of_meld_are_those_of_the_release() -> None:
    train = [4710, 1205, 268, 683, 1743, 271, 1109]  # neutral, surprise, fear, ...
    weights = class_weights(torch.tensor(train), power=0.8, norm="l1")
    assert [round(weights[n].item(), 3) for n in (0, 2)] == [0.030, 0.293]


@pytest.mark.parametrize("norm", ["none", "l1", "mean1"])
def test_where_nothing_is_counted_no_class_weighs(norm: Norm) -> None:
    weights = class_weights(torch.zeros(3, dtype=torch.long), power=0.8, norm=norm)
    assert weights.tolist() == [0, 0, 0]


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=9), st.floats(0, 3), st.sampled_from(["l1", "mean1"])
)
@settings(max_examples=50, deadline=None)
def test_norms_hold_and_an_absent_class_changes_nothing(counts: list[int], power: float, norm: Norm) -> None:
    n = double(counts)
    weights = class_weights(n, power=power, norm=norm)
    there = n > 0
    assert (weights[~there] == 0).all()
    torch.testing.assert_close(weights[there], class_weights(n[there], power=power, norm=norm))
    if there.any():
        total = weights.sum() if norm == "l1" else (weights * n).sum() / n.sum()
        assert total.item() == pytest.approx(1)
