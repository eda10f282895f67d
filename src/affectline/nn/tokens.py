"""What a transformer reads of an utterance: pictures, sound and words in tokens, and where they are.

Positions and DropToken are those of VATT (Akbari et al. 2021), tubelets those of ViViT (Arnab et al. 2021).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor, nn

from affectline.batch import Stream
from affectline.nn.standardise import Standardise

Steps = Bool[Tensor, "n time"]
Tokens = Float[Tensor, "n token dim"]
There = Bool[Tensor, "n token"]


class Tubelets(nn.Module):
    """A token for each box of so many pictures, rows and columns of pixels, and its place in time and space.

    `size`: of a box. `grid`: how many boxes there are in time, from top to bottom, from left to right. A box
    of one picture is a patch of it: with fewer pictures that is "uniform frame sampling" (Table 6).

    Paper: the weights are n_F n_H n_W n_C wide; floor(F / n) boxes.
    Here:  n h w C, as many as a box has numbers: a linear layer, which is a convolution that strides by its
           own size. Pictures that fill no whole box make one too: the missing ones are grey, and a box of
           which nothing is there is masked.
    """

    def __init__(self, size: tuple[int, int, int], grid: tuple[int, int, int], dim: int) -> None:
        super().__init__()
        self.size = size
        depth, height, width = size
        self.project = nn.Linear(depth * height * width * 3, dim)
        self.positions = Positions(grid, dim)

    def forward(self, pictures: UInt8[Tensor, "n time height width 3"], mask: Steps) -> tuple[Tokens, There]:
        depth, height, width = self.size
        rows, columns = pictures.shape[2] // height, pictures.shape[3] // width
        if not rows or not columns:
            raise ValueError(
                f"pictures of {pictures.shape[3]} x {pictures.shape[2]} pixels are smaller than a token of "
                f"{width} x {height}: make them larger"
            )
        x = pictures[:, :, : rows * height, : columns * width].float() / 127.5 - 1
        x, there = _filled(x.masked_fill(~mask[:, :, None, None, None], 0.0), mask, depth)
        x = x.unflatten(3, (columns, width)).unflatten(2, (rows, height)).unflatten(1, (-1, depth))
        boxes = x.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)  # n, time, row, column, what is in a box
        there = there.unflatten(1, (-1, depth)).any(dim=2)
        tokens = self.project(boxes.to(self.project.weight.dtype)).flatten(1, 3)
        return tokens + self.positions(there, rows, columns), there.repeat_interleave(rows * columns, dim=1)


class Waveform(nn.Module):
    """A token for each `patch` of so many samples, and its place in time.

    Paper: "projected to n_C dimensions"; floor(T / a') patches.
    Here:  to the width of the transformer. What is left at the end makes a patch too, with silence behind it.
    """

    def __init__(self, patch: int, count: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(patch, dim)
        self.positions = Positions((count,), dim)

    def forward(self, samples: Float[Tensor, "n time"], mask: Steps) -> tuple[Tokens, There]:
        patch = self.project.in_features
        x, there = _filled(samples.masked_fill(~mask, 0.0), mask, patch)
        there = there.unflatten(1, (-1, patch)).any(dim=2)
        tokens = self.project(x.unflatten(1, (-1, patch)).to(self.project.weight.dtype))
        return tokens + self.positions(there), there


class Words(nn.Module):
    """A token for each word, by its number in a vocabulary, and its place in the sentence."""

    def __init__(self, vocabulary: int, count: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.positions = Positions((count,), dim)

    def forward(self, ids: Int[Tensor, "n time"], mask: Steps) -> tuple[Tokens, There]:
        return self.embed(ids.masked_fill(~mask, 0)) + self.positions(mask), mask


class Vector(nn.Module):
    """One token of ready-made features, averaged over time and standardised. It has no place."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.standardise = Standardise(width)
        self.project = nn.Linear(width, dim)

    def forward(self, values: Float[Tensor, "n time width"], mask: Steps) -> tuple[Tokens, There]:
        pooled = self.standardise(Stream(values[None], mask[None]).pooled()[0])
        return self.project(pooled)[:, None], mask.any(dim=1, keepdim=True)


class Positions(nn.Module):
    """Where a token is: a row of one table for each axis, time first; their sum, normalised.

    Another number of rows or columns than the tables have is read between their rows, end to end. In time
    that holds for what is longer than the table; what is shorter takes the first places. So no place depends
    on the other utterances of a batch.

    Paper: the sum alone.
    Code:  the norm is VATT's; splines, which fail where a table should grow.
    Here:  the norm, and linear interpolation.
    """

    def __init__(self, grid: Sequence[int], dim: int) -> None:
        super().__init__()
        self.tables = nn.ParameterList(nn.Parameter(torch.randn(size, dim) * dim**-0.5) for size in grid)
        self.norm = nn.LayerNorm(dim)

    def forward(self, there: Bool[Tensor, "n time"], *counts: int) -> Float[Tensor, "n_or_1 token dim"]:
        """`there`: which steps of time there are; `counts`: how many of each further axis."""
        time, *space = self.tables
        places = _in_time(time, there)
        for table, count in zip(space, counts, strict=True):
            here = torch.linspace(0, len(table) - 1, count, device=table.device)
            places = places.unsqueeze(-2) + _between(table, here)
        return self.norm(places).flatten(1, -2)


def _in_time(table: Float[Tensor, "size dim"], there: Steps) -> Float[Tensor, "n_or_1 time dim"]:
    size, steps = len(table), torch.arange(there.shape[1], device=table.device)
    if len(steps) <= size:
        return table[None, : len(steps)]
    last = (there * steps).amax(dim=1, keepdim=True)
    closer = ((size - 1) / last.clamp(min=1)).clamp(max=1)
    return _between(table, (steps * closer).clamp(max=size - 1))


def _between(table: Float[Tensor, "size dim"], places: Float[Tensor, "*any"]) -> Float[Tensor, "*any dim"]:
    """The rows at these places, linear between two of them."""
    low = places.long()
    share = (places - low).unsqueeze(-1).to(table.dtype)
    return torch.lerp(table[low], table[(low + 1).clamp(max=len(table) - 1)], share)


def _filled(
    x: Shaped[Tensor, "n time *dims"], mask: Steps, size: int
) -> tuple[Shaped[Tensor, "n filled *dims"], Bool[Tensor, "n filled"]]:
    """As long as a multiple of `size`, with zeros that are not there."""
    missing = -x.shape[1] % size
    if not missing:
        return x, mask
    more = torch.cat([x, x.new_zeros(len(x), missing, *x.shape[2:])], dim=1)
    return more, torch.cat([mask, mask.new_zeros(len(mask), missing)], dim=1)


class Entrance(nn.Module):
    """The tokens of a modality, behind the one that will stand for all of them.

    `drop`: the share of tokens that a step of training does without (DropToken), others each time.

    Paper: the aggregation token comes last in z_in, and what it became is called the first of z_out.
    Code:  puts it first and takes the last, a patch of a picture.
    Here:  first. It has no position, is always there, and is never dropped.
    """

    def __init__(self, tokens: nn.Module, dim: int, *, dropout: float, drop: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.dropout = nn.Dropout(dropout)
        self.drop = drop
        self.aggregate = nn.Parameter(torch.randn(dim) * dim**-0.5)

    def forward(
        self, values: Shaped[Tensor, "n time *dims"], mask: Steps
    ) -> tuple[Float[Tensor, "n _ dim"], Bool[Tensor, "n _"]]:
        x, there = self.tokens(values, mask)
        if self.training and self.drop:
            x, there = drop_tokens(x, there, self.drop)
        first = self.aggregate.expand(len(x), 1, -1)
        always = there.new_ones(len(x), 1)
        return torch.cat([first, self.dropout(x)], dim=1), torch.cat([always, there], dim=1)


def drop_tokens(
    x: Tokens, there: There, share: float
) -> tuple[Float[Tensor, "n kept dim"], Bool[Tensor, "n kept"]]:
    """Without a random share of the tokens; those that are not there go first."""
    kept = x.shape[1] - int(share * x.shape[1])
    chance = torch.rand(there.shape, device=x.device).masked_fill(~there, 2.0)
    chosen = chance.argsort(dim=1)[:, :kept]
    return x.gather(1, chosen[..., None].expand(-1, -1, x.shape[2])), there.gather(1, chosen)
