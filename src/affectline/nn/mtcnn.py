"""MTCNN: faces and five landmarks by a cascade of three networks.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao: Joint face detection and alignment using multi-task cascaded convolutional
networks. IEEE Signal Processing Letters 23 (2016). P-Net looks at every place of a pyramid of pictures, R-Net
and O-Net look closer at what is left.

Coordinates are pixels from the upper left edge of the picture: the first pixel covers 0 to 1. (The authors'
release and the packages made from it count corners from 1, so that their x0 and y0 are one more than ours.)

Paper: the networks see a picture and its pyramid, one at a time.
Here: pictures in batches; the first threshold is taken before anything else is computed of a place; crops of a
face are read from a copy of the picture at about the size that is needed, all in one call.
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
from torch.nn import functional as F

SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
"""Of the weight files in mtcnn 1.0.0: the authors' weights, in TensorFlow's layout."""

_CELL, _STRIDE = 12, 2  # P-Net sees 12 x 12 pixels at every second pixel
_FACTOR = 0.709  # from one picture of the pyramid to the next: half the area
_THRESHOLDS = (0.6, 0.7, 0.7)
_SMALLEST = 20  # pixels; what is smaller, the networks have not learnt

Boxes = Float[Tensor, "faces 4"]
Planes = Float[Tensor, "3 time height width"]


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces of one picture, best first. Landmarks: left eye, right eye, nose, corners of the mouth, as seen."""

    boxes: Float32[np.ndarray, "faces 4"]
    scores: Float32[np.ndarray, " faces"]
    landmarks: Float32[np.ndarray, "faces 5 2"]

    def __len__(self) -> int:
        return len(self.scores)


class _Stem(nn.Sequential):
    """The convolutions that P-, R- and O-Net begin with; pooling rounds up, as in Caffe."""

    def __init__(self, channels: Sequence[int], kernels: Sequence[int], pools: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for n, kernel in enumerate(kernels):
            layers += [nn.Conv2d(channels[n], channels[n + 1], kernel), nn.PReLU(channels[n + 1])]
            if n < len(pools):
                layers.append(nn.MaxPool2d(pools[n], stride=2, ceil_mode=True))
        super().__init__(*layers)


class PNet(nn.Module):
    """Proposals: for every place of a picture, whether a face of 12 pixels is there, and where exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem((3, 10, 16, 32), kernels=(3, 3, 3), pools=(2,))
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)


class RNet(nn.Module):
    """Refinement: whether a crop of 24 pixels is a face, and how to move its box."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem((3, 28, 48, 64), kernels=(3, 3, 2), pools=(3, 3))
        self.dense = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.box = nn.Linear(128, 4)
        self.face = nn.Linear(128, 2)


class ONet(nn.Module):
    """Output: as R-Net, of 48 pixels, and five landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Stem((3, 32, 64, 64, 128), kernels=(3, 3, 3, 2), pools=(3, 3, 2))
        self.dense = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.box = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)
        self.face = nn.Linear(256, 2)


class MTCNN(nn.Module):
    """The cascade. `MTCNN.load()` makes it with the authors' weights.

    `min_face`: the smallest face looked for, as a share of the shorter side of the picture (at least 20 pixels):
    the time of a detection is then about the same for every size of picture.
    """

    def __init__(self, min_face: float = 1 / 12) -> None:
        super().__init__()
        if not 0 < min_face <= 1:
            raise ValueError(f"min_face is a share of the picture's shorter side, 0 to 1; got {min_face}")
        self.min_face = min_face
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()

    @classmethod
    def load(cls, min_face: float = 1 / 12) -> "MTCNN":
        """The detector with the weights that lie in the package mtcnn (which is not imported)."""
        detector = cls(min_face)
        for name in SHA256:
            _fill(getattr(detector, name), _arrays(name))
        return detector.eval().requires_grad_(False)

    @torch.inference_mode()
    def detect(self, frames: UInt8[np.ndarray, "time height width 3"]) -> list[Detections]:
        """The faces in each picture (RGB)."""
        if not frames.size:
            return [_none() for _ in frames]
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).to(self.pnet.box.weight.device)
        planes = pictures.permute(3, 0, 1, 2).float()
        at, boxes = self._propose(planes)
        sizes = _mips(planes)
        at, boxes = self._refine(sizes, at, boxes)
        return self._output(sizes, at, boxes)

    def _propose(self, planes: Planes) -> tuple[Int[Tensor, " faces"], Boxes]:
        """P-Net over a pyramid: which picture, and the square that a face may be in."""
        height, width = planes.shape[2:]
        scale = _CELL / max(_SMALLEST, self.min_face * min(height, width))
        found_at, found = [planes.new_zeros(0, dtype=torch.long)], [planes.new_zeros(0, 4)]
        while min(height, width) * scale >= _CELL:
            shape = (round(height * scale), round(width * scale))
            small = F.interpolate(planes, size=shape, mode="area") if scale != 1 else planes
            at, boxes = self._scan(small)
            found_at.append(at)
            found.append(boxes * boxes.new_tensor([width / shape[1], height / shape[0]] * 2))
            scale *= _FACTOR
        return torch.cat(found_at), _square(torch.cat(found))

    def _scan(self, planes: Planes) -> tuple[Int[Tensor, " faces"], Boxes]:
        x = self.pnet.stem(_normalised(planes.transpose(0, 1)))
        no, yes = self.pnet.face(x).unbind(dim=1)
        logit = yes - no
        at, row, column = _peaks(logit, _logit(_THRESHOLDS[0])).nonzero(as_tuple=True)
        corner = torch.stack([column, row, column, row], dim=1) * _STRIDE
        boxes = corner + corner.new_tensor([0, 0, _CELL, _CELL])
        shift = F.linear(x[at, :, row, column], self.pnet.box.weight.flatten(1), self.pnet.box.bias)
        return at, boxes + shift * _CELL

    def _refine(self, sizes, at, boxes):
        x = self.rnet.dense(self.rnet.stem(_crops(sizes, at, boxes, 24)).flatten(1))
        no, yes = self.rnet.face(x).unbind(dim=1)
        keep = (yes - no) > _logit(_THRESHOLDS[1])
        at, boxes, logit, x = at[keep], boxes[keep], (yes - no)[keep], x[keep]
        keep = _suppress(at, boxes, logit, 0.7)
        at, boxes, x = at[keep], boxes[keep], x[keep]
        return at, _square(_moved(boxes, self.rnet.box(x)))

    def _output(self, sizes, at, boxes):
        x = self.onet.dense(self.onet.stem(_crops(sizes, at, boxes, 48)).flatten(1))
        no, yes = self.onet.face(x).unbind(dim=1)
        score = (yes - no).sigmoid()
        landmarks = self.onet.landmarks(x).unflatten(1, (2, 5)).transpose(1, 2)
        landmarks = boxes[:, None, :2] + landmarks * (boxes[:, None, 2:] - boxes[:, None, :2])
        boxes = _moved(boxes, self.onet.box(x))
        keep = score > _THRESHOLDS[2]
        at, boxes, score, landmarks = at[keep], boxes[keep], score[keep], landmarks[keep]
        keep = _suppress(at, boxes, score, 0.7, smaller=True)
        keep = keep[score[keep].argsort(descending=True)]
        at, boxes, score, landmarks = (v[keep].cpu().numpy() for v in (at, boxes, score, landmarks))
        return [
            Detections(boxes[at == n], score[at == n], landmarks[at == n]) for n in range(sizes[0].shape[1])
        ]


def _none() -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _normalised(x: Tensor) -> Tensor:
    return (x - 127.5) / 128


def _square(boxes: Boxes) -> Boxes:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], dim=1)


def _moved(boxes: Boxes, shift: Boxes) -> Boxes:
    return boxes + shift * (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)


def _peaks(logit: Float[Tensor, "time rows columns"], threshold: float) -> Bool[Tensor, "time rows columns"]:
    """Non-maximum suppression at IoU 0.5 in one scale.

    All cells are squares of 12 pixels at steps of two, so those that overlap by more than half are the
    eight neighbours.
    """
    left = logit.masked_fill(logit <= threshold, -torch.inf)
    peaks = torch.zeros_like(left, dtype=torch.bool)
    while True:
        best = left == F.max_pool2d(left, 3, stride=1, padding=1)
        best &= left > -torch.inf
        if not best.any():
            return peaks
        peaks |= best
        near = F.max_pool2d(best.float(), 3, stride=1, padding=1) > 0
        left = left.masked_fill(near, -torch.inf)


def _suppress(at: Tensor, boxes: Boxes, score: Tensor, limit: float, *, smaller: bool = False) -> Tensor:
    """Greedy non-maximum suppression in each picture: the boxes kept, as indices in the order of score."""
    order = score.argsort(descending=True)
    b, at = boxes[order], at[order]
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    low, high = torch.maximum(b[:, None, :2], b[None, :, :2]), torch.minimum(b[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    whole = torch.minimum(area[:, None], area) if smaller else area[:, None] + area - shared
    beats = ((shared > limit * whole) & (at[:, None] == at)).triu(diagonal=1)
    keep = torch.ones_like(at, dtype=torch.bool)
    while (
        True
    ):  # a box is out when one that is kept beats it; settles after as many rounds as the longest chain
        settled = ~(beats & keep[:, None]).any(dim=0)
        if torch.equal(settled, keep):
            return order[keep]
        keep = settled


def _mips(planes: Planes) -> list[Planes]:
    """The pictures, and again and again at half the size."""
    sizes = [planes]
    while min(sizes[-1].shape[2:]) >= 2 * 24:
        sizes.append(F.avg_pool2d(sizes[-1], 2))
    return sizes


def _crops(sizes: list[Planes], at, boxes: Boxes, size: int) -> Float[Tensor, "faces 3 size size"]:
    """The squares, `size` pixels wide, each read from pictures that are one to two times as fine; black outside."""
    crops = boxes.new_empty(len(boxes), 3, size, size)
    level = ((boxes[:, 2] - boxes[:, 0]) / size).log2().floor().long().clamp(0, len(sizes) - 1)
    step = (torch.arange(2 * size, device=boxes.device) + 0.5) / (2 * size)
    for n, planes in enumerate(sizes):
        chosen = (level == n).nonzero()[:, 0]
        if not len(chosen):
            continue
        _, time, height, width = planes.shape
        b = boxes[chosen] / 2**n
        x, y = (b[:, c, None] + step * (b[:, c + 2, None] - b[:, c, None]) for c in (0, 1))
        inside = ((x > 0) & (x < width))[:, None, :] & ((y > 0) & (y < height))[:, :, None]
        y = y.clamp(0.5, height - 0.5) + at[chosen, None] * height
        x = x.clamp(0.5, width - 0.5)
        grid = torch.stack(
            torch.broadcast_tensors(
                (x / width * 2 - 1)[:, None, :], (y / (height * time) * 2 - 1)[:, :, None]
            ),
            dim=-1,
        )
        tall = planes.reshape(1, 3, time * height, width)
        fine = F.grid_sample(tall, grid.reshape(1, -1, 2 * size, 2), align_corners=False)
        fine = fine.unflatten(2, (len(chosen), 2 * size))[0].transpose(0, 1) * inside[:, None]
        crops[chosen] = F.avg_pool2d(fine, 2)
    return _normalised(crops)


def _arrays(name: str) -> list[np.ndarray]:
    """The arrays in a weight file of mtcnn: a joblib pickle in an lz4 frame."""
    import lz4.frame  # noqa: PLC0415

    package = importlib.util.find_spec("mtcnn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the face detector's weights lie in the package mtcnn: pip install mtcnn")
    path = Path(package.origin).parent / "assets" / "weights" / f"{name}.lz4"
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[name]:
        raise ValueError(
            f"{path} has sha256 {found}, not {SHA256[name]}: pip install --force-reinstall mtcnn==1.0.0"
        )
    return _unpickled(lz4.frame.decompress(data))


def _unpickled(data: bytes) -> list[np.ndarray]:
    """The arrays of a joblib pickle; whatever else stands in it is refused before it is made."""
    file = io.BytesIO(data)

    class Array:
        """Stands for joblib's NumpyArrayWrapper: when its state is read, the array itself is next in the file."""

        def __setstate__(self, state: dict) -> None:
            file.seek(file.read(1)[0], io.SEEK_CUR)  # padding
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
                    f"a weight file may hold arrays only, this one holds {module}.{name}"
                )
            return admitted[module, name]

    return [array.values for array in Arrays(file).load()]


def _fill(network: nn.Module, arrays: list[np.ndarray]) -> None:
    """Copy TensorFlow's arrays into torch's parameters, which stand in the same order."""
    parameters = [p for n, p in network.named_parameters()]
    names = [n for n, _ in network.named_parameters()]
    for p, n, a in zip(parameters, names, arrays, strict=True):
        if a.ndim == 4:  # height, width, in, out
            a = a.transpose(3, 2, 0, 1)
        elif a.ndim == 2 and n == "dense.0.weight":  # the pictures were laid flat as width, height, channel
            side = 3
            a = a.reshape(side, side, -1, a.shape[1]).transpose(3, 2, 1, 0).reshape(a.shape[1], -1)
        elif a.ndim == 2:
            a = a.T
        with torch.no_grad():
            p.copy_(torch.from_numpy(a.reshape(p.shape).copy()))
