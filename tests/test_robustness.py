"""What a model is asked about and how often, and what is made of its answers."""

from collections.abc import Sequence

import numpy as np
import pytest

from affectline.corpora.synthetic import LABELS, MULTILABEL, Pointer, read
from affectline.evaluation import Run, Truth, difference, evaluate
from affectline.evaluation.damage import Damage, Lost, Only, modes_of
from affectline.evaluation.noise import Babble, Blur, Misheard
from affectline.evaluation.report import compare_headlines
from affectline.evaluation.robustness import NOISE, SHARES, Plan, ask
from affectline.features import extract
from affectline.types import Conversation, LabelSpace

EXTRACTORS = tuple(Pointer(s, 3, noise=0.5) for s in ("text.words", "audio.voice"))
TALKS = read(conversations=12)
MODES = modes_of(EXTRACTORS, TALKS)
DAMAGES: list[Damage] = [
    Only(("text", "audio"), ()),
    Only(("text",), ("audio",)),
    Lost(MODES[1], 0.0),
    Lost(MODES[1], 0.5),
    Lost(MODES[0], 0.4, stretches=True),
    Misheard(0.3),
]


class Summing:
    """The sum of what is there as a score, and how many utterances it was asked about."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, conversations: Sequence[Conversation]) -> Run:
        rows = [u for row in extract(conversations, EXTRACTORS) for u in row]
        self.asked += len(rows)
        total = np.array([sum(a.sum(axis=0) for a in u.values()) for u in rows])
        return Run(np.exp(total) / np.exp(total).sum(axis=1, keepdims=True), np.full(3, 0.4))


@pytest.mark.parametrize("apart", [False, True])
def test_answers_are_those_of_asking_for_each_damage_by_itself(apart: bool) -> None:
    told: list[float] = []
    found = ask(Summing(), TALKS, DAMAGES, apart=apart, progress=told.append)
    for run, damage in zip(found, DAMAGES, strict=True):
        expected = Summing()(damage(TALKS))
        np.testing.assert_array_equal(run.scores, expected.scores)
        assert run.thresholds.shape == run.scores.shape
    assert told[-1] == 1.0
    assert told == sorted(told)


def test_what_is_equal_is_asked_about_once() -> None:
    count = sum(map(len, TALKS))
    model = Summing()
    whole, deaf, *more = (Only(("text", "audio"), ()), Only(("text",), ("audio",)), *DAMAGES[2:4])
    ask(model, TALKS, [whole, deaf, *more, *[Lost(MODES[1], s) for s in SHARES]], apart=True)
    assert model.asked == 2 * count  # with and without the sound: whoever lost it is among those


def test_a_model_that_answers_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="1 answers for"):
        ask(lambda _: Run(np.ones((1, 3)) / 3, np.ones(3)), TALKS, DAMAGES)


def test_a_plan_has_every_subset_shares_and_the_noise_that_changes_something() -> None:
    plan = Plan.of(MODES, TALKS, seed=3)
    assert [s.kept for s in plan.subsets] == [("text", "audio"), ("text",), ("audio",)]
    assert [s.gone for s in plan.subsets] == [(), ("audio",), ("text",)]
    assert len(plan.curve) == 2 * 2 * len(SHARES)
    assert {(damage.seed, spoilt) for damage, spoilt in plan.noise if not isinstance(damage, Blur)} == {
        (3, ("text",))
    }
    assert [type(n) for kinds in NOISE.values() for n in kinds] == [Babble] * 5 + [Blur] * 3 + [Misheard] * 4
    alone = [Conversation(u.id, (u,)) for c in TALKS for u in c]
    lone = Plan.of(MODES, alone)
    assert not any(lost.stretches for lost in lone.curve)
    assert "text: no stretches are lost, its clips are lone ones" in lone.notes


@pytest.mark.parametrize("labels", [LABELS, MULTILABEL])
def test_the_headline_is_that_of_the_report_and_its_difference_too(labels: LabelSpace) -> None:
    truth = Truth.of(TALKS, labels)
    runs, others = (ask(Summing(), TALKS, [damage]) for damage in DAMAGES[:2])
    name = "macro_f1" if labels.multilabel else "weighted_f1"
    estimate, less = compare_headlines(truth, others, runs, replicates=50)
    assert estimate == evaluate(truth, others, replicates=50).estimates[name]
    assert less == difference(truth, others, runs, replicates=50)[name]
    assert less.mean != 0


def test_each_row_is_of_its_own_damage() -> None:
    plan, truth = Plan.of(MODES, TALKS), Truth.of(TALKS, LABELS)
    found = plan.judge(truth, [ask(Summing(), TALKS, plan.damages)], replicates=10)
    rows = found["subsets"] + found["curve"] + found["noise"]
    for row, damage in zip(rows, plan.damages, strict=True):
        run = Summing()(damage(TALKS))
        expected, _ = compare_headlines(truth, [run], [run], replicates=2)
        assert row["weighted_f1"]["mean"] == pytest.approx(expected.mean)
