import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from affectline.losses import binary_cross_entropy, rating_cross_entropy


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
