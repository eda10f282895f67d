import numpy as np
import pytest
from media_makers import make_video, read_number

from affectline.media import Cut, FileClip, MemoryClip, View, ViewedClip
from affectline.types import Clip, Modality

COLOURS = np.random.default_rng(0).integers(60, 190, (6, 8, 3)).astype(np.uint8)


def test_no_change_is_the_picture_itself():
    np.testing.assert_array_equal(View()(COLOURS), COLOURS)


def test_a_cut_is_a_square_of_that_part_and_mirrored_is_the_other_way_round():
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[60:80, 20:60] = 200  # 4 %, twice as wide as high, by 20 of 160 and 60 of 80
    part = View(cut=Cut(10, area=0.04, aspect=2.0, x=0.125, y=0.75))(wide)
    assert part.shape == (10, 10, 3)
    assert (part == 200).all()
    np.testing.assert_array_equal(View(mirrored=True)(COLOURS), COLOURS[:, ::-1])


def test_a_cut_that_would_reach_over_an_edge_is_smaller_and_keeps_its_aspect():
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[:, 50:150] = 200
    assert (View(cut=Cut(20, area=1.0, aspect=1.0))(wide) == 200).all()


def test_colours_are_changed_by_what_their_names_say():
    np.testing.assert_allclose(View(brightness=0.1)(COLOURS).astype(int), COLOURS + 25.5, atol=0.51)
    np.testing.assert_allclose(View(contrast=0.5)(COLOURS), (COLOURS + 127.5) / 2, atol=0.51)
    grey = View(saturation=0.0)(COLOURS).astype(int)
    assert np.ptp(grey, axis=2).max() <= 1
    np.testing.assert_allclose(grey[..., 0], COLOURS @ [0.299, 0.587, 0.114], atol=1)
    half = View(hue=0.5)(COLOURS)
    np.testing.assert_allclose(half @ [0.299, 0.587, 0.114], COLOURS @ [0.299, 0.587, 0.114], atol=1.5)
    np.testing.assert_allclose(View(hue=0.5)(half).astype(int), COLOURS, atol=2)
    assert abs(half.astype(int) - COLOURS).max() > 20


@pytest.mark.parametrize("view", [View(brightness=2.0), View(contrast=0.0, brightness=-1.0)])
def test_colours_stay_within_what_a_byte_holds(view: View):
    assert set(np.unique(view(COLOURS))) <= {0, 255}


def test_a_clip_in_a_view_keeps_its_sound_and_its_times(tmp_path):
    clip = FileClip(make_video(tmp_path / "seen.mp4", seconds=2.0, rate=10, tone=440))
    changed = ViewedClip(clip, View(brightness=0.05))
    assert isinstance(changed, Clip)
    assert (changed.duration, changed.has_audio, changed.has_video) == (clip.duration, True, True)
    np.testing.assert_array_equal(changed.waveform(16_000), clip.waveform(16_000))
    assert [read_number(p) for _, p in changed.pictures(10)] == list(range(20))
    assert [read_number(p) for p in changed.frames(count=2)] == [5, 15]
    assert [read_number(p) for _, p in changed.window(1.0, 0.3).pictures(10)] == [10, 11, 12]
    assert changed.content(Modality.AUDIO) == clip.content(Modality.AUDIO)
    assert changed.content(Modality.VIDEO) != clip.content(Modality.VIDEO)


def test_without_pictures_there_are_none_in_a_view_either():
    clip = ViewedClip(MemoryClip(np.zeros(1600, np.float32), 16_000), View())
    assert not clip.has_video
    assert not len(clip.frames(count=2))
    assert not list(clip.pictures(10))
