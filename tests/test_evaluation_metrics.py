from dataclasses import replace

import numpy as np
import pytest
from evaluation_makers import EMPTY, SINGLE, calibrated, decisions, only, single, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from known_answers import known_answer
from sklearn import metrics as sk

from affectline.corpora import meld
from affectline.evaluation import (
    Run,
    Truth,
    evaluate,
    reliability,
)
from affectline.evaluation.metrics import (
    bins,
    calibration_error,
    choose,
    choose_one,
    decision_metrics,
    rank_metrics,
    score_metrics,
    weighted_mean,
)
from affectline.types import EMOTIONS, Conversation, Utterance


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
@settings(max_examples=20, deadline=None)
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


def test_the_answer_is_a_label_that_the_corpus_knows() -> None:
    scores, known = np.array([[0.1, 0.2, 0.7]]), np.array([[True, True, False]])
    assert choose_one(scores, known).tolist() == [[False, True, False]]
    assert choose(scores, known, np.full(3, 0.2)).tolist() == [[False, True, False]]


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


@pytest.mark.parametrize("row", ["multiemo_meld", "multiemo_iemocap", "amuse_meld"])
def test_the_weighted_f1_of_a_published_row_is_the_one_printed(row: str) -> None:
    tables = known_answer("published_tables")
    f1 = dict(zip(tables[row]["order"], tables[row]["f1"], strict=True))
    holds = tables[f"{row.split('_')[1]}_support"]

    def mean_of(labels: tuple[str, ...]) -> float:
        values, support = (np.array([[float(table[e]) for e in labels]]) for table in (f1, holds))
        return float(weighted_mean(values, support)[0])

    assert mean_of(tuple(f1)) == pytest.approx(tables[row]["weighted"], abs=0.011)
    if "five_class" in tables[row]:
        five = mean_of(meld.SOME_LABELS["weighted_f1_5"])
        assert five == pytest.approx(tables[row]["five_class"], abs=0.01)


def test_the_five_class_column_of_meld_keeps_the_utterances_of_the_other_two() -> None:
    rng = np.random.default_rng(0)
    true, scores = rng.integers(0, 7, 300), rng.random((300, 7))
    truth = replace(
        truth_of(np.eye(7, dtype=bool)[true], np.ones((300, 7), dtype=bool), meld.LABELS),
        some=meld.SOME_LABELS,
    )
    report = evaluate(truth, [Run(scores, np.zeros(7))], replicates=20)
    five = [n for n, e in enumerate(EMOTIONS) if e not in ("fear", "disgust")]
    expected = sk.f1_score(true, scores.argmax(axis=1), labels=five, average="weighted")
    found = report.estimates["weighted_f1_5"]
    assert found.mean == pytest.approx(expected)
    assert found.low < found.mean < found.high
    assert found.mean != pytest.approx(report.estimates["weighted_f1"].mean, abs=1e-3)
    assert report.baselines["majority"]["weighted_f1_5"] is not None


def test_a_metric_of_labels_that_a_model_does_not_have_is_left_out() -> None:
    talk = [Conversation("1", (Utterance(id="1", speaker="A", emotions=frozenset({"joy"})),))]
    assert Truth.of(talk, SINGLE, some={"f1_ab": ("joy", "bliss"), "f1_a": ("joy",)}).some == {
        "f1_a": ("joy",)
    }
