"""Several models on several corpora, each pair over the labels that both have."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from affectline.cli import judging, terminal
from affectline.cli.tables import Shown, between, estimated

if TYPE_CHECKING:
    import torch

METRICS = ("weighted_f1", "macro_f1", "map", "auroc")


def results(
    models: Sequence[Sequence[str]],
    corpora: Sequence[judging.Corpus],
    *,
    device: "torch.device",
    stages: terminal.Stages,
) -> dict[str, Any]:
    """The results of each pair, model by model; where two have nothing in common, the reason.

    A model is its checkpoints, one for each seed.
    """
    cells = []
    for checkpoints in models:
        for corpus in corpora:
            cell: dict[str, Any] = {"checkpoints": list(checkpoints), "corpus": corpus.name}
            stages.begin(corpus.name)
            try:
                cell |= judging.results(corpus, checkpoints, device=device, stages=stages, must_read=True)
            except judging.NotJudgedError as reason:
                cell["reason"] = str(reason)
            cells.append(cell)
    return {
        "models": [list(checkpoints) for checkpoints in models],
        "corpora": [corpus.name for corpus in corpora],
        "cells": cells,
    }


def tables(found: dict[str, Any]) -> list[Shown]:
    """A table for each metric, models by corpora, and one of the labels that each pair is judged over."""
    cells = {(tuple(cell["checkpoints"]), cell["corpus"]): cell for cell in found["cells"]}
    rows = [tuple(model) for model in found["models"]]

    def grid(metric: str) -> Shown:
        shown = [[" ".join(m), *(_cell(cells[m, name], metric) for name in found["corpora"])] for m in rows]
        return Shown(f"{metric}, {found['split']}", ("model", *found["corpora"]), shown)

    judged = [[" ".join(cell["checkpoints"]), cell["corpus"], *_over(cell)] for cell in found["cells"]]
    columns = ("model", "corpus", "utterances", "labels", "left out, or why not judged")
    return [*map(grid, METRICS), Shown("judged over", columns, judged)]


def _cell(cell: dict[str, Any], metric: str) -> str:
    return "-" if "reason" in cell else f"{estimated(cell[metric])} ({between(cell[metric])})"


def _over(cell: dict[str, Any]) -> tuple[str, str, str]:
    if "reason" in cell:
        return "-", "-", cell["reason"]
    left_out = [name for names in cell["left_out"].values() for name in names]
    return str(cell["n"]), ", ".join(cell["labels"]), ", ".join(left_out) or "-"
