"""The training loop: there is one, on lightning.fabric, and it fits on a screen."""

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from affectline.batch import Batch, Features, collate
from affectline.checkpoint import load_trained, trained
from affectline.files import atomic_write
from affectline.types import Conversation, LabelSpace

Objective = Callable[[nn.Module, Batch], Mapping[str, Tensor]]
"""Runs the model and returns its loss terms by name, already weighted. They are summed to train."""

Augment = Callable[[Batch, torch.Generator], Batch]


@runtime_checkable
class Epochs(Protocol):
    """The batches of each epoch; the same epoch is the same batches."""

    def __len__(self) -> int: ...
    def __call__(self, epoch: int) -> Iterator[Batch]: ...


@dataclass(frozen=True, kw_only=True)
class Train:
    """`average`: decay of the moving average of the weights that is validated and kept; 0 = the weights."""

    epochs: int = 100
    batch: int = 64
    learning_rate: float = 1e-4
    weight_decay: float = 1e-5
    warmup: float = 0.1  # share of all steps; then a cosine to zero
    clip: float = 5.0
    patience: int = 10  # epochs without a better validation score
    average: float = 0.0
    precision: str = "32-true"
    seed: int = 0


@dataclass(frozen=True)
class Shuffled:
    """Random batches of conversations of like length, with an augmentation; a pure function of the epoch."""

    conversations: Sequence[Conversation]
    features: Sequence[Sequence[Features]]
    labels: LabelSpace
    size: int
    seed: int
    augment: Augment | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.conversations) / self.size)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng((self.seed, epoch))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        for rows in self._rows(rng):
            batch = collate(
                [self.conversations[i] for i in rows], [self.features[i] for i in rows], self.labels
            )
            yield self.augment(batch, generator) if self.augment else batch

    def _rows(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Sorted by length within large random pools: little padding, and still random."""
        lengths = np.array([sum(len(a) for u in row for a in u.values()) for row in self.features])
        order = rng.permutation(len(lengths))
        pools = np.array_split(order, max(1, len(order) // (50 * self.size)))
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        batches = [order[i : i + self.size] for i in range(0, len(order), self.size)]
        return [batches[i] for i in rng.permutation(len(batches))]


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: the mean of each loss term, the validation score, and whether it is the best."""

    number: int
    losses: Mapping[str, float]
    score: float
    best: bool


def fit(
    model: nn.Module,
    objective: Objective,
    epochs: Epochs,
    train: Train,
    *,
    validate: Callable[[nn.Module], float],
    folder: Path,
    device: str = "auto",
    resume: bool = False,
    progress: Callable[[float, Mapping[str, float]], None] = lambda _share, _losses: None,
) -> Iterator[Epoch]:
    """Train in place, yielding after every epoch; at the end the model holds the best weights.

    The weights are chosen by the highest `validate(model)`, on validation data by construction: nothing
    here sees any other. After each epoch the whole state is in `folder/last.pt`, so that a run that was
    killed goes on with `resume=True` to the same numbers.
    """
    fabric = _fabric(device, train)
    step, optimizer = fabric.setup(_Step(model, objective), _optimizer(model, train))
    average = deepcopy(model) if train.average else model
    state: dict[str, Any] = {"epoch": 0, "best": -math.inf, "waited": 0}
    last, kept = folder / "last.pt", folder / "best.pt"
    if resume and last.exists():
        state = _restore(last, model, average, optimizer)
    for epoch in range(state["epoch"], train.epochs):
        if state["waited"] > train.patience:
            break
        torch.manual_seed(train.seed * 100_003 + epoch)
        seen: dict[str, float] = {}
        model.train()
        for done, batch in enumerate(epochs(epoch)):
            _set_rate(optimizer, train, (epoch + done / len(epochs)) / train.epochs)
            terms = step(batch.to(fabric.device))
            optimizer.zero_grad()
            fabric.backward(sum(terms.values(), torch.zeros((), device=fabric.device)))
            fabric.clip_gradients(step, optimizer, max_norm=train.clip, error_if_nonfinite=True)
            optimizer.step()
            _follow(average, model, train.average)
            for name, term in terms.items():
                seen[name] = seen.get(name, 0.0) + term.item()
            progress((done + 1) / len(epochs), {name: total / (done + 1) for name, total in seen.items()})
        average.eval()
        score = validate(average)
        best = score > state["best"]
        state = {
            "epoch": epoch + 1,
            "best": max(score, state["best"]),
            "waited": 0 if best else state["waited"] + 1,
        }
        if best:
            _save(kept, trained(average))
        _save(
            last,
            {
                **state,
                "model": trained(model),
                "average": trained(average),
                "optimizer": optimizer.state_dict(),
            },
        )
        yield _log(folder, Epoch(epoch, {n: total / len(epochs) for n, total in seen.items()}, score, best))
    load_trained(model, torch.load(kept, weights_only=True))
    model.eval()


class _Step(nn.Module):
    """A model and its objective as one module: what Fabric wraps, and returns nothing but the loss terms."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return dict(self.objective(self.model, batch))


def _fabric(device: str, train: Train) -> Any:
    try:
        from lightning.fabric import Fabric
    except ImportError as error:
        raise ImportError('training needs lightning: pip install "affectline[train]"') from error
    return Fabric(accelerator=device, devices=1, precision=train.precision)  # pyright: ignore[reportArgumentType]


def _optimizer(model: nn.Module, train: Train) -> torch.optim.AdamW:
    """AdamW; weight decay acts on matrices and kernels alone, not on biases and norms."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=train.learning_rate)


def _set_rate(optimizer: torch.optim.Optimizer, train: Train, share: float) -> None:
    """Linear warm-up, then half a cosine to zero; `share` of the training is done."""
    rising = share / train.warmup if share < train.warmup else 1.0
    falling = 0.5 * (1 + math.cos(math.pi * max(0.0, share - train.warmup) / (1 - train.warmup)))
    for group in optimizer.param_groups:
        group["lr"] = train.learning_rate * rising * falling


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights; counts and statistics that are not weights are taken over."""
    if average is model:
        return
    now = trained(model)
    for name, value in trained(average).items():
        if value.is_floating_point() and "running" not in name:
            value.lerp_(now[name], 1 - decay)
        else:
            value.copy_(now[name])


def _save(path: Path, state: Any) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic_write(path, buffer.getvalue())


def _restore(
    path: Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    state = torch.load(path, weights_only=True)
    load_trained(model, state.pop("model"))
    load_trained(average, state.pop("average"))
    optimizer.load_state_dict(state.pop("optimizer"))
    return state


def _log(folder: Path, epoch: Epoch) -> Epoch:
    """One line per epoch in `folder/log.jsonl`."""
    with (folder / "log.jsonl").open("a") as file:
        file.write(
            json.dumps({"epoch": epoch.number, **epoch.losses, "score": epoch.score, "best": epoch.best})
            + "\n"
        )
    return epoch
