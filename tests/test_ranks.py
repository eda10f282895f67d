"""Several processes that share every batch give what one process gives."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import train_on_ranks
from torch import Tensor
from train_on_ranks import AVERAGE, FURTHER, layered, raw, toy

from affectline.cli import main
from affectline.nn.ranks import everywhere, leads


def python(*arguments: str) -> str:
    """What it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have trained, one thing after another."""
    folder = tmp_path_factory.mktemp("together")
    python(train_on_ranks.__file__, str(folder))
    return folder


def log(folder: Path) -> list[dict[str, float]]:
    with (folder / "log.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_two_processes_give_the_losses_and_the_weights_of_one_for_each_of_several_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = ("--seeds", "0,1")
    assert main(toy(tmp_path, "run1", *seeds)) == 0
    said = [capsys.readouterr().out]
    said.append(python("-m", "affectline", *toy(tmp_path, "run2", *seeds, "--devices", "2")))
    for devices, printed in zip((1, 2), said, strict=True):
        assert printed.split() == [str(tmp_path / f"run{devices}" / f"seed{seed}") for seed in (0, 1)]
    for seed in ("seed0", "seed1"):
        alone, shared = (tmp_path / f"run{devices}" / seed for devices in (1, 2))
        assert [set(row) for row in log(alone)] == [{"epoch", "ce", "swfc", "soft_hgr", "score", "best"}] * 4
        assert_alike(alone, shared)


def test_two_processes_with_shares_of_the_weights_too_and_one_goes_on_where_they_stopped(
    together: Path, tmp_path: Path
) -> None:
    assert main(toy(tmp_path, "run1", AVERAGE)) == 0
    assert log(together / "shares") == [
        pytest.approx(row, rel=1e-4, abs=1e-6) for row in log(tmp_path / "run1")
    ]
    folders = tmp_path / "run1", together / "shares"
    states = [torch.load(folder / "last.pt", weights_only=True) for folder in folders]
    for part in ("model", "average"):
        assert_same(*(state[part] for state in states))
    shutil.copytree(together / "shares", tmp_path / "further1")
    assert main(toy(tmp_path, "further1", *FURTHER)) == 0
    folders = tmp_path / "further1", together / "further2"
    whole, shares = (torch.load(folder / "last.pt", weights_only=True) for folder in folders)
    assert len(whole["past"]) == len(shares["past"]) == 6
    assert_same(whole["model"], shares["model"])


def test_two_processes_give_all_four_losses_of_semul_pcd_and_its_weights(
    together: Path, tmp_path: Path
) -> None:
    raw(tmp_path, 1)
    assert [set(row) for row in log(tmp_path)] == [{"epoch", "bce", "lcc", "mdl", "nce", "score", "best"}] * 3
    assert_alike(tmp_path, together / "raw2")


def test_layers_that_are_whole_one_after_another_learn_what_they_learn_in_one_process(
    together: Path, tmp_path: Path
) -> None:
    layered(tmp_path, 1)
    assert_alike(tmp_path, together / "layers2")


def assert_alike(alone: Path, shared: Path) -> None:
    """The losses of every epoch, and the last weights."""
    assert log(shared) == [pytest.approx(row, rel=1e-4, abs=1e-6) for row in log(alone)]
    states = (torch.load(folder / "last.pt", weights_only=True)["model"] for folder in (alone, shared))
    assert_same(*states)


def assert_same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> None:
    assert set(one) == set(two)
    for name, weight in one.items():
        if not name.endswith("key_value.bias"):  # no softmax sees it: its gradient is rounding alone
            torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=1e-4)


def test_of_several_processes_the_first_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert leads()
    monkeypatch.setenv("LOCAL_RANK", "1")  # of Fabric's own launcher
    assert not leads()
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("RANK", "2")  # of torchrun: the first of the second node
    assert not leads()


def test_one_process_alone_is_everywhere() -> None:
    x = torch.ones(3, 2)
    assert everywhere(x) is x
