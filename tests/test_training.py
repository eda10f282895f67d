import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_makers import LABELS, conversations_with_features
from torch import nn

from affectline.batch import Batch
from affectline.checkpoint import trained
from affectline.epochs import Shuffled
from affectline.losses import binary_cross_entropy
from affectline.machines import Machines
from affectline.training import Epoch, Train, _optimizer, _plateaus, _set_rate, fit

TRAIN = Train(epochs=4, batch=4, learning_rate=1e-2, average=0.5, patience=10)


class Mean(nn.Module):
    """The smallest model with a stream, dropout and something to learn."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(64, len(LABELS.names))

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.head(self.drop(batch.pooled("audio.mel")))


def objective(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    real = batch.mask
    return {"bce": binary_cross_entropy(model(batch)[real], batch.targets[real], batch.known[real])}


def shuffled(count: int = 10) -> Shuffled:
    return Shuffled(*conversations_with_features(count), LABELS, size=4, seed=0)


def start(
    folder: Path, scores: list[float], *, train: Train = TRAIN, resume: bool = False
) -> tuple[nn.Module, Iterator[Epoch]]:
    torch.manual_seed(0)
    model = Mean()
    folder.mkdir(exist_ok=True)
    told = iter(scores)
    run = fit(
        model,
        objective,
        shuffled(),
        train,
        validate=lambda _: next(told),
        folder=folder,
        machines=Machines(device="cpu"),
        resume=resume,
    )
    return model, run


def test_an_epoch_shows_every_conversation_once_and_the_same_epoch_again() -> None:
    epochs = shuffled()
    batches = list(epochs(1))
    assert len(batches) == len(epochs) == 3
    assert sum(int(b.mask.any(dim=1).sum()) for b in batches) == 10
    for first, again in zip(batches, epochs(1), strict=True):
        torch.testing.assert_close(first.targets, again.targets)
    sizes = [int(b.mask.sum()) for b in epochs(1)]
    assert any([int(b.mask.sum()) for b in epochs(n)] != sizes for n in range(2, 6))


def test_a_run_that_was_killed_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    scores = [0.1, 0.2, 0.3, 0.4]
    model, run = start(tmp_path / "whole", scores)
    whole = list(run)
    _, killed = start(tmp_path / "killed", scores)
    for _ in range(2):
        next(killed)
    killed.close()  # pyright: ignore[reportAttributeAccessIssue]
    resumed, rest = start(tmp_path / "killed", scores[2:], resume=True)
    assert [e.losses for e in rest] == [e.losses for e in whole[2:]]
    for name, value in trained(model).items():
        torch.testing.assert_close(trained(resumed)[name], value, rtol=0, atol=0)


def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path) -> None:
    model, run = start(tmp_path, [0.1, 0.9, 0.3, 0.2])
    kept = None
    for epoch in run:
        assert epoch.best == (epoch.number < 2)
        if epoch.number == 1:
            kept = torch.load(tmp_path / "best.pt", weights_only=True)
    assert kept is not None
    for name, value in trained(model).items():
        torch.testing.assert_close(value, kept[name], rtol=0, atol=0)


def test_training_stops_when_validation_does_not_get_better(tmp_path: Path) -> None:
    train = Train(epochs=9, batch=4, patience=1)
    _, run = start(tmp_path, [0.5, 0.4, 0.4, 0.4, 0.4], train=train)
    assert [e.number for e in run] == [0, 1, 2]


def test_every_epoch_leaves_a_line_of_log_also_after_a_kill(tmp_path: Path) -> None:
    scores = [0.1, 0.2, 0.3, 0.4]
    _, killed = start(tmp_path, scores)
    losses = [next(killed).losses["bce"] for _ in range(2)]
    _, run = start(tmp_path, scores[2:], resume=True)
    losses += [e.losses["bce"] for e in run]
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["bce"]) for row in rows] == losses
    assert [float(row["score"]) for row in rows] == scores
    assert losses[-1] < losses[0]


def test_tensorboard_shows_every_epoch(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, run = start(tmp_path, [0.1, 0.4, 0.3, 0.2])
    list(run)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [round(event.value, 3) for event in board.Scalars("score")] == [0.1, 0.4, 0.3, 0.2]


@pytest.mark.parametrize(
    ("train", "epochs", "rate"),
    [
        (Train(epochs=10, warmup=0.2, learning_rate=1.0), 1.0, 0.5),  # half of the warm-up
        (Train(epochs=10, warmup=0.2, learning_rate=1.0), 2.0, 1.0),
        (Train(epochs=10, warmup=0.2, learning_rate=1.0), 6.0, 0.5),  # half of the cosine
        (Train(epochs=10, warmup=0.2, learning_rate=1.0, lowest=0.1), 6.0, 0.55),
        (Train(epochs=10, warmup=0.2, learning_rate=1.0, lowest=0.1), 10.0, 0.1),
        (Train(epochs=10, warmup=0.2, learning_rate=1.0, lowest=0.1), 2.0, 1.0),
        (Train(epochs=10, warmup=0.2, learning_rate=1.0, lowest=0.1), 1.0, 0.5),  # half-way up
        (Train(epochs=10, warmup=0.2, learning_rate=1.0), 10.0, 0.0),
        (Train(epochs=100, warmup=0.0, learning_rate=1.0, schedule="steps", every=10), 9.9, 1.0),
        (Train(epochs=100, warmup=0.0, learning_rate=1.0, schedule="steps", every=10), 20.0, 0.95**2),
    ],
)
def test_the_learning_rate_warms_up_and_falls(train: Train, epochs: float, rate: float) -> None:
    optimizer = _optimizer(Mean(), train)
    _set_rate(optimizer, train, epochs)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate] * 2)


def rates(train: Train, scores: Sequence[float] = ()) -> np.ndarray:
    """The learning rate at 20 moments of each epoch and at the end."""
    optimizer = _optimizer(Mean(), train)

    def rate(epochs: float) -> float:
        _set_rate(optimizer, train, epochs, scores[: int(epochs)])
        return optimizer.param_groups[0]["lr"]

    return np.array([rate(n / 20) for n in range(20 * train.epochs + 1)])


@pytest.mark.parametrize("schedule", ["cosine", "steps", "plateau"])
@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_rates_rise_to_the_top_without_a_jump_and_never_rise_again(
    schedule: Literal["cosine", "steps", "plateau"], warmup: float
) -> None:
    train = Train(epochs=20, warmup=warmup, learning_rate=1.0, schedule=schedule, every=5, decay=0.5)
    found = rates(train, [0.1] * 20)
    top = int(20 * 20 * warmup)
    assert found[0] == (0 if warmup else 1)
    np.testing.assert_allclose(np.diff(found[: top + 1]), 1 / max(top, 1))
    assert found[top] == pytest.approx(1)
    assert abs(found[top + 1] - found[top]) < 0.02
    assert (np.diff(found[top:]) <= 0).all()
    assert found[-1] == pytest.approx({"cosine": 0, "steps": 0.5**4, "plateau": 0.5**3}[schedule])


@given(st.lists(st.integers(0, 6), max_size=40), st.integers(0, 4))
@settings(deadline=None)
def test_a_plateau_is_what_torch_takes_for_one(scores: list[int], patience: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", 0.5, patience, threshold=0, eps=0)
    for score in scores:
        theirs.step(float(score))
    assert 0.5 ** _plateaus([float(score) for score in scores], patience) == optimizer.param_groups[0]["lr"]


def test_a_plateau_lowers_the_rate_of_a_training_also_after_a_kill(tmp_path: Path) -> None:
    train = replace(TRAIN, schedule="plateau", every=1, decay=0.1, warmup=0.0)
    scores = [0.3, 0.2, 0.1, 0.2]
    whole = [e.losses for e in start(tmp_path / "whole", scores, train=train)[1]]
    steady = [e.losses for e in start(tmp_path / "steady", [0.1, 0.2, 0.3, 0.4], train=train)[1]]
    assert whole[:3] == steady[:3]
    assert whole[3] != steady[3]
    _, killed = start(tmp_path / "killed", scores, train=train)
    assert [next(killed).losses for _ in range(2)] == whole[:2]
    killed.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert [e.losses for e in start(tmp_path / "killed", scores[2:], train=train, resume=True)[1]] == whole[
        2:
    ]


def test_what_is_pretrained_learns_at_its_own_rate_and_biases_do_not_decay() -> None:
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    model.pretrained = ("encoder.",)  # pyright: ignore[reportArgumentType]
    train = Train(learning_rate=1.0, pretrained_rate=0.1, weight_decay=0.5, warmup=0.0)
    optimizer = _optimizer(model, train)
    _set_rate(optimizer, train, 0.0)
    of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    settings = {name: (of[id(p)]["lr"], of[id(p)]["weight_decay"]) for name, p in model.named_parameters()}
    assert settings == {
        "encoder.weight": (0.1, 0.5),
        "encoder.bias": (0.1, 0.0),
        "head.weight": (1.0, 0.5),
        "head.bias": (1.0, 0.0),
    }


def test_the_loss_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    model, run = start(tmp_path, [0.1])
    assert isinstance(model, Mean)
    nn.init.constant_(model.head.weight, float("nan"))
    with pytest.raises(ValueError, match="not finite any more in epoch 1"):
        next(run)


def test_sixteen_bits_are_for_the_matrices_and_not_for_what_comes_in(tmp_path: Path) -> None:
    came: list[Batch] = []

    def noting(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        came.append(batch)
        assert model(batch).dtype == torch.bfloat16
        return objective(model, batch)

    train = replace(TRAIN, epochs=1, precision="bf16-mixed")
    machines = Machines(device="cpu")
    run = fit(Mean(), noting, shuffled(), train, validate=lambda _: 0.0, folder=tmp_path, machines=machines)
    assert all(np.isfinite(list(epoch.losses.values())).all() for epoch in run)
    for seen, true in zip(came, shuffled()(0), strict=True):
        assert torch.equal(seen.streams["audio.mel"].values, true.streams["audio.mel"].values)
        assert torch.equal(seen.ratings, true.ratings)
