"""`python tests/train_on_ranks.py FOLDER`: trainings of two processes that need be started only once."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from raw_makers import CONFIG, LABELS, raw_conversations
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from affectline.batch import Batch
from affectline.cli import main
from affectline.epochs import Shuffled
from affectline.machines import Machines
from affectline.models.semul_pcd import Objective, SeMuLPCD
from affectline.nn.ranks import leads
from affectline.recipes import Data, Recipe, run
from affectline.training import Train, fit


def toy(folder: Path, out: str, *more: str) -> list[str]:
    """What trains the toy recipe, in batches of seven and one: a second process has nothing of that."""
    changes = ["train.epochs=4", "train.batch=7", "config.dropout=0.0", *more]
    return [
        *("train", "multiemo.synthetic", *changes),
        *("--device", "cpu", "--root", str(folder), "--out", str(folder / out)),
    ]


def raw(folder: Path, devices: int) -> None:
    """Three epochs of SeMuL-PCD on made-up raw features, in batches of seven and one."""
    recipe = Recipe(
        labels=LABELS,
        corpus="none",
        read=lambda _root, _split: [],
        extractors=(),
        model=SeMuLPCD,
        config=replace(CONFIG, layers=1),
        objective=Objective(),
        train=Train(epochs=3, batch=7, learning_rate=3e-3),
        select="map",
    )
    part, dev = Data(*raw_conversations((1,) * 8)), Data(*raw_conversations((2, 1, 3), seed=1))
    run(recipe, part, dev, folder, machines=Machines(device="cpu", devices=devices))


def layered(folder: Path, devices: int) -> None:
    """Train what is gathered layer by layer; a second process has nothing of the batches of one."""
    folder.mkdir(exist_ok=True)
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
    done = fit(model, objective, epochs, train, validate=lambda _: 0.0, folder=folder, machines=machines)
    assert len(list(done)) == 2


AVERAGE = "train.average=0.3"
IN_SHARES = ("--devices", "2", "--strategy", "fsdp")
FURTHER = (AVERAGE, "train.epochs=6", "--resume")


def on_two(folder: Path) -> None:
    """Trainings of which each process has a share of the weights, then one of which each has all."""
    assert main(toy(folder, "shares", AVERAGE, *IN_SHARES)) == 0
    if leads():
        shutil.copytree(folder / "shares", folder / "further2")
    dist.barrier()
    assert main(toy(folder, "further2", *FURTHER, *IN_SHARES)) == 0
    raw(folder / "raw2", 2)
    layered(folder / "layers2", 2)


if __name__ == "__main__":
    on_two(Path(sys.argv[1]))
