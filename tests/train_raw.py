"""`python tests/train_raw.py FOLDER DEVICES`: SeMuL-PCD on made-up raw features, for so many processes."""

import sys
from dataclasses import replace
from pathlib import Path

from raw_makers import CONFIG, LABELS, raw_conversations

from affectline.machines import Machines
from affectline.models.semul_pcd import Objective, SeMuLPCD
from affectline.recipes import Data, Recipe, run
from affectline.training import Train


def train(folder: Path, devices: int) -> None:
    """Three epochs in batches of seven and one: a second process has nothing of that."""
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


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]))
