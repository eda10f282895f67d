"""NCE, InfoNCE, L_ACE and SWFC: known answers, loops, worked by hand, and what must not change them."""

from collections.abc import Callable
from functools import partial
from itertools import permutations
from math import e, exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_answers import double, drawn, known_answer
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize

from affectline.losses import class_weights, infonce, nce, pairwise_nce
from affectline.losses import sample_weighted_focal_contrastive as swfc

TAU = 0.3
ROTATION = torch.linalg.qr(drawn(4, 4, seed=99)).Q


def cosine(u: Tensor, v: Tensor) -> float:
    return (u @ v / (u.norm() * v.norm())).item()


def nce_in_a_loop(a: Tensor, b: Tensor, tau: float) -> list[float]:
    """The terms of the anchors; h as it is printed: P / (P + |N_j| / |N|)."""
    n = len(a)
    if n < 2:
        return [0.0] * n
    z = sum(exp(cosine(u, v) / tau) for u in a for v in b) / n**2
    p = [[exp(cosine(u, v) / tau) / (n * z) for v in b] for u in a]
    h = [[one / (one + (n - 1) / n) for one in row] for row in p]
    return [-log(h[i][i]) - sum(log(1 - h[i][k]) for k in range(n) if k != i) for i in range(n)]


def infonce_in_a_loop(a: Tensor, b: Tensor, tau: float) -> list[float]:
    n = len(a)
    s = [[exp(cosine(u, v) / tau) for v in b] for u in a]
    columns = [sum(s[k][i] for k in range(n)) for i in range(n)]
    return [-(log(s[i][i] / sum(s[i])) + log(s[i][i] / columns[i])) / 2 for i in range(n)]


LOOPS = [(nce, nce_in_a_loop), (infonce, infonce_in_a_loop)]
BOTH = pytest.mark.parametrize("loss", [nce, infonce])


def test_nce_and_infonce_give_the_known_answers() -> None:
    known = known_answer("nce_batch")
    views = double(known["anchor"]), double(known["target"])
    assert nce(*views, temperature=known["tau"]).item() == pytest.approx(known["nce"], abs=1e-12)
    assert infonce(*views, temperature=known["tau"]).item() == pytest.approx(known["infonce_sym"], abs=1e-12)


def test_nce_and_infonce_by_hand() -> None:
    """Two samples at right angles, temperature 1: scores ((1, 0), (0, 1)), so Z = (e + 1) / 2 and K = 1."""
    views = torch.eye(2), 5 * torch.eye(2)
    z = (e + 1) / 2
    own, other = e / (e + z), 1 / (1 + z)
    assert nce(*views, temperature=1.0).item() == pytest.approx(-log(own) - log(1 - other))
    assert infonce(*views, temperature=1.0).item() == pytest.approx(-log(e / (e + 1)))


@pytest.mark.parametrize(("loss", "loop"), LOOPS)
@given(st.integers(0, 8), st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_each_term_is_that_of_a_loop(loss: Callable, loop: Callable, rows: int, seed: int) -> None:
    a, b = drawn(rows, 3, seed=seed), drawn(rows, 3, seed=seed + 1)
    terms = loss(a, b, temperature=TAU, reduction="none")
    torch.testing.assert_close(terms, double(loop(a, b, TAU)))
    assert loss(a, b, temperature=TAU).item() == pytest.approx(sum(terms.tolist()) / max(rows, 1))


def test_nce_is_binary_cross_entropy_on_shifted_scores() -> None:
    a, b, n = drawn(6, 4), drawn(6, 4, seed=1), 6
    scores = normalize(a, dim=1) @ normalize(b, dim=1).T / TAU
    shifted = scores - log(n - 1) - scores.exp().mean().log()
    expected = binary_cross_entropy_with_logits(shifted, torch.eye(n).double(), reduction="sum") / n
    torch.testing.assert_close(nce(a, b, temperature=TAU), expected)


def test_the_partition_of_nce_has_no_gradient() -> None:
    a, b, n = drawn(6, 4).requires_grad_(), drawn(6, 4, seed=1), 6
    scores = normalize(a, dim=1) @ normalize(b, dim=1).T / TAU
    constant = log(n - 1) + scores.exp().mean().log().item()
    expected = binary_cross_entropy_with_logits(scores - constant, torch.eye(n).double(), reduction="sum") / n
    (theirs,) = torch.autograd.grad(expected, a)
    (ours,) = torch.autograd.grad(nce(a, b, temperature=TAU), a)
    torch.testing.assert_close(ours, theirs)


def test_infonce_is_the_mean_of_two_cross_entropies() -> None:
    a, b, here = drawn(6, 4), drawn(6, 4, seed=1), torch.arange(6)
    scores = normalize(a, dim=1) @ normalize(b, dim=1).T / TAU
    expected = (cross_entropy(scores, here) + cross_entropy(scores.T, here)) / 2
    torch.testing.assert_close(infonce(a, b, temperature=TAU), expected)


@BOTH
def test_a_temperature_may_be_learnt(loss: Callable) -> None:
    a, b, tau = drawn(6, 4), drawn(6, 4, seed=1), double(TAU).requires_grad_()
    value = loss(a, b, temperature=tau)
    torch.testing.assert_close(value, loss(a, b, temperature=TAU))
    (gradient,) = torch.autograd.grad(value, tau)
    assert gradient.isfinite()
    assert gradient != 0


@BOTH
@given(st.integers(0, 10_000), st.permutations(range(5)), st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_lengths_rotations_and_order_do_not_matter(
    loss: Callable, seed: int, order: list[int], size: float
) -> None:
    a, b = drawn(5, 4, seed=seed), drawn(5, 4, seed=seed + 1)
    expected = loss(a, b, temperature=TAU, reduction="none")
    turned = loss(size * a @ ROTATION, b @ ROTATION, temperature=TAU, reduction="none")
    torch.testing.assert_close(turned, expected)
    torch.testing.assert_close(loss(a[order], b[order], temperature=TAU, reduction="none"), expected[order])
    torch.testing.assert_close(loss(b, a, temperature=TAU), loss(a, b, temperature=TAU))


THREE = [drawn(6, 4, seed=n) for n in range(3)]
ALL = [torch.ones(6, dtype=torch.bool)] * 3
SOME = [
    torch.tensor([True, True, False, True, True, False]),
    torch.tensor([True, True, True, False, True, False]),
    torch.tensor([True, False, True, True, False, True]),
]
"""Samples with 3, 2, 2, 2, 2 and 1 of the views."""


def test_pairwise_nce_by_hand() -> None:
    """Right angles again. Where the second sample lacks the third view, its pairs have one row: these add 0.

    The first sample then has two terms, over its three views; the second has two, over its two views.
    """
    views, z = [torch.eye(2)] * 3, (e + 1) / 2
    term = -log(e / (e + z)) - log(1 - 1 / (1 + z))
    there = torch.tensor([True, True])
    assert pairwise_nce(views, [there] * 3, temperature=1.0).item() == pytest.approx(6 * term / 3)
    some = pairwise_nce(views, [there, there, torch.tensor([True, False])], temperature=1.0)
    assert some.item() == pytest.approx((2 * term / 3 + 2 * term / 2) / 2)


@BOTH
def test_of_complete_samples_the_sum_over_pairs_counts_one_over_modalities(loss: Callable) -> None:
    expected = sum(loss(a, b, temperature=TAU) for a, b in permutations(THREE, 2)) / 3
    torch.testing.assert_close(pairwise_nce(THREE, ALL, temperature=TAU, loss=loss), expected)


@pytest.mark.parametrize(("loss", "loop"), LOOPS)
def test_each_sample_counts_by_its_own_modalities(loss: Callable, loop: Callable) -> None:
    total = [0.0] * 6
    for m, m_i in permutations(range(3), 2):
        rows = [j for j in range(6) if SOME[m][j] and SOME[m_i][j]]
        for j, term in zip(rows, loop(THREE[m][rows], THREE[m_i][rows], TAU), strict=True):
            total[j] += term / sum(int(there[j]) for there in SOME)
    assert total[5] == 0  # one view, no pair
    value = pairwise_nce(THREE, SOME, temperature=TAU, loss=loss).item()
    assert value == pytest.approx(sum(total) / 5)


@BOTH
def test_what_stands_where_a_view_is_missing_is_never_read(loss: Callable) -> None:
    views = [f.masked_fill(~there[:, None], torch.nan) for f, there in zip(THREE, SOME, strict=True)]
    views = [f.requires_grad_() for f in views]
    value = pairwise_nce(views, SOME, temperature=TAU, loss=loss)
    torch.testing.assert_close(value, pairwise_nce(THREE, SOME, temperature=TAU, loss=loss))
    for gradient, there in zip(torch.autograd.grad(value, views), SOME, strict=True):
        assert gradient.isfinite().all()
        assert not gradient[~there].any()


def test_a_sample_without_a_pair_and_the_order_of_views_change_nothing() -> None:
    expected = pairwise_nce(THREE, SOME, temperature=TAU)
    torch.testing.assert_close(pairwise_nce(THREE[::-1], SOME[::-1], temperature=TAU), expected)
    fewer = pairwise_nce([f[:5] for f in THREE], [there[:5] for there in SOME], temperature=TAU)
    torch.testing.assert_close(fewer, expected)


@pytest.mark.parametrize("count", [1, 3], ids=["one view", "three views, none there"])
def test_without_a_pair_of_views_there_is_nothing_to_learn(count: int) -> None:
    views = [f.clone().requires_grad_() for f in THREE[:count]]
    there = [torch.full((6,), count == 1)] * count
    loss = pairwise_nce(views, there, temperature=TAU)
    assert loss.item() == 0
    assert not any(gradient.any() for gradient in torch.autograd.grad(loss, views))


def ones(labels: Tensor) -> Tensor:
    return torch.ones(int(labels.max()) + 1 if len(labels) else 1, dtype=torch.float64)


def swfc_in_a_loop(z: Tensor, y: list[int], weights: list[float], tau: float, focus: float) -> float:
    total, n = 0.0, len(y)
    for i in range(n):
        score = [exp((z[i] @ z[k]).item() / tau) for k in range(n)]
        others = sum(score[:i] + score[i + 1 :])  # the sum of all less its own would lose digits
        same = [score[g] / others for g in range(n) if g != i and y[g] == y[i]]
        if same:
            total -= weights[y[i]] * sum((1 - s) ** focus * log(s) for s in same) / len(same)
    return total / n


@pytest.mark.parametrize("n", range(5))
def test_swfc_gives_the_known_answers(n: int) -> None:
    known = known_answer("swfc")
    z, labels, case = double(known["z"]), torch.tensor(known["y"]), known["cases"][n]
    weights = class_weights(labels.bincount().double(), power=case["alpha"], norm="none")
    loss = partial(swfc, temperature=case["tau"], focus=case["gamma"], normalise=case["normalise"])
    assert loss(z, labels, weights).item() == pytest.approx(case["loss"], abs=1e-12)


def test_swfc_by_hand() -> None:
    """Two of one class in one direction, one of another class at right angles, which has no partner: 0."""
    z, labels = 4 * torch.eye(2)[[0, 0, 1]], torch.tensor([0, 0, 1])
    s = e / (e + 1)
    loss = swfc(z, labels, torch.tensor([3.0, 7.0]), temperature=1.0, focus=2.0)
    assert loss.item() == pytest.approx(-3 * 2 * (1 - s) ** 2 * log(s) / 3)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=9),
    st.integers(0, 10_000),
    st.floats(0, 3),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_swfc_is_that_of_a_loop(y: list[int], seed: int, focus: float, normalise: bool) -> None:
    z, weights = drawn(len(y), 3, seed=seed), [0.5, 2.0, 1.0, 3.0]
    rows = normalize(z, dim=1) if normalise else z
    loss = swfc(z, torch.tensor(y), double(weights), temperature=0.9, focus=focus, normalise=normalise)
    assert loss.item() == pytest.approx(swfc_in_a_loop(rows, y, weights, 0.9, focus), abs=1e-9)


LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3])


def test_swfc_without_weights_and_focus_is_supcon() -> None:
    """Khosla et al. (2020), their L_out, summed over the anchors: the log of a sum of exponentials."""
    z = normalize(drawn(7, 4), dim=1)
    supcon = 0.0
    for i in range(7):
        others = [k for k in range(7) if k != i]
        partners = [k for k in others if LABELS[k] == LABELS[i]]
        log_all = (z[others] @ z[i] / TAU).exp().sum().log()
        supcon -= sum((z[i] @ z[p] / TAU - log_all).item() for p in partners) / max(len(partners), 1)
    loss = swfc(z, LABELS, ones(LABELS), temperature=TAU, focus=0)
    assert 7 * loss.item() == pytest.approx(supcon)


def test_swfc_with_a_focus_of_one_is_the_focal_contrastive_loss() -> None:
    """Zhang et al. (2021): each pair counts 1 - p of its -log p, mean over the partners of an anchor."""
    z = normalize(drawn(7, 4), dim=1)
    p = (z @ z.T / TAU).exp() * (1 - torch.eye(7))
    p = p / p.sum(dim=1, keepdim=True)
    anchors = []
    for i in range(7):
        partners = [k for k in range(7) if k != i and LABELS[k] == LABELS[i]]
        terms = [-(1 - p[i, k]) * p[i, k].log() for k in partners]
        anchors.append(torch.stack(terms).mean() if terms else torch.tensor(0.0).double())
    loss = swfc(z, LABELS, ones(LABELS), temperature=TAU, focus=1)
    torch.testing.assert_close(loss, torch.stack(anchors).mean())


@given(st.integers(0, 10_000), st.permutations(range(7)), st.floats(0.01, 100), st.permutations(range(4)))
@settings(max_examples=20, deadline=None)
def test_swfc_minds_neither_length_nor_rotation_nor_order_nor_names(
    seed: int, order: list[int], size: float, names: list[int]
) -> None:
    z, weights, renamed = drawn(7, 4, seed=seed), double([1.0, 2.0, 3.0, 4.0]), torch.tensor(names)
    loss = partial(swfc, temperature=TAU, focus=1.5)
    expected = loss(z, LABELS, weights)
    torch.testing.assert_close(loss(size * z @ ROTATION, LABELS, weights), expected)
    torch.testing.assert_close(loss(z[order], LABELS[order], weights), expected)
    torch.testing.assert_close(loss(z, renamed[LABELS], weights[renamed.argsort()]), expected)
    plain = loss(z, LABELS, weights, normalise=False)
    torch.testing.assert_close(loss(z @ ROTATION, LABELS, weights, normalise=False), plain)


@pytest.mark.parametrize("focus", [0.0, 0.4, 2.0])
def test_the_gradient_of_swfc_goes_through_the_factor(focus: float) -> None:
    loss = partial(swfc, labels=LABELS, weights=ones(LABELS), temperature=TAU, focus=focus)
    assert torch.autograd.gradcheck(loss, drawn(7, 4).requires_grad_())


DEGENERATE = {
    "no samples": (torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)),
    "one sample": (torch.ones(1, 3), torch.tensor([0])),
    "two of one class": (drawn(2, 3).float(), torch.tensor([0, 0])),
    "one class only": (drawn(5, 3).float(), torch.tensor([0, 0, 0, 0, 0])),
    "nobody has a partner": (drawn(4, 3).float(), torch.tensor([0, 1, 2, 3])),
    "identical features": (torch.ones(5, 3), torch.tensor([0, 1, 0, 2, 1])),
    "zero features": (torch.zeros(5, 3), torch.tensor([0, 1, 0, 2, 1])),
    "some zero features": (torch.eye(5, 3), torch.tensor([0, 1, 0, 2, 1])),
    "far apart": (1e3 * torch.eye(4)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1])),
}
"""In far apart, a pair of one class has s = 1 exactly where features keep their length."""


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("focus", [0.0, 0.4, 2.0])
@pytest.mark.parametrize("normalise", [True, False])
def test_swfc_of_any_batch_has_a_finite_gradient(case: str, focus: float, normalise: bool) -> None:
    z, labels = DEGENERATE[case]
    z = z.clone().requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        loss = swfc(z, labels, torch.ones(5), temperature=0.1, focus=focus, normalise=normalise)
        (gradient,) = torch.autograd.grad(loss, z)
    assert loss.isfinite()
    assert gradient.abs().max().item() < 1e3 if len(z) else loss.item() == 0
    if case in ("one sample", "two of one class", "nobody has a partner"):
        assert loss.item() == 0
        assert not gradient.any()


@pytest.mark.parametrize("case", DEGENERATE)
@BOTH
def test_nce_and_infonce_of_any_batch_have_a_finite_gradient(case: str, loss: Callable) -> None:
    z, _ = DEGENERATE[case]
    views = [z.clone().requires_grad_(), z.clone().requires_grad_()]
    value = loss(*views, temperature=0.1)
    gradients = torch.autograd.grad(value, views)
    assert value.isfinite()
    assert all((gradient.abs() < 1e3).all() for gradient in gradients)
    if len(z) < 2:
        assert value.item() == 0
        assert not any(gradient.any() for gradient in gradients)


def test_a_training_in_sixteen_bits_contrasts_as_precisely() -> None:
    a, b = drawn(6, 40).float(), drawn(6, 40, seed=1).float()
    for loss in (nce, infonce):
        expected = loss(a, b, temperature=0.05)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(loss(a, b, temperature=0.05), expected)
