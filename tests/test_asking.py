"""Changes of one conversation are answered as by `predict`, and nothing that is unchanged is made again."""

from pathlib import Path

import pytest
import torch
from test_checkpoint_vectors import LABELS, saved, talk
from torch import nn

from affectline.checkpoint import Checkpoint, load
from affectline.checkpoint.asking import Asked, randomised
from affectline.features import extract
from affectline.features.audio_mel import Mel
from affectline.features.video_faces import Faces
from affectline.media import MemoryClip
from affectline.models.emoje import Config, EmoJE
from affectline.models.late_fusion import Config as Fused
from affectline.models.late_fusion import LateFusion
from affectline.types import Conversation


def changes(conversation: Conversation) -> list[Conversation]:
    """Other words, no words, another sound, a lost modality, and nothing at all."""
    clip = conversation.utterances[2].clip
    assert clip is not None
    half = MemoryClip(0.5 * clip.waveform(16_000), 16_000, clip.frames(rate=5.0), 5.0)
    return [
        conversation.edit(1, text="that is so"),
        conversation.edit(4, text=""),
        conversation.edit(2, clip=half),
        conversation.without("audio"),
        conversation,
    ]


def same(
    asked: Asked, checkpoint: Checkpoint, conversations: list[Conversation], within: float = 1e-5
) -> None:
    for quick, slow in zip(asked(conversations), checkpoint.predict(conversations), strict=True):
        for a, b in zip(quick, slow, strict=True):
            assert a.scores == pytest.approx(b.scores, abs=within)
            assert (a.emotions, a.modalities) == (b.emotions, b.modalities)


def test_a_model_of_conversations_is_asked_as_by_predict(tmp_path: Path) -> None:
    torch.manual_seed(0)
    streams = {"audio.vector": 40, "text.vector": 384}
    model = EmoJE(Config(classes=7, streams=streams, dim=8, heads=2, layers=1, context=4, joint=8)).eval()
    extractors = (saved("audio", tmp_path / "voice"), saved("text", tmp_path / "words"))
    checkpoint = Checkpoint("joint", model, LABELS, extractors, {})
    conversation = talk(6)
    same(Asked(checkpoint, conversation), checkpoint, changes(conversation))


def test_a_model_without_context_is_asked_as_by_predict(tmp_path: Path) -> None:
    saved("audio", tmp_path / "voice")
    checkpoint = load(tmp_path / "voice")
    conversation = talk(6)
    same(Asked(checkpoint, conversation), checkpoint, changes(conversation))


def fused(folder: Path) -> Checkpoint:
    """A late fusion of voice and face over raw streams, in which the face says much."""
    torch.manual_seed(0)
    model = LateFusion(Fused(classes=7, audio=4, face=8))
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    return Checkpoint("fused", model.eval(), LABELS, (Mel(), Faces(48, whole=True)), {})


@pytest.mark.parametrize("half", [False, True])
def test_a_late_fusion_is_asked_branch_by_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    monkeypatch.setattr("affectline.checkpoint.branches.quick", lambda: half)
    checkpoint, conversation = fused(tmp_path), talk(6)
    same(Asked(checkpoint, conversation), checkpoint, changes(conversation), within=0.02 if half else 1e-5)


def test_a_branch_reads_what_changed_and_nothing_else(tmp_path: Path) -> None:
    checkpoint, conversation = fused(tmp_path), talk(6)
    asked = Asked(checkpoint, conversation)
    read: list[tuple[str, int]] = []
    for name, branch in checkpoint.model.branches.items():  # pyright: ignore
        branch.register_forward_hook(
            lambda _m, seen, _out, name=name: read.append((name, seen[0].mask.shape[1]))
        )
    half = changes(conversation)[2]
    asked([half, half.edit(1, text="so"), conversation])
    assert read == [("audio", 1)]


def test_what_is_unchanged_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved("audio", tmp_path / "voice")
    conversation = talk(6)
    asked = Asked(load(tmp_path / "voice"), conversation)
    made: list[int] = []
    spectrogram = Mel.spectrogram
    monkeypatch.setattr(
        Mel, "spectrogram", lambda self, wave: made.append(len(wave)) or spectrogram(self, wave)
    )
    asked([conversation.edit(1, text="other words"), conversation])
    assert made == []
    asked([changes(conversation)[2], conversation])
    assert len(made) == 1


def test_shuffled_weights_are_the_same_values_elsewhere(tmp_path: Path) -> None:
    saved("audio", tmp_path / "voice")
    found = load(tmp_path / "voice")
    pairs = list(zip(found.model.parameters(), randomised(found).model.parameters(), strict=True))
    assert all(a.flatten().sort().values.equal(b.flatten().sort().values) for a, b in pairs)
    assert any((a != b).any() for a, b in pairs)


def test_the_encoders_behind_vectors_are_shuffled_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = EmoJE(Config(classes=7, streams={"audio.vector": 40}, dim=8, heads=2, layers=1, context=4))
    extractor = saved("audio", tmp_path / "voice")
    found = randomised(Checkpoint("joint", model.eval(), LABELS, (extractor,), {}))
    conversation = talk(3)
    (was,), (now,) = (extract([conversation], e) for e in ((extractor,), found.extractors))
    assert now[0]["audio.vector"].shape == was[0]["audio.vector"].shape
    assert (now[0]["audio.vector"] != was[0]["audio.vector"]).any()
    (again,) = extract([conversation], (extractor,))
    assert (again[0]["audio.vector"] == was[0]["audio.vector"]).all()  # the encoder itself stays
