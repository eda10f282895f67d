"""Several windows of an utterance, answered as one, and what dev decides from the same ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from affectline.checkpoint import Checkpoint, load, save
from affectline.corpora import mosi
from affectline.evaluation import fit_calibration
from affectline.features import extract
from affectline.features.audio_samples import Samples
from affectline.features.even_windows import EvenWindows
from affectline.features.text_words import Words
from affectline.features.video_frames import Pixels
from affectline.media import MemoryClip
from affectline.models.semul_pcd import TINY, SeMuLPCD
from affectline.recipes import Data, Recipe, decisions, fitted, semul_pcd
from affectline.recipes import load as load_split
from affectline.recipes.find import find
from affectline.types import Conversation, Modality, Prediction, Span, Utterance, Word

RATE, SAID = 4_000, ("good", "bad", "long", "short", "film", "plot", "song", "end")
LABELS = mosi.RAW_LABELS.names


def utterance(id: str, seconds: int, seed: int = 0, *, words: int = 8) -> Utterance:
    """Noise, pictures that are 6 brighter each, five a second, and a word in each second."""
    rng = np.random.default_rng(seed)
    grey = np.arange(5 * seconds, dtype=np.uint8)[:, None, None, None] * 6
    said = tuple(Word(w, Span(n, n + 0.9)) for n, w in enumerate(SAID[: min(seconds, words)]))
    return Utterance(
        id=id,
        speaker="A",
        text=" ".join(w.text for w in said),
        words=said,
        clip=MemoryClip(
            rng.uniform(-1, 1, RATE * seconds).astype(np.float32), RATE, np.tile(grey, (1, 32, 32, 3)), 5.0
        ),
        span=Span(0.0, float(seconds)),
        emotions=frozenset(label for label in LABELS if rng.random() < 0.5),
    )


def talks(split: str) -> list[Conversation]:
    """Of each conversation the second utterance is longer than a window."""
    lasting = ((1, 8), (2, 6, 3), (8,), (4, 5))
    return [
        Conversation(
            f"{split}{n}",
            tuple(
                utterance(f"{n}.{i}", s, seed=10 * n + i + 1000 * (split == "test"))
                for i, s in enumerate(row)
            ),
        )
        for n, row in enumerate(lasting)
    ]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    corpus = replace(semul_pcd.MOSI, read=lambda _root, split: talks(split))
    made = semul_pcd._raw(corpus, replace(TINY, layers=1), semul_pcd._small(epochs=1))
    return replace(fitted(made, Path()), windows=EvenWindows(3, 3.2))


@pytest.fixture(scope="module")
def dev(recipe: Recipe) -> Data:
    return load_split(recipe, Path(), "dev")


@pytest.fixture(scope="module")
def made(recipe: Recipe, dev: Data) -> Checkpoint:
    torch.manual_seed(1)
    model = SeMuLPCD(recipe.config).eval()
    for classifier in model.classify.values():
        torch.nn.init.normal_(classifier[-1].weight, std=1.0)  # pyright: ignore - so that windows differ
    return decisions.finish(recipe, model, dev, name="three")


def logits_of(predictions: list[Prediction]) -> np.ndarray:
    return logit([[p.scores[label] for label in LABELS] for p in predictions])


def by_window(checkpoint: Checkpoint, u: Utterance) -> list[Prediction]:
    """Before calibration, each window of an utterance as if it were one."""
    plain = replace(checkpoint, windows=None, calibration={}, abstention=None)
    seen = [c.edit(0, window=0) for c in EvenWindows(3, 3.2)(Conversation("c", (u,)))]
    return [p for row in plain.predict(seen) for p in row]


def test_windows_reach_from_the_beginning_to_the_end_in_all_three_modalities() -> None:
    talk = Conversation("c", (utterance("u", 8),))
    windows = EvenWindows(3, 3.2)(talk)
    assert [[u.window for u in c] for c in windows] == [[0], [1], [2]]
    words = Words().fitted([talk])
    rows = extract(windows, (Pixels(32, 16, 5.0), Samples(RATE), words))
    pictures = [u["video.frames"][:, 0, 0, 0].tolist() for (u,) in rows]
    assert pictures == [[6 * (first + n) for n in range(16)] for first in (0, 12, 24)]
    whole = talk.utterances[0].clip.waveform(RATE)  # pyright: ignore
    for (u,), first in zip(rows, (0.0, 2.4, 4.8), strict=True):
        start = round(RATE * first)
        np.testing.assert_array_equal(u["audio.samples"], whole[start : start + round(RATE * 3.2)])
    heard = [[words.vocabulary[n - 2] for n in u["text.words"]] for (u,) in rows]
    assert heard == [list(SAID[:4]), list(SAID[2:6]), list(SAID[4:])]


def test_what_is_no_longer_than_a_window_is_seen_once_and_one_window_is_the_middle() -> None:
    short, long = utterance("a", 3), utterance("b", 8)
    (seen,) = EvenWindows(5, 3.2)(Conversation("c", (short,)))
    assert seen.utterances == (short,)
    assert len(EvenWindows(5, 3.2)(Conversation("c", (replace(long, clip=None),)))) == 1
    talk = Conversation("c", (short, long))
    assert EvenWindows(1, 3.2)(talk) == [talk]


def test_the_answer_is_the_mean_over_the_windows_as_dev_calibrated_it(made: Checkpoint) -> None:
    scale, bias = map(np.array, made.calibration["audio+text+video"])
    conversations = talks("test")
    for conversation, row in zip(conversations, made.predict(conversations), strict=True):
        for u, prediction in zip(conversation, row, strict=True):
            each = logits_of(by_window(made, u))
            assert len(each) == (3 if u.clip.duration > 3.2 else 1)  # pyright: ignore
            found = [prediction.scores[label] for label in LABELS]
            np.testing.assert_allclose(found, expit(scale * each.mean(axis=0) + bias), rtol=1e-4)


def test_dev_is_calibrated_on_as_many_windows_as_are_used_later(made: Checkpoint) -> None:
    said = [u for c in talks("dev") for u in c]
    targets = np.array([[label in (u.emotions or ()) for label in LABELS] for u in said])
    known = np.ones_like(targets)
    each = [logits_of(by_window(made, u)) for u in said]
    ours = fit_calibration(np.stack([windows.mean(axis=0) for windows in each]), targets, known)
    np.testing.assert_allclose(made.calibration["audio+text+video"][0], ours.scale, rtol=1e-3)
    np.testing.assert_allclose(made.calibration["audio+text+video"][1], ours.bias, rtol=1e-3, atol=1e-4)
    ends = fit_calibration(np.stack([windows[-1] for windows in each]), targets, known)
    assert np.abs(np.array(made.calibration["audio+text+video"][0]) - ends.scale).max() > 0.01


def test_a_window_without_a_modality_does_not_answer_for_it(made: Checkpoint) -> None:
    talk = Conversation("c", (utterance("u", 8, words=2),))  # which are over before the second window
    words = talk.without("audio", "video")
    plain = replace(made, calibration={}, abstention=None)
    (together,), (read,), (nothing,) = plain.predict([talk, words, words.without("text")])
    first, *_ = by_window(made, talk.utterances[0])
    assert set(together.by_modality) == {"audio", "text", "video"}
    assert together.by_modality[Modality.TEXT] == pytest.approx(first.by_modality[Modality.TEXT])
    only, *others = by_window(made, words.utterances[0])
    assert [set(p.by_modality) for p in (only, *others)] == [{"text"}, set(), set()]
    assert read.scores == pytest.approx(only.scores)
    assert nothing.by_modality == {}


def test_windows_survive_saving(made: Checkpoint, tmp_path: Path) -> None:
    save(made, tmp_path)
    loaded = load(tmp_path)
    assert loaded.windows == EvenWindows(3, 3.2)
    ours, theirs = (logits_of(c.predict(talks("test")[:1])[0]) for c in (made, loaded))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_a_recipe_takes_the_number_of_windows_and_one_of_conversations_refuses_it() -> None:
    changed = find("semul_pcd.mosi_raw", ["windows.count=5"])
    assert isinstance(changed, Recipe)
    assert changed.windows == EvenWindows(5, 1.6)
    talking = find("multiemo.mosi_text")
    assert isinstance(talking, Recipe)
    with pytest.raises(ValueError, match="MultiEMO answers by the conversation"):
        replace(talking, windows=EvenWindows(2))
    with pytest.raises(ValueError, match="a count of 1 or more"):
        EvenWindows(0)
