"""Soft-HGR: known answers, a loop, and what theory says of its optimum (canonical correlations)."""

from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_answers import double, drawn, known_answer
from sklearn.cross_decomposition import CCA
from torch import Tensor

from affectline.losses import soft_hgr, soft_hgr_release

N = 400
RHO = double([0.9, 0.5, 0.2])
FORMS = pytest.mark.parametrize("loss", [soft_hgr, soft_hgr_release])


def centred(x: Tensor) -> Tensor:
    return x - x.mean(dim=0)


def soft_hgr_in_a_loop(views: Sequence[Tensor]) -> float:
    total = 0.0
    for f, g in combinations([centred(view) for view in views], 2):
        expectation = sum((a @ b).item() for a, b in zip(f, g, strict=True)) / len(f)
        total -= expectation - (torch.cov(f.T) @ torch.cov(g.T)).trace().item() / 2
    return total


def release_in_a_loop(views: Sequence[Tensor]) -> float:
    total, n = 0.0, len(views[0])
    for f, g in combinations(views, 2):
        expectation = sum((a @ b).item() for a, b in zip(f, g, strict=True)) / n
        total -= expectation - (torch.cov(f) @ torch.cov(g)).trace().item() / (2 * n)
    return total / n


def test_both_forms_give_the_known_answers() -> None:
    known = known_answer("soft_hgr")
    views = [double(known[m]) for m in "tav"]
    assert soft_hgr(views).item() == pytest.approx(known["loss_ddof0_inner"], abs=1e-12)
    assert soft_hgr_release(views).item() == pytest.approx(known["loss_release"], abs=1e-12)


def test_soft_hgr_by_hand() -> None:
    """About their means (1, -1) and (2, -2): the expectation of fg is 2, the variances are 2 and 8."""
    f, g = torch.tensor([[5.0], [3.0]]), torch.tensor([[2.0], [-2.0]])
    assert soft_hgr([f, g]).item() == pytest.approx(-(2 - 2 * 8 / 2))


def test_the_release_by_hand() -> None:
    """Two samples of two dimensions, E[f . g] = (1 + 6) / 2. About the means of their rows they are
    ((1, -1), (-1, 1)) / 2 and ((1, -1), (0, 0)) / 2, so C(f) = ((1, -1), (-1, 1)) / 2 and
    C(g) = ((1, 0), (0, 0)) / 2: the trace is 1 / 4.
    """
    f, g = torch.tensor([[1.0, 0.0], [1.0, 2.0]]), torch.tensor([[1.0, 0.0], [2.0, 2.0]])
    assert soft_hgr_release([f, g]).item() == pytest.approx(-(7 / 2 - 1 / 4 / 4) / 2)


@pytest.mark.parametrize(
    ("loss", "loop"), [(soft_hgr, soft_hgr_in_a_loop), (soft_hgr_release, release_in_a_loop)]
)
@given(st.tuples(*[st.integers(2, 12)] * 2), st.integers(2, 4), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_both_forms_are_those_of_a_loop(
    loss: Callable, loop: Callable, shape: tuple[int, int], count: int, seed: int
) -> None:
    views = [drawn(*shape, seed=seed + n) + n for n in range(count)]
    assert loss(views).item() == pytest.approx(loop(views), rel=1e-9, abs=1e-9)


def test_dimensions_that_are_always_zero_change_the_way_but_not_the_value() -> None:
    """tr(cov F cov G) = |Fc Gc'|^2 / (N - 1)^2: few dimensions go one way, many the other."""
    views = [drawn(9, 3, seed=n) for n in range(3)]
    wide = [torch.cat([view, torch.zeros(9, 50)], dim=1) for view in views]
    torch.testing.assert_close(soft_hgr(wide), soft_hgr(views))


@given(st.integers(0, 10_000), st.permutations(range(8)), st.permutations(range(3)), st.floats(-50, 50))
@settings(max_examples=20, deadline=None)
def test_soft_hgr_minds_neither_place_nor_joint_rotation_nor_order(
    seed: int, order: list[int], of_views: list[int], shift: float
) -> None:
    views = [drawn(8, 4, seed=seed + n) for n in range(3)]
    turn = torch.linalg.qr(drawn(4, 4, seed=seed)).Q
    expected = soft_hgr(views)
    moved = [view @ turn + shift * drawn(4, seed=n) for n, view in enumerate(views)]
    torch.testing.assert_close(soft_hgr(moved), expected)
    torch.testing.assert_close(soft_hgr([view[order] for view in views]), expected)
    torch.testing.assert_close(soft_hgr([views[n] for n in of_views]), expected)
    torch.testing.assert_close(soft_hgr_release([view[order] for view in views]), soft_hgr_release(views))


def test_the_release_minds_the_place() -> None:
    views = [drawn(8, 4, seed=n) for n in range(3)]
    moved = [view + 2 for view in views]
    assert abs(soft_hgr_release(moved) - soft_hgr_release(views)) > 1


def correlated() -> tuple[Tensor, Tensor]:
    """Two views whose dimensions correlate by about RHO, hidden by a linear map of each."""
    x = drawn(N, 3)
    y = RHO * x + (1 - RHO**2).sqrt() * drawn(N, 3, seed=1)
    return x @ drawn(3, 3, seed=2) + 4, y @ drawn(3, 3, seed=3) - 1


def whitened(x: Tensor) -> Tensor:
    """The same space with an identity for its covariance."""
    return torch.linalg.svd(centred(x), full_matrices=False).U * (len(x) - 1) ** 0.5


def canonical() -> tuple[Tensor, Tensor, Tensor]:
    """The canonical variates of unit variance, and their correlations: an SVD of the whitened views."""
    f, g = (whitened(view) for view in correlated())
    u, rho, v = torch.linalg.svd(f.T @ g / (N - 1))
    return f @ u, g @ v.T, rho


SHARE = (N - 1) / N
"""The expectation is by 1 / N and the covariances are by 1 / (N - 1), so this much of each rho counts."""


def test_on_whitened_canonical_variates_the_correlations_are_summed() -> None:
    f, g, rho = canonical()
    assert rho.tolist() == pytest.approx(RHO.tolist(), abs=0.1)
    assert soft_hgr([f, g]).item() == pytest.approx(-(SHARE * rho.sum().item() - 3 / 2))


def test_the_variates_of_scikit_learn_give_the_same() -> None:
    x, y = correlated()
    cca = CCA(n_components=3, tol=1e-12, max_iter=10_000).fit(x.numpy(), y.numpy())
    f, g = (torch.from_numpy(scores) for scores in cca.transform(x.numpy(), y.numpy()))
    f, g = f / f.std(dim=0), g / g.std(dim=0)
    assert soft_hgr([f, g]).item() == pytest.approx(soft_hgr(canonical()[:2]).item(), abs=1e-6)


def lowest() -> float:
    return -0.5 * (SHARE * canonical()[2]).square().sum().item()


def test_the_variates_by_the_root_of_their_correlation_are_a_minimum() -> None:
    f, g, rho = canonical()
    f, g = (f * (SHARE * rho).sqrt()).requires_grad_(), g * (SHARE * rho).sqrt()
    maps = [torch.eye(3).double().requires_grad_(), torch.eye(3).double().requires_grad_()]
    loss = soft_hgr([f @ maps[0], g @ maps[1]])
    assert loss.item() == pytest.approx(lowest())
    assert all(gradient.abs().max() < 1e-9 for gradient in torch.autograd.grad(loss, maps))


@given(st.integers(0, 10_000), st.floats(0, 2))
@settings(max_examples=40, deadline=None)
def test_no_linear_maps_go_below_minus_half_the_squared_correlations(seed: int, size: float) -> None:
    x, y = correlated()
    loss = soft_hgr([x @ (size * drawn(3, 3, seed=seed)), y @ (size * drawn(3, 3, seed=seed + 1))])
    assert loss.item() >= lowest() - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_training_linear_maps_ends_there(seed: int) -> None:
    x, y = correlated()
    maps = [(0.3 * drawn(3, 3, seed=seed + n)).requires_grad_() for n in (0, 10)]
    optimiser = torch.optim.LBFGS(maps, max_iter=400, tolerance_grad=1e-11, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = soft_hgr([x @ maps[0], y @ maps[1]])
        value.backward()
        return value

    optimiser.step(loss)
    assert loss().item() == pytest.approx(lowest(), abs=1e-6)


@pytest.mark.parametrize("rows", [10, 60], ids=["wide", "tall"])
def test_features_that_do_not_correlate_pay_half_the_trace(rows: int) -> None:
    space = whitened(drawn(rows, 8))
    f, g = space[:, :4] @ drawn(4, 4, seed=1), space[:, 4:] @ drawn(4, 4, seed=2)
    penalty = (torch.cov(f.T) @ torch.cov(g.T)).trace().item() / 2
    assert penalty > 0
    assert soft_hgr([f, g]).item() == pytest.approx(penalty)


def test_of_noise_the_two_forms_differ_by_three_orders() -> None:
    noise = [drawn(100, 256, seed=n) for n in range(3)]
    assert 300 < soft_hgr(noise).item() < 480
    assert abs(soft_hgr_release(noise).item()) < 0.1


@FORMS
@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("rows", [0, 1, 2, 5])
@pytest.mark.parametrize("fill", [0.0, 1.0, None], ids=["zeros", "identical", "noise"])
def test_any_batch_gives_a_finite_gradient(loss: Callable, dim: int, rows: int, fill: float | None) -> None:
    views = [
        (drawn(rows, dim, seed=n) if fill is None else torch.full((rows, dim), fill)).requires_grad_()
        for n in range(3)
    ]
    value = loss(views)
    gradients = torch.autograd.grad(value, views)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
    if rows < 2:
        assert value.item() == 0
        assert not any(gradient.any() for gradient in gradients)


@FORMS
def test_one_view_has_nothing_to_correlate_with(loss: Callable) -> None:
    view = drawn(5, 3).requires_grad_()
    value = loss([view])
    assert value.item() == 0
    assert not torch.autograd.grad(value, view)[0].any()
