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
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

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
    """The settings of the loop.

    `optimizer`: Adam adds the weight decay to the gradient, AdamW takes it from the weights. `schedule`:
    after the warm-up half a cosine to zero, or times `decay`, after every `every` epochs ("steps") or each
    time the validation score has not got better for more than `every` epochs ("plateau"). `pretrained_rate`:
    that of the weights which the model names in `pretrained`. `average`: decay of the moving average
    of the weights that is validated and kept; 0 = the weights. `keep`: the epoch of the best validation
    score, or the last one, where no validation can be trusted.

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
        for name in ("warmup", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be a share: from 0 to under 1")


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What trains: an accelerator (auto takes cuda, mps or cpu), and how many on each of how many nodes.

    `strategy`: of several, each keeps all of the weights ("ddp"), or its share of them, of their gradients
    and of the optimiser's memory, and has the weights whole for the length of a step alone ("fsdp").
    """

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"

    def __post_init__(self) -> None:
        if min(self.devices, self.nodes) < 1:
            raise ValueError(f"{self.devices} devices on {self.nodes} nodes: at least one of each")
        if self.sharded and not self.many:
            raise ValueError("one device has nobody to share the weights with: more devices, or no fsdp")

    @property
    def many(self) -> bool:
        return self.devices * self.nodes > 1

    @property
    def sharded(self) -> bool:
        return self.strategy == "fsdp"


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
    fabric = _fabric(machines, train)
    fabric.launch()
    learner = deepcopy(model) if train.average or machines.sharded else model
    last, kept = folder / "last.pt", folder / "best.pt"
    before = _restore(last, learner, model) if resume and last.exists() else {"past": []}
    step = fabric.setup_module(_Step(learner, objective, sharded=machines.sharded))
    optimizer = fabric.setup_optimizers(_optimizer(learner, train))
    run = _Run(fabric, step, optimizer, learner, model, train)
    if resume and last.exists():
        run.remember(before["optimizer"], last)
    past: list[dict[str, float]] = before["past"]
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
            terms = self.step(batch.share(fabric.global_rank, fabric.world_size).to(fabric.device))
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
                value.lerp_(_whole(now[name]), 1 - decay)
            else:
                value.copy_(now[name])

    def state(self) -> dict[str, Any]:
        """Of all ranks together; each has to ask."""
        memory = self.optimizer.state_dict()
        memory["state"] = {n: {k: _whole(v) for k, v in of.items()} for n, of in memory["state"].items()}
        learner = {name: _whole(value) for name, value in trained(self.learner).items()}
        return {"model": learner, "average": trained(self.model), "optimizer": memory}

    def remember(self, memory: Mapping[str, Any], path: Path) -> None:
        """Put back what the optimiser remembered, by the file in that path."""
        with _damaged(path):
            self.optimizer.load_state_dict(memory)
        for weight, of in self.optimizer.optimizer.state.items():
            of.update({k: _share(v, weight) for k, v in of.items()})


def _whole(value: Tensor) -> Tensor:
    """A weight whose shares are with all ranks, put together; each rank has to ask."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def _share(value: Tensor, weight: Tensor) -> Tensor:
    """This rank's share of what is as large as a weight that is in shares."""
    if not isinstance(weight, DTensor) or value.shape != weight.shape:
        return value
    return distribute_tensor(value, weight.device_mesh, weight.placements)


class _Step(nn.Module):
    """A model and its objective as one module: what Fabric wraps, and returns nothing but the loss terms.

    `sharded`: every weight gets a gradient, if of 0, since the ranks exchange those of all at once; and one
    may have nothing of a modality of which another has something.
    """

    def __init__(self, model: nn.Module, objective: Objective, *, sharded: bool) -> None:
        super().__init__()
        self.model, self.objective, self.sharded = model, objective, sharded

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        terms = dict(self.objective(self.model, batch))
        if self.sharded:
            name = next(iter(terms))
            terms[name] = terms[name] + sum(0 * p.sum() for p in self.model.parameters() if p.requires_grad)
        return terms


def _fabric(machines: Machines, train: Train) -> Any:
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.strategies import DDPStrategy, ModelParallelStrategy
    except ImportError as error:
        raise ImportError('training needs lightning: pip install "affectline[train]"') from error
    if machines.sharded:
        world = machines.devices * machines.nodes
        strategy = ModelParallelStrategy(_in_shares, data_parallel_size=world, tensor_parallel_size=1)
    elif machines.many:
        # a modality that no utterance of a batch has leaves the weights of its branch without a gradient
        strategy = DDPStrategy(find_unused_parameters=True)
    else:
        strategy = "auto"
    return Fabric(
        accelerator=machines.device,
        devices=machines.devices,
        num_nodes=machines.nodes,
        strategy=strategy,
        precision=train.precision,  # pyright: ignore[reportArgumentType]
    )


def _in_shares(step: nn.Module, mesh: Any) -> nn.Module:
    """All weights as one group: our forward passes skip branches, each as its ranks' utterances want it."""
    return fully_shard(step, mesh=mesh["data_parallel"])


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
        falling = 0.5 * (1 + math.cos(math.pi * max(0.0, share - train.warmup) / (1 - train.warmup)))
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
