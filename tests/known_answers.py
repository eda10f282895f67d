"""The known answers to the papers' equations, ../shared/oracles/fixtures.json: float64, made with numpy."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

FIXTURES = Path(__file__).parents[2] / "shared" / "oracles" / "fixtures.json"


def known_answer(name: str) -> dict[str, Any]:
    """The inputs and outputs of one equation; skips the test that asks where the file is not there."""
    if not FIXTURES.is_file():
        pytest.skip(f"no known answers at {FIXTURES}; they lie beside the repository, in shared/oracles")
    return json.loads(FIXTURES.read_text(encoding="utf-8"))[name]


def double(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers, float64."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
