"""Stretches of files as one clip: what is heard and seen of them, in order, and over a joint."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from media_makers import chirp_of, make_sound, make_video, read_number

from affectline.media import FileClip, JoinedClip, MediaError
from affectline.types import Clip, Modality

RATE = 16_000


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Four seconds of numbered pictures, ten a second, over a rising tone; and the same larger and louder."""
    folder = tmp_path_factory.mktemp("joined")
    wave = chirp_of(4.0, RATE)
    made = {"seconds": 4.0, "rate": 10, "sound_rate": RATE, "sound_codec": "pcm_s16le"}
    small = make_video(folder / "small.mov", wave=wave / 2, **made)
    return small, make_video(folder / "large.mov", wave=wave, size=(128, 96), **made)


@pytest.fixture
def joined(two: tuple[Path, Path]) -> JoinedClip:
    """Pictures 20 to 24 and 31 to 39 of the first, then 5 to 9 of the second."""
    small, large = two
    return JoinedClip((FileClip(small, 2.0, 2.5), FileClip(small, 3.1, 9.0), FileClip(large, 0.5, 1.0)))


def seen(clip: Clip, rate: float = 10) -> list[int]:
    return [read_number(picture) for _, picture in clip.pictures(rate)]


ALL = [*range(20, 25), *range(31, 40), *range(5, 10)]


def test_sound_and_pictures_are_those_of_the_stretches_in_order(joined: JoinedClip) -> None:
    assert isinstance(joined, Clip)
    assert joined.duration == pytest.approx(1.9)
    assert (joined.has_audio, joined.has_video) == (True, True)
    sound = np.concatenate([clip.waveform(RATE) for clip in joined.clips])
    np.testing.assert_array_equal(joined.waveform(RATE), sound)
    assert seen(joined) == ALL
    times = [time for time, _ in joined.pictures(10)]
    np.testing.assert_allclose(times, np.arange(19) / 10)
    assert [read_number(p) for p in joined.frames(rate=10)] == ALL
    assert [read_number(p) for p in joined.frames(count=19)] == ALL
    assert [read_number(p) for p in joined.frames(count=3)] == [ALL[3], ALL[9], ALL[15]]


def test_pictures_have_one_size_whatever_file_they_are_of(joined: JoinedClip) -> None:
    assert {picture.shape for _, picture in joined.pictures(10)} == {(48, 64, 3)}
    assert joined.frames(count=19, max_side=24).shape == (19, 24, 32, 3)
    assert [read_number(p) for p in joined.frames(count=19, max_side=24)] == ALL


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 47_999])
def test_sound_has_as_many_samples_as_its_duration_at_any_rate(two: tuple[Path, Path], rate: int) -> None:
    clip = JoinedClip(tuple(FileClip(two[0], 0.1 * n, 0.1 * n + 0.0333) for n in range(9)))
    sound = clip.waveform(rate)
    assert len(sound) == round(clip.duration * rate)
    begin = round(5 * 0.0333 * rate)
    np.testing.assert_array_equal(
        sound[begin + 1 : begin + 100], FileClip(two[0], 0.5, 0.5333).waveform(rate)[1:100]
    )


@pytest.mark.parametrize(
    ("start", "duration", "shown"),
    [
        (0.2, 0.2, [22, 23]),
        (0.3, 0.4, [23, 24, 31, 32]),
        (0.4, 1.2, [24, *range(31, 40), 5, 6]),
        (1.8, 5, [9]),
    ],
)
def test_a_window_is_that_part_of_the_whole_over_a_joint_too(
    joined: JoinedClip, start: float, duration: float, shown: list[int]
) -> None:
    window = joined.window(start, duration)
    assert window.duration == pytest.approx(min(duration, 1.9 - start))
    first, length = round(start * RATE), round(window.duration * RATE)
    np.testing.assert_allclose(
        window.waveform(RATE), joined.waveform(RATE)[first : first + length], atol=1e-4
    )
    assert seen(window) == shown
    if len(shown) > 1:
        assert seen(window.window(0.1, 5)) == shown[1:]


def test_a_window_past_the_end_and_no_stretches_are_refused(joined: JoinedClip) -> None:
    for wrong in (lambda: joined.window(2.0, 1.0), lambda: JoinedClip(())):
        with pytest.raises(ValueError, match="no stretches to join; a window must lie inside"):
            wrong()
    late = JoinedClip((*joined.clips, replace(joined.clips[0], start=5.0, end=6.0)))
    with pytest.raises(MediaError, match=r"starts at 5\.000 s and the recording is over at"):
        late.waveform(RATE)


def test_content_hangs_on_the_files_the_times_and_their_order(joined: JoinedClip) -> None:
    one, two, three = joined.clips
    others = [
        (two, one, three),
        (one, two),
        (one, replace(two, start=3.2), three),
        (one, two, replace(three, end=0.9)),
    ]
    clips = [joined, *map(JoinedClip, others)]
    assert len({clip.content(m) for clip in clips for m in (Modality.AUDIO, Modality.VIDEO)}) == 10
    assert JoinedClip((one, two, three)).content(Modality.AUDIO) == joined.content(Modality.AUDIO)


def test_a_stretch_without_sound_is_silent_and_one_without_pictures_leaves_none(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    mute = make_video(tmp_path / "mute.mp4", seconds=1.0, rate=10)
    clip = JoinedClip((FileClip(two[0], 0.0, 1.0), FileClip(mute), FileClip(two[0], 1.0, 2.0)))
    sound = clip.waveform(RATE)
    np.testing.assert_array_equal(sound[RATE : 2 * RATE], 0)
    np.testing.assert_allclose(
        np.concatenate([sound[:RATE], sound[2 * RATE :]]), FileClip(two[0], 0, 2).waveform(RATE), atol=1e-4
    )
    assert seen(clip) == [*range(10), *range(10), *range(10, 20)]
    heard = JoinedClip((FileClip(two[0]), FileClip(make_sound(tmp_path / "heard.wav"))))
    assert (heard.has_audio, heard.has_video, seen(heard)) == (True, False, [])
    assert heard.frames(count=2).shape == (0, 0, 0, 3)
    silent = JoinedClip((FileClip(mute), FileClip(mute)))
    assert len(silent.waveform(RATE)) == 0


def test_pictures_end_where_those_of_the_last_stretch_do(two: tuple[Path, Path], tmp_path: Path) -> None:
    longer = make_video(
        tmp_path / "longer.mp4", seconds=1.0, rate=10, wave=chirp_of(2.0, RATE), sound_rate=RATE
    )
    clip = JoinedClip((FileClip(two[0], 0.0, 1.0), FileClip(longer)))
    assert clip.duration == pytest.approx(3.0, abs=0.1)
    assert seen(clip) == [*range(10), *range(10)]
