import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_makers import chirp_of, make_sound, make_video, tone_of

from affectline.media import FileClip, MediaError, MemoryClip, probe

SECONDS = 4.0
FILES = ("mp4", "mkv", "avi", "webm", "ts", "wav", "flac", "mp3", "ogg", "m4a", "mka")


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, Path]:
    """A chirp, alone or under a video, in each format, by its ending."""
    folder = tmp_path_factory.mktemp("sound")
    return {ending: make(folder / f"chirp.{ending}") for ending in FILES}


def make(path: Path) -> Path:
    video = {"seconds": SECONDS, "wave": chirp_of(SECONDS, 48_000), "keyframes": 50, "size": (32, 24)}
    match path.suffix:
        case ".mp4" | ".mkv" | ".ts":
            return make_video(path, sound_rate=48_000, **video)
        case ".avi":
            return make_video(path, codec="mpeg4", sound_codec="libmp3lame", **video)
        case ".webm":
            return make_video(path, codec="libvpx", options={"deadline": "realtime"}, **video)
        case ".wav" | ".flac":
            return make_sound(path, seconds=SECONDS, rate=11_025, tone=None)
        case ".ogg":
            return make_sound(path, seconds=SECONDS, rate=48_000, tone=None)
    return make_sound(
        path, seconds=SECONDS, rate=44_100, tone=None, codec="aac" if path.suffix == ".mka" else None
    )


def frequency(sound: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 16 * len(sound)))
    return float(np.argmax(spectrum) * rate / (16 * len(sound)))


@pytest.mark.parametrize("rate", [7999, 11_025, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("asked", [8000, 16_000, 44_100])
def test_a_tone_keeps_frequency_level_and_length_at_odd_rates(tmp_path, rate, asked):
    sound = FileClip(make_sound(tmp_path / "tone.wav", seconds=1.0, rate=rate, tone=441.0)).waveform(asked)
    assert sound.dtype == np.float32
    assert len(sound) == asked
    assert frequency(sound, asked) == pytest.approx(441.0, abs=0.5)
    inner = slice(20, -20)  # at the ends the filter of the resampler sees nothing on one side
    np.testing.assert_allclose(sound[inner], tone_of(441.0, 1.0, asked)[inner], atol=0.01)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_every_sample_format_has_the_same_level(tmp_path, codec):
    path = make_sound(tmp_path / "tone.wav", codec=codec, tone=300.0, rate=16_000)
    np.testing.assert_allclose(FileClip(path).waveform(16_000), tone_of(300.0, 1.0, 16_000), atol=0.01)


@pytest.mark.parametrize("name", ["eight.wav", "eight.m4a"])
def test_eight_channels_are_mixed_to_their_mean(tmp_path, name):
    silent, spoken = np.zeros((7, 48_000), np.float32), tone_of(440.0, 1.0, 48_000)[None]
    path = make_sound(tmp_path / name, rate=48_000, channels=8, wave=np.concatenate([spoken, silent]))
    assert probe(path).channels == 8
    sound = FileClip(path).waveform(48_000)
    inner = slice(4800, -4800)
    np.testing.assert_allclose(sound[inner], spoken[0, inner] / 8, atol=0.003)


def test_what_is_louder_than_full_scale_is_cut_to_it(tmp_path):
    loud = 3 * tone_of(440.0, 0.5, 16_000)
    path = make_sound(tmp_path / "loud.wav", wave=loud, codec="pcm_f32le")
    for rate in (16_000, 8000):
        sound = FileClip(path).waveform(rate)
        assert np.abs(sound).max() == 1


@pytest.mark.parametrize("ending", FILES)
def test_a_file_sounds_as_it_was_made(files, ending):
    sound = FileClip(files[ending]).waveform(48_000)
    made = chirp_of(SECONDS, 48_000)[20_000:40_000]
    shifts = range(-50, 3000)
    errors = [np.abs(sound[20_000 + s : 40_000 + s] - made).mean() for s in shifts]
    assert min(errors) < 0.02  # one sample off is 0.04
    if ending not in ("ts", "avi"):  # these keep the padding that the encoder begins with
        assert abs(shifts[int(np.argmin(errors))]) <= 1


@settings(max_examples=60, deadline=None)
@given(
    ending=st.sampled_from(FILES),
    rate=st.sampled_from([8000, 16_000, 44_100]),
    start=st.floats(0, 3.9),
    duration=st.floats(0.001, 5),
)
def test_a_window_is_the_slice_of_the_whole(files, ending, rate, start, duration):
    clip = FileClip(files[ending])
    window = clip.window(start, duration)
    sound = window.waveform(rate)
    assert len(sound) == round(window.duration * rate)
    first = round(start * rate)
    # A decoder of AAC fills in noise of its own; one sample off is 0.04 and more.
    noise = 1e-6 if ending in ("wav", "flac") else 0.02
    np.testing.assert_allclose(sound, whole(files[ending], rate)[first : first + len(sound)], atol=noise)


WHOLE: dict[tuple[Path, int], np.ndarray] = {}


def whole(path: Path, rate: int) -> np.ndarray:
    if (path, rate) not in WHOLE:
        sound = FileClip(path).waveform(rate)
        WHOLE[path, rate] = np.append(sound, np.zeros(2, np.float32))  # a window's length may round up
    return WHOLE[path, rate]


@pytest.mark.parametrize("seconds", [0.013, 0.5, 30.0])
@pytest.mark.parametrize("ending", ["mp4", "wav", "ogg"])
def test_blocks_joined_are_the_waveform(files, ending, seconds):
    clip = FileClip(files[ending], 0.7, 3.1)
    starts, blocks = zip(*clip.blocks(16_000, seconds), strict=True)
    np.testing.assert_array_equal(np.concatenate(blocks), clip.waveform(16_000))
    length = round(seconds * 16_000)
    assert {len(b) for b in blocks[:-1]} <= {length}
    np.testing.assert_allclose(starts, np.arange(len(starts)) * length / 16_000)


def test_blocks_of_two_minutes_are_not_held_in_memory(tmp_path):
    path = make_sound(tmp_path / "long.flac", wave=np.tile(chirp_of(1.0, 8000), 120), rate=8000)
    clip = FileClip(path)
    assert clip.duration == pytest.approx(120)
    tracemalloc.start()
    samples = sum(len(block) for _, block in clip.blocks(16_000, 5.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples == 120 * 16_000
    assert peak < 3e6  # all of it is 7.7 MB


def test_sound_that_starts_late_is_silent_before(tmp_path):
    path = make_video(tmp_path / "late.mp4", seconds=4.0, tone=440.0, sound_start=1.5)
    recording = probe(path)
    assert recording.sound is not None
    assert recording.sound.start == pytest.approx(1.5, abs=0.03)
    assert any("sound goes from 1.5" in w for w in recording.warnings)
    sound = FileClip(path).waveform(16_000)
    assert not sound[: int(1.45 * 16_000)].any()
    assert frequency(sound[int(1.6 * 16_000) :], 16_000) == pytest.approx(440, abs=2)
    assert FileClip(path, 0.0, 1.0).waveform(16_000).shape == (0,)
    np.testing.assert_allclose(FileClip(path, 1.2, 3.0).waveform(16_000), sound[19_200:48_000], atol=2e-3)


def test_sound_missing_in_the_middle_is_silence_and_what_follows_keeps_its_time(tmp_path):
    path = tmp_path / "gap.mkv"
    tone = tone_of(440.0, 1.0, 16_000)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start in (0, 48_000):
            frame = av.AudioFrame.from_ndarray(
                (tone[None] * 32767).astype(np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = 16_000, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    sound = FileClip(path).waveform(16_000)
    expected = np.concatenate([tone, np.zeros(32_000, np.float32), tone])
    np.testing.assert_allclose(sound, expected, atol=1e-3)


def test_a_video_without_sound_has_none(tmp_path):
    clip = FileClip(make_video(tmp_path / "silent.mp4", seconds=0.5))
    assert not clip.has_audio
    assert clip.waveform(16_000).shape == (0,)
    assert list(clip.blocks(16_000, 1.0)) == []


@pytest.mark.parametrize("rate", [0, -16_000])
def test_a_rate_that_is_not_positive_is_refused(tmp_path, rate):
    with pytest.raises(ValueError, match=f"rate must be positive, got {rate}"):
        FileClip(make_sound(tmp_path / "tone.wav", seconds=0.1)).waveform(rate)


def test_sound_that_changes_its_rate_is_refused(tmp_path):
    parts = [make_sound(tmp_path / f"{rate}.mp3", rate=rate, seconds=0.5) for rate in (44_100, 48_000)]
    path = tmp_path / "both.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MediaError, match="its sound changes from"):
        FileClip(path).waveform(16_000)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_sound_of_values_that_are_no_numbers_is_refused(tmp_path, value):
    broken = np.full(1000, value, np.float32)
    path = make_sound(tmp_path / "broken.wav", wave=broken, codec="pcm_f32le")
    with pytest.raises(MediaError, match=r"broken\.wav: its sound holds values that are no numbers"):
        FileClip(path).waveform(16_000)


@settings(max_examples=40, deadline=None)
@given(
    old=st.sampled_from([8000, 11_025, 16_000, 44_100]), start=st.floats(0, 1.9), duration=st.floats(0.001, 2)
)
def test_a_window_of_an_array_is_the_slice_of_the_whole(old, start, duration):
    clip = MemoryClip(chirp_of(2.0, old), old)
    window = clip.window(start, duration)
    sound, first = window.waveform(16_000), round(start * 16_000)
    assert len(sound) == round(window.duration * 16_000)
    padded = np.append(clip.waveform(16_000), np.float32(0))
    np.testing.assert_allclose(sound, padded[first : first + len(sound)], atol=1e-6)
