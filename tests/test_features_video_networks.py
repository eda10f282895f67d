"""The streams "video.visextnet" and "video.scene", with tiny ResNets saved in the published format."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from network_makers import tiny_resnet
from transformers import ResNetConfig, ResNetModel

from affectline import faces
from affectline.features import Extractor, extract
from affectline.features.video_scene import Scene, without
from affectline.features.video_visextnet import VisExtNet, head
from affectline.media import MemoryClip
from affectline.nn import resnet
from affectline.nn.mtcnn import Detections
from affectline.types import Conversation, FaceTrack, Utterance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_resnet(tmp_path_factory.mktemp("resnet")))


class Detector:
    """Finds the boxes that are given for each picture, by its level of red in the first corner."""

    def __init__(self, boxes: dict[int, list[tuple[int, int, int, int]]]) -> None:
        self.boxes = boxes

    def detect(self, frames: np.ndarray) -> list[Detections]:
        found = [np.array(self.boxes.get(f[0, 0, 0], []), np.float32).reshape(-1, 4) for f in frames]
        return [
            Detections(b, np.ones(len(b), np.float32), np.zeros((len(b), 5, 2), np.float32)) for b in found
        ]


def film(count: int, height: int = 60, width: int = 90) -> np.ndarray:
    """Noise; the first corner of picture n has red n."""
    pictures = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    pictures[:, 0, 0, 0] = np.arange(count)
    return pictures


def shown(pictures: np.ndarray, rate: float = 10.0, face: FaceTrack | None = None) -> Conversation:
    clip = MemoryClip(None, 16000, pictures, rate)
    return Conversation("c", (Utterance(id="u", speaker="A", clip=clip, face=face),))


def run(extractor: Extractor, conversation: Conversation) -> np.ndarray:
    return extract([conversation], [extractor])[0][0][extractor.stream]


def find(monkeypatch: pytest.MonkeyPatch, boxes: dict[int, list[tuple[int, int, int, int]]]) -> None:
    monkeypatch.setattr(faces, "detector", lambda _: Detector(boxes))


def vector(folder: str, crop: np.ndarray, trained_on: str = "vggface2") -> np.ndarray:
    """By the definition: colours, network, mean over the picture."""
    network = ResNetModel.from_pretrained(folder).eval()
    if trained_on == "vggface2":
        planes = crop[:, :, ::-1] - np.array([91.4953, 103.8827, 131.0912])
    else:
        planes = (crop / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    with torch.inference_mode():
        out = network(torch.from_numpy(planes.transpose(2, 0, 1).astype(np.float32).copy())[None])
    return out.last_hidden_state.mean(dim=(2, 3))[0].numpy()


def test_the_mean_is_over_the_faces_of_a_frame_and_then_over_the_frames_that_show_one(folder, monkeypatch):
    boxes = {3: [(10, 10, 40, 40), (50, 10, 80, 50)], 8: [(20, 5, 60, 50)]}
    find(monkeypatch, boxes)
    pictures = film(20)
    crops = {n: [head(pictures[n], np.array(b, np.float32)) for b in found] for n, found in boxes.items()}
    means = [np.mean([vector(folder, crop) for crop in found], axis=0) for found in crops.values()]
    found = run(VisExtNet(folder, 6), shown(pictures))
    np.testing.assert_allclose(found, np.mean(means, axis=0)[None], rtol=1e-3, atol=1e-4)


def test_twenty_frames_are_looked_at_evenly(folder, monkeypatch):
    seen: list[int] = []

    class Watching(Detector):
        def detect(self, frames: np.ndarray) -> list[Detections]:
            seen.extend(frames[:, 0, 0, 0].tolist())
            return super().detect(frames)

    monkeypatch.setattr(faces, "detector", lambda _: Watching({}))
    assert run(VisExtNet(folder, 6), shown(film(100))).shape == (0, 6)
    assert seen == list(range(0, 100, 5))
    seen.clear()
    assert run(Scene(folder, 6), shown(film(160))).shape == (16, 6)
    assert seen == list(range(0, 160, 10))


def test_only_the_face_of_the_speaker_is_seen_if_so_wished(folder, monkeypatch):
    find(monkeypatch, {n: [(50, 10, 80, 50)] for n in range(20)})
    pictures, box = film(20), np.array([[10, 10, 40, 40]], np.float32)
    face = FaceTrack("F1", np.array([0.3]), box, np.zeros((1, 5, 2), np.float32))
    crops = [head(pictures[n], box[0]) for n in range(9)]  # up to half a second from the sample of the track
    expected = np.mean([vector(folder, crop) for crop in crops], axis=0)
    speaker = VisExtNet(folder, 6, speaker=True)
    np.testing.assert_allclose(run(speaker, shown(pictures, face=face))[0], expected, rtol=1e-3, atol=1e-4)
    assert run(speaker, shown(pictures)).shape == (0, 6)
    moved = replace(face, boxes=box + 1)
    assert speaker.content(shown(pictures, face=face), 0) != speaker.content(shown(pictures, face=moved), 0)


def test_colours_are_those_of_the_training(folder):
    crop = film(1, 224, 224)
    for trained_on in resnet.NORMALISATIONS:
        found = resnet.encoder(folder, trained_on, 6, "cpu")(crop)
        np.testing.assert_allclose(found[0], vector(folder, crop[0], trained_on), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match=r"trained_on='caffe'.*\['imagenet', 'vggface2'\]"):
        VisExtNet(folder, trained_on="caffe")


def test_a_head_is_the_middle_of_the_box_with_its_margin():
    picture = np.zeros((300, 400, 3), np.uint8)
    # A box of 100 by 200 becomes 130 by 260; of its shorter side seven eighths are seen: 114.
    picture[150 - 57 : 150 + 57, 200 - 57 : 200 + 57] = 200
    assert (head(picture, np.array([150, 50, 250, 250], np.float32)) == 200).all()
    picture[150 - 56 : 150 + 56, 200 - 56 : 200 + 56] = 0
    assert (head(picture, np.array([150, 50, 250, 250], np.float32)) == 200).any()


@pytest.mark.parametrize("box", [(-50, -50, 20, 30), (390, 290, 480, 400), (500, 20, 600, 90), (9, 9, 9, 9)])
def test_a_box_over_the_edge_has_a_head_too(box: tuple[int, int, int, int]):
    assert head(film(1, 300, 400)[0], np.array(box, np.float32)).shape == (224, 224, 3)


def test_faces_and_five_pixels_around_them_are_black_and_nothing_else():
    picture = np.full((60, 90, 3), 9, np.uint8)
    rest = without(
        picture, np.array([[20.4, 30.0, 39.5, 40.0], [-9, -8, 3, 2], [85, 55, 99, 99]], np.float32)
    )
    expected = picture.copy()
    expected[25:45, 15:45] = 0
    expected[:7, :8] = 0
    expected[50:, 80:] = 0
    np.testing.assert_array_equal(rest, expected)
    assert picture.all()


def test_a_face_does_not_change_the_scene(folder, monkeypatch):
    find(monkeypatch, {n: [(30, 20, 50, 40)] for n in range(16)})
    pictures = film(16)
    other = pictures.copy()
    other[:, 16:44, 26:54] //= 2
    scene = run(Scene(folder, 6), shown(pictures))
    assert scene.shape == (16, 6)
    np.testing.assert_array_equal(scene, run(Scene(folder, 6), shown(other)))
    other[:, 50:] //= 2
    assert (np.abs(scene - run(Scene(folder, 6), shown(other))).max(axis=1) > 1e-3).all()


def test_without_weights_the_error_says_what_to_give():
    with pytest.raises(ValueError, match=r"give weights=, a folder with config\.json and model\.safetensors"):
        run(VisExtNet(), shown(film(2)))


def test_a_network_of_another_width_is_refused(folder):
    with pytest.raises(ValueError, match="gives 6 numbers for a picture, not 2048: set width=6"):
        run(Scene(folder), shown(film(2)))


def test_no_pictures_no_features(folder):
    silent = Conversation("c", (Utterance(id="u", speaker="A", clip=MemoryClip(np.zeros(9, np.float32), 9)),))
    for extractor in (VisExtNet(folder, 6), Scene(folder, 6)):
        assert run(extractor, silent).shape == (0, 6)


def test_the_published_resnet_101_has_these_sizes(tmp_path: Path):
    sizes = {"depths": [3, 4, 23, 3], "hidden_sizes": [256, 512, 1024, 2048], "embedding_size": 64}
    (tmp_path / "config.json").write_text(json.dumps({**sizes, "layer_type": "bottleneck"}))
    with torch.device("meta"):
        network = ResNetModel(ResNetConfig.from_pretrained(tmp_path))
    shapes = {name: tuple(w.shape) for name, w in network.named_parameters()}
    assert shapes["embedder.embedder.convolution.weight"] == (64, 3, 7, 7)
    assert shapes["encoder.stages.3.layers.2.layer.2.convolution.weight"] == (2048, 512, 1, 1)
    assert sum(w.numel() for w in network.parameters()) == 44_549_160 - (
        2048 * 1000 + 1000
    )  # less classifier
    assert sum(name.endswith("convolution.weight") for name in shapes) == 1 + 3 * 33 + 4
