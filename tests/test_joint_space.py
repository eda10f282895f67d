import torch
from torch import Tensor

from affectline.losses import infonce, pairwise_nce
from affectline.nn.joint_space import JointSpace, Query, weights

N, MODES, DIM, JOINT = 7, 3, 6, 4


def built() -> tuple[Query, JointSpace]:
    torch.manual_seed(0)
    query = Query(MODES, DIM)
    torch.nn.init.normal_(query.own)
    return query.double(), JointSpace(MODES, DIM, JOINT).double()


def some() -> tuple[Tensor, Tensor]:
    """Descriptors, 0 where a mode is missing; the first utterance has all, the second one, the third none."""
    generator = torch.Generator().manual_seed(1)
    there = torch.rand(N, MODES, generator=generator) < 0.6
    there[0], there[1], there[2] = True, torch.tensor([False, True, False]), False
    c = torch.randn(N, MODES, DIM, dtype=torch.float64, generator=generator)
    return c.masked_fill(~there[..., None], 0.0), there


@torch.no_grad()
def test_weights_and_guesses_are_those_of_the_equations_mode_by_mode() -> None:
    (query, space), (c, there) = built(), some()
    s = query(c)
    w = weights(s, there)
    p, guess = space(c, s, there)
    for n in range(N):
        own = {m: torch.tanh(query.ask.weight @ c[n, m] + query.own[m]) for m in range(MODES) if there[n, m]}
        counts = {m: (query.score.weight[0] @ x).exp() for m, x in own.items()}
        for m in range(MODES):
            expected = counts[m] / sum(counts.values()) if m in counts else torch.zeros(())
            torch.testing.assert_close(w[n, m], expected.double())
            others = torch.zeros(JOINT, dtype=torch.float64)
            for other, count in counts.items():
                x = space.enter[other](c[n, other])
                torch.testing.assert_close(p[n, other], x / x.norm())
                others = others + (other != m) * count * x / x.norm()
            direction = others / others.norm() if others.any() else others
            torch.testing.assert_close(guess[n, m], space.leave[m](direction))
    assert not p[~there].any()


def test_the_guess_of_a_mode_does_not_look_at_it() -> None:
    (query, space), (c, there) = built(), some()
    c.requires_grad_()
    space(c, query(c), there)[1][:, 1].sum().backward()
    assert c.grad is not None
    assert not c.grad[:, 1].any()
    assert c.grad[0, [0, 2]].any(dim=1).all()
    assert torch.isfinite(c.grad).all()


def test_what_is_missing_is_told_better_than_by_zeros_where_the_modes_share_a_space() -> None:
    torch.manual_seed(0)
    seen_by = torch.randn(MODES, 2, DIM)  # each mode shows the same two numbers in another way
    query, space = Query(MODES, DIM), JointSpace(MODES, DIM, JOINT)
    optimizer = torch.optim.Adam([*query.parameters(), *space.parameters()], lr=2e-2)

    def shown(count: int) -> Tensor:
        u = torch.nn.functional.normalize(torch.randn(count, 2), dim=1)
        return torch.einsum("nk,mkd->nmd", u, seen_by) + 0.1 * torch.randn(count, MODES, DIM)

    for _ in range(60):
        c = shown(64)
        everything = torch.ones(64, MODES, dtype=torch.bool)
        p, guess = space(c, query(c), everything)
        views = list(p.unbind(dim=1))
        loss = pairwise_nce(views, list(everything.unbind(dim=1)), temperature=0.1, loss=infonce)
        optimizer.zero_grad()
        (0.1 * loss + (guess - c).square().mean()).backward()
        optimizer.step()
    c = shown(256)
    for missing in range(MODES):
        there = torch.ones(256, MODES, dtype=torch.bool)
        there[:, missing] = False
        left = c.masked_fill(~there[..., None], 0.0)
        _, guess = space(left, query(left), there)
        assert (guess - c)[:, missing].square().mean() < 0.3 * c[:, missing].square().mean()
