from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from affectline.features import CHUNK, Array, Extractor, Item, extract
from affectline.features.audio_mel import Mel
from affectline.features.opensmile import ComParE, EGeMAPS
from affectline.features.precomputed import Precomputed
from affectline.features.store import Store
from affectline.features.text_minilm import MiniLM
from affectline.features.text_tokens import Tokens
from affectline.features.video_faces import Faces
from affectline.media import MemoryClip
from affectline.types import Conversation, Modality, Utterance


@dataclass(frozen=True)
class Counting:
    """Reads the words, or the sound, or the picture, and remembers what it was asked for."""

    stream: str = "text.counting"
    stored: bool = True
    asked: list[str] = field(default_factory=list, repr=False)

    shape = (3,)
    dtype = np.float32

    def content(self, conversation: Conversation, index: int) -> str | None:
        utterance = conversation.utterances[index]
        if self.stream.startswith("text"):
            return utterance.text
        return utterance.clip.content(Modality(self.stream.split(".")[0])) if utterance.clip else None

    def __call__(self, items: Sequence[Item]) -> list[Array]:
        ids = [conversation.utterances[index].id for conversation, index in items]
        self.asked.extend(ids)
        return [np.full((len(i), 3), len(i), np.float32) for i in ids]


def spoken(*texts: str | None, clip: MemoryClip | None = None) -> Conversation:
    utterances = (Utterance(id=f"u{n}", speaker="A", text=t, clip=clip) for n, t in enumerate(texts))
    return Conversation(id="c", utterances=tuple(utterances))


def noise(seed: int = 0) -> MemoryClip:
    rng = np.random.default_rng(seed)
    sound = rng.uniform(-0.1, 0.1, 16000).astype(np.float32)
    return MemoryClip(sound, 16000, rng.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8), 5.0)


def test_every_extractor_is_an_extractor(tmp_path: Path):
    np.savez(tmp_path / "f.npz", a=np.zeros(2))
    precomputed = Precomputed("audio.covarep", tmp_path / "f.npz")
    for extractor in (Mel(), Tokens(), MiniLM(), EGeMAPS(), ComParE(), Faces(), precomputed, Counting()):
        assert isinstance(extractor, Extractor), extractor


def test_raw_streams_are_the_ones_that_are_not_stored():
    assert not Tokens().stored
    assert not Faces().stored
    assert all(e.stored for e in (Mel(), MiniLM(), EGeMAPS(), ComParE()))


def test_rows_follow_conversations_and_utterances():
    conversations = [spoken("a", "bb"), Conversation(id="empty", utterances=()), spoken("ccc")]
    rows = extract(conversations, [Counting(), Tokens()])
    assert [len(row) for row in rows] == [2, 0, 1]
    assert all(set(features) == {"text.counting", "text.tokens"} for row in rows for features in row)


@pytest.mark.parametrize("missing", ["text", "text.counting"])
def test_what_is_declared_missing_has_length_zero_and_is_not_run(missing: str):
    counting = Counting()
    [[features]] = extract([spoken("a").without(missing)], [counting])
    assert features["text.counting"].shape == (0, 3)
    assert not counting.asked


def test_what_is_not_there_has_length_zero_in_the_right_dtype():
    [[features]] = extract([spoken(None)], [Tokens(), MiniLM(), Mel(), EGeMAPS(), ComParE(), Faces(size=8)])
    shapes = {name: (array.shape, array.dtype.name) for name, array in features.items()}
    assert shapes == {
        "text.tokens": ((0,), "int64"),
        "text.minilm": ((0, 384), "float32"),
        "audio.mel": ((0, 64), "float32"),
        "audio.egemaps": ((0, 88), "float32"),
        "audio.compare": ((0, 6373), "float32"),
        "video.faces": ((0, 8, 8, 3), "uint8"),
    }


def test_equal_content_is_run_once():
    counting = Counting()
    rows = extract([spoken("same", "other"), spoken("same")], [counting])
    assert len(counting.asked) == 2
    assert rows[0][0]["text.counting"] is rows[1][0]["text.counting"]


def test_a_changed_word_runs_only_what_reads_words():
    words, pictures, sounds = Counting(), Counting("video.counting"), Counting("audio.counting")
    conversation, memo = spoken("one word", clip=noise()), {}
    extract([conversation], [words, pictures, sounds], memo=memo)
    extract([conversation.edit(0, text="two words")], [words, pictures, sounds], memo=memo)
    assert [len(e.asked) for e in (words, pictures, sounds)] == [2, 1, 1]


def test_other_settings_are_other_features():
    memo = {}
    [[narrow]] = extract([spoken("x", clip=noise())], [Mel(bands=10)], memo=memo)
    [[wide]] = extract([spoken("x", clip=noise())], [Mel(bands=20)], memo=memo)
    assert (narrow["audio.mel"].shape[1], wide["audio.mel"].shape[1]) == (10, 20)


def test_the_device_is_not_a_setting():
    assert repr(MiniLM(device="cuda")) == repr(MiniLM())


def test_a_store_spares_the_second_process_the_work(tmp_path: Path):
    first, second = Counting(), Counting()
    made = extract([spoken("a", "b")], [first], store=Store(tmp_path))
    read = extract([spoken("a", "b")], [second], store=Store(tmp_path))
    assert not second.asked
    for before, after in zip(made[0], read[0], strict=True):
        np.testing.assert_array_equal(before["text.counting"], after["text.counting"])


def test_raw_streams_never_reach_the_store(tmp_path: Path):
    extract([spoken("a secret")], [Counting(stored=False), Tokens()], store=Store(tmp_path))
    assert not Store(tmp_path).keys()


def test_an_interrupted_extraction_keeps_its_finished_chunks(tmp_path: Path):
    class Interrupted(Counting):
        def __call__(self, items: Sequence[Item]) -> list[Array]:
            if self.asked:
                raise KeyboardInterrupt
            return super().__call__(items)

    with pytest.raises(KeyboardInterrupt):
        extract([spoken(*map(str, range(CHUNK + 5)))], [Interrupted()], store=Store(tmp_path))
    assert len(Store(tmp_path).keys()) == CHUNK


def test_progress_counts_what_is_really_run():
    told = []
    texts = [str(n) for n in range(CHUNK + 5)]
    extract([spoken(*texts, "0", None)], [Counting()], progress=lambda *now: told.append(now))
    assert told == [("text.counting", CHUNK, CHUNK + 5), ("text.counting", CHUNK + 5, CHUNK + 5)]


def test_a_stream_cannot_be_made_twice():
    with pytest.raises(ValueError, match="each stream can be extracted once"):
        extract([spoken("a")], [MiniLM(), MiniLM(pooled=True)])


def test_an_extractor_that_breaks_its_shape_is_refused():
    class Wrong(Counting):
        def __call__(self, items: Sequence[Item]) -> list[Array]:
            return [np.zeros((1, 4), np.float32) for _ in items]

    with pytest.raises(ValueError, match=r"\(1, 4\) for 'u0'"):
        extract([spoken("a")], [Wrong()])


@pytest.mark.parametrize(
    "extractor", [Mel(), MiniLM(), Tokens(), EGeMAPS(), Faces(size=12, whole=True)], ids=str
)
def test_many_at_once_equal_one_by_one(extractor: Extractor):
    texts = ["Short.", "A much longer sentence, with many more words in it.", "Yes?", "No, not at all!"]
    utterances = tuple(
        Utterance(id=str(n), speaker="A", text=t, clip=noise(n).window(0, 1 - n / 5))
        for n, t in enumerate(texts)
    )
    together = extract([Conversation(id="c", utterances=utterances)], [extractor])[0]
    for utterance, features in zip(utterances, together, strict=True):
        [[alone]] = extract([Conversation(id="c", utterances=(utterance,))], [extractor])
        assert len(alone[extractor.stream]) > 0
        np.testing.assert_allclose(features[extractor.stream], alone[extractor.stream], atol=2e-5)
