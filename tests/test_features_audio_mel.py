import numpy as np
import pytest
import torch

from affectline.features import extract
from affectline.features.audio_mel import Mel, filterbank
from affectline.media import MemoryClip
from affectline.types import Conversation, Utterance


def tone(hertz: float, seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("hertz", [100, 440, 1000, 3000, 7500])
def test_a_tone_is_loudest_in_the_band_around_it(hertz: int):
    loudest = Mel().spectrogram(tone(hertz)).mean(axis=0).argmax()
    mels = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 8000 / 700), 66)
    left, right = 700 * (10 ** (mels[[loudest, loudest + 2]] / 2595) - 1)
    assert left < hertz < right


def test_a_triangle_is_where_the_formula_puts_it():
    bank = filterbank(1, 0.0, 8000.0)  # mels 0, 1420 and 2840: its peak is at 700 (10 ** (1420 / 2595) - 1)
    assert bank.shape == (257, 1)
    assert bank[32].item() == pytest.approx(1000 / 1767.79, abs=1e-3)
    assert bank[160].item() == pytest.approx((8000 - 5000) / (8000 - 1767.79), abs=1e-3)


def test_it_is_the_short_time_fourier_transform_in_triangles():
    sound = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    window = torch.nn.functional.pad(torch.hann_window(400), (0, 112))  # stft would centre it
    spectrum = torch.stft(
        torch.nn.functional.pad(torch.from_numpy(sound), (0, 112)), 512, 160, window=window, center=False,
        return_complex=True,
    )  # fmt: skip
    expected = (spectrum.abs().square().T @ filterbank(64, 20.0, 8000.0)).clamp(min=1e-8).log()
    np.testing.assert_allclose(Mel().spectrogram(sound), expected.numpy(), atol=1e-3)


def test_no_band_is_deaf_and_the_triangles_peak_at_one():
    bank = filterbank(64, 20.0, 8000.0)
    assert bank.amax(dim=0).min() > 0.4
    assert bank.max() <= 1
    assert bank[200].sum() == pytest.approx(1, abs=1e-5)  # neighbouring triangles add up to one


def test_a_step_is_ten_milliseconds():
    sound = np.concatenate([np.zeros(8000, np.float32), tone(1000, 0.5)])
    loudness = Mel().spectrogram(sound).max(axis=1)
    assert len(loudness) == 1 + (16000 - 400) // 160
    assert (loudness > 0).argmax() == pytest.approx(50, abs=2)


def test_other_rates_are_resampled():
    clip = MemoryClip(tone(1000, rate=44100), 44100, None, 1.0)
    [[features]] = extract(
        [Conversation(id="c", utterances=(Utterance(id="u", speaker="A", clip=clip),))], [Mel()]
    )
    assert features["audio.mel"].mean(axis=0).argmax() == Mel().spectrogram(tone(1000)).mean(axis=0).argmax()


def test_silence_says_nothing_a_pause_is_the_floor_and_a_short_sound_is_one_window():
    for waveform in (np.zeros(16000, np.float32), tone(1000) * 1e-5):
        assert Mel().spectrogram(waveform).shape == (0, 64)
    pause = Mel().spectrogram(np.concatenate([tone(1000), np.zeros(16000, np.float32)]))
    assert np.all(pause[-98:] == np.float32(np.log(1e-8)))
    assert Mel().spectrogram(tone(1000, 0.005)).shape == (1, 64)
    assert Mel().spectrogram(np.zeros(0, np.float32)).shape == (0, 64)


def test_a_long_sound_does_not_depend_on_where_it_is_split():
    sound = (
        np.random.default_rng(0).uniform(-1, 1, 90 * 16000).astype(np.float32)
    )  # 8998 windows, split at 8192
    spectrogram = Mel().spectrogram(sound)
    np.testing.assert_allclose(spectrogram[8190:], Mel().spectrogram(sound[8190 * 160 :]), atol=1e-4)


@pytest.mark.parametrize(("low", "high"), [(300.0, 200.0), (20.0, 9000.0), (-1.0, 8000.0)])
def test_impossible_bands_are_refused(low: float, high: float):
    with pytest.raises(ValueError, match="0 <= low < high <= 8000"):
        Mel(low=low, high=high)
