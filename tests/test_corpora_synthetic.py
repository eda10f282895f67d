import numpy as np
import pytest

from affectline.corpora import synthetic


def test_the_same_split_is_always_the_same() -> None:
    assert synthetic.read(split="train") == synthetic.read(split="train")
    texts = {s: [u.text for c in synthetic.read(split=s) for u in c] for s in synthetic.SPLITS}
    assert texts["train"] != texts["dev"] != texts["test"] != texts["train"]


def test_one_emotion_holds_unless_several_may() -> None:
    single = [u.emotions for c in synthetic.read(conversations=50) for u in c]
    assert {len(e) for e in single if e is not None} == {1}
    several = [u.emotions for c in synthetic.read(conversations=50, labels=synthetic.MULTILABEL) for u in c]
    assert {len(e) for e in several if e is not None} == {0, 1, 2, 3}


def test_a_pretend_stream_points_at_what_is_said() -> None:
    pointer = synthetic.Pointer("audio.pretend", dim=6)
    conversations = synthetic.read(labels=synthetic.MULTILABEL)
    items = [(c, n) for c in conversations for n in range(len(c))]
    for (conversation, n), array in zip(items, pointer(items), strict=True):
        expected = np.resize(synthetic.LABELS.encode(conversation.utterances[n].emotions or ()), (1, 6))
        np.testing.assert_allclose(array, expected, atol=0.5)


def test_a_lost_modality_gives_no_time_step() -> None:
    pointer = synthetic.Pointer("audio.pretend", dim=6)
    conversation = synthetic.read()[0]
    assert pointer.content(conversation.without("audio"), 0) is None
    assert pointer([(conversation.without("audio"), 0)])[0].shape == (0, 6)
    assert pointer([(conversation.without("video"), 0)])[0].shape == (1, 6)


def test_an_unknown_split_names_the_splits() -> None:
    with pytest.raises(ValueError, match=r"no split 'all'; it has \['train', 'dev', 'test'\]"):
        synthetic.read(split="all")
