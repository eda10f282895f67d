"""Utterances of a conversation that still goes on: when they end, what they hold, what they are judged by."""

import io

import numpy as np
import pytest
import torch
from test_seen import checkpoint, fused
from voice_makers import RATE, voice

from affectline.analyze.live import Live
from affectline.features.audio_mel import Mel
from affectline.media import MemoryClip
from affectline.models.emoje import Config as JointConfig
from affectline.models.emoje import EmoJE
from affectline.segment.speech import cut, detect
from affectline.server import quick
from affectline.types import Modality, Span, Word

PAUSES = (0.6, 0.8, 0.15, 0.7)  # seconds; the third is too short to end an utterance


def talk() -> np.ndarray:
    """Four stretches of babble between pauses."""
    parts = [np.zeros(RATE // 2, np.float32)]
    for n, pause in enumerate(PAUSES):
        parts += [voice(1.2, pitch=110.0 + 30 * n), np.zeros(round(pause * RATE), np.float32)]
    return np.concatenate(parts)


def heard(live: Live, sound: np.ndarray, chunk: float = 0.1) -> list[tuple[dict, float]]:
    """Utterances, each with when it was known, in seconds of the sound."""
    size = round(chunk * RATE)
    said = [(u, live.seconds) for n in range(0, len(sound), size) for u in live.hear(sound[n : n + size])]
    return said + [(u, live.seconds) for u in live.end()]


def test_utterances_are_those_of_the_recording_and_known_soon_after_their_end() -> None:
    sound = talk()
    speech = detect(MemoryClip(sound, RATE))
    expected = cut(speech.spans, speech.probability)
    assert len(expected) > 1
    found = heard(Live(fused()), sound)
    assert [u["start"] for u, _ in found] == pytest.approx([s.start for s in expected], abs=0.1)
    assert [u["end"] for u, _ in found] == pytest.approx([s.end for s in expected], abs=0.1)
    assert max(known - u["end"] for u, known in found[:-1]) < 0.5
    assert [u["id"] for u, _ in found] == [f"u{n + 1:04}" for n in range(len(found))]
    assert {tuple(u["modalities"]) for u, _ in found} == {("audio",)}


def test_how_the_sound_is_cut_into_messages_changes_little() -> None:
    tenths, seconds = (heard(Live(fused()), talk(), chunk) for chunk in (0.1, 1.0))
    for (a, _), (b, _) in zip(tenths, seconds, strict=True):
        assert (a["start"], a["end"]) == pytest.approx((b["start"], b["end"]), abs=0.1)


def test_words_are_those_said_in_the_utterance_and_name_its_speaker() -> None:
    live = Live(fused(), wait=1.0)
    live.say([Word("late", Span(30.0, 30.5))], "Cleo")
    live.say([Word("no", Span(1.2, 1.5)), Word("oh", Span(0.7, 1.0))], "Ada")
    (first, known), *rest = heard(live, talk())
    assert (first["text"], first["speaker"], first["text_source"]) == ("oh no", "Ada", "given")
    assert known - first["end"] >= 1.0
    assert {u["speaker"] for u, _ in rest} == {"S1"}
    assert {u["text"] for u, _ in rest} == {None}


def test_little_is_kept_of_a_long_quiet() -> None:
    live = Live(fused())
    for _ in range(60):
        assert live.hear(np.zeros(RATE, np.float32)) == []
    assert len(live._sound) <= 3 * RATE  # pyright: ignore[reportPrivateUsage]


def test_a_model_of_conversations_knows_what_was_said_before() -> None:
    torch.manual_seed(0)
    config = JointConfig(classes=7, streams={"audio.mel": 64}, dim=8, heads=2, layers=1, context=4)
    made = checkpoint(EmoJE(config), [Mel()])
    sound = talk()
    *_, (last, _) = heard(Live(made), sound)
    start = round((last["start"] - 0.5) * RATE)
    ((alone, _),) = heard(Live(made), sound[start:])
    assert last["scores"] != pytest.approx(alone["scores"], abs=0.01)


def test_pictures_are_the_speakers_face_where_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = np.array([[20, 30], [40, 30], [30, 40], [22, 50], [38, 50]], np.float32)
    box = np.array([10, 10, 50, 60], np.float32)
    monkeypatch.setattr(Live, "_face", lambda *_: (box, marks))
    live = Live(fused())
    for n in range(40):
        live.see(n * 0.1, np.full((72, 96, 3), n, np.uint8))
    assert len(live._shown) == 20  # pyright: ignore[reportPrivateUsage]
    (first, _), *_ = heard(live, talk())
    assert first["face"]["track"] == "F1"
    assert first["modalities"] == ["audio", "video"]
    bare = Live(fused(), [Modality.AUDIO])
    assert heard(bare, talk())[0][0]["face"] is None


def test_pictures_are_decoded_and_nothing_else() -> None:
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(held, "JPEG")
    assert quick.picture(held.getvalue()).shape == (40, 60, 3)
    with pytest.raises(quick.WrongError, match="neither a JPEG nor a PNG"):
        quick.picture(b"<svg/>")
    with pytest.raises(quick.WrongError, match="cannot be decoded"):
        quick.picture(held.getvalue()[:20])
    large = io.BytesIO()
    Image.fromarray(np.zeros((5000, 4000, 3), np.uint8)).save(large, "PNG")
    with pytest.raises(quick.WrongError, match="pixels at most"):
        quick.picture(large.getvalue())
