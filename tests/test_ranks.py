"""Several processes that share every batch give what one process gives."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from affectline.nn.ranks import everywhere


def trained(folder: Path, devices: int) -> list[dict[str, float]]:
    """The log of four epochs of the toy recipe, batches of three conversations, on so many processes."""
    command = f"train multiemo.synthetic train.epochs=4 train.batch=3 config.dropout=0.0 --devices {devices}"
    paths = ["--root", str(folder), "--out", str(folder / f"run{devices}"), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [sys.executable, "-m", "affectline", *command.split(), *paths],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    with (folder / f"run{devices}" / "log.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_two_processes_give_the_losses_and_the_weights_of_one(tmp_path: Path) -> None:
    alone, together = trained(tmp_path, 1), trained(tmp_path, 2)
    assert [set(row) for row in alone] == [{"epoch", "ce", "swfc", "soft_hgr", "score", "best"}] * 4
    for one, two in zip(alone, together, strict=True):
        assert two == pytest.approx(one, rel=1e-4, abs=1e-6)
    states = [torch.load(tmp_path / f"run{n}" / "last.pt", weights_only=True)["model"] for n in (1, 2)]
    for name, weight in states[0].items():
        if not name.endswith("key_value.bias"):  # no softmax sees it: its gradient is rounding alone
            torch.testing.assert_close(states[1][name], weight, rtol=1e-3, atol=1e-4)


def test_one_process_alone_is_everywhere() -> None:
    x = torch.ones(3, 2)
    assert everywhere(x) is x
