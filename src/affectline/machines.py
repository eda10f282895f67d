"""What trains: devices, how many of them, and what each of them holds."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What trains: an accelerator (auto takes cuda, mps or cpu), and how many on each of how many nodes.

    `strategy`: of several, each keeps all of the weights ("ddp"), or its share of them, of their gradients
    and of the optimiser's memory, and has the weights whole for the length of a step alone, or where the
    model names the types of its layers in `gathered`, a layer for as long as that computes ("fsdp").
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


def fabric_of(machines: Machines, precision: str) -> Any:
    """What runs the training there."""
    try:  # not lightning.fabric, which imports lightning's whole trainer first
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy
        from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
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
        precision=precision,  # pyright: ignore[reportArgumentType]
    )


def _in_shares(step: nn.Module, mesh: Any) -> nn.Module:
    """Layers of the types that the model names in `gathered` are whole for as long as they compute alone.

    All else is one group: our forward passes skip branches, each as its ranks' utterances want it. What
    autocast has made of a layer's weights in 16 bits, and would keep for the next time, goes with them.
    """
    from torch.distributed.fsdp import fully_shard

    kinds: tuple[type[nn.Module], ...] = getattr(step.model, "gathered", ())
    for layer in (module for module in step.modules() if isinstance(module, kinds)):
        fully_shard(layer, mesh=mesh["data_parallel"])
        layer.register_forward_hook(lambda *_: torch.clear_autocast_cache())
    fully_shard(step, mesh=mesh["data_parallel"])
    return step


def whole(value: Tensor) -> Tensor:
    """A weight whose shares are with all ranks, put together; each rank has to ask."""
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value


def share(value: Tensor, weight: Tensor) -> Tensor:
    """This rank's share of what is as large as a weight that is in shares."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(weight, DTensor) or value.shape != weight.shape:
        return value
    return distribute_tensor(value, weight.device_mesh, weight.placements)
