import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from evaluation_makers import (
    MULTI,
    NAMES,
    SINGLE,
    calibrated,
    means,
    truth_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from scipy.special import logit
from sklearn import metrics as sk

from affectline.evaluation import (
    AbstentionCheck,
    RiskCoverage,
    Run,
    Truth,
    binary_entropy,
    bootstrap,
    difference,
    evaluate,
    fit_thresholds,
    risk_coverage,
)
from affectline.evaluation.bootstrap import resample
from affectline.evaluation.metrics import (
    choose,
)
from affectline.types import Conversation, Prediction, Utterance


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=4, deadline=None)
def test_what_is_not_known_never_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, targets, _ = calibrated(60, seed)
    known = rng.random((60, 4)) < 0.7
    known[:5] = False  # padding
    other_scores, other_targets = np.where(known, scores, np.nan), np.where(known, targets, ~targets)
    for labels in (MULTI, SINGLE):
        reports = [
            evaluate(truth_of(t, known, labels), [Run(s, np.full(4, 0.4))], replicates=5).to_json()
            for s, t in ((scores, targets), (other_scores, other_targets))
        ]
        assert reports[0] == reports[1]
    thresholds = [fit_thresholds(s, t, known) for s, t in ((scores, targets), (other_scores, other_targets))]
    np.testing.assert_array_equal(thresholds[0], thresholds[1])


def test_rows_without_any_known_label_do_not_change_the_rest() -> None:
    scores, targets, known = calibrated(100)
    known[60:] = False
    all_rows = evaluate(truth_of(targets, known), [Run(scores, np.full(4, 0.4))], replicates=2)
    kept = evaluate(truth_of(targets[:60], known[:60]), [Run(scores[:60], np.full(4, 0.4))], replicates=2)
    assert all_rows.n == kept.n == 60
    assert means(all_rows) == means(kept)
    assert all_rows.risk_coverage == kept.risk_coverage


def mean_of(values: np.ndarray) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        values = rng.exponential(size=80)
        low, high = bootstrap(mean_of(values), np.arange(80), 200, seed)["mean"]
        covered += low <= 1.0 <= high
    assert 0.88 <= covered / 200 <= 0.98


def test_rows_of_a_group_are_drawn_together() -> None:
    groups = np.array(["b", "a", "b", "c"])
    weights = np.concatenate(list(resample(groups, 250)))
    assert weights.shape == (250, 4)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    values = np.repeat(np.random.default_rng(0).normal(size=20), 30)
    mean = {
        name: bootstrap(mean_of(values), groups)["mean"]
        for name, groups in (("rows", np.arange(600)), ("conversations", np.repeat(np.arange(20), 30)))
    }
    width = {name: high - low for name, (low, high) in mean.items()}
    assert width["conversations"] > 4 * width["rows"]


def test_risk_falls_with_coverage_where_uncertainty_knows_the_errors() -> None:
    losses = np.array([0.0, 1.0, 0.0, 0.0])
    assert risk_coverage(losses, np.array([0.1, 0.9, 0.2, 0.3])).tolist() == [0, 0, 0, 0.25]
    assert risk_coverage(losses, np.array([0.5, 0.5, 0.5, 0.5])).tolist() == [0.25] * 4
    best = RiskCoverage.of(losses, losses)
    assert best.gain == 1
    assert best.risk[0.5] == 0
    assert RiskCoverage.of(losses, np.zeros(4)).gain == 0
    assert RiskCoverage.of(losses, -losses).gain < 0


def test_abstaining_is_judged_against_dropping_at_random() -> None:
    rng = np.random.default_rng(0)
    losses = (rng.random(300) < 0.4).astype(float)
    informed = AbstentionCheck.of(losses, (losses > 0) & (rng.random(300) < 0.5))
    assert informed.risk_kept < informed.low
    assert informed.risk_dropped == 1
    ignorant = AbstentionCheck.of(losses, rng.random(300) < 0.2)
    assert ignorant.low <= ignorant.risk_kept <= ignorant.high
    nobody = AbstentionCheck.of(losses, np.zeros(300, dtype=bool))
    assert (nobody.coverage, nobody.risk_kept) == (1.0, nobody.risk)


def test_uncertainty_is_that_of_a_prediction() -> None:
    scores = np.array([[0.2, 0.9, 0.0]])
    prediction = Prediction(dict(zip("abc", scores[0].tolist(), strict=True)), frozenset())
    assert binary_entropy(scores)[0] == pytest.approx(prediction.uncertainty)


def test_truth_knows_what_a_corpus_annotates() -> None:
    joyful = Utterance(id="1", speaker="A", emotions=frozenset({"joy"}))
    conversations = [
        Conversation("c1", (joyful, Utterance(id="2", speaker="B"))),
        Conversation("c2", (Utterance(id="3", speaker="A", emotions=frozenset()),), labels=("joy", "fear")),
    ]
    truth = Truth.of(conversations, MULTI)
    assert truth.targets.tolist() == [[False, True, False, False], [False] * 4, [False] * 4]
    assert truth.known.tolist() == [[True] * 4, [False] * 4, [False, True, False, True]]
    assert truth.groups.tolist() == ["c1", "c1", "c2"]
    assert Truth.of(conversations, MULTI, by_speaker=True).groups.tolist() == ["A", "B", "A"]
    assert truth.base_rate.tolist() == [0, 0.5, 0, 0]


def test_a_report_has_the_keys_that_others_read(tmp_path: Path) -> None:
    scores, targets, known = calibrated()
    runs = [Run(scores, np.full(4, 0.4)), Run(np.sqrt(scores), np.full(4, 0.6))]
    truth = truth_of(targets, known)
    report = evaluate(truth, runs, seeds=[0, 7], command="affectline evaluate", replicates=50)
    report.write(tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    flat = ("accuracy", "weighted_f1", "macro_f1", "micro_f1", "uar", "map", "auroc", "brier_skill", "ece")
    for name in flat:
        assert set(read[name]) == {"mean", "sd", "low", "high"}
        assert read[name]["low"] <= read[name]["mean"] <= read[name]["high"]
    assert read["n"] == 400
    assert read["support"] == dict(zip(NAMES, targets.sum(axis=0).tolist(), strict=True))
    assert (read["selection"], read["seeds"]) == ("validation", [0, 7])
    assert read["command"] == "affectline evaluate"
    assert "cores" in read["hardware"]
    assert "stamp" not in read
    assert read["per_label"]["joy"]["auroc"] == pytest.approx(sk.roc_auc_score(targets[:, 1], scores[:, 1]))
    both = [means(evaluate(truth, [run], replicates=2))["macro_f1"] for run in runs]
    assert read["macro_f1"]["mean"] == pytest.approx(np.mean(both))
    assert read["macro_f1"]["sd"] == pytest.approx(np.std(both, ddof=1))


def test_a_model_chosen_on_the_test_set_is_stamped() -> None:
    scores, targets, known = calibrated(50)
    run = Run(scores, np.full(4, 0.4))
    report = evaluate(truth_of(targets, known), [run], selection="test_oracle", replicates=2)
    assert report.to_json()["stamp"] == "LEAKY"


def test_baselines_see_no_input() -> None:
    scores, targets, known = calibrated()
    baselines = evaluate(truth_of(targets, known), [Run(scores, np.full(4, 0.4))], replicates=2).baselines
    with warnings.catch_warnings(action="ignore"):
        expected = {
            "all_zeros": 0.0,
            "all_ones": sk.f1_score(targets, np.ones_like(targets), average="macro"),
            "majority": sk.f1_score(targets, np.ones_like(targets) * [1, 0, 0, 0], average="macro"),
        }
    assert {name: values["macro_f1"] for name, values in baselines.items()} == pytest.approx(expected)
    assert {values["auroc"] for values in baselines.values()} == {0.5}


def test_at_one_half_thresholds_of_dev_do_not_count() -> None:
    scores, targets, known = calibrated()
    truth, runs = truth_of(targets, known), [Run(scores, np.full(4, t)) for t in (0.2, 0.6)]
    low, high = (evaluate(truth, [run], replicates=5) for run in runs)
    assert low.at_half == high.at_half
    assert low.estimates["macro_f1"] != high.estimates["macro_f1"]
    chosen = scores >= 0.5
    assert low.at_half["macro_f1"].mean == pytest.approx(sk.f1_score(targets, chosen, average="macro"))
    assert low.at_half["acc_label"].mean == pytest.approx(1 - sk.hamming_loss(targets, chosen))
    assert low.to_json()["at_half"] == {name: value.to_json() for name, value in low.at_half.items()}
    assert not evaluate(truth_of(targets, known, SINGLE), runs[:1], replicates=2).at_half


def test_each_label_has_the_scores_of_scikit_learn() -> None:
    scores, targets, known = calibrated()
    table = evaluate(truth_of(targets, known), [Run(scores, np.full(4, 0.3))], replicates=2).per_label
    for n, name in enumerate(NAMES):
        both = targets[:, n], scores[:, n] >= 0.3
        assert table[name]["accuracy"] == pytest.approx(sk.accuracy_score(*both))
        assert table[name]["wf1_bin"] == pytest.approx(sk.f1_score(*both, average="weighted"))
        assert table[name]["f1"] == pytest.approx(sk.f1_score(*both))


def test_scores_that_are_no_probabilities_are_refused() -> None:
    scores, targets, known = calibrated(20)
    with pytest.raises(ValueError, match="no probabilities: calibrate them first"):
        evaluate(truth_of(targets, known), [Run(logit(scores), np.full(4, 0.4))])
    scores[3, 2] = np.nan
    with pytest.raises(ValueError, match="no probabilities"):
        evaluate(truth_of(targets, known), [Run(scores, np.full(4, 0.4))])


def test_shapes_that_disagree_are_refused() -> None:
    scores, targets, known = calibrated(20)
    with pytest.raises(ValueError, match=r"scores of seed 0 are \(19, 4\), the truth is \(20, 4\)"):
        evaluate(truth_of(targets, known), [Run(scores[:19], np.full(4, 0.4))])
    with pytest.raises(ValueError, match="1 runs but 2 seeds"):
        evaluate(truth_of(targets, known), [Run(scores, np.full(4, 0.4))], seeds=[0, 1])
    with pytest.raises(ValueError, match="no label of any row is known"):
        evaluate(truth_of(targets, ~known), [Run(scores, np.full(4, 0.4))])
    with pytest.raises(TypeCheckError):
        choose(scores, known, np.full(3, 0.4))


def test_a_difference_is_between_means_on_the_same_samples() -> None:
    scores, targets, known = calibrated(300)
    truth, half = truth_of(targets, known), np.full(4, 0.5)
    noise = np.random.default_rng(1).random(scores.shape)
    good, worse = Run(scores, half), Run((scores + noise) / 2, half)
    found = difference(truth, [good], [worse], replicates=200)
    apart = [evaluate(truth, [run], replicates=200).estimates for run in (good, worse)]
    for name, estimate in found.items():
        assert estimate.mean == pytest.approx(apart[0][name].mean - apart[1][name].mean)
    assert found["map"].low > 0  # it would show on other conversations
    paired = found["map"].high - found["map"].low
    assert paired < sum(e["map"].high - e["map"].low for e in apart)  # the samples were the same
    same = difference(truth, [good], [good], replicates=200)
    assert all(d.low == d.mean == d.high == 0 and d.p == 1 for d in same.values())
    assert found["map"].p == pytest.approx(2 / 201)  # as small as 200 replicates can say
    back = difference(truth, [worse], [good], replicates=200)["map"]
    assert (back.mean, back.p) == (pytest.approx(-found["map"].mean), found["map"].p)


def test_the_mean_over_seeds_is_what_differs() -> None:
    scores, targets, known = calibrated(100)
    truth, runs = truth_of(targets, known), [Run(scores, np.full(4, t)) for t in (0.3, 0.5)]
    of_two = difference(truth, runs, runs[:1], replicates=20)["macro_f1"].mean
    of_one = difference(truth, runs[1:], runs[:1], replicates=20)["macro_f1"].mean
    assert of_two == pytest.approx(of_one / 2)
