import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from voice_makers import quiet, voice

from affectline.media import MemoryClip
from affectline.segment import speech
from affectline.segment.speech import CHUNK, cut, detect, probabilities, silero, spans_of
from affectline.types import Span


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return np.concatenate([quiet(1.0), voice(2.0), quiet(1.5), voice(3.0, pitch=210, seed=1), quiet(1.0)])


def test_voices_are_found_where_they_are(sound: np.ndarray) -> None:
    found = detect(MemoryClip(sound, 16_000)).spans
    assert len(found) == 2
    for span, true in zip(found, [Span(1.0, 3.0), Span(4.5, 7.5)], strict=True):
        assert abs(span.start - true.start) < 0.25
        assert abs(span.end - true.end) < 0.25


def test_the_network_agrees_with_the_package(sound: np.ndarray) -> None:
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import silero_vad

        theirs: Any = silero_vad.load_silero_vad()
    torch.set_num_threads(threads)
    chunks = torch.from_numpy(sound[: len(sound) // CHUNK * CHUNK]).split(CHUNK)
    with torch.inference_mode():
        expected = [theirs(chunk, 16_000).item() for chunk in chunks]
    np.testing.assert_allclose(probabilities([sound])[: len(expected)], expected, atol=1e-5)
    stamps = silero_vad.get_speech_timestamps(
        torch.from_numpy(sound), theirs, return_seconds=True, time_resolution=3
    )
    found = spans_of(probabilities([sound]), len(sound) / 16_000)
    np.testing.assert_allclose(
        [(s.start, s.end) for s in found], [(s["start"], s["end"]) for s in stamps], atol=0.033
    )


@given(st.lists(st.integers(1, 40_000), max_size=8))
@settings(max_examples=8, deadline=None)
def test_blocks_of_any_length_give_the_same_answer(sound: np.ndarray, lengths: list[int]) -> None:
    pieces = np.split(sound, np.minimum(np.cumsum(lengths), len(sound)) if lengths else [])
    np.testing.assert_allclose(probabilities(pieces), probabilities([sound]), atol=1e-5)


def test_a_recording_is_read_a_minute_at_a_time(sound: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = MemoryClip(sound, 16_000)
    whole = detect(clip)
    monkeypatch.setattr(speech, "BLOCK", 2.0)
    np.testing.assert_allclose(detect(clip).probability, whole.probability, atol=0.02)


def test_a_quiet_recording_is_heard_as_well(sound: np.ndarray) -> None:
    loud, soft = detect(MemoryClip(sound, 16_000)), detect(MemoryClip(sound / 80, 16_000))
    assert len(soft.spans) == 2
    assert abs(soft.duration - loud.duration) < 0.3


def test_silence_and_no_sound_hold_no_speech() -> None:
    assert detect(MemoryClip(np.zeros(32_000, dtype=np.float32), 16_000)).spans == ()
    assert detect(MemoryClip(quiet(2.0), 16_000)).spans == ()
    no_sound = MemoryClip(None, 16_000, np.zeros((10, 4, 4, 3), dtype=np.uint8), 5.0)
    assert detect(no_sound).spans == ()


@st.composite
def heard(draw: st.DrawFn) -> tuple[list[Span], np.ndarray]:
    spans, time = [], 0.0
    for _ in range(draw(st.integers(0, 8))):
        start = time + draw(st.floats(0.01, 2.0))
        time = start + draw(st.floats(0.25, 70.0))
        spans.append(Span(start, time))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    return spans, rng.random(int(time / speech.SECONDS) + 1).astype(np.float32)


@given(heard())
@settings(max_examples=25, deadline=None)
def test_utterances_are_short_in_order_and_cover_the_speech(made: tuple[list[Span], np.ndarray]) -> None:
    spans, probability = made
    parts = cut(spans, probability)
    assert all(part.duration <= 15.0 for part in parts)
    assert all(a.end <= b.start for a, b in pairwise(parts))
    for span in spans:
        assert sum(span.overlap(part) for part in parts) == pytest.approx(span.duration)


def test_a_long_utterance_is_cut_at_its_best_pause() -> None:
    probability = np.ones(1000, dtype=np.float32)
    probability[400:410] = 0.2
    first, second = cut([Span(0.0, 25.0)], probability)
    assert first.end == second.start
    assert 400 * speech.SECONDS < first.end < 410 * speech.SECONDS


def test_loading_the_network_leaves_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    silero.cache_clear()
    silero()
    assert torch.get_num_threads() == before
