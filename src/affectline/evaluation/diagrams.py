"""Reliability diagrams: of each label how often it holds, over the score that it was given, as an SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

PANEL, PLOT, LEFT, LINE, COLUMNS = 244, 180, 50, 16, 4  # pixels, but for the last
AREA = 15 * 4.5**2  # of a point that stands for all rows, over pi
LIMITS = (0.1, 0.2, 0.5, 1.0)
"""Where the axes of a panel may end, so that a label that is rare is not a spot in the corner."""
CURVES = (
    ("#0072b2", "#56b4e9", "none"),
    ("#b84f00", "#e69f00", "6 3"),
    ("#00795a", "#1fc89b", "2 3"),
    ("#a3487d", "#e39bc4", "8 3 2 3"),
)
"""On light, on dark, and dashes, which need no colour. After Okabe and Ito (jfly.uni-koeln.de/color)."""
STYLE = """
svg.reliability { font: 11px system-ui, sans-serif }
.reliability .sheet { fill: #ffffff } .reliability text { fill: #16202c }
.reliability .name { font-size: 13px; font-weight: 600 } .reliability .soft { fill: #566271 }
.reliability .frame, .reliability .even { fill: none; stroke: #9aa7b6 }
.reliability .line { fill: none; stroke-width: 1.5 } .reliability circle { fill-opacity: .45 }
"""
DARK = """.reliability .sheet { fill: #161d27 } .reliability text { fill: #e7ecf2 }
.reliability .soft { fill: #9aa7b6 } .reliability .frame, .reliability .even { stroke: #566271 }
"""


def reliability_svg(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """One panel for each label that was judged, with the curve of each report, by name.

    A report is what `Report.to_json` gives; of it "reliability" and "calibration" are read. A point is a bin
    of equal mass, its area in proportion to its rows; on the diagonal scores are as high as they should be.
    Beside each expected calibration error (ECE) stands the 95 % range that perfect scores would show.

    Raises:
        ValueError: where there is no report, or more than can be told apart, or no label was judged.
    """
    if not 1 <= len(reports) <= len(CURVES):
        raise ValueError(f"a reliability diagram has 1 to {len(CURVES)} reports, got {len(reports)}")
    named = dict.fromkeys(label for report in reports.values() for label in report["reliability"])
    labels = [n for n in named if any(report["reliability"].get(n) for report in reports.values())]
    if not labels:
        raise ValueError(f"no label was judged in {', '.join(reports)}: there is no curve to draw")
    columns = min(COLUMNS, max(2, len(labels)))
    head, high = LINE * (len(reports) + 1), PLOT + LINE * (len(reports) + 5)
    width, height = PANEL * columns, head + high * -(-len(labels) // columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="reliability" role="img" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>Reliability of {escape(', '.join(reports))}</title>",
        f"<desc>{escape(_description(reports, labels))}</desc>",
        f"<style>{STYLE}{_colours(0)}@media (prefers-color-scheme: dark) {{ {DARK}{_colours(1)}}}</style>",
        f'<rect class="sheet" width="{width}" height="{height}"/>',
    ]
    for n, (name, report) in enumerate(reports.items()):
        error, most = f": mean {_error(report, 'mean')}", PANEL * columns // 7 - 50
        shown = name if len(name) <= most else f"\N{HORIZONTAL ELLIPSIS}{name[1 - most :]}"
        parts.append(_key(n, 12, LINE * (n + 1) + 2, shown + error))
    for n, label in enumerate(labels):
        at = f"{PANEL * (n % columns)} {head + high * (n // columns)}"
        parts += [f'<g transform="translate({at})">', *_panel(list(reports.values()), label), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(reports: Sequence[Mapping[str, Any]], label: str) -> list[str]:
    """From the corner of the panel: its title, the errors, the axes and the curves."""
    curves = [report["reliability"].get(label, ()) for report in reports]
    highest = max(point[axis] for curve in curves for point in curve for axis in ("score", "rate"))
    limit = next((limit for limit in LIMITS if limit >= highest), 1.0)
    top = LINE * (len(reports) + 2)
    bottom, right, middle = top + PLOT, LEFT + PLOT, top + PLOT // 2
    parts = [f'<text class="name" x="12" y="{LINE + 4}">{escape(label)}</text>']
    parts += [_key(n, 12, LINE * (n + 2) + 4, _error(r, label)) for n, r in enumerate(reports)]
    parts += [
        f'<rect class="frame" x="{LEFT}" y="{top}" width="{PLOT}" height="{PLOT}"/>',
        f'<line class="even" x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{top}"/>',
        f'<text class="soft" x="{LEFT + PLOT // 2}" y="{bottom + 30}" text-anchor="middle">mean score</text>',
        f'<text class="soft" transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">'
        "share that holds</text>",
    ]
    for share in (0.0, 0.5, 1.0):
        x, y, text = LEFT + PLOT * share, bottom - PLOT * share, f"{share * limit:g}"
        parts.append(f'<text class="soft" x="{x:g}" y="{bottom + 15}" text-anchor="middle">{text}</text>')
        parts.append(f'<text class="soft" x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{text}</text>')
    for n, curve in enumerate(curves):
        parts += _curve(n, curve, bottom, PLOT / limit)
    return parts


def _curve(number: int, points: Sequence[Mapping[str, float]], bottom: int, scale: float) -> list[str]:
    at = [(LEFT + scale * p["score"], bottom - scale * p["rate"]) for p in points]
    rows = sum(p["n"] for p in points)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    circles = [
        f'<circle class="curve{number}" cx="{x:.1f}" cy="{y:.1f}" r="{(AREA * p["n"] / rows) ** 0.5:.1f}">'
        f"<title>mean score {p['score']:.3f}, holds in {p['rate']:.3f} of {p['n']}</title></circle>"
        for p, (x, y) in zip(points, at, strict=True)
    ]
    return [f'<polyline class="line curve{number}" points="{path}"/>', *circles]


def _key(number: int, x: int, y: int, text: str) -> str:
    line = f'<polyline class="line curve{number}" points="{x},{y - 4} {x + 22},{y - 4}"/>'
    return f'{line}<text x="{x + 28}" y="{y}">{escape(text)}</text>'


def _error(report: Mapping[str, Any], label: str) -> str:
    check = report["calibration"].get(label)
    if check is None:
        return "not judged"
    return f"ECE {check['ece']:.3f} (perfect {check['low']:.3f}\N{EN DASH}{check['high']:.3f})"


def _description(reports: Mapping[str, Mapping[str, Any]], labels: Sequence[str]) -> str:
    """For those who hear the picture: the numbers of all panels."""
    heard = [
        f"{name}: " + "; ".join(f"{label} {_error(report, label)}" for label in ("mean", *labels))
        for name, report in reports.items()
    ]
    return f"Expected calibration error, and the range of perfect scores. {'. '.join(heard)}."


def _colours(side: int) -> str:
    """The curves on light (0) or dark (1)."""
    return "".join(
        f".reliability .curve{n} {{ stroke: {curve[side]} }} .reliability circle.curve{n} {{ fill: "
        f"{curve[side]} }} .reliability .line.curve{n} {{ stroke-dasharray: {curve[2]} }}\n"
        for n, curve in enumerate(CURVES)
    )
