"""Pictures, sound and words as they are, and the random parts of them that training sees."""

from dataclasses import replace

import numpy as np
import pytest
from media_makers import make_sound, make_video, read_number, tone_of

from affectline.features import extract
from affectline.features.audio_samples import Samples
from affectline.features.random_views import RandomViews
from affectline.features.text_words import Words
from affectline.features.video_frames import Pixels
from affectline.media import FileClip, MemoryClip
from affectline.types import Conversation, Span, Utterance, Word

SAID = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    """Eight seconds: at second n the picture 10 n, a tone whose loudness grows, and the n-th word."""
    path = tmp_path_factory.mktemp("raw") / "talk.mp4"
    loud = np.linspace(0, 1, 8 * 48_000, dtype=np.float32) * tone_of(440, 8.0, 48_000)
    make_video(path, seconds=8.0, rate=10, size=(64, 64), wave=loud)
    words = tuple(Word(w, Span(100.0 + n, 100.9 + n)) for n, w in enumerate(SAID))
    return Conversation(
        "talk",
        (
            Utterance(
                id="u0",
                speaker="A",
                text=" ".join(SAID),
                words=words,
                clip=FileClip(path),
                span=Span(100.0, 108.0),
            ),
        ),
    )


def only(conversation: Conversation, extractor: object) -> np.ndarray:
    return next(iter(extract([conversation], [extractor])[0][0].values()))  # pyright: ignore


def test_of_a_long_clip_the_middle_is_taken_of_all_three(talk: Conversation) -> None:
    pictures = only(talk, Pixels(size=64))
    assert (pictures.shape, pictures.dtype) == ((32, 64, 64, 3), np.uint8)
    assert [read_number(p) for p in pictures] == list(range(24, 56))
    sound = only(talk, Samples())
    assert sound.shape == (153_600,)
    np.testing.assert_array_equal(
        sound,
        talk.utterances[0].clip.window(2.4, 3.2).waveform(48_000)[:153_600],  # pyright: ignore
    )
    words = Words().fitted([talk])
    assert [words.vocabulary[n - 2] for n in only(talk, words)] == ["three", "four", "five", "six"]


def test_of_a_short_clip_all_is_taken(talk: Conversation) -> None:
    clip = talk.utterances[0].clip
    assert clip is not None
    short = talk.edit(0, clip=clip.window(0.0, 0.5), span=Span(100.0, 100.5))
    assert [read_number(p) for p in only(short, Pixels(size=64))] == [0, 1, 2, 3, 4]
    assert only(short, Samples(rate=16_000)).shape == (8_000,)
    one = talk.edit(0, clip=clip.window(0.0, 0.05))
    assert [read_number(p) for p in only(one, Pixels(size=64))] == [0]


def test_what_is_not_there_is_of_length_0(tmp_path, talk: Conversation) -> None:
    words = Words().fitted([talk])
    sound_alone = talk.edit(0, clip=FileClip(make_sound(tmp_path / "a.wav")), text=" ?! ", words=())
    assert [len(only(sound_alone, e)) for e in (Pixels(), Samples(), words)] == [0, 48_000, 0]
    pictures = MemoryClip(None, 16_000, np.zeros((3, 8, 8, 3), np.uint8), 10.0)
    silent = talk.edit(0, clip=pictures, text=None, words=())
    assert [len(only(silent, e)) for e in (Pixels(), Samples(), words)] == [3, 0, 0]
    assert [len(only(talk.edit(0, clip=None), e)) for e in (Pixels(), Samples())] == [0, 0]


def test_of_a_wide_picture_the_middle_is_seen(talk: Conversation) -> None:
    wide = np.zeros((2, 256, 512, 3), np.uint8)
    wide[:, 16:240, 144:368] = 200  # 224 pixels in the middle
    clip = MemoryClip(None, 16_000, wide, 10.0)
    assert (only(talk.edit(0, clip=clip), Pixels()) == 200).all()


def test_words_are_numbered_by_how_often_the_train_part_has_them() -> None:
    def said(text: str | None) -> Conversation:
        return Conversation("c", (Utterance(id="u", speaker="A", text=text),))

    train = [said("It's fine. Fine, FINE, it's here"), said(None)]
    words = Words().fitted(train, size=4)
    assert words.vocabulary == ("fine", "it's")
    assert only(said("\u2018It\u2019s\u2019 not fine_"), words).tolist() == [3, 1, 2]
    assert only(said(" ".join(["fine"] * 60)), words).tolist() == [2] * 48
    with pytest.raises(ValueError, match=r"no vocabulary yet: take \.fitted"):
        only(said("fine"), Words())


def test_training_sees_another_part_each_time_and_all_of_it_together(talk: Conversation) -> None:
    change, rng = RandomViews(size=64, area=(1.0, 1.0), aspect=1.0, mirrored=0.0), np.random.default_rng(0)
    plain = replace(change, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    words, starts = Words().fitted([talk]), []
    for _ in range(6):
        seen = plain(talk, rng)
        shown = [read_number(p) for p in only(seen, Pixels(size=64))]
        starts.append(shown[0])
        assert shown == list(range(shown[0], shown[0] + 32))
        loudness = np.abs(only(seen, Samples())[:4_800]).max()
        assert loudness == pytest.approx(
            np.abs(tone_of(440, 1.0, 48_000)).max() * (shown[0] + 1) / 80, abs=0.02
        )
        heard = [SAID.index(words.vocabulary[n - 2]) for n in only(seen, words)]
        assert heard == [n for n in range(8) if n + 0.9 > shown[0] / 10 + 0.1 and n < shown[0] / 10 + 3.2]
    assert len(set(starts)) > 3


def test_all_pictures_of_an_utterance_are_changed_alike_and_a_seed_always_does_the_same(
    talk: Conversation,
) -> None:
    grey = np.broadcast_to(np.random.default_rng(1).integers(0, 255, (64, 64, 3)), (40, 64, 64, 3))
    still = talk.edit(0, clip=MemoryClip(None, 16_000, grey.astype(np.uint8), 10.0))
    first, again, other = (
        only(RandomViews(size=32)(still, np.random.default_rng(seed)), Pixels(size=32)) for seed in (3, 3, 4)
    )
    assert (first == first[0]).all()
    np.testing.assert_array_equal(first, again)
    assert (first[0] != other[0]).any()


def test_where_there_is_no_clip_nothing_changes(talk: Conversation) -> None:
    words_alone = talk.edit(0, clip=None)
    assert RandomViews()(words_alone, np.random.default_rng(0)) == words_alone
