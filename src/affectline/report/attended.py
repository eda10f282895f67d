"""Where a model looked, as a picture: columns are utterances or steps, rows pairs of modalities."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from affectline.checked import each, take
from affectline.report.explained import ATTENTION, WIDTH, Figure, text
from affectline.timeline import Entry

LEFT, CELL, HEAD = 190, 18, 34  # of the names, a row's height, what stands over the columns
MOST = 40  # columns, the nearest to the utterance
NOTE = (
    "Attention says where the model looked, not what moved its answer; deletion and insertion judge the "
    "explanations, and nothing judges this"
)


def attended(entry: Entry) -> list[Figure]:
    """One figure of all that looked in this utterance; none where nothing was watched.

    Raises:
        ValueError: a document does not hold what it must.
    """
    rows: list[tuple[str, str, dict[str, float]]] = []
    for n, document in enumerate(entry.explanations, start=1):
        where = f"{entry.id}: explanation {n}"
        if take(document, "modality", str, where) == ATTENTION:
            rows += _rows(document, where)
    if not rows:
        return []
    columns = [*dict.fromkeys(name for _, _, cells in rows for name in cells)]
    at = columns.index(entry.id) if entry.id in columns else 0
    first = max(0, min(at - MOST // 2, len(columns) - MOST))
    columns = columns[first : first + MOST]
    most = sorted(((w, look, a, c) for look, a, row in rows for c, w in row.items()), reverse=True)[:3]
    said = "; ".join(
        f"{look} looked at {other}, {column}: {share:.0%}" for share, look, other, column in most
    )
    height, body = _drawn(entry, rows, columns)
    return [Figure(ATTENTION, ATTENTION, "Where it looked (attention)", said, height, body, (said, NOTE))]


def _rows(document: Mapping[str, Any], where: str) -> list[tuple[str, str, dict[str, float]]]:
    """Who looked at what, and how much of it in each column."""
    looks = take(document, "looks", str, where)
    found: dict[str, dict[str, float]] = {}
    for part in each(take(document, "parts", list, where), dict, f"{where}: 'parts'"):
        name, column = (take(part, key, str, where) for key in ("name", "utterance"))
        found.setdefault(name, {})[column] = float(take(part, "weight", float, where))
    return [(looks, name, cells) for name, cells in found.items()]


def _drawn(
    entry: Entry, rows: Sequence[tuple[str, str, dict[str, float]]], columns: Sequence[str]
) -> tuple[float, str]:
    wide = min(48.0, (WIDTH - LEFT) / len(columns))
    largest = max((w for _, _, cells in rows for w in cells.values()), default=0.0) or 1.0
    turned = wide < 40
    head = HEAD + (14 if turned else 0)
    drawn: list[str] = []
    for n, column in enumerate(columns):
        x = LEFT + n * wide
        turn = f'transform="rotate(-60 {x + 8:.1f} {head - 6})"' if turned else ""
        bold = ' font-weight="700"' if column == entry.id else ""
        drawn.append(text(x + 4, head - 6, column, size=11, more=turn + bold))
    for n, (looks, name, cells) in enumerate(rows):
        y = head + n * CELL
        drawn.append(text(0, y + 13, f"{looks} at {name}", size=12))
        for i, column in enumerate(columns):
            share = cells.get(column, 0.0)
            place = f'x="{LEFT + i * wide:.1f}" y="{y}" width="{wide - 1:.1f}" height="{CELL - 2}"'
            tip = f"<title>{escape(looks)} at {escape(name)}, {escape(column)}: {share:.1%}</title>"
            opacity = f'fill="currentColor" fill-opacity="{0.04 + 0.86 * share / largest:.2f}"'
            drawn.append(f"<rect {place} {opacity}>{tip}</rect>")
    return float(head + len(rows) * CELL + 8), "".join(drawn)
