import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from evaluation_makers import MULTI, calibrated, truth_of
from scipy.special import expit, logit

from affectline.evaluation import Run, evaluate
from affectline.evaluation.diagrams import LEFT, PLOT, reliability_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def reports() -> dict[str, dict[str, Any]]:
    """Perfect scores, and too sure ones under a name that is no XML; fear is never known."""
    scores, targets, known = calibrated(600)
    known[:, 3] = False
    truth, half = truth_of(targets, known), np.full(4, 0.5)
    runs = {"with each loss": scores, "without <any> & all": expit(2 * logit(scores))}
    return {name: evaluate(truth, [Run(s, half)], replicates=5).to_json() for name, s in runs.items()}


def panels(picture: str) -> list[ET.Element]:
    return ET.fromstring(picture).findall(f"{SVG}g")


def number(element: ET.Element, name: str) -> float:
    return float(element.attrib[name])


def corner(panel: ET.Element) -> tuple[float, float]:
    """Where score and rate are 0."""
    frame = panel.findall(f"{SVG}rect")[0]
    return number(frame, "x"), number(frame, "y") + number(frame, "height")


def one_label(*points: tuple[float, float, int]) -> dict[str, Any]:
    curve = [{"score": score, "rate": rate, "n": n} for score, rate, n in points]
    check = {"ece": 0.125, "low": 0.01, "high": 0.25, "inside": True}
    return {"reliability": {"joy": curve}, "calibration": {"mean": check, "joy": check}}


def test_a_point_stands_at_its_score_and_rate(reports: dict[str, dict[str, Any]]) -> None:
    perfect = reports["with each loss"]
    for panel, label in zip(panels(reliability_svg({"one": perfect})), MULTI.names[:3], strict=True):
        left, bottom = corner(panel)
        at = [(number(c, "cx"), number(c, "cy")) for c in panel.findall(f"{SVG}circle")]
        points = perfect["reliability"][label]
        expected = [(left + PLOT * p["score"], bottom - PLOT * p["rate"]) for p in points]
        np.testing.assert_allclose(at, expected, atol=0.06)


def test_the_area_of_a_point_is_its_share_of_the_rows() -> None:
    (panel,) = panels(reliability_svg({"one": one_label((0.1, 0.2, 10), (0.8, 0.9, 40))}))
    few, many = (number(c, "r") for c in panel.findall(f"{SVG}circle"))
    assert many == pytest.approx(2 * few, abs=0.1)


def test_the_axes_of_a_rare_label_end_where_it_does() -> None:
    (panel,) = panels(reliability_svg({"one": one_label((0.02, 0.03, 10), (0.1, 0.15, 10))}))
    ticks = [text.text for text in panel.iter(f"{SVG}text")]
    assert ticks.count("0.2") == 2
    left, bottom = corner(panel)
    last = panel.findall(f"{SVG}circle")[-1]
    assert (number(last, "cx"), number(last, "cy")) == (left + PLOT / 2, bottom - 0.75 * PLOT)


def test_each_report_has_its_curve_and_its_error_beside_the_perfect_range(
    reports: dict[str, dict[str, Any]],
) -> None:
    picture = reliability_svg(reports)
    for panel, label in zip(panels(picture), MULTI.names[:3], strict=True):
        heads = [text.text or "" for text in panel.iter(f"{SVG}text")][:3]
        assert heads[0] == label
        for n, report in enumerate(reports.values()):
            check = report["calibration"][label]
            said = f"ECE {check['ece']:.3f} (perfect {check['low']:.3f}\N{EN DASH}{check['high']:.3f})"
            assert heads[n + 1] == said
            assert said in (ET.fromstring(picture).findtext(f"{SVG}desc") or "")
            assert len(panel.findall(f"{SVG}circle[@class='curve{n}']")) == len(report["reliability"][label])


def test_nothing_is_cut_off_and_the_reports_are_named(reports: dict[str, dict[str, Any]]) -> None:
    picture = ET.fromstring(reliability_svg({f"{'long/' * 90}{name}": r for name, r in reports.items()}))
    width, height = number(picture, "width"), number(picture, "height")
    for panel in picture.findall(f"{SVG}g"):
        x, y = map(float, panel.attrib["transform"].removeprefix("translate(").rstrip(")").split())
        assert x + LEFT + PLOT < width
        assert y + corner(panel)[1] + 30 < height
    keys = [text.text or "" for text in picture.findall(f"{SVG}text")]
    for key, name in zip(keys, reports, strict=True):
        assert f"{name}: mean ECE" in key
        assert len(key) < width / 7


def test_what_cannot_be_drawn_is_refused(reports: dict[str, dict[str, Any]]) -> None:
    one = reports["with each loss"]
    with pytest.raises(ValueError, match="1 to 4 reports, got 5"):
        reliability_svg({str(n): one for n in range(5)})
    with pytest.raises(ValueError, match="1 to 4 reports, got 0"):
        reliability_svg({})
    with pytest.raises(ValueError, match="no label was judged in deaf"):
        reliability_svg({"deaf": one | {"reliability": {"fear": []}}})
