import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from scipy.special import expit, logit
from sklearn import metrics as sk

from affectline.evaluation import (
    AbstentionCheck,
    Calibration,
    Report,
    RiskCoverage,
    Run,
    Truth,
    binary_entropy,
    bootstrap,
    check_calibration,
    evaluate,
    fit_calibration,
    fit_thresholds,
    reliability,
    risk_coverage,
)
from affectline.evaluation.bootstrap import resample
from affectline.evaluation.metrics import (
    bins,
    calibration_error,
    choose,
    choose_one,
    decision_metrics,
    multilabel_metrics,
    rank_metrics,
    score_metrics,
)
from affectline.types import Conversation, LabelSpace, Prediction, Utterance

NAMES = ("neutral", "joy", "anger", "fear")
MULTI, SINGLE = LabelSpace(NAMES, multilabel=True), LabelSpace(NAMES)
EMPTY: Any = 0
"""What scikit-learn's F1 is where nothing holds and nothing is chosen."""
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def calibrated(n: int = 400, seed: int = 0) -> Rows:
    """Scores, targets drawn from them, everything known."""
    rng = np.random.default_rng(seed)
    scores = expit(rng.normal([0.5, -0.5, -1.5, -2.5], 1.2, (n, 4)))
    return scores, rng.random((n, 4)) < scores, np.ones((n, 4), dtype=bool)


def single(n: int = 400, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet([2.0, 1.0, 1.0, 0.3], n)
    answer = np.array([rng.choice(4, p=row) for row in scores])
    return scores, np.eye(4, dtype=bool)[answer], np.ones((n, 4), dtype=bool)


def truth_of(targets: np.ndarray, known: np.ndarray, labels: LabelSpace = MULTI) -> Truth:
    return Truth(targets, known, np.arange(len(targets)) // 3, labels)


def decisions(*arrays: np.ndarray) -> dict[str, np.ndarray]:
    return decision_metrics(*arrays) | multilabel_metrics(*arrays)


def means(report: Report) -> dict[str, float]:
    return {name: estimate.mean for name, estimate in report.estimates.items()}


def only(values: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value[0]) for name, value in values.items()}


def test_multilabel_metrics_are_those_of_scikit_learn() -> None:
    scores, targets, known = calibrated()
    scores = np.round(scores, 1)  # ties
    chosen = choose(scores, known, np.array([0.5, 0.5, 0.3, 0.3]))
    ones = np.ones((1, len(scores)))
    ours = only(decisions(chosen, targets, known, ones))
    ours |= only(score_metrics(scores, targets, known, ones))
    f1 = {
        a: sk.f1_score(targets, chosen, average=a, zero_division=EMPTY)
        for a in ("weighted", "macro", "micro")
    }
    two_class = [sk.f1_score(targets[:, n], chosen[:, n], average="weighted") for n in range(4)]
    expected = {
        "accuracy": sk.accuracy_score(targets, chosen),
        "weighted_f1": f1["weighted"],
        "macro_f1": f1["macro"],
        "micro_f1": f1["micro"],
        "uar": sk.recall_score(targets, chosen, average="macro"),
        "f1_samples": sk.f1_score(targets, chosen, average="samples", zero_division=EMPTY),
        "jaccard": sk.jaccard_score(targets, chosen, average="samples", zero_division=EMPTY),
        "wf1_bin": np.mean(two_class),
        "acc_label": 1 - sk.hamming_loss(targets, chosen),
        "map": sk.average_precision_score(targets, scores, average="macro"),
        "auroc": sk.roc_auc_score(targets, scores, average="macro"),
        "brier": np.mean([sk.brier_score_loss(targets[:, n], scores[:, n]) for n in range(4)]),
    }
    assert {name: ours[name] for name in expected} == pytest.approx(expected)


def test_single_label_metrics_are_those_of_scikit_learn() -> None:
    scores, targets, known = single()
    chosen = choose_one(scores, known)
    ours = only(decision_metrics(chosen, targets, known, np.ones((1, len(scores)))))
    true, said = targets.argmax(axis=1), chosen.argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(true, said),
        "weighted_f1": sk.f1_score(true, said, average="weighted"),
        "macro_f1": sk.f1_score(true, said, average="macro"),
        "micro_f1": sk.accuracy_score(true, said),
        "uar": sk.balanced_accuracy_score(true, said),
    }
    assert ours == pytest.approx(expected)
    report = evaluate(truth_of(targets, known, SINGLE), [Run(scores, np.full(4, 0.5))], replicates=5)
    assert report.confusion == sk.confusion_matrix(true, said).tolist()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_weights_are_the_same_as_repeated_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, targets, known = calibrated(30, seed)
    scores, known = np.round(scores, 1), rng.random((30, 4)) < 0.8
    weights = rng.integers(0, 4, 30)
    repeat = np.repeat(np.arange(30), weights)
    weighted = _all_but_ece(scores, targets, known, weights[None].astype(float))
    repeated = _all_but_ece(scores[repeat], targets[repeat], known[repeat], np.ones((1, len(repeat))))
    assert weighted == pytest.approx(repeated, nan_ok=True)


def _all_but_ece(scores: np.ndarray, targets: np.ndarray, known: np.ndarray, weights: np.ndarray) -> dict:
    """Bins of the calibration error are of the rows that are there, so repeated rows move them."""
    chosen = choose(scores, known, np.full(4, 0.4))
    values = decisions(chosen, targets, known, weights)
    values |= score_metrics(scores, targets, known, weights)
    return {name: value for name, value in only(values).items() if name != "ece"}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=6, deadline=None)
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


def test_a_label_that_no_row_knows_is_left_out_of_the_means() -> None:
    scores, targets, known = calibrated()
    known[:, 3] = False
    ones = np.ones((1, len(scores)))
    chosen = choose(scores, known, np.full(4, 0.4))
    ours = only(decision_metrics(chosen, targets, known, ones) | score_metrics(scores, targets, known, ones))
    three = (chosen[:, :3], targets[:, :3], known[:, :3], ones)
    assert ours == pytest.approx(only(decision_metrics(*three) | score_metrics(scores[:, :3], *three[1:])))


def test_metrics_worked_by_hand() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 0]], dtype=bool)
    chosen = np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)
    known = np.ones((3, 2), dtype=bool)
    ones = np.ones((1, 3))
    ours = only(decisions(chosen, targets, known, ones))
    assert ours == pytest.approx(
        {
            "accuracy": 2 / 3,
            "weighted_f1": (2 * 1 + 1 * 0) / 3,
            "macro_f1": 1 / 2,
            "micro_f1": 2 * 2 / (2 * 2 + 1),
            "uar": 1 / 2,
            "f1_samples": (1 + 2 / 3 + 0) / 3,
            "jaccard": (1 + 1 / 2 + 0) / 3,
            "wf1_bin": (1 + 2 / 3 * 4 / 5) / 2,
            "acc_label": (1 + 2 / 3) / 2,
        }
    )


def test_a_label_without_positives_has_no_place_in_a_ranking() -> None:
    scores, weights = np.array([0.9, 0.1]), np.ones((1, 2))
    nothing = rank_metrics(scores, np.zeros(2, dtype=bool), np.ones(2, dtype=bool), weights)
    assert np.isnan(nothing["ap"])
    assert np.isnan(nothing["auroc"])
    everything = rank_metrics(scores, np.ones(2, dtype=bool), np.ones(2, dtype=bool), weights)
    assert everything["ap"] == 1
    assert np.isnan(everything["auroc"])


def test_single_label_answers_with_a_label_that_its_corpus_knows() -> None:
    scores = np.array([[0.1, 0.2, 0.7]])
    assert choose_one(scores, np.array([[True, True, False]])).tolist() == [[False, True, False]]


def test_the_base_rate_has_no_skill_and_the_truth_has_all() -> None:
    _, targets, known = calibrated()
    ones = np.ones((1, len(targets)))
    rate = np.broadcast_to(targets.mean(axis=0), targets.shape)
    assert score_metrics(rate, targets, known, ones)["brier_skill"] == pytest.approx(0)
    assert score_metrics(targets.astype(float), targets, known, ones)["brier_skill"] == pytest.approx(1)


def test_bins_have_equal_mass_and_keep_equal_scores_together() -> None:
    distinct = np.random.default_rng(0).permutation(150) / 150
    assert bins(distinct).sum(axis=0).tolist() == [10.0] * 15
    repeated = np.repeat([0.1, 0.5, 0.9], [100, 50, 7])
    assert bins(repeated).sum(axis=0).tolist() == [100.0, 57.0]
    assert bins(np.full(5, 0.3)).sum(axis=0).tolist() == [5.0]


def test_the_calibration_error_worked_by_hand() -> None:
    scores = np.repeat([0.2, 0.8], [10, 30])
    targets = np.concatenate([np.arange(10) < 5, np.arange(30) < 24])
    error = calibration_error(scores, targets, np.ones(40, dtype=bool), np.ones((1, 40)))
    assert error == pytest.approx(0.3 * 10 / 40 + 0.0 * 30 / 40)
    points = reliability(scores, targets, np.ones(40, dtype=bool))
    assert [list(p.values()) for p in points] == [
        pytest.approx([0.2, 0.5, 10]),
        pytest.approx([0.8, 0.8, 30]),
    ]


def test_perfect_calibration_is_inside_its_range() -> None:
    means, labels = zip(*(check_calibration(*calibrated(500, seed), seed) for seed in range(12)), strict=True)
    checks = [check for row in labels for check in row]
    assert sum(check.inside for check in checks) >= 0.9 * len(checks)
    assert sum(check.inside for check in means) >= 10


@pytest.mark.parametrize("distort", [lambda z: 2.5 * z, lambda z: z + 0.8], ids=["too sure", "too high"])
def test_distorted_scores_are_outside_and_are_repaired(distort: Callable) -> None:
    scores, targets, known = calibrated(3000)
    logits = distort(logit(scores))
    mean, labels = check_calibration(expit(logits), targets, known)
    assert not mean.inside
    assert sum(check.inside for check in labels if check) <= 1
    dev, dev_targets, dev_known = calibrated(3000, seed=1)
    repaired = fit_calibration(distort(logit(dev)), dev_targets, dev_known)(logits)
    assert check_calibration(repaired, targets, known)[0].inside
    np.testing.assert_allclose(repaired, scores, atol=0.1)


def test_calibration_survives_json() -> None:
    calibration = Calibration((0.5, 1.5), (0.1, -2.0))
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_calibration_of_hopeless_labels_stays_finite() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 4))
    targets = np.stack([logits[:, 0] > 0, np.zeros(200), rng.random(200) < 0.3, logits[:, 3] < 0], axis=1) > 0
    known = np.ones((200, 4), dtype=bool)
    known[:, 2] = False
    calibration = fit_calibration(logits, targets, known)
    assert np.isfinite(calibration.scale).all()
    assert np.isfinite(calibration.bias).all()
    assert 1 < calibration.scale[0] < 100  # separable
    assert calibration(np.zeros(4))[1] < 0.03  # never holds
    assert (calibration.scale[2], calibration.bias[2]) == (1.0, 0.0)  # never known
    assert calibration(np.array([0.0, 0, 0, 5]))[3] == pytest.approx(0.5, abs=0.1)  # backwards: the base rate


def test_weights_and_shares_count_in_calibration() -> None:
    logits = np.zeros((4, 1))
    known = np.ones((4, 1), dtype=bool)
    targets = np.array([[True], [False], [False], [False]])
    heavy = fit_calibration(logits, targets, known, np.array([3000.0, 1000, 1000, 1000]))
    assert heavy(np.zeros(1)) == pytest.approx(0.5, abs=1e-3)
    shares = fit_calibration(np.zeros((2000, 1)), np.full((2000, 1), 0.7), np.ones((2000, 1), dtype=bool))
    assert shares(np.zeros(1)) == pytest.approx(0.7, abs=1e-2)


def test_the_best_cut_is_that_of_an_exhaustive_search() -> None:
    scores, targets, known = calibrated(40)
    thresholds = fit_thresholds(scores, targets, known, prior=0.0)
    for n in range(4):
        f1 = [sk.f1_score(targets[:, n], scores[:, n] >= t) for t in scores[:, n]]
        assert sk.f1_score(targets[:, n], scores[:, n] >= thresholds[n]) == pytest.approx(max(f1))


def test_a_threshold_stands_midway_between_scores() -> None:
    scores = np.array([[0.9], [0.8], [0.4], [0.1]])
    targets = np.array([[True], [True], [False], [False]])
    assert fit_thresholds(scores, targets, targets | True, prior=0.0).tolist() == pytest.approx([0.6])


def test_few_positives_draw_the_threshold_towards_half_the_best_f1() -> None:
    scores = np.array([[0.99], [0.98], [0.1], [0.1]])
    targets = np.array([[True], [False], [False], [False]])
    assert fit_thresholds(scores, targets, targets | True, prior=0.0)[0] == pytest.approx(0.985)
    assert fit_thresholds(scores, targets, targets | True)[0] == pytest.approx((0.985 + 100 * 0.5) / 101)
    assert fit_thresholds(scores, ~(targets | True), targets | True)[0] == 0.5


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
