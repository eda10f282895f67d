import numpy as np
import pytest
from voice_makers import quiet, voice

from affectline.faces import RATE, Tracked
from affectline.media import MemoryClip
from affectline.nn.mtcnn import MTCNN
from affectline.segment import faces
from affectline.segment.faces import attach, loudness, who_speaks
from affectline.types import Conversation, FaceTrack, Span, Utterance


def face(name: str, motion: np.ndarray, start: float = 0.0) -> Tracked:
    times = start + np.arange(len(motion)) / RATE
    boxes = np.tile(np.array([10, 10, 40, 50], np.float32), (len(times), 1))
    track = FaceTrack(name, times, boxes, np.zeros((len(times), 5, 2), np.float32))
    return Tracked(track, np.ones(len(times), np.float32), motion.astype(np.float32))


@pytest.fixture(scope="module")
def talk() -> MemoryClip:
    """Six seconds of a voice that comes and goes every second, over six of pictures."""
    sound = np.concatenate([part for n in range(3) for part in (voice(1.0, seed=n), quiet(1.0))])
    return MemoryClip(sound, 16_000, np.zeros((150, 8, 8, 3), np.uint8), 25.0)


def moving(with_the_voice: bool, seed: int = 0) -> np.ndarray:
    """The motion of a mouth that opens with the voice of `talk`, or between its words."""
    speaks = (np.arange(round(6 * RATE)) / RATE) % 2 < 1
    noise = np.random.default_rng(seed).normal(0, 0.3, len(speaks))
    return np.where(speaks == with_the_voice, 4.0, 0.5) + noise


def told(*spans: Span, clip: MemoryClip) -> Conversation:
    return Conversation(
        "talk",
        tuple(
            Utterance(id=f"u{n}", speaker="S1", span=s, clip=clip.window(s.start, s.duration))
            for n, s in enumerate(spans)
        ),
    )


def test_the_mouth_that_moves_with_the_sound_speaks(talk: MemoryClip) -> None:
    both = [face("F1", moving(False)), face("F2", moving(True))]
    for order in (both, both[::-1]):
        track, match = who_speaks(order, Span(0.0, 6.0), loudness(talk))
        assert track is not None
        assert match is not None
        assert track.id == "F2"
        assert match > 0.8
    alone, match = who_speaks(both[:1], Span(0.0, 6.0), loudness(talk))
    assert alone is both[0].track
    assert match is not None
    assert match < 0.2


def test_without_sound_the_mouth_that_moves_most_speaks() -> None:
    still, moves = face("F1", np.full(60, 0.2)), face("F2", np.tile([1.0, 5.0], 30))
    track, match = who_speaks([still, moves], Span(0.0, 4.0), np.zeros(0, np.float32))
    assert track is moves.track
    assert match == 0.5


def test_faces_are_cut_to_their_utterance_and_gaps_are_told(
    talk: MemoryClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [face("F1", np.ones(round(3 * RATE)))]  # the first three seconds
    monkeypatch.setattr(faces, "track_faces", lambda pictures, _: list(pictures) and seen)
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
