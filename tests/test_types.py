from dataclasses import FrozenInstanceError
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timeline_makers import track

from affectline.types import (
    EMOTIONS,
    Conversation,
    LabelSpace,
    Modality,
    Prediction,
    Span,
    Utterance,
    modality_of,
)

times = st.floats(0, 1e4, allow_subnormal=False)


@st.composite
def spans(draw) -> Span:
    start = draw(times)
    return Span(start, start + draw(st.floats(0.01, 100)))


subsets = st.frozensets(st.sampled_from(EMOTIONS))
probabilities = st.lists(st.floats(0, 1), min_size=7, max_size=7)


def predicted(values, **others) -> Prediction:
    return Prediction(dict(zip(EMOTIONS, values, strict=True)), frozenset(), **others)


def conversation(*speakers: str) -> Conversation:
    return Conversation("c", tuple(Utterance(id=f"u{n}", speaker=s) for n, s in enumerate(speakers)))


@pytest.mark.parametrize(
    ("start", "end"), [(1, 1), (2, 1), (-0.1, 1), (0, float("inf")), (float("nan"), 1), (0, float("nan"))]
)
def test_an_impossible_span_is_refused_with_its_times(start, end):
    with pytest.raises(ValueError, match=f"0 <= start < end, got start={start}, end={end}"):
        Span(start, end)


@settings(deadline=None, max_examples=50)
@given(spans(), spans())
def test_overlap_is_shared_by_both_and_no_longer_than_either(a, b):
    assert a.overlap(b) == b.overlap(a)
    assert 0 <= a.overlap(b) <= min(a.duration, b.duration)
    assert a.overlap(a) == a.duration


@settings(deadline=None, max_examples=50)
@given(spans())
def test_spans_that_only_touch_do_not_overlap(a):
    assert a.overlap(Span(a.end, a.end + 1)) == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(spans()))
def test_spans_sort_by_their_start(many):
    assert all(a.start <= b.start for a, b in pairwise(sorted(many)))


def test_a_stream_is_lost_with_its_modality():
    u = conversation("A").without(Modality.AUDIO).utterances[0]
    assert not u.has("audio.mel")
    assert not u.has("audio")
    assert u.has("video.faces")
    assert u.has("text")


def test_a_lost_stream_leaves_its_modality():
    u = conversation("A").without("video.faces").utterances[0]
    assert not u.has("video.faces")
    assert u.has("video.scene")
    assert u.has("video")


@pytest.mark.parametrize("name", ["smell", "sound.mel", "", "Audio", "audio mel"])
def test_an_unknown_modality_is_refused(name):
    with pytest.raises(ValueError, match="is not a valid Modality"):
        conversation("A").without(name)
    with pytest.raises(ValueError, match="is not a valid Modality"):
        modality_of(name)


lost = st.lists(st.sampled_from(["text", "audio", "video", "video.faces", "audio.mel", "text.minilm"]))


@settings(deadline=None, max_examples=50)
@given(lost, lost)
def test_losing_is_cumulative_and_its_order_does_not_matter(a, b):
    c = conversation("A", "B")
    assert c.without(*a).without(*b) == c.without(*b, *a)
    assert c.without(*a).without(*a) == c.without(*a)
    assert all(u.missing == {*a, *b} for u in c.without(*a, *b))


def test_losing_touches_nothing_else_and_not_the_original():
    c = conversation("A", "B")
    gone = c.without("text")
    assert [(u.id, u.speaker) for u in gone] == [(u.id, u.speaker) for u in c]
    assert all(u.missing == frozenset() for u in c)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2))
def test_an_edit_changes_one_utterance(index):
    c = conversation("A", "B", "A")
    edited = c.edit(index, text="new", speaker="C")
    assert [u.text for u in edited] == ["new" if n == index else None for n in range(3)]
    assert [u.id for u in edited] == ["u0", "u1", "u2"]
    assert all(a is b for n, (a, b) in enumerate(zip(c, edited, strict=True)) if n != index)
    assert all(u.text is None for u in c)


def test_an_edit_of_what_there_is_not_is_refused():
    with pytest.raises(IndexError):
        conversation("A").edit(1, text="new")
    with pytest.raises(TypeError):
        conversation("A").edit(0, words_of="new")


def test_nothing_can_be_changed_in_place():
    c = conversation("A")
    with pytest.raises(FrozenInstanceError):
        c.utterances[0].text = "new"  # pyright: ignore[reportAttributeAccessIssue]


def test_speakers_are_named_once_in_order_of_appearance():
    assert conversation("B", "A", "B", "C", "A").speakers == ("B", "A", "C")
    assert len(conversation("B", "A", "B")) == 3


@settings(deadline=None, max_examples=50)
@given(subsets)
def test_what_is_encoded_is_decoded(emotions):
    space = LabelSpace(EMOTIONS, multilabel=True)
    assert space.decode(space.encode(emotions)) == emotions


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(EMOTIONS))
def test_a_single_label_is_encoded_and_decoded_too(emotion):
    space = LabelSpace(EMOTIONS)
    assert space.encode({emotion}).sum() == 1
    assert space.decode(space.encode({emotion})) == {emotion}


@settings(deadline=None, max_examples=50)
@given(st.permutations(EMOTIONS), subsets)
def test_labels_are_matched_by_name_and_never_by_index(order, emotions):
    encoded = LabelSpace(tuple(order)).encode(emotions)
    assert {name for name, hot in zip(order, encoded, strict=True) if hot} == emotions


def test_unknown_emotions_are_named_with_those_that_there_are():
    with pytest.raises(
        ValueError, match=r"unknown emotions \['glee'\]; this label space has \['joy', 'anger'\]"
    ):
        LabelSpace(("joy", "anger")).encode({"joy", "glee"})


@settings(deadline=None, max_examples=50)
@given(probabilities, st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_an_emotion_holds_from_its_own_threshold_on(scores, thresholds):
    held = LabelSpace(EMOTIONS, multilabel=True).decode(np.array(scores), thresholds)
    assert held == {n for n, s, t in zip(EMOTIONS, scores, thresholds, strict=True) if s >= t}


def test_a_threshold_holds_at_equality_and_defaults_to_a_half():
    space = LabelSpace(("joy", "anger"), multilabel=True)
    assert space.decode(np.array([0.5, 0.49])) == {"joy"}
    assert space.decode(np.array([0.3, 0.49]), 0.3) == {"joy", "anger"}
    assert space.decode(np.array([0.1, 0.1])) == frozenset()


@settings(deadline=None, max_examples=50)
@given(probabilities)
def test_a_single_label_is_always_the_best_and_the_first_of_the_best(scores):
    [held] = LabelSpace(EMOTIONS).decode(np.array(scores))
    assert EMOTIONS.index(held) == scores.index(max(scores))


def test_too_few_thresholds_are_refused():
    with pytest.raises(ValueError, match="broadcast"):
        LabelSpace(EMOTIONS, multilabel=True).decode(np.zeros(7), [0.5, 0.5])


@pytest.mark.parametrize(
    ("values", "bits"),
    [([0.5] * 7, 1), ([0] * 7, 0), ([1] * 7, 0), ([0.5] + [0] * 6, 1 / 7), ([0.25] * 7, 0.811278)],
)
def test_uncertainty_is_the_mean_entropy_in_bits(values, bits):
    assert predicted(values).uncertainty == pytest.approx(bits, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(probabilities)
def test_uncertainty_is_the_same_for_a_label_and_its_opposite_and_stays_in_0_to_1(values):
    uncertainty = predicted(values).uncertainty
    assert 0 <= uncertainty <= 1 + 1e-12
    assert uncertainty == pytest.approx(predicted([1 - v for v in values]).uncertainty, abs=1e-9)


def test_valence_is_joy_less_the_mean_of_the_four():
    scores = {
        "joy": 0.8,
        "anger": 0.4,
        "disgust": 0.2,
        "fear": 0.1,
        "sadness": 0.1,
        "surprise": 0.9,
        "neutral": 1.0,
    }
    assert Prediction(scores, frozenset()).valence == pytest.approx(0.8 - 0.2)
    assert Prediction({"joy": 0.8, "anger": 0.4}, frozenset()).valence == pytest.approx(0.4)
    assert Prediction({"anger": 0.4}, frozenset()).valence == pytest.approx(-0.4)
    assert Prediction({"surprise": 0.4}, frozenset()).valence == 0


@settings(deadline=None, max_examples=50)
@given(probabilities)
def test_valence_stays_in_minus_1_to_1(values):
    assert -1 <= predicted(values).valence <= 1


def test_a_window_of_a_face_track_counts_its_times_from_its_own_start():
    part = track([0, 0.5, 1.0, 1.5, 2.0]).window(0.5, 1.0)
    assert part.times.tolist() == [0, 0.5]
    assert part.boxes.shape == (2, 4)
    assert part.landmarks.shape == (2, 5, 2)
