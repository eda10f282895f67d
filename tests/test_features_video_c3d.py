"""C3D at its published size, on the device that only knows shapes, and the stream "video.c3d"."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from affectline.features import extract, video_c3d
from affectline.features.video_c3d import Motion, prepared
from affectline.media import MemoryClip
from affectline.nn import c3d
from affectline.nn.c3d import C3D
from affectline.types import Conversation, Utterance

CHANNELS = {
    "1a": (3, 64),
    "2a": (64, 128),
    "3a": (128, 256),
    "3b": (256, 256),
    "4a": (256, 512),
    "4b": (512, 512),
    "5a": (512, 512),
    "5b": (512, 512),
}
PUBLISHED = {
    **{f"conv{n}.weight": (out, into, 3, 3, 3) for n, (into, out) in CHANNELS.items()},
    **{f"conv{n}.bias": (out,) for n, (_, out) in CHANNELS.items()},
    "fc6.weight": (4096, 8192),
    "fc6.bias": (4096,),
}


def weights(monkeypatch: pytest.MonkeyPatch, shapes: dict[str, tuple[int, ...]], path: Path) -> str:
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    monkeypatch.setattr(c3d, "load_file", lambda _: tensors)
    path.touch()
    return str(path)


def test_the_weights_are_the_published_ones_up_to_fc6(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    behind = {"fc7.weight": (4096, 4096), "fc8.weight": (487, 4096)}
    network = C3D.load(weights(monkeypatch, PUBLISHED | behind, tmp_path / "w"))
    found = {n.removeprefix("features."): tuple(w.shape) for n, w in network.named_parameters()}
    assert found == PUBLISHED
    assert not network.training


def test_pictures_and_time_are_merged_as_published():
    with torch.device("meta"):
        network, clip = C3D(), torch.empty(2, 3, 16, 112, 112)
    sizes: list[tuple[int, ...]] = []
    for layer in network.features:
        if isinstance(layer, nn.MaxPool3d):
            layer.register_forward_hook(lambda _layer, _in, out: sizes.append(tuple(out.shape[2:])))
    assert network(clip).shape == (2, 4096)
    assert sizes == [(16, 56, 56), (8, 28, 28), (4, 14, 14), (2, 7, 7), (1, 4, 4)]


def test_a_missing_and_a_misshapen_weight_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    rest = {name: shape for name, shape in PUBLISHED.items() if name != "conv3b.weight"}
    for wrong in (rest, {**rest, "conv3b.weight": (256, 256, 1, 3, 3)}):
        with pytest.raises(ValueError, match=r"1 weights are missing .*'conv3b\.weight'; the names are"):
            C3D.load(weights(monkeypatch, wrong, tmp_path / "w"))


@pytest.mark.parametrize(("path", "says"), [("", "give weights=, a safetensors"), ("no/file", "no file")])
def test_without_weights_the_error_says_what_to_give(path: str, says: str):
    with pytest.raises(ValueError, match=says):
        Motion(path)([(shown(np.zeros((2, 8, 8, 3), np.uint8)), 0)])


def shown(pictures: np.ndarray) -> Conversation:
    clip = MemoryClip(np.zeros(9, np.float32), 9, pictures if len(pictures) else None, 8.0)
    return Conversation("c", (Utterance(id="u", speaker="A", clip=clip),))


class Colours(nn.Module):
    """In place of the network: the mean of each colour of each picture, among 4096 numbers."""

    def forward(self, clip: Tensor) -> Tensor:
        assert clip.shape == (1, 3, 16, 112, 112)
        return nn.functional.pad(clip.mean(dim=(3, 4)).flatten(1), (0, 4096 - 3 * 16))


def test_sixteen_pictures_are_seen_evenly_blue_first_less_the_mean(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(video_c3d, "_network", lambda *_: Colours())
    pictures = np.zeros((32, 20, 30, 3), np.uint8)
    pictures[..., 0] = np.arange(32)[:, None, None]  # red
    pictures[..., 2] = 200
    [found] = extract([shown(pictures)], [Motion("w")])[0][0]["video.c3d"]
    blue, green, red = found[:48].reshape(3, 16)
    np.testing.assert_allclose(blue, 200 - 90, atol=1e-3)
    np.testing.assert_allclose(green, -98, atol=1e-3)
    np.testing.assert_allclose(red, np.arange(1, 32, 2) - 102, atol=1e-3)


def test_the_middle_is_seen():
    pictures = np.zeros((16, 128, 171, 3), np.uint8)
    pictures[:, 8:120, 29:141] = 255
    seen = prepared(pictures)
    assert np.ptp(seen[0]) == 0
    pictures[:, 9:119, 30:140] = 0
    assert np.ptp(prepared(pictures)[0]) > 0


def test_no_pictures_no_motion():
    nothing = shown(np.zeros((0, 8, 8, 3), np.uint8))
    assert extract([nothing], [Motion("w")])[0][0]["video.c3d"].shape == (0, 4096)
