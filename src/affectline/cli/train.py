"""`affectline recipes` and `affectline train`."""

import json as to_json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from rich.table import Table
from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import Device, ManifestFile, find_manifest, find_root, usage


def recipes(*, json: Annotated[bool, arg(help_behavior_hint="")] = False) -> int:
    """List the recipes that `affectline train` knows. They need no data for that.

    Args:
        json: Print a JSON object from name to description.
    """
    from affectline.recipes import find

    found = find.names()
    if json:
        print(to_json.dumps(found))
        return 0
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, description in found.items():
        table.add_row(name, description)
    terminal.show(table)
    return 0


def train(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    changes: Annotated[
        Positional[tuple[str, ...]], arg(metavar="path.to.setting=value...", help_behavior_hint="")
    ] = (),
    /,
    *,
    root: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: $AFFECTLINE_DATA)")] = None,
    manifest: ManifestFile = None,
    seeds: Annotated[str, arg(metavar="LIST")] = "0",
    resume: Annotated[bool, arg(help_behavior_hint="")] = False,
    out: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: runs/RECIPE)")] = None,
    device: Device = "auto",
    devices: Annotated[int, arg(metavar="N")] = 1,
    nodes: Annotated[int, arg(metavar="N")] = 1,
    strategy: Annotated[Literal["ddp", "fsdp"], arg(metavar="ddp|fsdp")] = "ddp",
) -> int:
    """Train the model of a recipe; the epoch, the calibration and the thresholds are chosen on dev.

    For example:

      affectline train base.text --root corpora --out runs/text
      affectline train base.audio train.epochs=2 config.audio=16 --seeds 0,1,2

    Args:
        recipe: One that `affectline recipes` lists.
        changes: Changes to its settings, such as train.learning_rate=3e-4.
        root: The folder that holds the corpora: goemotions/, ravdess/, ...
        manifest: See exactly the utterances that this file of `affectline doctor` names, in its parts.
        seeds: One training for each; several go to DIR/seed0, DIR/seed1 ...
        resume: Go on after the last whole epoch of a training that was stopped.
        out: Where checkpoint and log go.
        device: What computes: auto takes cuda, mps or cpu.
        devices: How many of them, on each node; each sees its share of every batch.
        nodes: How many computers; start the command on each as torchrun does.
        strategy: Each of several devices keeps all weights (ddp), or a share of them (fsdp).
    """
    from affectline.machines import Machines
    from affectline.nn.ranks import leads
    from affectline.recipes import find, train_recipe
    from affectline.recipes.holding import held_to

    with usage():
        machines = Machines(device=device, devices=devices, nodes=nodes, strategy=strategy)
        chosen, folder = find.find(recipe, changes), find_root(root)
        numbers = _seeds(seeds)
        if manifest is not None:
            chosen = held_to(chosen, find_manifest(manifest, folder))
    base = out or Path("runs") / recipe
    for seed in numbers:
        target = base if len(numbers) == 1 else base / f"seed{seed}"
        with terminal.Stages() as stages:
            stages.begin(f"{recipe} seed {seed}" if len(numbers) > 1 else recipe)

            def told(
                stage: str, share: float, terms: Mapping[str, float], to: terminal.Stages = stages
            ) -> None:
                if leads():
                    to(stage, share, "  ".join(f"{name} {value:.4f}" for name, value in terms.items()))

            train_recipe(
                chosen,
                folder,
                target,
                name=recipe,
                seed=seed,
                machines=machines,
                resume=resume,
                progress=told,
            )
        if leads():
            print(target)
    return 0


def _seeds(text: str) -> list[int]:
    numbers = terminal.split(text)
    if not numbers or not all(n.isdigit() for n in numbers) or len(set(numbers)) < len(numbers):
        raise ValueError(f"seeds are {text!r}; give different whole numbers, such as 0,1,2")
    return [int(n) for n in numbers]
