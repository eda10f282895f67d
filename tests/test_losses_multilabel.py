from math import exp, log, log1p
from typing import get_args

import pytest
import torch
from known_answers import double, drawn, known_answer
from torch import Tensor
from torch.distributions import Bernoulli, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from affectline.losses import Teacher, label_consistency, multimodal_distillation, taught

TEACHERS = get_args(Teacher)
ALL = torch.ones(5, 6, dtype=torch.bool)


def labels(*shape: int, seed: int = 1) -> Tensor:
    return (drawn(*shape, seed=seed) > 0).double()


def everyone(peers: Tensor) -> Tensor:
    return torch.ones(peers.shape[:2], dtype=torch.bool)


def distilled(student: Tensor, peers: Tensor, teacher: Teacher, known: Tensor = ALL) -> Tensor:
    return multimodal_distillation(student, list(peers), list(everyone(peers)), known, teacher=teacher)


def test_label_consistency_gives_the_known_answers() -> None:
    known = known_answer("multilabel")
    logits, y = double(known["logits"]), double(known["y"])
    loss = label_consistency(logits, y, ALL).item()
    assert loss == pytest.approx(known["lcc_mean_over_samples_with_positive"], abs=1e-12)
    some = y.any(dim=1).double().mean().item()  # as printed, the mean is over all samples
    assert loss * some == pytest.approx(known["lcc_sum_over_batch_div_B"], abs=1e-12)


def test_label_consistency_by_hand() -> None:
    logits = double([[0.0, log(3), 9.0], [log(3), -9.0, 0.0]])  # 1/2, 3/4; 3/4
    y = double([[1, 1, 0], [1, 0, 0]])
    by_hand = ((log(2) + log(4 / 3)) / 2 + log(4 / 3)) / 2
    assert label_consistency(logits, y, ALL[:2, :3]).item() == pytest.approx(by_hand)


def test_label_consistency_of_all_positive_labels_is_their_cross_entropy() -> None:
    logits = drawn(5, 6)
    ones = torch.ones(5, 6, dtype=torch.float64)
    expected = binary_cross_entropy_with_logits(logits, ones)
    torch.testing.assert_close(label_consistency(logits, ones, ALL), expected)
    torch.testing.assert_close(expected, -logits.sigmoid().log().mean())


def test_label_consistency_is_its_loop_over_known_positive_labels() -> None:
    logits, y, known = drawn(5, 6), labels(5, 6), drawn(5, 6, seed=2) > -0.5
    known[3] = False
    rows = []
    for said, true, sure in zip(logits, y, known, strict=True):
        terms = [-said[c].sigmoid().log() for c in range(6) if true[c] and sure[c]]
        rows += [sum(terms) / len(terms)] if terms else []
    assert len(rows) < 5
    torch.testing.assert_close(label_consistency(logits, y, known), torch.stack(rows).mean())


@pytest.mark.parametrize("teacher", TEACHERS)
def test_distillation_gives_the_known_answers(teacher: Teacher) -> None:
    known = known_answer("mdl")
    loss = distilled(double(known["fusion_logits"]), double(known["peer_logits"]), teacher)
    assert loss.item() == pytest.approx(known[teacher], abs=1e-12)


@pytest.mark.parametrize("teacher", TEACHERS)
def test_distillation_is_the_divergence_of_torchs_bernoullis(teacher: Teacher) -> None:
    student, peers = drawn(5, 6), drawn(3, 5, 6, seed=1)
    t = Bernoulli(probs=taught(peers, everyone(peers), teacher))
    expected = kl_divergence(t, Bernoulli(logits=student)).mean()
    torch.testing.assert_close(distilled(student, peers, teacher), expected)
    assert expected > 0


def test_distillation_is_nothing_if_and_only_if_the_student_says_what_is_taught() -> None:
    peers = drawn(3, 5, 6, seed=1)
    right = peers.mean(dim=0)  # geomean: the mean of the logits
    assert distilled(right, peers, "geomean").item() == pytest.approx(0, abs=1e-12)
    for n in range(6):
        wrong = right + 0.01 * (torch.arange(6) == n)
        assert distilled(wrong, peers, "geomean").item() > 1e-9


def test_the_geometric_mean_and_the_product_of_experts_are_of_the_logits() -> None:
    peers = drawn(3, 5, 6)
    p = peers.sigmoid()
    powers: dict[Teacher, float] = {"poe": 1, "geomean": 1 / 3}
    for teacher, power in powers.items():
        yes, no = p.prod(dim=0) ** power, (1 - p).prod(dim=0) ** power
        torch.testing.assert_close(taught(peers, everyone(peers), teacher), yes / (yes + no))
    torch.testing.assert_close(taught(peers, everyone(peers), "product"), p.prod(dim=0))
    torch.testing.assert_close(taught(peers, everyone(peers), "mean"), p.mean(dim=0))


@pytest.mark.parametrize("teacher", TEACHERS)
def test_a_peer_alone_is_what_is_taught_and_what_the_others_hold_is_not_read(teacher: Teacher) -> None:
    peers = drawn(3, 5, 6)
    available = torch.zeros(3, 5, dtype=torch.bool)
    available[torch.arange(5) % 3, torch.arange(5)] = True
    spoilt = peers.masked_fill(~available[..., None], torch.nan)
    own = peers[torch.arange(5) % 3, torch.arange(5)].sigmoid()
    torch.testing.assert_close(taught(spoilt, available, teacher), own)


@pytest.mark.parametrize("teacher", TEACHERS)
def test_the_order_of_the_peers_does_not_matter(teacher: Teacher) -> None:
    peers, available = drawn(3, 5, 6), drawn(3, 5, seed=1) > -0.5
    before = taught(peers, available, teacher)
    torch.testing.assert_close(taught(peers.flip(0), available.flip(0), teacher), before)


def test_the_printed_product_never_teaches_more_than_its_least_peer() -> None:
    undecided = torch.zeros(3, 5, 6, dtype=torch.float64)
    of_nothing: dict[Teacher, float] = {"product": 0.125, "geomean": 0.5}
    for teacher, p in of_nothing.items():
        expected = torch.full_like(undecided[0], p)
        torch.testing.assert_close(taught(undecided, everyone(undecided), teacher), expected)


def test_distillation_teaches_the_student_alone() -> None:
    student, peers = drawn(5, 6).requires_grad_(), drawn(3, 5, 6, seed=1).requires_grad_()
    distilled(student, peers, "geomean").backward()
    assert peers.grad is None
    assert student.grad is not None
    expected = student.sigmoid() - peers.mean(dim=0).sigmoid()  # of the divergence, by the logit
    torch.testing.assert_close(student.grad, expected.detach() / 30)


def test_unknown_labels_and_samples_without_a_peer_do_not_count() -> None:
    student, peers, known = drawn(5, 6), drawn(2, 5, 6, seed=1), drawn(5, 6, seed=2) > 0
    available = everyone(peers)
    available[:, 3] = False
    loss = multimodal_distillation(student, list(peers), list(available), known)
    counted = known & (torch.arange(5) != 3)[:, None]
    t, p = peers.mean(dim=0).sigmoid(), student.sigmoid()
    divergence = t * (t / p).log() + (1 - t) * ((1 - t) / (1 - p)).log()
    torch.testing.assert_close(loss, divergence[counted].mean())
    wild = student.masked_fill(~counted, 50.0)
    torch.testing.assert_close(multimodal_distillation(wild, list(peers), list(available), known), loss)


@pytest.mark.parametrize("teacher", TEACHERS)
@pytest.mark.parametrize("size", [0.0, 100.0], ids=["undecided", "certain"])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_every_batch_has_finite_losses_and_gradients(teacher: Teacher, size: float, rows: int) -> None:
    student = (size * torch.eye(4)[:rows]).requires_grad_()
    peers = -size * torch.eye(4)[:rows].expand(2, -1, -1)
    known = torch.ones(rows, 4, dtype=torch.bool)
    for y in (torch.zeros(rows, 4), torch.ones(rows, 4)):
        for sure in (known, ~known):
            loss = label_consistency(student, y, sure) + distilled(student, peers, teacher, sure)
            (gradient,) = torch.autograd.grad(loss, student)
            assert loss.isfinite()
            assert gradient.isfinite().all()
            assert sure.any() or loss == 0


def test_certain_students_are_told_how_wrong_they_are() -> None:
    """KL of (1/2, 1/2) from a student of logit x is x / 2 + log(1 + e^-x) - log 2."""
    loss = distilled(torch.full((1, 1), 9.0), torch.zeros(1, 1, 1), "mean", ALL[:1, :1])
    assert loss.item() == pytest.approx(4.5 + log1p(exp(-9)) - log(2))
