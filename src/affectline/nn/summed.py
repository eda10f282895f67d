"""Pictures and crops of them resized by the mean of the pixels under each new one, quickly."""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

GREY = 127  # beyond the edges: the middle of the bytes

Pixels = UInt8[np.ndarray, "height width 3"]


class Summed:
    """A picture as the sums of its pixels above and to the left (Crow 1984): any mean is four look-ups.

    Transposed, as the networks see pictures. The sums are whole numbers: exact up to 8 million pixels.
    """

    def __init__(self, picture: Pixels) -> None:
        height, width, _ = picture.shape
        self.size = width, height
        self.table = np.zeros((width + 1, height + 1, 3), np.int32)
        self.table[1:, 1:] = picture.transpose(1, 0, 2)
        for axis in (1, 0):
            np.cumsum(self.table, axis=axis, out=self.table)
        self.sums = torch.from_numpy(self.table)

    def shrunk(self, columns: int, rows: int) -> Float[Tensor, "columns rows 3"]:
        """The picture resized by the mean of the pixels under each new one."""
        (left, right), (top, bottom) = (
            map(torch.from_numpy, _parts(0, *n)) for n in zip(self.size, (columns, rows), strict=True)
        )
        bands = self.sums[right] - self.sums[left]
        sums = bands.index_select(1, bottom) - bands.index_select(1, top)
        areas = (right - left)[:, None, None] * (bottom - top)[:, None]
        return sums.float() / areas

    def crops(self, boxes: Float[Tensor, "faces 4"], size: int) -> Float[Tensor, "faces 3 size size"]:
        """What the picture shows in each box, resized, and grey beyond its edges.

        Code: facenet-pytorch cuts a box at the edge and stretches what is left to the square, which puts the
        landmarks of a face at the edge many pixels off.
        """
        first = np.minimum(boxes[:, :2].long().numpy(), self.size)
        last = np.maximum(boxes[:, 2:].long().numpy(), np.maximum(first, 1))
        x, y = (_parts(first[:, n, None] - 1, last[:, n, None] - first[:, n, None] + 1, size) for n in (0, 1))
        inside_x, inside_y = (np.clip(edges, 0, n) for edges, n in zip((x, y), self.size, strict=True))
        flat, step = self.table.reshape(-1, 3), self.table.shape[1]

        def corner(a: int, b: int) -> np.ndarray:
            return np.take(flat, inside_x[a][:, :, None] * step + inside_y[b][:, None, :], axis=0)

        sums = corner(1, 1) - corner(0, 1) - corner(1, 0) + corner(0, 0)
        areas, shown = (
            (u[1] - u[0])[:, :, None] * (v[1] - v[0])[:, None] for u, v in ((x, y), (inside_x, inside_y))
        )
        means = (sums + (GREY * (areas - shown))[..., None]) / areas[..., None].astype(np.float32)
        return torch.from_numpy(means).float().permute(0, 3, 1, 2)


def _parts(
    first: Int[np.ndarray, "boxes 1"] | int, length: Int[np.ndarray, "boxes 1"] | int, count: int
) -> tuple[Int[np.ndarray, "*boxes count"], Int[np.ndarray, "*boxes count"]]:
    """Where each of `count` equal parts of a line begins and ends: every pixel that it touches is in it."""
    n = np.arange(count)
    return first + n * length // count, first - (-(n + 1) * length // count)


def shrunk(picture: Pixels, rows: int, columns: int) -> Float[Tensor, "columns rows 3"]:
    """The picture resized by the mean of the pixels under each new one, and transposed."""
    return Summed(picture).shrunk(columns, rows)
