"""The summary finds what was planted, and next to nothing where there is nothing."""

import json
import random
from dataclasses import replace
from itertools import permutations as all_orders

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from summary_makers import LABELS, dialogue, lasting, later, told

from affectline.summary import Order, compare, document, permutations, shares, summarise
from affectline.summary.order import GAP, TOO_FEW, TOO_RARE, following, transitions
from affectline.summary.permutations import LEAST_PAIRS, PERMUTATIONS, adjusted, drawn, two_sided
from affectline.timeline import Speaker, Timeline
from affectline.types import Span


def counts(order: Order) -> dict[tuple[str, str], int]:
    found = {
        (a, b): order.counts[i][j]
        for i, a in enumerate(LABELS)
        for j, b in enumerate(LABELS)
        if order.counts[i][j]
    }
    return found


def findings(order: Order) -> set[tuple[str, str]]:
    return {(cell.first, cell.then) for cell in order.cells if cell.finding and cell.count > cell.expected}


def few(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(permutations, "PERMUTATIONS", count)


def test_shares_are_of_utterances_and_of_time() -> None:
    talk = told([("Ada", "joy"), ("Ben", "anger"), ("Ada", "joy|anger"), ("Ada", ""), ("Ada", "?")])
    first = talk.utterances[0]
    talk = replace(talk, utterances=(replace(first, span=Span(0, 1)), *talk.utterances[1:]))
    everyone, (ada, ben) = shares(talk)
    assert (ada.utterances, ada.answered, ada.abstained) == (4, 3, 1)
    assert (ada.seconds, ada.seconds_answered) == (7, 5)
    found = {s.label: (s.utterances, s.of_utterances, s.of_time) for s in ada.shares}
    third = pytest.approx(1 / 3, abs=1e-4)
    assert found == {
        "neutral": (0, 0, 0),
        "joy": (2, pytest.approx(2 / 3, abs=1e-4), 0.6),
        "anger": (1, third, 0.4),
        "none": (1, third, 0.4),
    }
    assert {s.label: s.utterances for s in ben.shares} == {"neutral": 0, "joy": 0, "anger": 1, "none": 0}
    assert (everyone.utterances, everyone.id) == (5, None)
    assert [s.utterances for s in everyone.shares] == [0, 2, 2, 1]


def test_without_times_and_without_answers_there_are_no_such_shares() -> None:
    _, (ada,) = shares(told([("Ada", "joy"), ("Ada", "?")], timed=False))
    assert (ada.seconds, ada.shares[1].of_utterances, ada.shares[1].of_time) == (None, 1, None)
    everyone, (only,) = shares(told([("Ada", "?")]))
    assert {s.of_utterances for s in (*only.shares, *everyone.shares)} == {None}
    empty = replace(told([("Ada", "joy")]), utterances=(), speakers=())
    summary = summarise(empty)
    assert (summary.everyone.utterances, summary.transitions, summary.following) == (0, (), ())


def test_a_transition_is_to_ones_own_next_utterance() -> None:
    said = [("Ada", "joy"), ("Ben", "anger"), ("Ada", "anger"), ("Ben", "joy"), ("Ben", "neutral|joy")]
    ada, ben = transitions(told(said))
    assert (ada.first, ada.then, ada.pairs, counts(ada)) == ("Ada", "Ada", 1, {("joy", "anger"): 1})
    assert (ben.pairs, counts(ben)) == (
        2,
        {("anger", "joy"): 1, ("joy", "neutral"): 1, ("joy", "joy"): 1},
    )
    assert ada.reason == TOO_FEW
    assert ada.cells == ()


def test_utterances_are_taken_in_order_of_time() -> None:
    talk = told([("Ada", "joy"), ("Ada", "anger")])
    (ada,) = transitions(replace(talk, utterances=talk.utterances[::-1]))
    assert counts(ada) == {("joy", "anger"): 1}


def test_nothing_follows_where_the_model_abstained() -> None:
    said = [("Ada", "joy"), ("Ada", "?"), ("Ada", "anger"), ("Ben", "?"), ("Ada", "joy")]
    ada, ben = transitions(told(said))
    assert (ada.pairs, counts(ada)) == (1, {("anger", "joy"): 1})
    assert (ben.pairs, counts(ben)) == (0, {})
    assert [(o.first, o.then, o.pairs) for o in following(told(said))] == [
        ("Ada", "Ben", 0),
        ("Ben", "Ada", 0),
    ]


def test_nothing_follows_over_a_long_silence() -> None:
    said = [("Ada", "joy"), ("Ben", "joy"), ("Ada", "anger"), ("Ben", "anger")]
    for seconds, pairs in ((GAP, 1), (GAP + 0.1, 0)):
        assert {o.pairs for o in transitions(later(told(said), 2, seconds))} == {pairs}
    parted = {(o.first, o.then): counts(o) for o in following(later(told(said), 2, GAP + 0.1))}
    assert parted == {("Ada", "Ben"): {("joy", "joy"): 1, ("anger", "anger"): 1}}


def test_what_follows_is_the_next_turn_of_another() -> None:
    said = [
        ("Ada", "joy"),
        ("Ada", "?"),
        ("Ada", "anger"),
        ("Ben", "neutral"),
        ("Cleo", "joy"),
        ("Ada", "joy"),
    ]
    found = {(o.first, o.then): counts(o) for o in following(told(said))}
    assert found == {
        ("Ada", "Ben"): {("joy", "neutral"): 1, ("anger", "neutral"): 1},
        ("Ben", "Cleo"): {("neutral", "joy"): 1},
        ("Cleo", "Ada"): {("joy", "joy"): 1},
    }


def test_an_answer_that_was_planted_is_found_and_in_its_direction() -> None:
    rng = random.Random(0)
    ada = lasting(rng, 80)
    ben = [mood if mood == "anger" and rng.random() < 0.9 else rng.choice(["neutral", "joy"]) for mood in ada]
    to_ben, to_ada = following(told(dialogue(ada, ben)))
    assert (to_ben.first, to_ben.then, to_ben.pairs) == ("Ada", "Ben", 80)
    assert ("anger", "anger") in findings(to_ben)
    assert not {("anger", "joy"), ("anger", "neutral")} & findings(to_ben)
    assert findings(to_ada) == set()
    (cell,) = (c for c in to_ben.cells if (c.first, c.then) == ("anger", "anger"))
    assert cell.count == to_ben.counts[2][2]
    assert cell.expected == pytest.approx(ada.count("anger") * ben.count("anger") / 80, rel=0.1)


def test_a_transition_that_was_planted_is_found_and_in_its_direction() -> None:
    rng = random.Random(0)
    moods = ["neutral"]
    while len(moods) < 90:  # anger comes after joy, and after nothing else
        moods.append("anger" if moods[-1] == "joy" else rng.choice(["neutral", "joy"]))
    (order,) = transitions(told([("Ada", mood) for mood in moods]))
    assert ("joy", "anger") in findings(order)
    assert ("anger", "joy") not in findings(order)


@pytest.mark.parametrize(
    ("order", "stay"),
    [(transitions, 0.0), (following, 0.0), (following, 0.7)],
    ids=["transitions", "turns", "moods"],
)
def test_where_nothing_follows_from_anything_p_is_rarely_small(
    order, stay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, 199)
    p: list[float] = []
    for seed in range(24):
        rng = random.Random(seed)
        talk = told(dialogue(lasting(rng, 72, stay), lasting(rng, 72, stay)))
        p += [cell.p for one in order(talk) for cell in one.cells]
    assert len(p) > 400
    for level in (0.05, 0.2, 0.5):
        assert level / 4 < np.mean(np.array(p) <= level) < level * 1.4, level


def test_two_recordings_of_the_same_rates_rarely_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, 199)
    p: list[float] = []
    for seed in range(40):
        rng = random.Random(seed)
        one, two = (told([("Ada", m) for m in lasting(rng, n, 0.5)], sha256=f"{n % 7}") for n in (60, 96))
        p += [label.p for label in compare(one, two).labels if label.p is not None]
    assert len(p) == 40 * len(LABELS)
    for level in (0.05, 0.2, 0.5):
        assert level / 4 < np.mean(np.array(p) <= level) < level * 1.6, level


def test_rates_of_a_speaker_are_no_finding() -> None:
    rng = random.Random(0)
    ada = ["anger" if rng.random() < 0.9 else "joy" for _ in range(80)]
    ben = ["anger" if rng.random() < 0.9 else "joy" for _ in range(80)]
    talk = told(dialogue(ada, ben))
    assert [findings(order) for order in (*following(talk), *transitions(talk))] == [set()] * 4


def test_speakers_keep_what_they_said() -> None:
    groups = [np.array([0, 2, 4, 6, 8]), np.array([1, 3, 5, 7])]
    order = drawn(groups, 9, 500, 2, np.random.default_rng(0))
    assert {tuple(sorted(row)) for row in order[:, groups[0]].tolist()} == {(0, 2, 4, 6, 8)}
    assert {tuple(sorted(row)) for row in order[:, groups[1]].tolist()} == {(1, 3, 5, 7)}
    pairs = {(1, 3), (3, 5), (5, 7), (7, 1)}
    assert {tuple(row) for row in order[:, groups[1]].tolist()} == {
        (*a, *b) for a in pairs for b in pairs if not set(a) & set(b)
    }
    alone = drawn([np.arange(3)], 3, 500, 1, np.random.default_rng(0))
    assert {tuple(row) for row in alone.tolist()} == set(all_orders(range(3)))


def test_p_is_never_zero_and_has_two_sides() -> None:
    assert two_sided(np.array([0.0]), np.array([99.0]), 99) == [0.02]
    assert two_sided(np.array([99.0]), np.array([0.0]), 99) == [0.02]
    assert two_sided(np.array([99.0]), np.array([99.0]), 99) == [1]
    (order,) = transitions(told([("Ada", "joy" if n % 2 else "anger") for n in range(60)]))
    assert min(cell.p for cell in order.cells) == 2 / (PERMUTATIONS + 1)
    assert {(c.first, c.then) for c in order.cells if c.finding} == {
        *(("joy", "joy"), ("anger", "anger"), ("joy", "anger"), ("anger", "joy"))
    }


def test_p_are_adjusted_as_scipy_does() -> None:
    p = np.random.default_rng(0).uniform(size=40) ** 3
    assert adjusted(p.tolist()) == pytest.approx(false_discovery_control(p).tolist())
    assert adjusted([]) == []
    talk = told(dialogue(lasting(random.Random(0), 60), lasting(random.Random(1), 60)))
    cells = [cell for order in following(talk) for cell in order.cells]
    assert [c.adjusted for c in cells] == pytest.approx(
        false_discovery_control([c.p for c in cells]).tolist(), abs=2e-5
    )


@pytest.mark.parametrize(("size", "reason"), [(LEAST_PAIRS, TOO_FEW), (LEAST_PAIRS + 1, None)])
def test_too_few_pairs_are_not_tested(size: int, reason: str | None) -> None:
    (order,) = transitions(told([("Ada", "joy" if n % 2 else "anger") for n in range(size)]))
    assert (order.pairs, order.reason, not order.cells) == (size - 1, reason, reason is not None)


def test_what_is_rarely_shown_is_not_tested() -> None:
    said = [("Ada", "joy" if n % 10 == 0 else "anger") for n in range(40)]
    (order,) = transitions(told(said))
    assert {(c.first, c.then) for c in order.cells} == {("anger", "anger")}
    (order,) = transitions(told([("Ada", "")] * 40))
    assert (order.pairs, order.cells, order.reason) == (39, (), TOO_RARE)


def test_the_same_timeline_has_the_same_summary() -> None:
    talk = told(dialogue(lasting(random.Random(0), 30), lasting(random.Random(1), 30)))
    other = told(dialogue(lasting(random.Random(2), 30), lasting(random.Random(3), 30)), sha256="b")
    one, two = (json.dumps(document(summarise(talk), summarise(other))) for _ in range(2))
    assert one == two
    assert json.loads(one)["comparison"]["answered"] == [60, 60]


def angrier(share: float, size: int, seed: int, sha256: str) -> Timeline:
    rng = random.Random(seed)
    moods = ["anger" if rng.random() < share else rng.choice(["neutral", "joy", ""]) for _ in range(size)]
    return told([("Ada", mood) for mood in moods], sha256=sha256)


def test_a_difference_of_two_recordings_is_found() -> None:
    first, second = angrier(0.5, 100, 0, "a"), angrier(0.1, 140, 1, "b")
    found = {label.label: label for label in compare(first, second).labels}
    assert {name for name, label in found.items() if label.finding} >= {"anger"}
    anger, back = found["anger"], compare(second, first).labels[2]
    assert anger.utterances == tuple(
        sum("anger" in u.emotions for u in t.utterances) for t in (first, second)
    )
    assert anger.shares == (anger.utterances[0] / 100, pytest.approx(anger.utterances[1] / 140, abs=1e-4))
    assert anger.difference is not None
    assert 0.2 < anger.difference < 0.6
    assert (back.label, back.difference) == ("anger", -anger.difference)
    assert sum(label.utterances[0] for label in found.values()) == 100


def test_one_person_is_compared_with_themselves() -> None:
    first, second = angrier(0.5, 100, 0, "a"), angrier(0.1, 100, 1, "b")
    others = (Speaker("Ada", "Zoe"), Speaker("Ben", "Ada"))
    swapped = [replace(u, speaker="Ben") for u in second.utterances]
    calm = [replace(u, id=f"calm {u.id}", emotions=("joy",)) for u in second.utterances]
    mixed = replace(second, speakers=others, utterances=(*swapped, *calm))
    alone, all_of_them = compare(first, second), compare(first, mixed)
    found = compare(first, mixed, "Ada")
    assert (found.speaker, found.answered, found.labels) == ("Ada", (100, 100), alone.labels)
    assert all_of_them.answered == (100, 200)
    with pytest.raises(ValueError, match=r"nobody is called 'Ben'.*there: Zoe, Ada"):
        compare(mixed, mixed, "Ben")
    said = tuple(replace(u, speaker="S1") for u in first.utterances)
    unknown = replace(first, speakers=(Speaker("S1"),), utterances=said)  # elsewhere S1 is another person
    with pytest.raises(ValueError, match="there: nobody has a name"):
        compare(unknown, unknown, "S1")


def test_why_two_recordings_are_not_tested() -> None:
    long, short = angrier(0.5, 60, 0, "a"), angrier(0.5, LEAST_PAIRS - 1, 1, "b")
    asleep = told([("Ada", "?")] * 30, sha256="b")
    for first, second, reason in (
        (long, short, "too few to test"),
        (long, asleep, "the second recording has no utterance that was answered"),
        (asleep, long, "the first recording has no utterance that was answered"),
        (long, angrier(0.1, 60, 1, "a"), "both are of the same recording"),
    ):
        found = compare(first, second)
        assert reason in (found.reason or "")
        assert {label.p for label in found.labels} == {None}
    assert compare(long, asleep).labels[0].shares[1] is None


def test_labels_that_only_one_knows_are_left_out_and_named() -> None:
    first, second = angrier(0.5, 60, 0, "a"), angrier(0.5, 60, 1, "b")
    known = tuple(replace(u, scores={}, emotions=()) for u in second.utterances)
    second = replace(second, labels=("joy", "anger", "fear"), utterances=known)
    second = replace(second, checkpoint={"name": "other", "sha256": None})
    found = compare(first, second)
    assert [label.label for label in found.labels] == ["joy", "anger", "none"]
    assert found.left_out == ("neutral", "fear")
    assert any("different checkpoints" in note for note in found.notes)
