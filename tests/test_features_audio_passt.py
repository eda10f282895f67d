"""The stream "audio.passt", with functions that have the signatures of hear21passt 0.0.26."""

import sys

import numpy as np
import pytest
import torch
from package_makers import put_passt

from affectline.features import audio_passt, extract
from affectline.features.audio_passt import RATE, PaSST, averaged
from affectline.media import MemoryClip
from affectline.types import Conversation, Utterance


@pytest.fixture(autouse=True)
def hear21passt(monkeypatch: pytest.MonkeyPatch):
    put_passt(monkeypatch)
    audio_passt._network.cache_clear()
    yield
    audio_passt._network.cache_clear()


def features(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    talk = Conversation("c", (Utterance(id="u", speaker="A", clip=MemoryClip(samples, rate)),))
    return extract([talk], [PaSST()])[0][0]["audio.passt"]


def ramp(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.linspace(0, 1, round(seconds * rate), dtype=np.float32)


def test_a_short_sound_keeps_its_windows():
    assert features(ramp(1.0)).shape == (21, 768)
    assert features(ramp(3.15)).shape == (64, 768)


def test_a_long_sound_is_averaged_in_its_order():
    found = features(ramp(10.0))
    assert found.shape == (64, 768)
    assert (np.diff(found[:, 0]) > 0).all()
    assert found[:, 0].mean() == pytest.approx(0.5, abs=0.01)


def test_averages_are_those_of_equal_stretches():
    steps = np.arange(10, dtype=np.float32)[:, None]
    assert averaged(steps, 4)[:, 0].tolist() == [0.5, 3.0, 5.5, 8.0]
    assert averaged(steps, 10).tolist() == averaged(steps, 99).tolist() == steps.tolist()


def test_sound_of_any_rate_is_heard_at_32_khz():
    assert features(ramp(1.0, 16_000), 16_000).shape == (21, 768)


def test_a_sound_too_short_to_be_mirrored_is_missing():
    assert features(ramp(1.0)[:2560]).shape == (0, 768)
    assert len(features(ramp(1.0)[:2561])) == 2


def test_what_the_package_prints_and_draws_stays_its_own(
    capsys: pytest.CaptureFixture[str],
):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    features(ramp(0.5))
    assert torch.equal(torch.rand(1), expected)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "patch_embed" in printed.err


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "hear21passt", None)
    monkeypatch.setitem(sys.modules, "hear21passt.base", None)
    with pytest.raises(ImportError, match=r'pip install "affectline\[passt\]"'):
        features(ramp(0.5))


def test_no_sound_no_features():
    clip = MemoryClip(None, RATE, np.zeros((2, 8, 8, 3), np.uint8))
    talk = Conversation("c", (Utterance(id="u", speaker="A", clip=clip),))
    assert extract([talk], [PaSST()])[0][0]["audio.passt"].shape == (0, 768)
