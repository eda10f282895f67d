import inspect
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from affectline.media import MemoryClip
from affectline.segment import asr
from affectline.segment.asr import FasterWhisper, Recognised, recognise
from affectline.types import Span, Word


def heard(word: str, start: float, end: float) -> SimpleNamespace:
    return SimpleNamespace(word=word, start=start, end=end, probability=0.9)


class FakeWhisper:
    """Answers as faster-whisper does."""

    def __init__(self, *args: object, **settings: object) -> None:
        self.made = args, settings

    def transcribe(self, *args: object, **settings: object) -> tuple:
        self.asked = settings
        segments = [
            SimpleNamespace(words=[heard(" Well,", 0.3, 0.6), heard(" yes", 0.6, 0.6), heard(" ", 0.7, 0.8)]),
            SimpleNamespace(words=None),
            SimpleNamespace(words=[heard(" no.", 1.9, 2.4)]),
        ]
        return iter(segments), SimpleNamespace(language="en", language_probability=0.97)


@pytest.fixture
def faster_whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("faster_whisper")
    fake = type("WhisperModel", (FakeWhisper,), {})
    real = module.WhisperModel
    monkeypatch.setattr(module, "WhisperModel", fake)
    for method in ("__init__", "transcribe"):  # the fake binds to the real signatures
        call = getattr(FakeWhisper, method)
        signature = inspect.signature(getattr(real, method))

        def checked(self: object, *a: object, _call=call, _signature=signature, **k: object) -> object:
            _signature.bind(self, *a, **k)
            return _call(self, *a, **k)

        monkeypatch.setattr(fake, method, checked)


def test_whisper_is_called_as_the_installed_version_takes_it(faster_whisper: None) -> None:
    recogniser = FasterWhisper("models/small.en", device="cpu", compute_type="int8")
    found = recogniser(np.zeros(48_000, dtype=np.float32), "en")
    assert found == Recognised(
        (Word("Well,", Span(0.3, 0.6)), Word("yes"), Word("no.", Span(1.9, 2.4))), "en", 0.97
    )
    assert recogniser.whisper.asked["word_timestamps"] is True
    assert recogniser.whisper.asked["vad_filter"] is False
    assert recogniser.whisper.made == (("models/small.en",), {"device": "cpu", "compute_type": "int8"})


def test_without_the_extra_its_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "affectline\[asr\]"'):
        FasterWhisper()(np.zeros(16_000, dtype=np.float32), None)


def test_words_go_to_the_utterance_they_share_most_time_with() -> None:
    clip = MemoryClip(np.zeros(16_000 * 50, dtype=np.float32), 16_000)
    spans = [Span(1.0, 3.0), Span(2.8, 5.0), Span(40.0, 42.0)]
    asked: list[tuple[float, str | None]] = []

    def recogniser(waveform: np.ndarray, language: str | None) -> Recognised:
        asked.append((round(len(waveform) / 16_000, 3), language))
        if len(asked) == 1:  # it starts 0.2 s before the first span, at 0.8
            return Recognised(
                (Word("one", Span(0.3, 0.7)), Word("two"), Word("three", Span(2.1, 2.9))), "de", 0.9
            )
        return Recognised((Word("four", Span(0.0, 0.1)),), "de", 1.0)

    words, language = recognise(clip, spans, recogniser)
    assert [[w.text for w in found] for found in words] == [["one", "two"], ["three"], ["four"]]
    assert words[1][0].span == Span(0.8 + 2.1, 0.8 + 2.9)
    assert asked == [(4.4, None), (2.4, "de")]  # the language that was heard first is told
    assert language == "de"


def test_no_stretch_is_longer_than_whisper_hears() -> None:
    clip = MemoryClip(np.zeros(16_000 * 120, dtype=np.float32), 16_000)
    spans = [Span(n * 4.0, n * 4.0 + 3.5) for n in range(30)]
    lengths = []

    def recogniser(waveform: np.ndarray, language: str | None) -> Recognised:
        lengths.append(len(waveform) / 16_000)
        return Recognised((), "en", 0.1)

    recognise(clip, spans, recogniser)
    assert max(lengths) <= asr.LONGEST + 2 * asr.AROUND + 1e-6
    assert len(lengths) == 5
