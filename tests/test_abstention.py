import numpy as np
import pytest

from affectline.abstention import EVIDENCE, Abstention, evidence, fit, wrong
from affectline.types import Modality, Prediction

SURE = Prediction({"joy": 0.99, "anger": 0.01}, frozenset({"joy"}))
UNSURE = Prediction({"joy": 0.5, "anger": 0.5}, frozenset({"joy"}))


def test_evidence_is_in_the_order_of_its_names() -> None:
    row = dict(zip(EVIDENCE, evidence(UNSURE, {Modality.TEXT: 9, Modality.VIDEO: 0}), strict=True))
    assert row["text"] == 1
    assert row["audio"] == row["video"] == row["faces"] == row["speech"] == 0
    assert row["words"] == pytest.approx(np.log(10))
    assert row["uncertainty"] == pytest.approx(1)
    assert row["strongest"] == pytest.approx(0)


def test_without_any_modality_the_rule_abstains_however_sure() -> None:
    rule = Abstention((0.0,) * len(EVIDENCE), -10.0)
    rows = np.stack([evidence(SURE, {}), evidence(SURE, {Modality.TEXT: 3})])
    assert rule(rows).tolist() == [True, False]


def test_the_fitted_rule_ranks_by_risk_and_stops_over_the_limit() -> None:
    rng = np.random.default_rng(0)
    strongest = rng.uniform(0.05, 0.95, 2000)
    failed = rng.random(2000) > strongest
    rows = np.stack(
        [evidence(Prediction({"joy": float(p)}, frozenset()), {Modality.TEXT: 5}) for p in strongest]
    )
    rule = fit(rows, failed)
    np.testing.assert_allclose(rule.risk(rows), 1 - strongest, atol=0.1)
    assert (rule(rows) == (rule.risk(rows) > 0.5)).all()
    assert 0 < failed[~rule(rows)].mean() < failed.mean() < failed[rule(rows)].mean()


def test_wrong_is_where_the_strongest_emotion_does_not_hold() -> None:
    truth = [frozenset({"anger"}), frozenset({"joy", "anger"}), frozenset[str]()]
    assert wrong([SURE, SURE, SURE], truth).tolist() == [True, False, True]


def test_a_rule_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a weight for each"):
        Abstention((1.0,), 0.0)


@pytest.mark.parametrize(("failed", "risk"), [(False, 1 / 12), (True, 11 / 12)])
def test_where_dev_was_always_right_or_always_wrong_the_rule_is_one_risk(failed: bool, risk: float) -> None:
    rows = np.stack([evidence(SURE, {Modality.TEXT: n + 1}) for n in range(10)])
    rule = fit(rows, np.full(10, failed))
    assert rule.risk(rows) == pytest.approx([risk] * 10)
    assert rule(rows).tolist() == [failed] * 10
