from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_makers import draw_number, make_sound, make_video, read_number

from affectline.media import FileClip, MemoryClip, probe
from affectline.media.recording import SAME

SECONDS = 4.0
FILES = ("mp4", "mkv", "avi", "webm", "ts", "mov")


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, Path]:
    """A hundred numbered pictures, 25 per second, over a tone, in each container, by its ending."""
    folder = tmp_path_factory.mktemp("pictures")
    return {ending: make(folder / f"numbers.{ending}") for ending in FILES}


def make(path: Path) -> Path:
    video = {"seconds": SECONDS, "tone": 440.0, "keyframes": 20}
    if path.suffix == ".avi":
        return make_video(path, codec="mpeg4", sound_codec="pcm_s16le", **video)
    if path.suffix == ".webm":
        return make_video(path, codec="libvpx", options={"deadline": "realtime"}, **video)
    return make_video(path, **video)


def numbers(clip: FileClip | MemoryClip, rate: float) -> list[int]:
    return [read_number(picture) for picture in clip.frames(rate=rate)]


def expected(path: Path, times: np.ndarray) -> list[int]:
    """The numbers on the screen at these times of the recording."""
    picture = probe(path).picture
    assert picture is not None
    return np.clip(np.floor((times - picture.start + SAME) * 25), 0, 99).astype(int).tolist()


@pytest.mark.parametrize("ending", FILES)
def test_every_picture_is_shown_in_its_place(files, ending):
    clip = FileClip(files[ending])
    times, pictures = zip(*clip.pictures(25), strict=True)
    assert [read_number(p) for p in pictures] == expected(files[ending], np.array(times))
    assert times == tuple(n / 25 for n in range(len(times)))
    assert probe(files[ending]).frame_rate == pytest.approx(25, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(
    ending=st.sampled_from(FILES),
    rate=st.sampled_from([1.0, 4.0, 25.0, 60.0]),
    start=st.floats(0, 3.9),
    duration=st.floats(0.001, 4),
)
def test_a_window_shows_what_the_whole_shows_then(files, ending, rate, start, duration):
    window = FileClip(files[ending]).window(start, duration)
    found = numbers(window, rate)
    times = start + np.arange(len(found)) / rate
    on_edge = np.abs((times - expected_start(files[ending])) * 25 % 1 - 0.5) > 0.46  # 1.6 ms around a change
    for number, right, edge in zip(found, expected(files[ending], times), on_edge, strict=True):
        assert number == right or (edge and abs(number - right) == 1)


def expected_start(path: Path) -> float:
    picture = probe(path).picture
    assert picture is not None
    return picture.start


@pytest.mark.parametrize("ending", FILES)
def test_few_pictures_of_a_clip_are_at_the_middle_of_equal_stretches(files, ending):
    clip = FileClip(files[ending], 0.5, 3.5)
    frames = clip.frames(count=3)
    assert frames.shape == (3, 48, 64, 3)
    assert [read_number(f) for f in frames] == expected(files[ending], np.array([1.0, 2.0, 3.0]) + 1e-6)


def test_more_pictures_than_there_are_repeat_the_last_one(files):
    found = [read_number(f) for f in FileClip(files["mp4"], 1.0, 1.2).frames(count=20)]
    assert found == sorted(found)
    assert set(found) == {25, 26, 27, 28, 29}


def test_a_repeated_picture_may_be_changed_without_changing_the_next(files):
    pictures = FileClip(files["mp4"]).pictures(50)
    _, first = next(pictures)
    first[:] = 77
    assert read_number(next(pictures)[1]) == 0


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_upright_whatever_the_rotation_flag(tmp_path, rotation, mirrored):
    path = make_video(tmp_path / "turned.mp4", seconds=1.2, rotation=rotation, mirrored=mirrored)
    assert (probe(path).width, probe(path).height) == (64, 48)
    frames = FileClip(path).frames(rate=25)
    assert frames.shape == (30, 48, 64, 3)
    assert [read_number(f) for f in frames] == list(range(30))


def test_the_picture_at_a_time_is_the_last_that_began_by_then(tmp_path):
    times = [0.0, 0.04, 0.5, 0.52, 1.9, 2.0]
    clip = FileClip(make_video(tmp_path / "variable.mp4", times=times))
    assert numbers(clip, 10)[:20] == [0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]
    assert [read_number(p) for p in clip.window(0.51, 1.0).frames(count=2)] == [3, 3]
    assert numbers(clip.window(0.505, 0.1), 100)[:3] == [2, 2, 3]


def test_a_picture_that_starts_late_is_the_first_one_before(tmp_path):
    path = make_video(tmp_path / "late.mkv", times=[1.0 + n / 25 for n in range(25)], seconds=2.0, tone=440.0)
    assert expected_start(path) == pytest.approx(1.0, abs=0.01)
    assert numbers(FileClip(path), 5) == [0, 0, 0, 0, 0, 0, 5, 10, 15, 20]
    before = FileClip(path, 0.0, 0.8)
    assert not before.has_video
    assert before.frames(count=4).shape == (0, 0, 0, 3)


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv444p"),
        ("ffv1", "gray"),
        ("ffv1", "gray16le"),
        ("ffv1", "bgra"),
        ("ffv1", "yuv422p12le"),
        ("mjpeg", "yuvj420p"),
    ],
)
def test_any_pixel_format_becomes_rgb(tmp_path, codec, pixels):
    clip = FileClip(make_video(tmp_path / "odd.mkv", seconds=0.4, codec=codec, pixels=pixels))
    frames = clip.frames(rate=25)
    assert frames.dtype == np.uint8
    for n, frame in enumerate(frames):
        assert np.abs(frame.astype(int) - draw_number(n)).mean() < 8
    assert len(frames) == 10


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 1), (63, 47)])
def test_pictures_of_one_pixel_and_of_odd_sizes_are_read(tmp_path, size):
    path = make_video(tmp_path / "small.nut", seconds=0.4, size=size, codec="rawvideo", pixels="rgb24")
    frames = FileClip(path).frames(rate=25)
    assert frames.shape == (10, size[1], size[0], 3)
    for n, frame in enumerate(frames):
        np.testing.assert_array_equal(frame, draw_number(n, size))


def test_high_dynamic_range_is_mapped_to_what_a_screen_shows(tmp_path):
    """In PQ, paper white (203 cd/m2) is 58 % of the signal: taken as it is, it would be grey."""
    plain = FileClip(make_hdr(tmp_path / "plain.mp4", "bt709")).frames(count=1)[0]
    hdr = FileClip(make_hdr(tmp_path / "hdr.mp4", "smpte2084")).frames(count=1)[0]
    assert plain.mean() == pytest.approx(148, abs=6)
    assert hdr.mean() == pytest.approx(255, abs=4)


def make_hdr(path: Path, transfer: str) -> Path:
    import av

    with av.open(str(path), "w") as file:
        space = "bt2020nc:colorprim=bt2020" if transfer == "smpte2084" else "bt709:colorprim=bt709"
        options = {"x264-params": f"transfer={transfer}:colormatrix={space}"}
        stream = file.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        for _ in range(3):
            frame = av.VideoFrame(64, 48, "yuv420p10le")
            for plane, level in zip(frame.planes, (64 + round(876 * 0.58), 512, 512), strict=True):
                plane.update(np.full(plane.buffer_size // 2, level, np.uint16).tobytes())
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def test_a_large_picture_is_made_smaller_on_request(tmp_path):
    path = make_video(
        tmp_path / "large.mp4", seconds=0.2, size=(3840, 2160), keyframes=1, options={"preset": "ultrafast"}
    )
    clip = FileClip(path)
    frames = clip.frames(count=3, max_side=90)
    assert frames.shape == (3, 90, 160, 3)
    assert [read_number(f) for f in frames] == [0, 2, 4]
    _, whole = next(clip.pictures(5))
    assert whole.shape == (2160, 3840, 3)
    assert next(clip.pictures(5, max_side=4000))[1].shape == whole.shape
    turned = make_video(tmp_path / "turned.mp4", seconds=0.2, size=(48, 64), rotation=90)
    assert FileClip(turned).frames(count=1, max_side=24).shape == (1, 32, 24, 3)


def test_pictures_in_memory_are_made_smaller_as_those_of_a_file_are(files):
    clip = FileClip(files["mp4"])
    held = MemoryClip(None, 16_000, clip.frames(rate=25), 25.0)
    small = [list(c.pictures(5, max_side=24)) for c in (clip, held)]
    assert min(small[0][0][1].shape[:2]) == 24
    for (time, one), (same, other) in zip(*small, strict=True):
        assert time == pytest.approx(same)
        np.testing.assert_allclose(one.astype(int), other.astype(int), atol=24)
    assert np.shares_memory(held.images, next(held.pictures(5))[1]) is False


def test_only_the_pictures_asked_for_are_converted(files, monkeypatch):
    from affectline.media import pictures

    converted = []
    monkeypatch.setattr(pictures, "rgb", lambda *a, rgb=pictures.rgb: converted.append(1) or rgb(*a))
    FileClip(files["mp4"]).frames(count=4)
    assert len(converted) == 4


def test_a_jump_over_key_frames_decodes_nothing_between(files, monkeypatch):
    from affectline.media import recording

    seen = []
    decode = recording._decode
    monkeypatch.setattr(recording, "_decode", lambda packet: seen.append(1) or decode(packet))
    clip = FileClip(files["mp4"])
    clip.recording  # noqa: B018 - looking at it decodes, too
    seen.clear()
    assert [read_number(f) for f in clip.frames(count=2)] == [25, 75]
    assert len(seen) < 50  # 20 to 25 and 60 to 75, and what the decoder's threads run ahead; not 20 to 75


def test_pictures_after_a_jump_begin_with_one_that_needs_no_other(tmp_path):
    """A jump into a transport stream lands between key frames; MPEG-4 part 2 then shows debris."""
    path = make_video(
        tmp_path / "debris.ts", codec="mpeg4", seconds=4.0, keyframes=40, tone=440.0, interleaved=True
    )
    whole = FileClip(path).frames(rate=25)
    np.testing.assert_array_equal(FileClip(path, 3.0, 3.4).frames(rate=25), whole[75:85])


@pytest.mark.parametrize("rate", [24, 30, 60])
def test_the_milliseconds_of_matroska_do_not_shift_a_picture(tmp_path, rate):
    clip = FileClip(make_video(tmp_path / "numbers.mkv", rate=rate, seconds=1.0))
    assert numbers(clip, rate) == list(range(rate))


def test_sound_alone_has_no_pictures(tmp_path):
    clip = FileClip(make_sound(tmp_path / "tone.wav", seconds=0.2))
    assert not clip.has_video
    assert clip.frames(count=3).shape == (0, 0, 0, 3)
    assert clip.frames(rate=3).shape == (0, 0, 0, 3)
    assert list(clip.pictures(5)) == []


@pytest.mark.parametrize(
    "asked", [{}, {"count": 2, "rate": 2.0}, {"count": 0}, {"rate": 0.0}, {"rate": -1.0}]
)
def test_pictures_are_asked_for_by_count_or_by_rate(files, asked):
    for clip in (FileClip(files["mp4"]), MemoryClip(None, 16_000, draw_number(0)[None], 1.0)):
        with pytest.raises(ValueError, match=r"count|rate"):
            clip.frames(**asked)


def test_pictures_in_memory_are_shown_by_their_rate():
    clip = MemoryClip(None, 16_000, np.stack([draw_number(n) for n in range(20)]), 10.0)
    assert clip.duration == 2
    assert numbers(clip, 10) == list(range(20))
    assert numbers(clip.window(0.55, 1.0), 5) == [5, 7, 9, 11, 13]
    assert [read_number(f) for f in clip.frames(count=2)] == [5, 15]
    assert [t for t, _ in clip.window(1.5, 9.0).pictures(4)] == [0.0, 0.25]
