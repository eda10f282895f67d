"""The training loop: there is one, on lightning.fabric, and it fits on a screen."""

import csv
import io
import math
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from affectline.batch import Batch
from affectline.checkpoint import load_trained, trained
from affectline.epochs import Epochs
from affectline.files import atomic_write
from affectline.machines import Machines, fabric_of, share, whole

Objective = Callable[[nn.Module, Batch], Mapping[str, Tensor]]
"""Runs the model and returns its loss terms by name, already weighted. They are summed to train."""


@dataclass(frozen=True, kw_only=True)
class Train:
    """The settings of the loop.

    `optimizer`: Adam adds the weight decay to the gradient, AdamW takes it from the weights. `schedule`:
    after the warm-up half a cosine, down to the share `lowest` of the rate; or times `decay`, after every
    `every` epochs ("steps") or each time the validation score has not got better for more than `every` epochs
    ("plateau"). `pretrained_rate`: that of the weights which the model names in `pretrained`. `average`:
    decay of the moving average of the weights that is validated and kept; 0 = the weights. `keep`: the epoch
    of the best validation score, or the last one, where no validation can be trusted.

    Paper: (MultiEMO) learning rate times .95 every 10 epochs, "steps".
    Code:  torch's ReduceLROnPlateau on the validation loss, factor .95, patience 10.
    Here:  "plateau" is that rule on the validation score, which chooses the epoch too: there is one measure.
    """

    epochs: int = 100
    batch: int = 64
    learning_rate: float = 1e-4
    pretrained_rate: float = 3e-5
    weight_decay: float = 1e-5
    optimizer: Literal["adam", "adamw"] = "adamw"
    beta_2: float = 0.999
    schedule: Literal["cosine", "steps", "plateau"] = "cosine"
    decay: float = 0.95
    every: int = 10
    warmup: float = 0.1  # share of all steps
    lowest: float = 0.0
    clip: float = 5.0
    patience: int = 10  # epochs without a better validation score
    average: float = 0.0
    keep: Literal["best", "last"] = "best"
    precision: str = "32-true"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "every", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be over 0")
        for name in ("warmup", "average", "lowest"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be a share: from 0 to under 1")


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
    machines: Machines | None = None,
    resume: bool = False,
    progress: Callable[[float, Mapping[str, float]], None] = lambda _share, _losses: None,
) -> Iterator[Epoch]:
    """Train in place, yielding after every epoch; at the end the model holds the best weights.

    The weights are chosen by the highest `validate(model)`, on validation data by construction: nothing
    here sees any other. After each epoch the whole state is in `folder/last.pt`, so that a run that was
    killed goes on with `resume=True` to the same numbers; its log is `folder/log.csv` and, for TensorBoard,
    `folder/tensorboard`. Each of several devices sees its share of every batch, and any number of them goes
    on where another number has stopped.
    """
    machines = machines or Machines()
    fabric = fabric_of(machines, train.precision)
    fabric.launch()
    learner = deepcopy(model) if train.average or machines.sharded else model
    model.to(fabric.device)
    last, kept = folder / "last.pt", folder / "best.pt"
    before = _restore(last, learner, model) if resume and last.exists() else None
    step = fabric.setup_module(_Step(learner, objective, sharded=machines.sharded))
    optimizer = fabric.setup_optimizers(_optimizer(learner, train))
    run = _Run(fabric, step, optimizer, learner, model, train)
    if before:
        run.remember(before["optimizer"], last)
    past: list[dict[str, float]] = before["past"] if before else []
    for epoch in range(len(past), train.epochs):
        if _waited(past) > train.patience:
            break
        losses = run.epoch(epoch, epochs, progress, [row["score"] for row in past])
        model.eval()
        score = fabric.broadcast(validate(model))
        best = train.keep == "last" or score > max((row["score"] for row in past), default=-math.inf)
        past.append({"epoch": epoch, **losses, "score": score, "best": int(best)})
        state = run.state()
        if fabric.is_global_zero:
            if best:
                _save(kept, trained(model))
            _save(last, {"past": past, **state})
            _log(folder, past)
        fabric.barrier()
        yield Epoch(epoch, losses, score, best)
    load_trained(model, torch.load(kept, weights_only=True))
    model.eval()


def _waited(past: Sequence[Mapping[str, float]]) -> int:
    """Epochs since the best."""
    return next((n for n, row in enumerate(reversed(past)) if row["best"]), 0)


def _restore(path: Path, learner: nn.Module, model: nn.Module) -> dict[str, Any]:
    """Put back the weights of a state in a file; the rest of it."""
    with _damaged(path):
        state = torch.load(path, weights_only=True)
        load_trained(model, state["average"])
        load_trained(learner, state["model"])
        return {"past": state["past"], "optimizer": state["optimizer"]}


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Errors of what reads a state, for those who want to go on from it."""
    try:
        yield
    except (pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is damaged: begin anew, without --resume") from error
    except (RuntimeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged or of another training ({error}): begin anew, without --resume"
        ) from error


@dataclass(frozen=True, eq=False)
class _Run:
    """What changes in training: the weights that learn, the model that follows them, the optimiser's memory.

    The model is the learner itself, or its moving average, or, where the learner is in shares, whole.
    """

    fabric: Any
    step: nn.Module
    optimizer: Any
    learner: nn.Module
    model: nn.Module
    train: Train

    def epoch(
        self,
        number: int,
        epochs: Epochs,
        progress: Callable[[float, Mapping[str, float]], None],
        scores: Sequence[float],
    ) -> dict[str, float]:
        """One pass over the train part, after epochs with these scores; the mean of each loss term."""
        torch.manual_seed(self.train.seed * 100_003 + number)
        fabric, seen = self.fabric, dict[str, float]()
        self.learner.train()
        for done, batch in enumerate(epochs(number)):
            _set_rate(self.optimizer, self.train, number + done / len(epochs), scores)
            terms = self._terms(batch)
            self.optimizer.zero_grad()
            fabric.backward(sum(terms.values(), torch.zeros((), device=fabric.device)))
            self._clip(number)
            self.optimizer.step()
            if self.train.average:
                self.follow(self.train.average)
            for name, term in terms.items():
                seen[name] = seen.get(name, 0.0) + term.item()
            progress((done + 1) / len(epochs), {name: total / (done + 1) for name, total in seen.items()})
        if not self.train.average:
            self.follow(0.0)
        return {name: total / len(epochs) for name, total in seen.items()}

    def _terms(self, batch: Batch) -> dict[str, Tensor]:
        """As a call, which Fabric leaves alone: it would round a batch's sound and targets to 16 bits."""
        mine = batch.share(self.fabric.global_rank, self.fabric.world_size).to(self.fabric.device)
        return self.step(lambda: mine)

    def _clip(self, number: int) -> None:
        clip = self.train.clip
        try:
            self.fabric.clip_gradients(self.step, self.optimizer, max_norm=clip, error_if_nonfinite=True)
        except RuntimeError as error:
            raise ValueError(
                f"the gradient is not finite any more in epoch {number + 1}: lower train.learning_rate, or "
                "another train.precision; what was learnt up to the epoch before is kept"
            ) from error

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the model's weights; counts and statistics that are not weights are taken over."""
        if self.model is self.learner:
            return
        now = trained(self.learner)
        for name, value in trained(self.model).items():
            if value.is_floating_point() and "running" not in name:
                value.lerp_(whole(now[name]), 1 - decay)
            else:
                value.copy_(now[name])

    def state(self) -> dict[str, Any]:
        """Of all ranks together; each has to ask."""
        memory = self.optimizer.state_dict()
        memory["state"] = {n: {k: whole(v) for k, v in of.items()} for n, of in memory["state"].items()}
        learner = {name: whole(value) for name, value in trained(self.learner).items()}
        return {"model": learner, "average": trained(self.model), "optimizer": memory}

    def remember(self, memory: Mapping[str, Any], path: Path) -> None:
        """Put back what the optimiser remembered, by the file in that path."""
        with _damaged(path):
            self.optimizer.load_state_dict(memory)
        for weight, of in self.optimizer.optimizer.state.items():
            of.update({k: share(v, weight) for k, v in of.items()})


class _Step(nn.Module):
    """A model and its objective as one module: what Fabric wraps, and returns nothing but the loss terms.

    `sharded`: every weight gets a gradient, if of 0, since the ranks exchange those of all at once; and one
    may have nothing of a modality of which another has something. Layers that are gathered by themselves are
    in shares again by then: no rank skips them.
    """

    def __init__(self, model: nn.Module, objective: Objective, *, sharded: bool) -> None:
        super().__init__()
        self.model, self.objective, self.sharded = model, objective, sharded

    def forward(self, batch: Callable[[], Batch]) -> dict[str, Tensor]:
        terms = dict(self.objective(self.model, batch()))
        if self.sharded:
            name = next(iter(terms))
            at_hand = (p for p in self.model.parameters() if p.requires_grad and not isinstance(p, DTensor))
            terms[name] = terms[name] + sum(0 * p.sum() for p in at_hand)
        return terms


def _optimizer(model: nn.Module, train: Train) -> torch.optim.Optimizer:
    """Weight decay acts on matrices and kernels alone, not on biases and norms."""
    before: tuple[str, ...] = getattr(model, "pretrained", ())
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for name, p in named if name.startswith(before) == known and (p.ndim > 1) == decays],
            "weight_decay": train.weight_decay if decays else 0.0,
            "rate": train.pretrained_rate if known else train.learning_rate,
        }
        for known in (False, True)
        for decays in (True, False)
    ]
    make = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    betas = (0.9, train.beta_2)
    return make([g for g in groups if g["params"]], lr=train.learning_rate, betas=betas, fused=True)


def _set_rate(
    optimizer: torch.optim.Optimizer, train: Train, epochs: float, scores: Sequence[float] = ()
) -> None:
    """The learning rates after so many epochs with these scores: a linear warm-up, then the schedule."""
    share = epochs / train.epochs
    rising = share / train.warmup if share < train.warmup else 1.0
    if train.schedule == "cosine":
        half = 0.5 * (1 + math.cos(math.pi * max(0.0, share - train.warmup) / (1 - train.warmup)))
        falling = train.lowest + (1 - train.lowest) * half
    else:
        times = int(epochs) // train.every if train.schedule == "steps" else _plateaus(scores, train.every)
        falling = train.decay**times
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * rising * falling


def _plateaus(scores: Sequence[float], patience: int) -> int:
    """How often more than so many epochs on end brought nothing better; the count begins anew each time."""
    best, waited, times = -math.inf, 0, 0
    for score in scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score)
        if waited > patience:
            waited, times = 0, times + 1
    return times


def _save(path: Path, state: Any) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic_write(path, buffer.getvalue())


def _log(folder: Path, past: Sequence[Mapping[str, float]]) -> None:
    """All epochs in `folder/log.csv`, and the last one for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    text = io.StringIO()
    writer = csv.DictWriter(text, list(past[-1]))
    writer.writeheader()
    writer.writerows(past)
    atomic_write(folder / "log.csv", text.getvalue())
    with SummaryWriter(str(folder / "tensorboard")) as board:
        for name, value in past[-1].items():
            board.add_scalar(name, value, global_step=int(past[-1]["epoch"]))
