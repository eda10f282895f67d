"""Training on several devices: who writes, and what a loss over a whole batch needs from the other ranks."""

import os

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


def leads() -> bool:
    """Whether this process is rank 0, which alone writes and says how far it is; also before ranks meet."""
    if dist.is_initialized():
        return dist.get_rank() == 0
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def everywhere(x: Shaped[Tensor, "sample *dims"]) -> Shaped[Tensor, "all *dims"]:
    """The samples of all ranks, those of rank 0 first, with gradient; with one process `x` itself.

    A loss of them is the loss of the global batch, on every rank the same. Its gradient comes back summed
    over the ranks, and DDP divides by their number: what remains is the gradient of one process.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return x
    from torch.distributed.nn.functional import all_gather

    here = torch.tensor([len(x)], device=x.device)
    counts = [torch.zeros_like(here) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, here)
    longest = int(torch.cat(counts).max())
    padded = torch.cat([x, x.new_zeros(longest - len(x), *x.shape[1:])])
    if torch.is_grad_enabled() and padded.is_floating_point() and not padded.requires_grad:
        padded.requires_grad_()  # a rank without samples has to meet the others on the way back too
    gathered = all_gather(padded) if padded.is_floating_point() else _gathered(padded)
    return torch.cat([part[: int(count)] for part, count in zip(gathered, counts, strict=True)])


def _gathered(x: Tensor) -> list[Tensor]:
    parts = [torch.zeros_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x)
    return parts
