import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from voice_makers import quiet, voice

from affectline.media import MemoryClip
from affectline.segment import speakers, transcribe
from affectline.segment import voice as voices
from affectline.segment.speakers import Pyannote, Turn, by_voice, speaker_of, viterbi
from affectline.segment.speech import Speech, detect
from affectline.segment.voice import Cepstra, Network, Voice, best_voice, encoder, mel
from affectline.types import Span

HIGH = {"pitch": 220.0, "tract": 1.2}


@pytest.fixture(scope="module")
def talk() -> MemoryClip:
    """A low and a high voice, who change at 8.9 s without a pause."""
    low, high = voice(3.0), voice(2.0, seed=1, **HIGH)
    last = [voice(2.0, seed=2), voice(2.5, seed=3, **HIGH)]
    return MemoryClip(
        np.concatenate([quiet(0.5), low, quiet(1.0), high, quiet(0.4), *last, quiet(1.0)]), 16_000
    )


@pytest.fixture(scope="module")
def speech(talk: MemoryClip) -> Speech:
    return detect(talk)


@pytest.mark.parametrize(("count", "by"), [(None, Network()), (2, Network()), (2, Cepstra())])
def test_two_voices_are_told_apart_even_inside_one_stretch(
    talk: MemoryClip, speech: Speech, count: int | None, by: Voice
) -> None:
    turns = by_voice(talk, speech, count, by)
    first, second = turns[0].speaker, turns[1].speaker
    assert first != second
    assert [t.speaker for t in turns] == [first, second, first, second]
    assert abs(turns[2].span.end - 8.9) < 0.5


def test_one_voice_is_one_speaker() -> None:
    clip = MemoryClip(np.concatenate([voice(4.0), quiet(0.5), voice(4.0, seed=5)]), 16_000)
    assert {t.speaker for t in by_voice(clip, detect(clip))} == {"S1"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_speakers_as_asked_for(talk: MemoryClip, speech: Speech, count: int) -> None:
    assert len({t.speaker for t in by_voice(talk, speech, count)}) <= count


def test_turns_are_in_order_and_cover_the_speech_once(talk: MemoryClip, speech: Speech) -> None:
    turns = by_voice(talk, speech)
    assert all(a.span.end <= b.span.start + 1e-9 for a, b in pairwise(turns))
    for span in speech.spans:
        assert sum(span.overlap(t.span) for t in turns) == pytest.approx(span.duration)


def test_sound_is_read_in_blocks_without_changing_the_voices(
    talk: MemoryClip, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = speakers.listen(talk, speech.spans, Network())
    monkeypatch.setattr("affectline.segment.speech.BLOCK", 1.0)
    pieces = speakers.listen(talk, speech.spans, Network())
    np.testing.assert_allclose(pieces.vectors, whole.vectors, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(whole.vectors, axis=1), 1.0, atol=1e-5)


def test_no_speech_has_no_turns(talk: MemoryClip) -> None:
    assert by_voice(talk, Speech((), np.zeros(0, dtype=np.float32))) == ()


def test_a_breath_of_speech_is_one_turn(talk: MemoryClip, speech: Speech) -> None:
    span = Span(1.0, 1.3)
    assert by_voice(talk, Speech((span,), speech.probability)) == (Turn(span, "S1"),)


def test_who_speaks_most_of_a_span_is_its_speaker() -> None:
    turns = [Turn(Span(0.0, 2.0), "S1"), Turn(Span(2.0, 3.0), "S2"), Turn(Span(8.0, 9.0), "S2")]
    assert speaker_of(Span(1.0, 2.5), turns) == "S1"
    assert speaker_of(Span(6.0, 7.0), turns) == "S2"
    assert speaker_of(Span(3.5, 4.0), turns) == "S2"


@given(st.integers(1, 7), st.integers(1, 3), st.floats(0, 2), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_viterbi_finds_the_best_of_all_paths(length: int, states: int, stay: float, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(length, states))
    paths = np.stack(np.meshgrid(*[np.arange(states)] * length, indexing="ij"), axis=-1).reshape(-1, length)
    values = scores[np.arange(length), paths].sum(axis=1) - stay * (np.diff(paths, axis=1) != 0).sum(axis=1)
    found = viterbi(scores, stay)
    value = scores[np.arange(length), found].sum() - stay * (np.diff(found) != 0).sum()
    assert value == pytest.approx(values.max())


def test_bands_peak_where_the_tone_is() -> None:
    time = np.arange(16_000) / 16_000
    bands = [
        int(mel((0.1 * np.sin(2 * np.pi * f * time)).astype(np.float32)).mean(axis=0).argmax())
        for f in (200, 1000, 4000)
    ]
    # 40 bands over 45.2 mels of Slaney's scale: 200 Hz is mel 3, 1 kHz mel 15, 4 kHz mel 35.2
    assert bands == [round(m / (45.245 / 41)) - 1 for m in (3.0, 15.0, 35.16)]


def test_the_encoder_is_small_and_in_float32() -> None:
    assert sum(p.numel() for p in encoder().parameters()) == 1_423_616
    assert {p.dtype for p in encoder().parameters()} == {torch.float32}


def test_the_network_is_used_where_its_weights_are_and_else_the_fallback_is_said(
    talk: MemoryClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(best_voice(), Network), f"the tests need its weights: {voices.INSTALL}"
    assert not any("spectra" in note for note in transcribe(talk, id="talk").warnings)
    monkeypatch.setattr(voices.importlib.util, "find_spec", lambda name: None)
    assert isinstance(best_voice(), Cepstra)
    assert any(voices.INSTALL in note for note in transcribe(talk, id="talk").warnings)
    assert any(voices.INSTALL in note for note in transcribe(talk, id="talk", speakers=2).warnings)
    assert not any("spectra" in note for note in transcribe(talk, id="talk", speakers=1).warnings)


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pretrained.pt").write_bytes(b"other weights")
    monkeypatch.setattr(voices, "weights", lambda: tmp_path / "pretrained.pt")
    with pytest.raises(ValueError, match="is not of version 0"):
        encoder.__wrapped__()


def test_cepstra_do_not_change_with_the_microphone() -> None:
    windows = np.stack([mel(voice(1.6, seed=n, pitch=100.0 + 40 * n)) + 1 for n in range(4)])[:, :160]
    by = Cepstra()
    here = by.compare(by.embed(windows))
    there = by.compare(by.embed(windows * np.linspace(0.5, 4.0, 40, dtype=np.float32)))
    np.testing.assert_allclose(here, there, atol=0.05)
    np.testing.assert_allclose(np.linalg.norm(here, axis=1), 1.0, atol=1e-4)


def test_pyannote_is_asked_as_its_documentation_says(
    talk: MemoryClip, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict = {}

    class Pipeline:
        @classmethod
        def from_pretrained(cls, checkpoint: str, *, token: str | None = None) -> "Pipeline":
            asked.update(checkpoint=checkpoint, token=token)
            return cls()

        def to(self, device: torch.device) -> "Pipeline":
            return self

        def __call__(self, file: dict, num_speakers: int | None = None) -> SimpleNamespace:
            asked.update(shape=tuple(file["waveform"].shape), rate=file["sample_rate"], count=num_speakers)
            tracks = [(SimpleNamespace(start=0.5, end=3.5), "_", "SPEAKER_00")]
            return SimpleNamespace(
                exclusive_speaker_diarization=SimpleNamespace(itertracks=lambda yield_label: iter(tracks))
            )

    package, module = ModuleType("pyannote"), ModuleType("pyannote.audio")
    module.Pipeline = Pipeline  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "pyannote", package)
    monkeypatch.setitem(sys.modules, "pyannote.audio", module)
    assert Pyannote(token="t")(talk, speech, 2) == (Turn(Span(0.5, 3.5), "SPEAKER_00"),)
    assert asked["shape"] == (1, round(talk.duration * 16_000))
    assert (asked["token"], asked["rate"], asked["count"]) == ("t", 16_000, 2)


def test_without_pyannote_its_command_is_named(
    talk: MemoryClip, speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyannote.audio", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "affectline\[diarization\]"'):
        Pyannote()(talk, speech)


@pytest.mark.corpus
def test_the_two_voices_of_a_real_meeting_are_told_apart(data: Path) -> None:
    from affectline.media import FileClip

    clip = FileClip(data / "scenes" / "meeting_30s.wav")
    turns = by_voice(clip, detect(clip), 2)
    lines = [line.split() for line in (data / "scenes" / "meeting_30s.rttm").read_text().splitlines()]
    true = [Turn(Span(float(f[3]), float(f[3]) + float(f[4])), f[7]) for f in lines]
    votes = {(t.speaker, name): 0.0 for t in turns for name in ("MEE009", "MEE012")}
    for turn in turns:
        for one in true:
            votes[turn.speaker, one.speaker] += turn.span.overlap(one.span)
    right = max(votes["S1", "MEE009"] + votes["S2", "MEE012"], votes["S1", "MEE012"] + votes["S2", "MEE009"])
    assert right / sum(votes.values()) > 0.85  # a second of them talks at once


def test_speech_that_lasts_a_little_longer_than_the_sound_is_heard_too(talk: MemoryClip) -> None:
    sound = talk.waveform(16_000)
    clip = MemoryClip(sound, 16_000)
    end = len(sound) / 16_000
    stretches = [Span(0.5, 1.5), Span(end - 2.0, end + 0.00003)]
    heard, within = (
        speakers.listen(clip, found, Cepstra()) for found in (stretches, [stretches[0], Span(end - 2.0, end)])
    )
    assert heard.starts[-1] > 1.5
    np.testing.assert_array_equal(heard.vectors, within.vectors)
    assert len(speakers.listen(clip, stretches[1:], Cepstra()).vectors)
