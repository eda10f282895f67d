import numpy as np
import pytest
from voice_makers import quiet, voice

from affectline.faces import RATE, Tracked
from affectline.media import MemoryClip
from affectline.nn.mtcnn import MTCNN
from affectline.segment import faces
from affectline.segment.faces import Fit, attach, fits, loudness, who_speaks
from affectline.types import Conversation, FaceTrack, Span, Utterance


def face(name: str, activity: np.ndarray, seed: int = 0, start: float = 0.0) -> Tracked:
    """A face whose mouth opens and closes at random, in each picture as much as `activity` says."""
    rng = np.random.default_rng(seed)
    count = len(activity)
    times = start + np.arange(count) / RATE
    boxes = np.tile(np.array([10, 10, 40, 50], np.float32), (count, 1))
    mouths = np.full((count, 8, 12), 150.0)
    mouths[:, 1:7, 2:10] -= (60 + activity * rng.normal(0, 25, count))[:, None, None]
    track = FaceTrack(name, times, boxes, np.zeros((count, 5, 2), np.float32))
    return Tracked(track, np.ones(count, np.float32), mouths.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def talk() -> MemoryClip:
    """Six seconds of a voice that comes and goes every second, over six of pictures."""
    sound = np.concatenate([part for n in range(3) for part in (voice(1.0, seed=n), quiet(1.0))])
    return MemoryClip(sound, 16_000, np.zeros((150, 8, 8, 3), np.uint8), 25.0)


def active(with_the_voice: bool, seconds: float = 6.0) -> np.ndarray:
    """The activity of a mouth that moves with the voice of `talk`, or between its words."""
    speaks = (np.arange(round(seconds * RATE)) / RATE) % 2 < 1
    return np.where(speaks == with_the_voice, 1.0, 0.1)


def chosen(faces_seen: list[Tracked], heard: np.ndarray, *spans: Span) -> list[str | None]:
    found = who_speaks([fits(faces_seen, span, heard) for span in spans], ["S1"] * len(spans))
    return [fit and fit.track.id for fit in found]


def told(*spans: Span, clip: MemoryClip) -> Conversation:
    return Conversation(
        "talk",
        tuple(
            Utterance(id=f"u{n}", speaker="S1", span=s, clip=clip.window(s.start, s.duration))
            for n, s in enumerate(spans)
        ),
    )


def test_the_mouth_that_moves_with_the_sound_speaks(talk: MemoryClip) -> None:
    heard, span = loudness(talk), Span(0.0, 6.0)
    both = [face("F1", active(False)), face("F2", active(True), seed=1)]
    for order in (both, both[::-1]):
        assert chosen(order, heard, span) == ["F2"]
    match = {fit.track.id: fit.match for fit in fits(both, span, heard)}
    assert match["F2"] > 0.6
    assert match["F1"] < 0.5
    assert chosen(both[:1], heard, span) == ["F1"]  # it is the only one


def test_without_sound_the_mouth_that_moves_most_speaks() -> None:
    silent = np.zeros(0, np.float32)
    both = [face("F1", np.full(60, 0.1)), face("F2", np.full(60, 0.9))]
    assert chosen(both, silent, Span(0.0, 4.0)) == ["F2"]
    assert [fit.match for fit in fits(both, Span(0.0, 4.0), silent)] == [0.5, 0.5]


def test_a_face_that_is_seen_only_in_passing_does_not_speak(talk: MemoryClip) -> None:
    passing = face("F2", active(True, 1.5), seed=1)
    assert chosen([face("F1", active(False)), passing], loudness(talk), Span(0.0, 6.0)) == ["F1"]


def test_a_speaker_keeps_the_face_that_fits_best_over_all_utterances() -> None:
    tracks = {name: face(name, np.ones(10)).track for name in ("F1", "F2")}
    values = [{"F1": 0.5, "F2": 0.1}, {"F1": 0.1, "F2": 0.2}, {"F2": 0.1}, {"F1": 0.1, "F2": 0.3}]
    seen = [[Fit(tracks[name], 0.5, value) for name, value in row.items()] for row in values]
    found = who_speaks(seen, ["S1", "S1", "S1", "S2"])
    assert [fit and fit.track.id for fit in found] == ["F1", "F1", "F2", "F2"]
    assert who_speaks([[]], ["S1"]) == [None]


def test_faces_are_cut_to_their_utterance_and_gaps_are_told(
    talk: MemoryClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [face("F1", np.ones(round(3 * RATE)))]  # the first three seconds
    monkeypatch.setattr(faces, "track_faces", lambda pictures, _, **_more: list(pictures) and seen)
    shares: list[float] = []
    made = told(Span(0.0, 2.0), Span(2.0, 4.4), Span(4.4, 6.0), clip=talk)
    detector = MTCNN()  # without weights: it is not asked
    first, second, third = attach(made, talk, detector, progress=shares.append)
    assert (first.warnings, second.warnings, third.warnings) == (
        (),
        ("no face for 1.4 s",),
        ("no face found",),
    )
    assert third.face is None
    assert second.face is not None
    assert second.face.times[0] < 1 / RATE
    assert len(second.face.times) == len(second.face.boxes) == 13  # 2.0 to 2.96 s, every 0.08 s
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


def test_a_recording_without_pictures_is_left_as_it_is() -> None:
    clip = MemoryClip(quiet(2.0), 16_000)
    made = told(Span(0.0, 1.0), clip=clip)
    detector = MTCNN()  # without weights: it is not asked
    assert attach(made, clip, detector) is made


def test_loudness_is_in_decibels_every_fiftieth_of_a_second() -> None:
    tone = np.sin(2 * np.pi * 400 * np.arange(16_000) / 16_000).astype(np.float32)
    level = loudness(MemoryClip(np.concatenate([tone, tone / 10]), 16_000))
    assert len(level) == 100
    np.testing.assert_allclose(level, np.repeat([-3.01, -23.01], 50), atol=0.1)


def test_a_face_that_was_found_in_smaller_pictures_is_in_pixels_of_the_recording() -> None:
    import skimage.data

    large = skimage.data.astronaut().repeat(2, axis=0).repeat(2, axis=1)  # 1024 x 1024
    clip = MemoryClip(None, 16_000, np.stack([large] * 10), RATE)
    (one,) = attach(told(Span(0.0, 0.8), clip=clip), clip, MTCNN.load())
    assert one.face is not None
    found = np.median(one.face.boxes, axis=0) / 2
    np.testing.assert_allclose(found, (178.5, 60.2, 267.6, 175.0), atol=6)  # see test_mtcnn.py
    assert np.abs(np.median(one.face.landmarks, axis=0)[2] / 2 - (224.7, 128.3)).max() < 4
