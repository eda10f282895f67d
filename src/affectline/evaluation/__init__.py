"""Metrics, intervals, calibration and abstention: how good are the scores, and who says so.

`evaluate` puts everything together; the rest is fitted on dev (`fit_calibration`, `fit_thresholds`) or stands
alone. Rows are utterances, columns labels, all numpy.
"""

from affectline.evaluation.bootstrap import bootstrap
from affectline.evaluation.calibration import (
    Calibration,
    check_calibration,
    fit_calibration,
    fit_temperature,
    fit_thresholds,
    reliability,
)
from affectline.evaluation.report import (
    Difference,
    Estimate,
    Report,
    Run,
    Truth,
    difference,
    evaluate,
    hardware,
)
from affectline.evaluation.selective import AbstentionCheck, RiskCoverage, binary_entropy, risk_coverage

__all__ = [
    "AbstentionCheck",
    "Calibration",
    "Difference",
    "Estimate",
    "Report",
    "RiskCoverage",
    "Run",
    "Truth",
    "binary_entropy",
    "bootstrap",
    "check_calibration",
    "difference",
    "evaluate",
    "fit_calibration",
    "fit_temperature",
    "fit_thresholds",
    "hardware",
    "reliability",
    "risk_coverage",
]
