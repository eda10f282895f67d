"""Utterances of a conversation that still goes on: when they end, what they hold, what they are judged by."""

import io

import numpy as np
import pytest
import torch
from test_seen import checkpoint, fused
from voice_makers import RATE, voice

from affectline.analyze import live as live_module
from affectline.analyze.live import HELD, Live
from affectline.checkpoint import Checkpoint
from affectline.features.audio_mel import Mel
from affectline.media import MemoryClip
from affectline.models.emoje import Config as JointConfig
from affectline.models.emoje import EmoJE
from affectline.segment.speech import cut, detect
from affectline.server import quick
from affectline.types import Conversation, Modality, Span, Utterance, Word

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


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Utterance]:
    """What the model was asked about."""
    found: list[Utterance] = []
    original = live_module.answered

    def note(checkpoint: Checkpoint, talk: Conversation) -> object:
        found.extend(talk.utterances)
        return original(checkpoint, talk)

    monkeypatch.setattr(live_module, "answered", note)
    return found


@pytest.fixture
def faced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture shows a face."""
    marks = np.array([[20, 30], [40, 30], [30, 40], [22, 50], [38, 50]], np.float32)
    box = np.array([10, 10, 50, 60], np.float32)
    monkeypatch.setattr(Live, "_face", lambda *_: (box, marks))


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


def test_a_short_pause_ends_nothing_while_somebody_begins_again() -> None:
    parts = (np.zeros(RATE // 2), voice(1.2), np.zeros(RATE // 4), voice(1.0, seed=1), np.zeros(RATE))
    found = heard(Live(fused()), np.concatenate(parts).astype(np.float32), 0.032)
    assert len(found) == 1


def test_how_the_sound_is_cut_into_messages_changes_little() -> None:
    tenths, seconds = (heard(Live(fused()), talk(), chunk) for chunk in (0.1, 1.0))
    for (a, _), (b, _) in zip(tenths, seconds, strict=True):
        assert (a["start"], a["end"]) == pytest.approx((b["start"], b["end"]), abs=0.1)


def test_words_are_those_said_in_the_utterance_and_name_its_speaker() -> None:
    live = Live(fused(), wait=1.0)
    live.say([Word("late", Span(30.0, 30.5))], "Cleo")
    live.say([Word("hm", Span(0.55, 0.65))], "Ben")
    live.say([Word("no", Span(1.2, 1.5)), Word("oh", Span(0.7, 1.0))], "Ada")
    (first, known), *rest = heard(live, talk())
    assert (first["text"], first["speaker"], first["text_source"]) == ("hm oh no", "Ada", "given")
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


@pytest.mark.usefixtures("faced")
def test_pictures_are_the_speakers_face_where_one_is_found() -> None:
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


@pytest.mark.usefixtures("faced")
def test_each_utterance_is_judged_by_what_was_heard_and_seen_in_it(judged: list[Utterance]) -> None:
    live, sound = Live(fused()), talk()
    for n in range(len(sound) // (RATE // 5)):
        live.see(n / 5, np.full((72, 96, 3), n, np.uint8))
    said = [one for one, _ in heard(live, sound)]
    assert len(said) == len(judged) > 1
    for one, of in zip(said, judged, strict=True):
        assert of.span is not None
        assert of.clip is not None
        first = round(of.span.start * RATE)
        there = of.clip.waveform(RATE)
        assert np.abs(there - sound[first : first + len(there)]).max() < 1e-6
        assert len(there) == pytest.approx((one["end"] - one["start"]) * RATE, abs=20)
        shown = [int(picture.mean()) / 5 for picture in of.clip.frames(count=3)]
        assert all(one["start"] - 0.2 <= time <= one["end"] + 0.2 for time in shown)
        times = [box[0] for box in one["face"]["boxes"]]
        assert one["start"] - 0.01 <= times[0] < times[-1] <= one["end"] + 0.2


@pytest.mark.usefixtures("faced")
def test_words_and_pictures_are_kept_for_as_long_as_an_utterance_may_wait(judged: list[Utterance]) -> None:
    sound = np.concatenate([np.zeros(RATE // 2, np.float32), voice(13.5), np.zeros(11 * RATE, np.float32)])
    live, known = Live(fused(), wait=10.0), []
    for n in range(0, len(sound), RATE // 2):
        live.see(n / RATE, np.full((72, 96, 3), 10, np.uint8))
        spoken = f"word{n // RATE}" if n < 13 * RATE else "later"
        live.say([Word(spoken, Span(n / RATE, n / RATE + 0.2))])
        known += live.hear(sound[n : n + RATE // 2])
    (one,) = known + live.end()
    assert one["text"].startswith("word0 word1")
    assert one["face"]["boxes"][0][0] < 1.0
    assert live.seconds > HELD + one["start"]


def test_nothing_grows_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "WORDS", 50)
    live = Live(fused())
    live.say([Word("far", Span(1e5, 1e5 + 1))])
    for n, second in enumerate(np.split(voice(30.0), 30)):
        live.say([Word(f"{n} {k}", Span(n, n + 0.5)) for k in range(3)])
        live.hear(second)
        assert len(live._sound) < 17 * RATE  # pyright: ignore[reportPrivateUsage]
        assert len(live._words) <= 50  # pyright: ignore[reportPrivateUsage]
    live.hear(np.zeros(40 * RATE, np.float32))
    live.say([Word("now", Span(70, 70.5))])
    kept = [word.text for word, _ in live._words]  # pyright: ignore[reportPrivateUsage]
    assert kept == ["now"]


def test_what_is_said_last_is_not_lost() -> None:
    live = Live(fused())
    sound = np.concatenate([np.zeros(RATE // 2, np.float32), voice(1.2)])
    assert live.hear(sound) == []
    (last,) = live.end()
    assert last["end"] == pytest.approx(1.7, abs=0.1)


def answers() -> "quick._Answers":  # pyright: ignore[reportPrivateUsage]
    """Of a service with two checkpoints."""
    found = quick._Answers(quick.Quick({"base": "base", "other": "other"}))  # pyright: ignore[reportPrivateUsage]
    found.loaded.update(base=fused(), other=fused())
    return found


def test_streams_that_go_on_at_once_share_nothing() -> None:
    ours, theirs = talk(), np.concatenate([np.zeros(RATE, np.float32), talk()[::-1].copy()])
    alone = [[one for one, _ in heard(Live(fused()), sound, 0.5)] for sound in (ours, theirs)]
    said = answers()
    opening = {"do": "open", "checkpoint": "base", "modalities": ["audio"], "speaker": "Ada", "wait": 0.0}
    for name in "ab":
        said({**opening, "stream": name}, b"")
    together: dict[str, list[dict]] = {"a": [], "b": []}
    for n in range(0, len(theirs), RATE // 2):
        for name, sound in (("a", ours), ("b", theirs)):
            chunk = sound[n : n + RATE // 2].astype("<f4").tobytes()
            asked = {"do": "hear", "stream": name, "format": "float32"}
            together[name] += said(asked, chunk)["utterances"]
    for name, expected in zip("ab", alone, strict=True):
        found = together[name] + said({"do": "end", "stream": name}, b"")["utterances"]
        assert [(u["id"], u["start"], u["end"]) for u in found] == [
            (u["id"], u["start"], u["end"]) for u in expected
        ]
        assert [u["scores"] for u in found] == [pytest.approx(u["scores"], abs=1e-3) for u in expected]
        said({"do": "leave", "stream": name}, b"")
    assert said.live == {}


@pytest.mark.usefixtures("faced")
def test_only_what_a_client_asked_for_counts(judged: list[Utterance]) -> None:
    live = Live(fused(), [Modality.AUDIO])
    for n in range(10):
        live.see(n / 5, np.full((72, 96, 3), n, np.uint8))
    live.say([Word("oh", Span(0.7, 1.0))])
    first, *_ = heard(live, talk()[: 3 * RATE])
    assert first[0]["modalities"] == ["audio"]
    assert judged[0].missing >= {Modality.TEXT, Modality.VIDEO}


def test_a_stream_hears_as_if_it_were_the_first() -> None:
    def heard_after(before: np.ndarray) -> np.ndarray:
        Live(fused()).hear(before)
        live = Live(fused())
        live.hear(talk()[:RATE])
        return live._speech  # pyright: ignore[reportPrivateUsage]

    after_quiet, after_speech = heard_after(np.zeros(RATE, np.float32)), heard_after(voice(2.0))
    assert after_quiet.tolist() == after_speech.tolist()
    assert len(after_quiet) > 25


def test_a_stream_is_opened_as_its_client_asked() -> None:
    said = answers()
    asked = {"do": "open", "stream": "a", "modalities": ["audio"], "speaker": "Ada", "wait": 1.5}
    said({**asked, "checkpoint": "other"}, b"")
    live = said.live["a"]
    assert live.checkpoint is said.loaded["other"]
    assert (*live.modalities, live.speaker, live.wait) == (Modality.AUDIO, "Ada", 1.5)


@pytest.mark.usefixtures("faced")
def test_a_picture_of_a_time_to_come_is_refused_and_shuts_none_out() -> None:
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(held, "JPEG")
    said = answers()
    opening = {"do": "open", "checkpoint": "base", "modalities": ["audio"], "speaker": "Ada", "wait": 0.0}
    said({**opening, "stream": "a"}, b"")
    refused = said({"do": "see", "stream": "a", "time": 3600.0}, held.getvalue())
    assert "a picture is of 3600 s, but 0 s of sound came" in refused["refused"]
    assert said({"do": "see", "stream": "a", "time": 0.2}, held.getvalue()) == {}
    assert len(said.live["a"]._shown) == 1  # pyright: ignore[reportPrivateUsage]
