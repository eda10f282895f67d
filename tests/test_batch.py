from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.batch import Batch, Features, collate
from affectline.types import Conversation, LabelSpace, Utterance

LABELS = LabelSpace(("joy", "anger", "fear"), multilabel=True)
STREAMS = {"text.minilm": (4,), "audio.mel": (3,), "video.faces": (2, 2)}
VECTORS = ("text.minilm", "audio.mel")  # what can be pooled
lengths = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=3)


def conversations(*sizes: int, **changes) -> list[Conversation]:
    def utterance(b: int, n: int) -> Utterance:
        settings = {"id": f"{b}-{n}", "speaker": "AB"[n % 2], "emotions": frozenset({"joy"}), **changes}
        return Utterance(**settings)

    return [Conversation(str(b), tuple(utterance(b, n) for n in range(size))) for b, size in enumerate(sizes)]


def features_of(many: Sequence[Conversation], times: dict[str, int] | None = None) -> list[list[Features]]:
    """Features as extractors make them: the same for the same utterance, of length 0 where it is missing."""

    def made(u: Utterance, stream: str) -> np.ndarray:
        rng = np.random.default_rng([*f"{u.id}{stream}".encode()])
        time = (times or {}).get(u.id, 3) if u.has(stream) else 0
        return rng.normal(1, 1, (time, *STREAMS[stream])).astype(np.float32)

    return [[{s: made(u, s) for s in STREAMS} for u in c] for c in many]


def batch_of(many: Sequence[Conversation], times: dict[str, int] | None = None) -> Batch:
    return collate(many, features_of(many, times), LABELS)


@settings(deadline=None, max_examples=25)
@given(lengths)
def test_padding_holds_every_value_where_the_mask_says_and_zero_elsewhere(sizes):
    many = conversations(*map(len, sizes))
    times = {f"{b}-{n}": time for b, row in enumerate(sizes) for n, time in enumerate(row)}
    features, batch = features_of(many, times), batch_of(many, times)
    for name, stream in batch.streams.items():
        for b, row in enumerate(sizes):
            for n, time in enumerate(row):
                assert stream.mask[b, n].tolist() == [k < time for k in range(stream.mask.shape[2])]
                np.testing.assert_array_equal(stream.values[b, n, :time], features[b][n][name])
        assert not stream.values[~stream.mask].any()
    assert batch.mask.sum(dim=1).tolist() == [len(row) for row in sizes]


@settings(deadline=None, max_examples=25)
@given(lengths)
def test_a_conversation_in_a_batch_is_as_it_is_alone(sizes):
    many = conversations(*map(len, sizes))
    times = {f"{b}-{n}": time for b, row in enumerate(sizes) for n, time in enumerate(row)}
    together = batch_of(many, times)
    for b, conversation in enumerate(many):
        alone, size = batch_of([conversation], times), len(conversation)
        for name in VECTORS:
            torch.testing.assert_close(together.pooled(name)[b, :size], alone.pooled(name)[0])
        for name in STREAMS:
            assert together.present(name)[b, :size].tolist() == alone.present(name)[0].tolist()
        for field in ("speakers", "targets", "known", "ratings", "mask"):
            torch.testing.assert_close(getattr(together, field)[b, :size], getattr(alone, field)[0])


@pytest.mark.parametrize(
    "what", [["audio"], ["video.faces"], ["text", "audio.mel"], ["audio", "video", "text"], []]
)
def test_losing_in_a_batch_is_losing_in_the_conversations(what):
    many = conversations(3, 1)
    in_batch, in_data = batch_of(many).without(*what), batch_of([c.without(*what) for c in many])
    for name in VECTORS:
        torch.testing.assert_close(in_batch.pooled(name), in_data.pooled(name))
    for name in STREAMS:
        assert in_batch.streams[name].mask.sum() == in_data.streams[name].mask.sum()
        assert torch.equal(in_batch.present(name), in_data.present(name))
    for field in ("speakers", "targets", "known", "ratings", "mask"):
        assert torch.equal(getattr(in_batch, field), getattr(in_data, field))


def test_losing_leaves_nothing_to_be_read_and_the_original_as_it_was():
    whole = batch_of(conversations(2))
    gone = whole.without("audio")
    assert not gone.streams["audio.mel"].values.any()
    assert gone.streams["text.minilm"] is whole.streams["text.minilm"]
    assert whole.present("audio.mel").all()


def test_a_missing_stream_pools_to_zero_and_others_to_their_mean():
    many = conversations(2)
    batch = batch_of(many, {"0-0": 0, "0-1": 4})
    assert batch.pooled("audio.mel")[0, 0].tolist() == [0, 0, 0]
    mean = features_of(many, {"0-1": 4})[0][1]["audio.mel"].mean(axis=0)
    np.testing.assert_allclose(batch.pooled("audio.mel")[0, 1], mean, rtol=1e-5)
    assert batch.present("audio.mel").tolist() == [[False, True]]


def test_a_stream_that_nobody_has_is_still_a_tensor_of_its_shape():
    batch = batch_of([c.without("video") for c in conversations(2, 1)])
    assert batch.streams["video.faces"].values.shape == (2, 2, 1, 2, 2)
    assert not batch.present("video.faces").any()


def test_speakers_are_numbered_in_order_of_appearance_and_padding_is_nobody():
    [long, short] = conversations(3, 1)
    long = replace(long, utterances=tuple(replace(u, speaker=s) for u, s in zip(long, "ZAZ", strict=True)))
    assert batch_of([long, short]).speakers.tolist() == [[0, 1, 0], [0, -1, -1]]


def test_labels_that_a_corpus_does_not_have_are_not_known():
    [c] = conversations(1)
    assert batch_of([c]).known.tolist() == [[[True, True, True]]]
    assert batch_of([replace(c, labels=("fear", "joy"))]).known.tolist() == [[[True, False, True]]]


def test_not_known_and_known_to_show_none_differ():
    [unknown], [none] = conversations(1, emotions=None), conversations(1, emotions=frozenset())
    together = batch_of([unknown, none])
    assert together.known.tolist() == [[[False] * 3], [[True] * 3]]
    assert not together.targets.any()


def test_padding_is_known_to_nobody_and_shows_nothing():
    batch = batch_of(conversations(1, 3))
    assert not batch.known[0, 1:].any()
    assert not batch.targets[0, 1:].any()
    assert not batch.ratings[0, 1:].any()
    assert not batch.mask[0, 1:].any()


def test_ratings_are_the_shares_or_else_the_targets():
    [rated] = conversations(1, ratings={"joy": 0.7, "fear": 0.2})
    assert batch_of([rated]).ratings[0, 0].tolist() == pytest.approx([0.7, 0, 0.2])
    [unrated] = conversations(1)
    assert torch.equal(batch_of([unrated]).ratings, batch_of([unrated]).targets)


def test_an_emotion_outside_the_label_space_is_refused():
    with pytest.raises(ValueError, match=r"unknown emotions \['glee'\]"):
        batch_of(conversations(1, emotions=frozenset({"glee"})))


def test_moving_a_batch_keeps_all_of_it():
    batch = batch_of(conversations(2, 1))
    moved = batch.to("cpu")
    assert moved.streams.keys() == batch.streams.keys()
    for field in ("speakers", "targets", "known", "ratings", "mask"):
        assert torch.equal(getattr(moved, field), getattr(batch, field))
    assert torch.equal(moved.streams["text.minilm"].values, batch.streams["text.minilm"].values)
