"""MTCNN: faces and five landmarks by a cascade of three networks.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao: Joint face detection and alignment using multitask cascaded
convolutional networks. IEEE Signal Processing Letters 23 (2016). P-Net looks at every place of a pyramid
of pictures; R-Net and O-Net look closer at what is left.

Boxes that leave this module are pixels from the upper left edge of the picture, whose first pixel covers 0
to 1. Within it they are, as in the authors' release, the numbers of the first and last pixel, from 1 on.

Code: the release works on one picture at a time, and its networks see pictures transposed.
Here: transposed too, as the area resize leaves them; R-Net and O-Net see the crops of many pictures at once,
and P-Net's boxes are computed only where its score is over the threshold. The arithmetic of corners is the
release's, rounding included: other roundings are as good, but the boxes agree less (docs/results/mtcnn.json).
"""

import hashlib
import importlib.util
import io
import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from affectline.nn.summed import Summed

SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
"""Of the weight files in mtcnn 1.0.0: the authors' weights, in TensorFlow's layout."""

CELL, STRIDE = 12, 2  # P-Net judges squares of 12 pixels, at every second pixel
FACTOR = 0.709  # from one picture of the pyramid to the next: half the area
SMALLEST = 20  # pixels: the networks have not learnt smaller faces
PROPOSED, REFINED, FOUND = 0.6, 0.7, 0.7  # least scores of P-, R- and O-Net
OVERLAP = 0.7  # boxes of R-Net (over their union) and of O-Net (over the smaller) that are one face

Boxes = Float[Tensor, "faces 4"]
Which = Int[Tensor, " faces"]


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces of one picture, the surest first.

    Boxes are x0, y0, x1, y1; landmarks left eye, right eye, nose, left and right corner of the mouth, as
    they are seen in the picture.
    """

    boxes: Float32[np.ndarray, "faces 4"]
    scores: Float32[np.ndarray, " faces"]
    landmarks: Float32[np.ndarray, "faces 5 2"]

    def __len__(self) -> int:
        return len(self.scores)


class _Halve(nn.Module):
    """The maximum of squares of two; an odd last row or column (which the release pools alone) is left out.

    By shifted pictures: with few channels, and those last, twice as fast as `max_pool2d`.
    """

    def forward(self, x: Float[Tensor, "n c w h"]) -> Float[Tensor, "n c w2 h2"]:
        x = x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
        x = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
        return torch.maximum(x[:, :, :, ::2], x[:, :, :, 1::2])


class _Stem(nn.Sequential):
    """The convolutions that the three networks begin with; pictures come as bytes, 0 to 255."""

    def __init__(self, channels: Sequence[int], kernels: Sequence[int], pools: Sequence[nn.Module]) -> None:
        layers: list[nn.Module] = []
        for n, kernel in enumerate(kernels):
            layers += [
                nn.Conv2d(channels[n], channels[n + 1], kernel),
                nn.PReLU(channels[n + 1]),
                *pools[n : n + 1],
            ]
        super().__init__(*layers)


def _pool(size: int) -> nn.Module:
    return nn.MaxPool2d(size, stride=2, ceil_mode=True)


class PNet(nn.Module):
    """Proposals: for every place of a picture, whether a face of 12 pixels is there, and where exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem((3, 10, 16, 32), kernels=(3, 3, 3), pools=(_Halve(),))
        self.box = nn.Linear(32, 4)
        self.face = nn.Linear(32, 2)


class RNet(nn.Module):
    """Refinement: whether a crop of 24 pixels is a face, and how to move its box."""

    size = 24

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem((3, 28, 48, 64), kernels=(3, 3, 2), pools=(_pool(3), _pool(3)))
        self.dense = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.box = nn.Linear(128, 4)
        self.face = nn.Linear(128, 2)


class ONet(nn.Module):
    """Output: as R-Net, of 48 pixels, and five landmarks."""

    size = 48

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem((3, 32, 64, 64, 128), kernels=(3, 3, 3, 2), pools=(_pool(3), _pool(3), _pool(2)))
        self.dense = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.box = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)
        self.face = nn.Linear(256, 2)


class MTCNN(nn.Module):
    """The cascade. `MTCNN.load()` makes it with the authors' weights.

    `min_face`: the smallest face looked for, as a share of the shorter side of the picture (and never under
    20 pixels): a detection then takes about the same time for every size of picture.
    """

    def __init__(self, min_face: float = 1 / 12) -> None:
        super().__init__()
        if not 0 < min_face <= 1:
            raise ValueError(
                f"min_face is a share of the picture's shorter side, over 0 to 1; got {min_face}"
            )
        self.min_face = min_face
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()

    @classmethod
    def load(cls, min_face: float = 1 / 12) -> "MTCNN":
        """The detector with the weights that lie in the package mtcnn, which is not imported."""
        detector = cls(min_face)
        for name in SHA256:
            _fill(getattr(detector, name), _arrays(name))
        return detector.eval().requires_grad_(False)

    @torch.inference_mode()
    def detect(self, frames: UInt8[np.ndarray, "time height width 3"]) -> list[Detections]:
        """The faces in each picture (RGB)."""
        pictures = [Summed(frame) for frame in frames]
        proposals = [self._propose(picture) for picture in pictures]
        which = torch.repeat_interleave(torch.tensor([len(boxes) for boxes in proposals], dtype=torch.long))
        which, boxes = self._refine(pictures, which, torch.cat([torch.zeros(0, 4), *proposals]))
        boxes, scores, landmarks = self._output(pictures, which, boxes)
        keep = (scores > FOUND).nonzero()[:, 0]
        keep = keep[_best(which[keep], boxes[keep], scores[keep], of_smaller=True)]
        per_picture = (keep[which[keep] == n] for n in range(len(pictures)))
        return [_detections(boxes[n], scores[n], landmarks[n]) for n in per_picture]

    @torch.inference_mode()
    def look_again(
        self, frame: UInt8[np.ndarray, "height width 3"], boxes: Float32[np.ndarray, "faces 4"]
    ) -> Detections:
        """Where each face is now that was in this box a moment ago, in the order of the boxes: O-Net alone.

        A score under `FOUND` says that it is not there any more.
        """
        squares = _square(torch.from_numpy(boxes) + torch.tensor([1.0, 1.0, 0.0, 0.0]))
        height, width, _ = frame.shape
        limit = torch.tensor([width, height])
        low = (squares[:, :2].floor().long() - 1).clamp(min=0).minimum(limit - 1)
        high = (squares[:, 2:].ceil().long() + 1).clamp(min=0).minimum(limit).maximum(low + 1)
        corners = torch.cat([low, high], dim=1).tolist()
        parts = [Summed(frame[y0:y1, x0:x1]) for x0, y0, x1, y1 in corners]
        found, scores, landmarks = self._output(parts, torch.arange(len(boxes)), squares - low.repeat(1, 2))
        return _detections(found + low.repeat(1, 2), scores, landmarks + low[:, None])

    @property
    def _device(self) -> torch.device:
        """Where the networks compute; pictures and boxes stay with the processor."""
        return self.pnet.face.weight.device

    def _propose(self, picture: Summed) -> Boxes:
        """P-Net over a pyramid of the picture: squares that may hold a face."""
        width, height = picture.size
        scale = CELL / max(SMALLEST, self.min_face * min(height, width))
        found = [torch.zeros(0, 4)]
        while min(height, width) * scale >= CELL:
            small = picture.shrunk(int(width * scale + 1), int(height * scale + 1))
            found.append(self._scan(small, scale))
            scale *= FACTOR
        return _square(torch.cat(found))

    def _scan(self, small: Float[Tensor, "width height 3"], scale: float) -> Boxes:
        x = self.pnet.stem(small.to(self._device).permute(2, 0, 1).unsqueeze(0))[0].permute(1, 2, 0)
        no, yes = self.pnet.face(x).unbind(dim=-1)
        places = _peaks((yes - no).cpu(), math.log(PROPOSED / (1 - PROPOSED))).nonzero()  # column, row
        first = ((places * STRIDE + 1) / scale).floor()
        last = ((places * STRIDE + CELL) / scale).floor()
        shift = self.pnet.box(x[places[:, 0], places[:, 1]]).cpu()
        return torch.cat([first, last], dim=1) + shift * (last - first).repeat(1, 2)

    def _refine(
        self, pictures: Sequence[Summed], which: Which, boxes: Boxes
    ) -> tuple[Int[Tensor, " left"], Float[Tensor, "left 4"]]:
        """R-Net on every square: which picture, and the squares that are left."""
        crops = _crops(pictures, which, boxes, self.rnet.size).to(self._device)
        x = self.rnet.dense(self.rnet.stem(crops).flatten(1))
        scores = self.rnet.face(x).softmax(dim=1)[:, 1].cpu()
        keep = (scores > REFINED).nonzero()[:, 0]
        keep = keep[_best(which[keep], boxes[keep], scores[keep])]
        keep = keep[which[keep].argsort(stable=True)]
        return which[keep], _square(_moved(boxes[keep], self.rnet.box(x[keep]).cpu()))

    def _output(
        self, pictures: Sequence[Summed], which: Which, boxes: Boxes
    ) -> tuple[Boxes, Float[Tensor, " faces"], Float[Tensor, "faces 5 2"]]:
        """O-Net on every square: its box, its score and its landmarks."""
        crops = _crops(pictures, which, boxes, self.onet.size).to(self._device)
        x = self.onet.dense(self.onet.stem(crops).flatten(1))
        scores = self.onet.face(x).softmax(dim=1)[:, 1].cpu()
        landmarks = self.onet.landmarks(x).unflatten(1, (2, 5)).transpose(1, 2).cpu()
        corner, size = boxes[:, None, :2] - 1, (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
        return _moved(boxes, self.onet.box(x).cpu()), scores, corner + landmarks * size


def _detections(boxes: Boxes, scores: Tensor, landmarks: Tensor) -> Detections:
    return Detections((boxes - boxes.new_tensor([1, 1, 0, 0])).numpy(), scores.numpy(), landmarks.numpy())


def _square(boxes: Boxes) -> Boxes:
    """About the same centre, as wide as high."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.amax(dim=1, keepdim=True)
    first = boxes[:, :2] + (size - side) / 2
    return torch.cat([first, first + side], dim=1)


def _moved(boxes: Boxes, shift: Boxes) -> Boxes:
    return boxes + shift * (boxes[:, 2:] - boxes[:, :2] + 1).repeat(1, 2)


def _peaks(score: Float[Tensor, "columns rows"], least: float) -> Bool[Tensor, "columns rows"]:
    """Non-maximum suppression at an overlap of a half, within one scale of P-Net.

    Its squares are 12 pixels wide and two apart: those that share more than half are the eight neighbours.
    """
    peaks = torch.zeros_like(score, dtype=torch.bool)
    left = score.masked_fill(score < least, -torch.inf)
    while (left > -torch.inf).any():
        best = (left == max_pool2d(left[None], 3, stride=1, padding=1)[0]) & (left > -torch.inf)
        near = max_pool2d(best[None].float(), 3, stride=1, padding=1)[0] > 0
        peaks |= best
        left = left.masked_fill(near, -torch.inf)
    return peaks


def _best(
    which: Which, boxes: Boxes, scores: Float[Tensor, " faces"], *, of_smaller: bool = False
) -> Int[Tensor, " kept"]:
    """Greedy non-maximum suppression within each picture: the boxes kept, the surest first.

    `of_smaller`: what two boxes share is measured against the smaller one, not against their union.
    """
    order = scores.argsort(descending=True, stable=True)
    b = boxes[order]
    area = (b[:, 2:] - b[:, :2]).prod(dim=1)
    low, high = torch.maximum(b[:, None, :2], b[:, :2]), torch.minimum(b[:, None, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    whole = torch.minimum(area[:, None], area) if of_smaller else area[:, None] + area - shared
    beats = ((shared > OVERLAP * whole) & (which[order][:, None] == which[order])).triu(diagonal=1)
    kept = torch.ones_like(scores, dtype=torch.bool)
    while True:  # out is what a kept one beats: settled after as many rounds as the longest chain of boxes
        settled = ~(beats & kept[:, None]).any(dim=0)
        if torch.equal(settled, kept):
            return order[kept]
        kept = settled


def _crops(
    pictures: Sequence[Summed], which: Which, boxes: Boxes, size: int
) -> Float[Tensor, "faces 3 size size"]:
    """The crops of boxes in several pictures; the boxes of a picture follow one another."""
    counts = torch.bincount(which, minlength=len(pictures)).tolist()
    crops = [p.crops(b, size) for p, b in zip(pictures, boxes.split(counts), strict=True)]
    return torch.cat([torch.zeros(0, 3, size, size), *crops])


def _arrays(name: str) -> list[Float32[np.ndarray, "..."]]:
    """The arrays in one of mtcnn's weight files: a joblib pickle in an lz4 frame."""
    import lz4.frame

    package = importlib.util.find_spec("mtcnn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "the face detector's weights lie in the package mtcnn: pip install mtcnn==1.0.0"
        )
    path = Path(package.origin).parent / "assets" / "weights" / f"{name}.lz4"
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[name]:
        raise ValueError(
            f"{path} has sha256 {found}, not {SHA256[name]}; pip install --force-reinstall mtcnn==1.0.0"
        )
    return _unpickled(lz4.frame.decompress(data))


def _unpickled(data: bytes) -> list[Float32[np.ndarray, "..."]]:
    """The arrays of a joblib pickle; whatever else it names is refused before it is made."""
    file = io.BytesIO(data)

    class Array:
        """In place of joblib's NumpyArrayWrapper: behind its state the file holds padding and the values."""

        def __setstate__(self, state: dict) -> None:
            file.seek(file.read(1)[0], io.SEEK_CUR)
            values = np.frombuffer(file.read(math.prod(state["shape"]) * 4), dtype="<f4")
            self.values = values.reshape(state["shape"], order=state["order"])

    admitted = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): Array,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    class Arrays(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> type:
            if (module, name) not in admitted:
                raise pickle.UnpicklingError(
                    f"a weight file holds arrays alone, this one names {module}.{name}"
                )
            return admitted[module, name]

    return [array.values for array in Arrays(file).load()]


@torch.no_grad()
def _fill(network: nn.Module, arrays: Sequence[Float32[np.ndarray, "..."]]) -> None:
    """Put TensorFlow's arrays, which come in the order of our parameters, into torch's layout.

    Kernels are (height, width, in, out) there and (out, in, width, height) here, as our pictures are
    transposed; the first dense layer takes (width, height, channels) there, (channels, width, height) here.
    """
    for (name, parameter), array in zip(network.named_parameters(), arrays, strict=True):
        values = array.squeeze()
        if array.ndim == 4 and name.startswith("stem"):
            values = array.transpose(3, 2, 1, 0)
        elif name == "dense.0.weight":
            values = array.reshape(3 * 3, -1, array.shape[1]).transpose(2, 1, 0).reshape(array.shape[1], -1)
        elif values.ndim == 2:
            values = values.T
        parameter.copy_(torch.from_numpy(values.copy()))
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    first = network.get_submodule("stem.0")
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    first.bias -= first.weight.sum(dim=(1, 2, 3)) * (127.5 / 128)  # it was made for (picture - 127.5) / 128
    first.weight /= 128
