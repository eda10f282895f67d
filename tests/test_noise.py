"""Babble as loud as was asked for, pictures out of focus, words misheard as often as was asked for."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from affectline.corpora.ferplus import Picture
from affectline.evaluation.noise import Babble, Blur, Misheard
from affectline.features import extract
from affectline.features.audio_mel import Mel
from affectline.features.audio_samples import Samples
from affectline.features.text_words import Words
from affectline.features.video_faces import Faces
from affectline.media import MemoryClip
from affectline.types import Clip, Conversation, Modality, Span, Utterance, Word

RATE = 8000
SAID = ("the quick brown fox jumps over a lazy dog", "while seven wise owls watch from some old oak tree")
VOCABULARY = " ".join(SAID).split()


def talks(count: int = 6, speakers: str = "ABC") -> list[Conversation]:
    """Sounds of several lengths and loudnesses, with pictures; each alone."""
    rng = np.random.default_rng(0)
    clips = [
        MemoryClip(
            (0.02 * (n + 1) * rng.normal(size=RATE + 500 * n)).clip(-1, 1).astype(np.float32),
            RATE,
            rng.integers(0, 256, size=(10, 32, 40, 3)).astype(np.uint8),
            frame_rate=10.0,
        )
        for n in range(count)
    ]
    said = [Utterance(id=str(n), speaker=speakers[n % len(speakers)], clip=c) for n, c in enumerate(clips)]
    return [Conversation(u.id, (u,)) for u in said]


def clips(conversations: list[Conversation]) -> Iterator[Clip]:
    for c in conversations:
        for u in c:
            assert u.clip is not None
            yield u.clip


def power(sound: np.ndarray) -> float:
    return float(np.mean(sound.astype(np.float64) ** 2))


@pytest.mark.parametrize("decibels", [20.0, 5.0, 0.0])
@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_babble_is_as_loud_as_was_asked_for(decibels: float, rate: int) -> None:
    before = talks()
    for clean, noisy in zip(clips(before), clips(Babble(decibels)(before)), strict=True):
        sound, mixed = clean.waveform(rate), noisy.waveform(rate)
        assert mixed.dtype == np.float32
        ratio = 10 * np.log10(power(sound) / power(mixed - sound))
        assert ratio == pytest.approx(decibels, abs=0.1)


def test_babble_is_made_of_others_and_of_several() -> None:
    before = talks(9)
    for u, clip in zip((u for c in before for u in c), clips(Babble(10.0)(before)), strict=True):
        voices = clip.voices  # pyright: ignore[reportAttributeAccessIssue]
        own = {v.clip for c in before for v in c if v.speaker == u.speaker}
        assert len(voices) == 4
        assert not own & set(voices)
    assert list(clips(Babble(10.0)(before))) == list(clips(Babble(10.0)(before)))
    assert list(clips(Babble(10.0)(before))) != list(clips(Babble(10.0, seed=1)(before)))
    with pytest.raises(ValueError, match="other voices, and all is said by 'A'"):
        Babble(10.0)(talks(speakers="A"))


def test_the_level_is_that_of_the_utterance_and_a_window_is_a_part_of_it() -> None:
    *_, noisy = clips(Babble(3.0)(talks()))
    whole, part = noisy.waveform(RATE), noisy.window(0.25, 0.5).window(0.25, 0.25).waveform(RATE)
    np.testing.assert_allclose(part, whole[RATE // 2 : 3 * RATE // 4], atol=1e-6)


def test_silence_stays_silent_and_what_is_too_loud_is_cut_off() -> None:
    first, *others = talks()
    silent = MemoryClip(np.zeros(RATE, np.float32), RATE)
    loud = MemoryClip(np.tile(np.array([1, -1], np.float32), RATE // 2), RATE)
    for clip in (silent, loud):
        talk = first.edit(0, clip=clip)
        sound = next(clips(Babble(0.0)([talk, *others]))).waveform(RATE)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() == (1 if clip is loud else 0)


def test_noise_is_in_the_content_of_what_it_changes_and_of_nothing_else() -> None:
    before = talks()
    sound, picture = Modality.AUDIO, Modality.VIDEO
    clean, *_ = clips(before)
    found = {n: next(clips(n(before))) for n in (Babble(5.0), Babble(0.0), Blur(1.0), Blur(2.0))}
    louder, softer, sharper, softest = found.values()
    assert len({c.content(sound) for c in (clean, louder, softer)}) == 3
    assert len({c.content(picture) for c in (clean, sharper, softest)}) == 3
    assert {c.content(picture) for c in (louder, softer)} == {clean.content(picture)}
    assert {c.content(sound) for c in (sharper, softest)} == {clean.content(sound)}
    assert louder.window(0, 0.5).content(sound) != louder.window(0.5, 0.5).content(sound)
    memo = {}
    extract(before, [Mel(), Samples()], memo=memo)
    size = len(memo)
    extract(Blur(2.0)(before), [Mel(), Samples()], memo=memo)
    assert len(memo) == size  # what a damage does not touch is not computed again
    extract(Babble(5.0)(before), [Mel(), Samples()], memo=memo)
    assert len(memo) == 2 * size


def test_blur_keeps_the_light_and_takes_the_edges() -> None:
    before = talks()
    for clean, blurred in zip(clips(before), clips(Blur(2.0)(before)), strict=True):
        a, b = clean.frames(count=3).astype(float), blurred.frames(count=3).astype(float)
        assert b.shape == a.shape
        assert b.mean() == pytest.approx(a.mean(), abs=2)
        assert b.std() < 0.3 * a.std()
        assert abs(b.mean(axis=(1, 2)) - a.mean(axis=(1, 2))).max() < 5  # no colour runs into another
        (_, small), *_ = blurred.pictures(10.0, max_side=16)
        assert small.shape == (16, 20, 3)
        assert clean.window(0, 0.5).duration == blurred.window(0, 0.5).duration == 0.5


def test_an_edge_is_as_soft_as_the_gaussian_says() -> None:
    edge = np.repeat(np.where(np.arange(48) < 24, 0, 200).astype(np.uint8)[None], 48, axis=0)
    face = Conversation("face", (Utterance(id="face", speaker="face", clip=Picture(edge)),))
    ((row,),) = extract(Blur(2.0)([face]), [Faces(48, whole=True)])
    middle = row["video.faces"][0, 24, :, 0].astype(float)
    steps = np.diff(middle)
    at = np.arange(47) - 23
    assert (steps * at**2).sum() / steps.sum() == pytest.approx(4.0, abs=0.2)  # the variance


def spoken(count: int = 300) -> list[Conversation]:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(VOCABULARY, size=rng.integers(1, 15))) for _ in range(count)]
    return [Conversation(str(n), (Utterance(id=str(n), speaker="A", text=t),)) for n, t in enumerate(texts)]


def distance(a: list[str], b: list[str]) -> int:
    """Levenshtein's, of words."""
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, start=1):
        before, row = row, [i]
        for j, other in enumerate(b, start=1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def words(conversation: Conversation) -> list[str]:
    return (conversation.utterances[0].text or "").split()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2, 0.4])
def test_words_are_misheard_as_often_as_was_asked_for(rate: float) -> None:
    before = spoken()
    after = Misheard(rate)(before)
    errors = sum(distance(words(a), words(b)) for a, b in zip(before, after, strict=True))
    total = sum(len(words(a)) for a in before)
    assert errors / total == pytest.approx(rate, rel=0.1)
    assert {w for c in after for w in words(c)} <= set(VOCABULARY)
    if rate:
        assert sum(len(words(b)) for b in after) < total  # more are lost than made up


def test_more_errors_are_those_there_were_and_others() -> None:
    before = spoken()
    some, many = Misheard(0.1)(before), Misheard(0.3)(before)
    touched = [{a.id for a, b in zip(before, of, strict=True) if words(a) != words(b)} for of in (some, many)]
    assert touched[0] < touched[1]
    assert Misheard(0.1)(before) == some != Misheard(0.1, seed=1)(before)


def test_times_of_words_stay_with_the_words() -> None:
    timed = tuple(Word(text, Span(n, n + 1)) for n, text in enumerate(VOCABULARY))
    talk = Conversation("t", (Utterance(id="t", speaker="A", text=" ".join(SAID), words=timed),))
    ((after,),) = Misheard(0.5)([talk])
    assert after.text == " ".join(w.text for w in after.words) != talk.utterances[0].text
    starts = [w.span.start for w in after.words if w.span is not None]
    assert len(starts) == len(after.words)
    assert starts == sorted(starts)
    assert Misheard(0.0)([talk]) == [talk]


def test_who_loses_all_words_has_none() -> None:
    talk = replace(spoken()[0], utterances=(Utterance(id="u", speaker="A", text="oak"),))
    deaf = next(c for s in range(40) for c in Misheard(1.0, seed=s)([talk]) if not words(c))
    ((row,),) = extract([deaf], [Words(vocabulary=("oak",))])
    assert not len(row["text.words"])


def test_a_word_that_is_misheard_is_another_word() -> None:
    said = [Utterance(id=str(n), speaker="A", text=["oak", "tree"][n % 2]) for n in range(60)]
    before = [Conversation(u.id, (u,)) for u in said]
    after = Misheard(1.0)(before)
    assert all(words(a) != words(b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("make", [lambda: Blur(0.0), lambda: Misheard(1.1), lambda: Misheard(-0.1)])
def test_a_level_that_is_none_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="got"):
        make()
