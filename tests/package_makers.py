"""In place of optional packages: the signatures of hear21passt 0.0.26, the table of py-feat 2.1.5."""

import sys
from types import ModuleType

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from affectline.features.audio_passt import RATE

TABLE = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
BOX = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]


def put_passt(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("hear21passt.base")
    module.__dict__.update(load_model=_load_model, get_timestamp_embeddings=_get_timestamp_embeddings)
    monkeypatch.setitem(sys.modules, "hear21passt", ModuleType("hear21passt"))
    monkeypatch.setitem(sys.modules, "hear21passt.base", module)


def put_feat(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("feat")
    module.__dict__["Detectorv1"] = Detectorv1
    monkeypatch.setitem(sys.modules, "feat", module)


class Wrapper(nn.Module):
    """Windows and hop of the real one; of each window the mean, in all of 768 numbers."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.weight = nn.Parameter(torch.rand(1))

    def get_timestamp_embeddings(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        assert self.mode == "embed_only"
        assert not self.training
        print("patch_embed :", audio.shape)
        torch.rand(1)
        window, hop = 160 * RATE // 1000, 50 * RATE // 1000
        padded = nn.functional.pad(audio[:, None], (window // 2, window // 2), mode="reflect")[:, 0]
        means = padded.unfold(1, window, hop).mean(dim=2)
        return means[..., None].expand(-1, -1, 768), torch.arange(means.shape[1])[None] * 50.0


def _load_model(model_path="", mode="all"):
    print("Loading PASST TRAINED ON AUDISET")
    return Wrapper(mode)


def _get_timestamp_embeddings(audio, model):
    model.eval()
    with torch.no_grad():
        return model.get_timestamp_embeddings(audio)


class Detectorv1:
    """Finds a small face in the left of every third picture, and a large one in the right of every second."""

    made: dict[str, object]

    def __init__(  # noqa: PLR0917
        self,
        face_model="retinaface",
        landmark_model="mobilefacenet",
        au_model="xgb",
        emotion_model="resmasknet",
        identity_model="arcface",
        gaze_model="l2cs",
        device="cpu",
    ):
        Detectorv1.made = {"au": au_model, "device": device}
        Detectorv1.made |= {"emotion": emotion_model, "identity": identity_model, "gaze": gaze_model}

    def detect(  # noqa: PLR0917
        self,
        inputs,
        data_type="image",
        output_size=None,
        batch_size=1,
        num_workers=0,
        pin_memory=False,
        face_identity_threshold=0.8,
        face_detection_threshold=0.5,
        skip_frames=None,
        progress_bar=True,
        save=None,
        **kwargs,
    ):
        assert data_type == "tensor"
        assert inputs.dtype == torch.uint8
        assert inputs.shape[1] == 3
        rows = [row for n, picture in enumerate(inputs) for row in self.faces(n, int(picture[0, 0, 0]))]
        return pd.DataFrame(rows)

    def faces(self, n: int, number: int) -> list[dict[str, float]]:
        boxes = [(5, 10, 10, 12, 0.9)] * (number % 3 == 0) + [(30, 5, 20, 30, 0.8)] * (number % 2 == 0)
        units = {f"AU{u:02}": u + number / 100 for u in TABLE}
        rows = [{**dict(zip(BOX, box, strict=True)), **units, "frame": n} for box in boxes]
        for row in rows:
            row["AU01"] = -1.0 if row["FaceRectX"] == 30 else 1.0
        none = dict.fromkeys([*BOX, *units], float("nan")) | {"FaceScore": 0.0, "frame": n}
        return rows or [none]
