"""What an analysis needs, made in a moment: a checkpoint of random weights, a recording, a transcript."""

from pathlib import Path

import torch
from media_makers import make_sound, make_video
from voice_makers import RATE, voice

from affectline.checkpoint import Checkpoint, save
from affectline.features.audio_mel import Mel
from affectline.features.text_tokens import Tokens
from affectline.features.video_faces import Faces
from affectline.models.late_fusion import Config, LateFusion
from affectline.types import EMOTIONS, LabelSpace

LICENCE = "for tests only"


def make_checkpoint(folder: Path, *, seed: int = 0, text: int = 0, audio: int = 8, face: int = 8) -> Path:
    """Random weights; without `text` there is no encoder to load."""
    torch.manual_seed(seed)
    config = Config(classes=len(EMOTIONS), text=text, audio=audio, face=face)
    extractors = (*((Tokens(),) if text else ()), Mel(), Faces(size=48))
    checkpoint = Checkpoint(
        name="tiny",
        model=LateFusion(config).eval(),
        labels=LabelSpace(EMOTIONS, multilabel=True),
        extractors=extractors,
        thresholds={"audio": (0.4,) * len(EMOTIONS)},
        about={"licence": LICENCE},
    )
    save(checkpoint, folder)
    return folder


def make_talk(path: Path, seconds: float = 2.0, *, pitch: float = 120.0, **settings) -> Path:
    """A recording in which somebody babbles; nobody is seen."""
    if path.suffix == ".wav":
        return make_sound(path, rate=RATE, wave=voice(seconds, pitch=pitch))
    wave = voice(seconds, pitch=pitch)
    return make_video(path, seconds=seconds, rate=10, wave=wave, sound_rate=RATE, **settings)


def make_csv(path: Path, *rows: str, header: str = "speaker,start,end,text") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path
