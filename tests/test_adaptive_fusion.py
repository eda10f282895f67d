from itertools import combinations
from typing import get_args

import pytest
import torch
from known_answers import double, drawn, known_answer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from affectline.nn.adaptive_fusion import AdaptiveFusion, Alpha, chain, interpolation, loss_gradient

N, DIM, CLASSES = 12, 5, 4
MODES: tuple[str, ...] = ("text", "audio", "video", "pulse.rate")
EPSILON = 0.3
Inputs = tuple[dict[str, Tensor], dict[str, Tensor], dict[str, nn.Linear]]


@pytest.fixture(params=get_args(Alpha))
def fuse(request: pytest.FixtureRequest) -> AdaptiveFusion:
    torch.manual_seed(0)
    leak = request.param == "oracle"
    fuse = AdaptiveFusion(MODES, DIM, alpha=request.param, allow_label_leak=leak).double().eval()
    if request.param == "static":
        nn.init.normal_(fuse.static)
    return fuse


def batch() -> Inputs:
    """Descriptors, which of them are there, class heads; the first utterance has all modes, the last none."""
    torch.manual_seed(1)
    features = {m: drawn(N, DIM, seed=n) for n, m in enumerate(MODES)}
    available = {m: torch.rand(N) < 0.7 for m in MODES}
    for there in available.values():
        there[0], there[-1] = True, False
    return features, available, {m: nn.Linear(DIM, CLASSES).double() for m in MODES}


def labels() -> Tensor:
    return torch.randint(CLASSES, (N,), generator=torch.Generator().manual_seed(5))


def alpha_by_autograd(f1: Tensor, f2: Tensor, head: nn.Linear, label: Tensor | None) -> Tensor:
    """Eq. 6 for one utterance, with the gradient as autograd has it."""
    f2 = f2.detach().requires_grad_()
    logits = head(f2)
    loss = cross_entropy(logits, logits.argmax() if label is None else label)
    (g,) = torch.autograd.grad(loss, f2)
    delta = f1 - f2.detach()
    return (EPSILON * delta.norm() * g / g.norm() / delta).clamp(0, 1).detach()


def slow(fuse: AdaptiveFusion, features: dict, available: dict, heads: dict) -> Tensor:
    """One utterance and one pair of modes after the other, with what is there alone."""
    out = torch.zeros(N, len(MODES), DIM, dtype=torch.float64)
    for n in range(N):
        here = [m for m in MODES if available[m][n]]
        for m in here:
            mixtures = []
            for other in here:
                if other == m:
                    continue
                f1, f2 = features[other][n], features[m][n]
                pair = MODES.index(m) * (len(MODES) - 1) + [x for x in MODES if x != m].index(other)
                match fuse.alpha:
                    case "equal":
                        alpha = torch.tensor(0.5)
                    case "none":
                        alpha = torch.tensor(0.0)
                    case "random":
                        alpha = fuse.random[pair]
                    case "static":
                        alpha = fuse.static[pair].sigmoid()
                    case "gate":
                        alpha = fuse.gate(torch.cat([f1, f2, f1 - f2]))
                    case _:
                        label = labels()[n] if fuse.alpha == "oracle" else None
                        alpha = alpha_by_autograd(f1, f2, heads[m], label)
                mixtures.append(alpha * f1 + (1 - alpha) * f2)
            own = torch.stack(mixtures).mean(dim=0) if mixtures else features[m][n]
            out[n, MODES.index(m)] = own
    return out.flatten(1)


def test_it_is_the_loop_over_utterances_and_pairs(fuse: AdaptiveFusion) -> None:
    inputs = batch()
    torch.testing.assert_close(fuse(*inputs, labels()), slow(fuse, *inputs))


def test_an_utterance_alone_is_as_in_a_batch(fuse: AdaptiveFusion) -> None:
    features, available, heads = batch()
    together = fuse(features, available, heads, labels())
    for n in range(N):
        part = slice(n, n + 1)
        alone = ({m: x[part] for m, x in of.items()} for of in (features, available))
        torch.testing.assert_close(fuse(*alone, heads, labels()[part]), together[part])


def test_what_is_missing_is_never_read(fuse: AdaptiveFusion) -> None:
    features, available, heads = batch()
    spoilt = {
        m: f.masked_fill(~available[m][:, None], torch.nan).requires_grad_() for m, f in features.items()
    }
    out = fuse(spoilt, available, heads, labels())
    torch.testing.assert_close(out, fuse(features, available, heads, labels()))
    out.square().sum().backward()
    gradients = [f.grad for f in spoilt.values()] + [p.grad for p in fuse.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("kept", [c for k in range(5) for c in combinations(MODES, k)])
def test_any_of_the_modes_can_be_there(kept: tuple[str, ...]) -> None:
    fuse = AdaptiveFusion(MODES, DIM).double()
    features, available, heads = batch()
    some = {m: there & (m in kept) for m, there in available.items()}
    out = fuse(features, some, heads)
    torch.testing.assert_close(out, slow(fuse, features, some, heads))
    parts = dict(zip(MODES, out.split(DIM, dim=1), strict=True))
    assert not any(parts[m][~some[m]].any() for m in MODES)
    if len(kept) == 1:
        torch.testing.assert_close(parts[kept[0]][some[kept[0]]], features[kept[0]][some[kept[0]]])


def test_labels_are_read_by_the_oracle_alone(fuse: AdaptiveFusion) -> None:
    inputs = batch()
    shuffled = (labels() + 1) % CLASSES
    same = torch.equal(fuse(*inputs, labels()), fuse(*inputs, shuffled))
    assert same == (fuse.alpha != "oracle")
    if fuse.alpha != "oracle":
        assert torch.equal(fuse(*inputs, labels()), fuse(*inputs))


def test_the_oracle_refuses_to_be_evaluated() -> None:
    fuse = AdaptiveFusion(MODES, DIM, alpha="oracle").double()
    inputs = batch()
    assert fuse(*inputs, labels()).isfinite().all()
    with pytest.raises(ValueError, match="needs the true label of every utterance"):
        fuse(*inputs)
    with pytest.raises(ValueError, match="needs the true label of every utterance"):
        fuse(*inputs, labels() - 1)
    fuse.eval()
    with pytest.raises(ValueError, match="which no evaluation may"):
        fuse(*inputs, labels())


def test_an_alpha_that_is_not_there_is_refused() -> None:
    fuse = AdaptiveFusion(MODES, DIM).double()
    fuse.alpha = "learned"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="unknown alpha 'learned'; there are pseudo, gate"):
        fuse(*batch())


def test_the_gradient_of_a_head_is_that_of_finite_differences() -> None:
    f, head, step = drawn(N, DIM), nn.Linear(DIM, CLASSES).double(), 1e-6
    analytic = loss_gradient(f, head, labels())
    for d in range(DIM):
        there, back = (
            cross_entropy(head(f + sign * step * torch.eye(DIM)[d]), labels(), reduction="none")
            for sign in (1, -1)
        )
        torch.testing.assert_close(analytic[:, d], (there - back) / (2 * step), atol=1e-8, rtol=1e-6)


def test_alpha_is_the_known_answer() -> None:
    answer = known_answer("alfa")
    f1, f2, g = (double(answer[name])[None] for name in ("f1", "f2", "grad_at_f2"))
    alpha = interpolation(f1, f2, g, answer["eps"])
    torch.testing.assert_close(alpha[0], double(answer["alpha_unclamped"]))
    torch.testing.assert_close(alpha[0].clamp(0, 1), double(answer["alpha_clamped"]))
    mixed = alpha.clamp(0, 1) * f1 + (1 - alpha.clamp(0, 1)) * f2
    torch.testing.assert_close(mixed[0], double(answer["mixed"]))


def test_no_step_as_long_raises_the_linear_loss_more_than_alpha_does() -> None:
    """Eq. 6 is on its constraint, and is what projected gradient ascent on (alpha delta) g finds."""
    f1, f2, g = (drawn(N, DIM, seed=seed) for seed in range(3))
    delta = f1 - f2
    alpha = interpolation(f1, f2, g, EPSILON)
    reach = EPSILON * delta.norm(dim=1)
    torch.testing.assert_close((alpha * delta).norm(dim=1), reach)
    torch.testing.assert_close((alpha * delta * g).sum(dim=1), reach * g.norm(dim=1))
    step = torch.zeros_like(delta)
    for _ in range(200):
        step = step + 0.5 * g
        step = step * (reach / step.norm(dim=1)).clamp(max=1)[:, None]
    torch.testing.assert_close(alpha * delta, step)


def test_modes_that_agree_and_heads_that_are_sure_leave_alpha_finite() -> None:
    f = drawn(N, DIM)
    zero = torch.zeros_like(f)
    assert not interpolation(f, f, drawn(N, DIM, seed=1), EPSILON).any()
    assert not interpolation(f, drawn(N, DIM, seed=1), zero, EPSILON).any()


def test_alpha_has_no_gradient_by_equation_6_and_stays_within_its_bounds() -> None:
    features, available, heads = batch()
    features = {m: f.requires_grad_() for m, f in features.items()}
    everywhere = {m: torch.ones_like(there) for m, there in available.items()}
    fuse = AdaptiveFusion(MODES[:2], DIM).double()
    fuse(features, everywhere, heads).sum().backward()
    assert all(p.grad is None for head in heads.values() for p in head.parameters())
    between = fuse(features, everywhere, heads).view(N, 2, DIM)
    low, high = torch.stack([features[m] for m in MODES[:2]], dim=1).aminmax(dim=1)
    assert ((between >= low[:, None] - 1e-9) & (between <= high[:, None] + 1e-9)).all()


@pytest.mark.parametrize("alpha", ["gate", "static"])
def test_every_parameter_learns(alpha: Alpha) -> None:
    fuse = AdaptiveFusion(MODES, DIM, alpha=alpha).double()
    fuse(*batch()).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in fuse.parameters())


def test_random_alphas_are_one_for_each_pair_and_are_kept() -> None:
    torch.manual_seed(2)
    fuse, other = (AdaptiveFusion(MODES, DIM, alpha="random").double() for _ in range(2))
    numbers = fuse.state_dict()["random"]
    assert len(numbers.unique()) == len(MODES) * (len(MODES) - 1)
    assert ((numbers >= 0) & (numbers <= 1)).all()
    inputs = batch()
    assert torch.equal(fuse(*inputs), fuse(*inputs))
    assert not torch.equal(fuse(*inputs), other(*inputs))
    other.load_state_dict(fuse.state_dict())
    assert torch.equal(fuse(*inputs), other(*inputs))


def test_the_coefficients_of_a_chain_sum_to_one() -> None:
    f = [drawn(N, DIM, seed=seed) for seed in range(3)]
    a1, a2 = (torch.rand(N, DIM, dtype=torch.float64) for _ in range(2))
    coefficients = (a1 * a2, a2 * (1 - a1), 1 - a2)
    torch.testing.assert_close(sum(coefficients), torch.ones_like(a1))
    expected = sum(c * x for c, x in zip(coefficients, f, strict=True))
    torch.testing.assert_close(chain(f, [a1, a2]), expected)
