"""Several processes that share every batch give what one process gives."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import train_raw
from raw_makers import CONFIG, LABELS, raw_conversations
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from affectline.batch import Batch
from affectline.epochs import Shuffled
from affectline.machines import Machines
from affectline.models.semul_pcd import Objective, SeMuLPCD
from affectline.nn.ranks import everywhere, leads
from affectline.training import Train, fit


def train(folder: Path, devices: int, changes: str = "", out: str = "") -> str:
    """Train the toy recipe, in batches of seven and one: a second process has nothing of that."""
    command = f"train multiemo.synthetic train.epochs=4 train.batch=7 config.dropout=0.0 {changes}"
    paths = ["--root", str(folder), "--out", str(folder / (out or f"run{devices}")), "--device", "cpu"]
    return python("-m", "affectline", *command.split(), "--devices", str(devices), *paths)


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


def log(folder: Path) -> list[dict[str, float]]:
    with (folder / "log.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_two_processes_give_the_losses_and_the_weights_of_one_for_each_of_several_seeds(
    tmp_path: Path,
) -> None:
    for devices in (1, 2):
        said = train(tmp_path, devices, "--seeds 0,1")
        assert said.split() == [str(tmp_path / f"run{devices}" / f"seed{seed}") for seed in (0, 1)]
    for seed in ("seed0", "seed1"):
        folders = [tmp_path / f"run{devices}" / seed for devices in (1, 2)]
        alone, together = map(log, folders)
        assert [set(row) for row in alone] == [{"epoch", "ce", "swfc", "soft_hgr", "score", "best"}] * 4
        for one, two in zip(alone, together, strict=True):
            assert two == pytest.approx(one, rel=1e-4, abs=1e-6)
        states = [torch.load(folder / "last.pt", weights_only=True)["model"] for folder in folders]
        assert_same(*states)


def test_two_processes_with_shares_of_the_weights_too_and_one_goes_on_where_they_stopped(
    tmp_path: Path,
) -> None:
    average = "train.average=0.3"
    train(tmp_path, 1, average)
    train(tmp_path, 2, f"{average} --strategy fsdp", "shares")
    assert log(tmp_path / "shares") == [
        pytest.approx(row, rel=1e-4, abs=1e-6) for row in log(tmp_path / "run1")
    ]
    states = [torch.load(tmp_path / run / "last.pt", weights_only=True) for run in ("run1", "shares")]
    for part in ("model", "average"):
        assert_same(*(state[part] for state in states))
    for devices, more in ((1, ""), (2, "--strategy fsdp")):
        shutil.copytree(tmp_path / "shares", tmp_path / f"further{devices}")
        train(tmp_path, devices, f"{average} train.epochs=6 --resume {more}", f"further{devices}")
    whole, shares = (torch.load(tmp_path / f"further{n}" / "last.pt", weights_only=True) for n in (1, 2))
    assert len(whole["past"]) == len(shares["past"]) == 6
    assert_same(whole["model"], shares["model"])


def test_two_processes_give_all_four_losses_of_semul_pcd_and_its_weights(tmp_path: Path) -> None:
    folders = [tmp_path / f"run{devices}" for devices in (1, 2)]
    train_raw.train(folders[0], 1)
    python(train_raw.__file__, str(folders[1]), "2")
    alone, together = map(log, folders)
    assert [set(row) for row in alone] == [{"epoch", "bce", "lcc", "mdl", "nce", "score", "best"}] * 3
    for one, two in zip(alone, together, strict=True):
        assert two == pytest.approx(one, rel=1e-4, abs=1e-6)
    assert_same(*(torch.load(folder / "last.pt", weights_only=True)["model"] for folder in folders))


def layered(folder: Path, devices: int) -> None:
    """Train what is gathered layer by layer; a second process has nothing of the batches of one."""
    torch.manual_seed(0)
    machines = Machines(device="cpu", devices=devices, strategy="fsdp" if devices > 1 else "ddp")
    epochs = Shuffled(*raw_conversations((1,) * 6, missing=0.3), LABELS, size=5, seed=0)

    def objective(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        terms = Objective()(model, batch)
        kept = [name for name, weight in model.named_parameters() if not isinstance(weight, DTensor)]
        assert any(name.startswith("layers.") for name in kept) == (devices == 1), kept
        assert any(name.startswith("enter.") for name in kept)
        return terms

    model, train = SeMuLPCD(replace(CONFIG, checkpointing=True)), Train(epochs=2, batch=5)
    run = fit(model, objective, epochs, train, validate=lambda _: 0.0, folder=folder, machines=machines)
    assert len(list(run)) == 2


def test_layers_that_are_whole_one_after_another_learn_what_they_learn_in_one_process(tmp_path: Path) -> None:
    alone, together, script = tmp_path / "alone", tmp_path / "together", tmp_path / "two.py"
    for folder in (alone, together):
        folder.mkdir()
    layered(alone, 1)
    here = str(Path(__file__).parent)
    script.write_text(
        f"import pathlib, sys\nsys.path.insert(0, {here!r})\n"
        f"import test_ranks\ntest_ranks.layered(pathlib.Path({str(together)!r}), 2)\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert log(together) == [pytest.approx(row, rel=1e-4, abs=1e-6) for row in log(alone)]
    states = [torch.load(folder / "last.pt", weights_only=True)["model"] for folder in (alone, together)]
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
