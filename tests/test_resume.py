"""A training that is killed and resumed."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import torch

from affectline.machines import Machines
from affectline.recipes import Recipe, train_recipe
from affectline.recipes.find import find


def toy() -> Recipe:
    recipe = find("multiemo.synthetic", ["train.epochs=4", "train.average=0.9", "train.schedule=plateau"])
    assert isinstance(recipe, Recipe)
    return recipe


def killed(out: Path) -> None:
    """Train the toy recipe until the third epoch is half done, and then no more."""

    def die(stage: str, share: float, _: object) -> None:
        if stage == "epoch 3" and share > 0.4:
            os.kill(os.getpid(), signal.SIGKILL)

    train_recipe(toy(), out, out, machines=Machines(device="cpu"), progress=die)


def test_a_run_that_was_killed_within_an_epoch_goes_on_to_the_very_same_weights(tmp_path: Path) -> None:
    script = f"from test_resume import *; killed(Path({str(tmp_path / 'killed')!r}))"
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    ran = subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=300)
    assert ran.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "config.json").exists()
    with (tmp_path / "killed" / "log.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    for name, resume in (("killed", True), ("whole", False)):
        train_recipe(toy(), tmp_path, tmp_path / name, machines=Machines(device="cpu"), resume=resume)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("killed", "whole")]
    assert files[0] == files[1]
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("killed", "whole")]
    assert logs[0] == logs[1]
    last = [torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("killed", "whole")]
    for kind in ("model", "average"):
        for name, weight in last[1][kind].items():
            assert weight.equal(last[0][kind][name]), name
