"""What a SeMuL-PCD of some size costs: its parameters, the work of an answer, the memory of a step."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from affectline.models.semul_pcd import Config, SeMuLPCD
from affectline.types import Modality, modality_of

GIB = 2**30


@dataclass(frozen=True)
class Size:
    """`tokens` of a whole window by stream; `parameters`; `flops` of one utterance's answer.

    An operation is a multiplication or an addition, of matrices alone. `states`: bytes of the weights, their
    gradients and Adam's moments, and of the weights in 16 bits where they are so multiplied; where they are
    in shares ("fsdp") those of one of the processes, which has one layer gathered, the next on its way, the
    gradient of one and that on its way, and besides the whole model, which is validated. `kept`: bytes that a
    step of training keeps of each utterance for the gradient.
    """

    tokens: dict[str, int]
    parameters: int
    flops: int
    states: int
    kept: int


def size_of(config: Config, *, half: bool = False, shares: int = 1) -> Size:
    """`half`: training in "bf16-mixed", else in 32 bits. `shares`: of the weights, each with a process."""
    with torch.device("meta"):
        model = SeMuLPCD(replace(config, share_layers=True))
    whole, layer = (sum(p.numel() for p in part.parameters()) for part in (model, model.layers))
    parameters = whole + (0 if config.share_layers else config.layers - 1) * layer
    states = 16 * parameters if shares == 1 else 16 * (parameters // shares + layer) + 4 * parameters
    copied = layer if shares > 1 and config.checkpointing else parameters
    return Size(
        tokens={stream: _cut(config, stream)[0] for stream in config.streams},
        parameters=parameters,
        flops=_flops(config),
        states=states + (2 * copied if half else 0),
        kept=_kept(config, half=half),
    )


def _cut(c: Config, stream: str) -> tuple[int, int]:
    """How many tokens a stream has, and of how many numbers each is made; of none, where it is looked up."""
    if c.streams[stream]:
        return 1, c.streams[stream]
    if modality_of(stream) == Modality.TEXT:
        return c.words, 0
    if modality_of(stream) == Modality.AUDIO:
        return -(-c.samples // c.patch), c.patch
    (time, rows, columns), (depth, height, width) = c.grid, c.tubelet
    return time * rows * columns, depth * height * width * 3


def _flops(c: Config) -> int:
    d, cut = c.dim, [_cut(c, stream) for stream in c.streams]
    layer = 4 * d * d + 4 * d * c.hidden  # of the fusion: its query, its output, its feed-forward network
    for length in (count + 1 for count, _ in cut):
        layer += length * (8 * d * d + 4 * d * c.hidden) + 4 * length * length * d  # a peer
        layer += 4 * d * d + 4 * length * d * c.heads  # the fusion, which attends to it
    head = 2 * d * (c.joint + c.head) + 2 * c.head * c.classes
    return sum(2 * count * numbers * d for count, numbers in cut) + c.layers * layer + (len(cut) + 1) * head


def _kept(c: Config, *, half: bool) -> int:
    """Of a token in a layer: what goes into both norms and what comes out, query, key, value and what was
    found, the hidden layer before and after GELU, a byte for each number that dropout may drop. In 16 bits
    what goes into the norms stays in 32, and the fusion has its own copy of what comes out.
    """
    d, length = c.dim, 0
    for stream in c.streams:
        count = _cut(c, stream)[0]
        whole = c.streams[stream] or modality_of(stream) == Modality.TEXT
        length += 1 + count - (0 if whole else int(c.drop_tokens * count))
    layer = length * (24 * d + 4 * c.hidden if half else 34 * d + 8 * c.hidden)
    return length * 4 * d * c.layers + layer if c.checkpointing else layer * c.layers


def check_memory(config: Config, *, batch: int, free: int, half: bool = False, shares: int = 1) -> None:
    """Say before training whether a process's steps fit into so many free bytes, by `size_of`.

    Raises:
        ValueError: they need more: how much, and what would need less.
    """
    size = size_of(config, half=half, shares=shares)
    needed = size.states + batch * size.kept
    if needed <= free:
        return
    fits = (free - size.states) // size.kept
    ways = [f"batches of {fits}"] if fits > 0 else []
    ways += [] if config.checkpointing else ["config.checkpointing=True"]
    ways += [] if half else ["train.precision=bf16-mixed"]
    raise ValueError(
        f"training {size.parameters / 1e6:,.1f} million parameters in batches of {batch} needs about "
        f"{needed / GIB:,.1f} GiB, {size.states / GIB:,.1f} of them for weights and optimiser; "
        f"{free / GIB:,.1f} are free, {(needed - free) / GIB:,.1f} too few: take "
        f"{', '.join([*ways, 'a smaller preset'])}, a larger device, or more of them with --strategy fsdp"
    )


def free_memory(device: torch.device | str) -> int:
    """Bytes that are free on an accelerator, or of this machine."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    told = Path("/proc/meminfo")
    if not told.is_file():  # not Linux: all there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    lines = told.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
