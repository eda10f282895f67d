"""Low-rank adapters (Hu et al. 2022): a frozen linear layer plus a small trained one beside it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LoRA(nn.Module):
    """y = W x + b + B A x, with B zero at first. W and b belong to the frozen network that it adapts."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen
        self.down = nn.Parameter(torch.empty(rank, frozen.in_features))
        self.up = nn.Parameter(torch.zeros(frozen.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Float[Tensor, "*n _"]) -> Float[Tensor, "*n _"]:
        return self.frozen(x) + (x @ self.down.T) @ self.up.T


def adapt(network: nn.Module, rank: int) -> None:
    """Freeze a network and put an adapter on each of its linear layers, in place."""
    network.requires_grad_(False)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, LoRA(child, rank))


def merged(network: nn.Module) -> dict[str, Tensor]:
    """The state of an adapted network as one without adapters has it: W + B A in the place of W."""
    state = {name.replace(".frozen.", "."): value for name, value in network.state_dict().items()}
    for name, module in network.named_modules():
        if isinstance(module, LoRA):
            state[f"{name}.weight"] = module.frozen.weight + module.up @ module.down
            del state[f"{name}.up"], state[f"{name}.down"]
    return {name: value.detach() for name, value in state.items()}
