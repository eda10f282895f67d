import sys

import numpy as np
import pytest

from affectline.features import opensmile
from affectline.features.opensmile import ComParE, EGeMAPS, Functionals


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16000)) / 16000)).astype(np.float32)


@pytest.mark.parametrize(("extractor", "count"), [(EGeMAPS(), 88), (ComParE(), 6373)], ids=str)
def test_every_functional_has_a_value_and_a_name(extractor: Functionals, count: int):
    values = extractor.of(tone(220))
    assert values.shape == (1, count)
    assert np.isfinite(values).all()
    assert len(set(extractor.names)) == count


def test_the_pitch_of_a_tone_is_found_under_its_name():
    pitch = EGeMAPS.feature_set, EGeMAPS().names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    assert EGeMAPS().of(tone(220))[0, pitch[1]] == pytest.approx(12 * np.log2(220 / 27.5), abs=0.5)


@pytest.mark.parametrize("samples", [0, 1, 400, 959])
def test_a_sound_shorter_than_a_window_is_missing(samples: int):
    assert EGeMAPS().of(tone(220)[:samples]).shape == (0, 88)


@pytest.mark.parametrize("samples", [960, 961, 1600])
def test_the_shortest_sound_and_silence_are_finite(samples: int):
    for sound in (tone(220)[:samples], np.zeros(samples, np.float32)):
        values = EGeMAPS().of(sound)
        assert values.shape == (1, 88)
        assert np.isfinite(values).all()


def test_an_undefined_functional_is_zero(monkeypatch: pytest.MonkeyPatch):
    smile = opensmile._smile("eGeMAPSv02")
    real = smile.process_signal
    monkeypatch.setattr(smile, "process_signal", lambda *a: real(*a).mask(lambda v: v > 0, np.inf))
    values = EGeMAPS().of(tone(220))
    assert np.isfinite(values).all()
    assert (values == 0).sum() > 10


def test_without_the_extra_the_error_names_it_and_the_licence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    opensmile._smile.cache_clear()
    with pytest.raises(ImportError, match=r'research.*pip install "affectline\[opensmile\]"'):
        EGeMAPS().of(tone(220))
