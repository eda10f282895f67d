import pytest
import torch

from affectline.nn.standardise import Standardise


def test_what_it_was_fitted_on_has_mean_zero_and_deviation_one() -> None:
    torch.manual_seed(0)
    x = torch.randn(500, 3) * torch.tensor([1e-3, 1.0, 1e6]) + torch.tensor([5.0, -2.0, 3e6])
    module = Standardise(3)
    module.fit(x)
    seen = module(x)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(3), atol=1e-2, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(3), atol=1e-2, rtol=0)


def test_outliers_are_cut_off_and_what_never_varied_is_zero() -> None:
    module = Standardise(2)
    module.fit(torch.tensor([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0]]))
    assert module(torch.tensor([[1e9, 7.5]])).tolist() == [[10.0, 0.0]]
    assert module(torch.tensor([[-1e9, 7.0]])).tolist() == [[-10.0, 0.0]]


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_samples_change_nothing(rows: int) -> None:
    module = Standardise(2)
    module.fit(torch.ones(rows, 2) * 5)
    assert module(torch.tensor([[3.0, -4.0]])).tolist() == [[3.0, -4.0]]
