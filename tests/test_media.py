import os
import socket
import threading
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from media_makers import make_sound, make_video, read_number, tone_of

from affectline.media import FileClip, MediaError, MemoryClip, PairedClip, Recording, probe
from affectline.types import Clip, Modality


@pytest.fixture(scope="session")
def talk(tmp_path_factory) -> Path:
    """Two seconds of numbered pictures and a tone, in a file whose name is not ASCII."""
    folder = tmp_path_factory.mktemp("recordings ünd ß")
    return make_video(folder / "разговор: 対話 100%.mp4", tone=440.0, channels=2)


def test_probe_tells_what_a_recording_holds(talk):
    found = probe(talk)
    assert (found.width, found.height, found.sample_rate, found.channels) == (64, 48, 48_000, 2)
    assert found.frame_rate == pytest.approx(25)
    assert found.duration == pytest.approx(2.0, abs=1e-6)
    assert found.has_audio
    assert found.has_video
    assert found.warnings == ()


def test_a_file_that_changed_is_looked_at_again(tmp_path):
    path = make_sound(tmp_path / "sound.wav", seconds=1.0)
    before = probe(path), FileClip(path).sha256
    assert probe(path) is before[0]
    make_sound(path, seconds=2.0)
    assert probe(path).duration == 2.0
    assert FileClip(path).sha256 != before[1]


def test_both_clips_are_clips(talk):
    assert isinstance(FileClip(talk), Clip)
    assert isinstance(MemoryClip(tone_of(440, 1.0, 16_000), 16_000), Clip)


def test_a_clip_ends_with_its_file(talk):
    assert FileClip(talk, 0.5, 9.0).duration == pytest.approx(1.5)
    assert FileClip(talk, 0.5, 1.0).duration == pytest.approx(0.5)
    with pytest.raises(MediaError, match=r"starts at 2.500 s and the recording is over at 2.000 s"):
        _ = FileClip(talk, 2.5).duration


def in_memory(path: Path) -> MemoryClip:
    clip = FileClip(path, 0.25, 1.75)
    return MemoryClip(clip.waveform(48_000), 48_000, clip.frames(rate=25), 25.0)


@pytest.mark.parametrize("make", [lambda path: FileClip(path, 0.25, 1.75), in_memory])
def test_a_window_of_a_window_is_a_window(talk, make):
    clip = make(talk)
    twice, once = clip.window(0.2, 1.2).window(0.3, 0.5), clip.window(0.5, 0.5)
    np.testing.assert_allclose(twice.waveform(16_000), once.waveform(16_000), atol=1e-6)
    np.testing.assert_array_equal(twice.frames(rate=25), once.frames(rate=25))
    assert clip.window(1.0, 9.0).duration == pytest.approx(clip.duration - 1.0)
    for start, duration in [(-0.1, 1.0), (0.5, 0.0), (0.5, -1.0), (float("nan"), 1.0), (0.0, float("inf"))]:
        with pytest.raises(ValueError, match="0 <= start < end"):
            clip.window(start, duration)


def test_a_clip_in_memory_decodes_to_what_it_was_made_of(talk):
    clip = FileClip(talk, 0.24, 1.76)
    copy = MemoryClip(clip.waveform(16_000), 16_000, clip.frames(rate=25), 25.0)
    assert copy.duration == pytest.approx(clip.duration)
    np.testing.assert_array_equal(copy.waveform(16_000), clip.waveform(16_000))
    assert [read_number(p) for _, p in copy.pictures(25)] == [read_number(p) for _, p in clip.pictures(25)]


def test_content_is_the_same_only_for_the_same_bytes_stretch_and_modality(talk, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(talk.read_bytes())
    contents = [
        FileClip(path, start, end).content(modality)
        for path in (talk, copy)
        for start, end in [(0.0, None), (0.0, 1.0), (0.5, 1.0)]
        for modality in (Modality.AUDIO, Modality.VIDEO)
    ]
    assert contents[:6] == contents[6:]
    assert len(set(contents)) == 6
    assert FileClip(talk, 0.0, 7.0).content(Modality.AUDIO) == FileClip(talk).content(Modality.AUDIO)


def test_content_in_memory_changes_with_the_array_and_only_its_own():
    sound, pictures = tone_of(440, 1.0, 16_000), np.zeros((4, 2, 2, 3), np.uint8)
    clip = MemoryClip(sound, 16_000, pictures, 4.0)
    louder = MemoryClip(sound * 2, 16_000, pictures, 4.0)
    changed = MemoryClip(sound.copy(), 16_000, pictures + 1, 4.0)
    assert clip.content(Modality.AUDIO) == changed.content(Modality.AUDIO) != louder.content(Modality.AUDIO)
    assert clip.content(Modality.VIDEO) == louder.content(Modality.VIDEO) != changed.content(Modality.VIDEO)
    assert clip.content(Modality.AUDIO) != clip.window(0.0, 0.5).content(Modality.AUDIO)


def test_a_clip_in_memory_of_nothing_is_refused():
    with pytest.raises(MediaError, match="neither sound nor picture"):
        MemoryClip(None, 16_000)
    with pytest.raises(MediaError, match="neither sound nor picture"):
        MemoryClip(np.zeros(0, np.float32), 16_000)


def missing(folder: Path) -> Path:
    return folder / "missing.mp4"


def folder(folder: Path) -> Path:
    return folder


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("Hello, this is a letter and no film.\n" * 50)
    return folder / "text.mp4"


def notes(folder: Path) -> Path:
    (folder / "notes.txt").write_text("Hello, this is a letter and no film.\n" * 50)
    return folder / "notes.txt"


def unfinished(folder: Path) -> Path:
    whole = make_video(folder / "whole.mp4").read_bytes()
    (folder / "unfinished.mp4").write_bytes(whole[: whole.index(b"moov")])
    return folder / "unfinished.mp4"


def subtitles(folder: Path) -> Path:
    (folder / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
    return folder / "talk.srt"


def no_samples(folder: Path) -> Path:
    with wave.open(str(folder / "nothing.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
    return folder / "nothing.wav"


def playlist(folder: Path) -> Path:
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    return folder / "list.m3u8"


@pytest.mark.parametrize(
    ("make", "wrong", "way_out"),
    [
        (missing, "no such file", "check the path"),
        (folder, "this is a folder", "name a file"),
        (empty, "empty", "copy or record it again"),
        (text, "not a recording", "ffmpeg -i text.mp4"),
        (notes, "not a recording", ""),
        (unfinished, "moov", "copy it again"),
        (subtitles, "neither of them", "needs at least one"),
        (no_samples, "empty or damaged", "needs at least one"),
        (playlist, "not a recording", "ffmpeg -i"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_file_the_fault_and_the_way_out(
    tmp_path, capfd, make, wrong, way_out
):
    path = make(tmp_path)
    for use in (
        probe,
        lambda path: FileClip(path).waveform(16_000),
        lambda path: FileClip(path).frames(count=1),
    ):
        with pytest.raises(MediaError) as error:
            use(path)
        message = str(error.value)
        assert str(path) in message
        assert wrong in message
        assert way_out in message
    assert capfd.readouterr() == ("", "")


def test_a_playlist_does_not_reach_the_network(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = tmp_path / "list.m3u8"
        path.write_text(
            f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{server.getsockname()[1]}/a.ts\n#EXT-X-ENDLIST\n"
        )

        def refused():
            with pytest.raises(MediaError):
                probe(path)

        caller = threading.Thread(target=refused, daemon=True)
        caller.start()
        caller.join(timeout=5)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_file_that_may_not_be_read_is_refused(talk, tmp_path):
    path = tmp_path / "secret.mp4"
    path.write_bytes(talk.read_bytes())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(MediaError, match="may not be read"):
        probe(path)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "wav", "flac"])
def test_a_file_cut_in_the_middle_gives_what_there_is_and_says_so(tmp_path, capfd, ending):
    path = cut(tmp_path / f"whole.{ending}")
    found = probe(path)
    assert 1.0 < found.duration < 3.5
    assert any("breaks off" in warning for warning in found.warnings)
    clip = FileClip(path)
    assert len(clip.waveform(16_000)) == round(found.duration * 16_000)
    assert np.abs(clip.waveform(16_000)[:8000]).max() > 0.4
    if found.has_video:
        assert [read_number(p) for p in clip.frames(rate=25)[:20]] == list(range(20))
    assert capfd.readouterr() == ("", "")


def cut(path: Path) -> Path:
    """About half of four seconds, with the header at the front."""
    match path.suffix:
        case ".wav" | ".flac":
            make_sound(path, seconds=4.0)
        case ".avi":
            make_video(
                path, seconds=4.0, tone=440.0, codec="mpeg4", sound_codec="pcm_s16le", interleaved=True
            )
        case ".mp4":
            make_video(path, seconds=4.0, tone=440.0, interleaved=True, header_first=True)
        case _:
            make_video(path, seconds=4.0, tone=440.0, interleaved=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    return path


def test_damaged_bytes_in_the_middle_do_not_stop_the_rest(tmp_path, capfd):
    path = make_video(tmp_path / "damaged.ts", seconds=4.0, tone=440.0)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3 : len(whole) // 3 + 3000] = bytes(3000)
    path.write_bytes(whole)
    clip = FileClip(path)
    assert clip.duration == pytest.approx(4.0, abs=0.1)
    assert len(clip.waveform(16_000)) == round(clip.duration * 16_000)
    assert read_number(clip.frames(rate=25)[-2]) >= 97
    assert capfd.readouterr() == ("", "")


def test_the_cover_of_an_album_is_no_picture(tmp_path):
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as file:
        sound = file.add_stream("libmp3lame", rate=44_100, layout="mono")
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8)).reformat(format="yuvj420p")
        file.mux(cover.encode(frame))
        file.mux(cover.encode(None))
        tone = (tone_of(440, 1.0, 44_100)[None] * 32767).astype(np.int16)
        for at in range(0, 44_100, 1152):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, at : at + 1152]), "s16p", "mono")
            block.sample_rate, block.pts = 44_100, at
            file.mux(sound.encode(block))
        file.mux(sound.encode(None))
    assert not probe(path).has_video
    assert probe(path).has_audio


@pytest.mark.corpus
def test_every_scene_is_decoded_to_its_end(data):
    recordings = [p for p in sorted((data / "scenes").iterdir()) if p.suffix != ".rttm"]
    assert len(recordings) == 11
    assert_decodes(recordings)
    damaged = probe(data / "scenes" / "several_people.avi")
    assert damaged.sound is not None
    assert damaged.sound.end == pytest.approx(18.02, abs=0.01)
    assert damaged.duration == pytest.approx(36.3, abs=0.1)
    assert any("timestamps of its sound are wrong" in w for w in damaged.warnings)
    assert any("its sound goes from 0.0 to 18.0 s" in w for w in damaged.warnings)


@pytest.mark.corpus
def test_spoken_clips_have_sound_and_pictures_to_their_end(data):
    found = assert_decodes(sorted((data / "mosi" / "clips").glob("*.mp4"))[:3])
    assert all(r.has_audio and r.has_video and not r.warnings for r in found)


def assert_decodes(paths: list[Path]) -> list[Recording]:
    for path in paths:
        clip = FileClip(path)
        assert len(clip.waveform(16_000)) == (round(clip.duration * 16_000) if clip.has_audio else 0)
        end = clip.duration - (found := clip.recording).duration
        assert end == 0
        if found.picture is not None:
            pictures = sum(1 for _ in clip.pictures(5))
            assert pictures == np.ceil(found.picture.end * 5 - 1e-6)
    return [probe(path) for path in paths]


def test_sound_of_one_clip_and_pictures_of_another(tmp_path):
    sound = FileClip(make_sound(tmp_path / "said.wav", seconds=1.0, tone=440))
    shown = make_video(tmp_path / "seen.mp4", seconds=4.0, rate=10, tone=880)
    clip = PairedClip(sound, FileClip(shown, 2.0, 3.5))
    assert isinstance(clip, Clip)
    assert (clip.duration, clip.has_audio, clip.has_video) == (1.0, True, True)
    np.testing.assert_array_equal(clip.waveform(16_000), sound.waveform(16_000))
    assert [read_number(p) for _, p in clip.pictures(10)] == list(range(20, 30))
    assert [read_number(p) for p in clip.frames(count=2)] == [22, 27]
    assert [read_number(p) for _, p in clip.window(0.5, 0.2).pictures(10)] == [25, 26]
    assert len(clip.window(0.5, 0.2).waveform(16_000)) == 3200
    contents = {clip.content(m) for m in (Modality.AUDIO, Modality.VIDEO)}
    assert sound.content(Modality.AUDIO) in contents
    assert len(contents | {PairedClip(sound, FileClip(shown, 2.1, 3.5)).content(Modality.VIDEO)}) == 3
