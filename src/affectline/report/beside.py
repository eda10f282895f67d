"""Several checkpoints on one utterance in one picture: a row for each, a column for each modality."""

from collections.abc import Mapping, Sequence
from html import escape

from affectline.report.explained import WIDTH, Figure, text, whole
from affectline.report.pictures import pictures
from affectline.timeline import Entry

COLUMNS = ("text", "audio", "video", "all", "attention")
NAMED = {"text": "words", "audio": "sound", "video": "picture", "all": "modalities", "attention": "attention"}
HEAD, GAP, COLUMN = 22, 12, 2


def beside_svg(rows: Sequence[tuple[str, Entry | None, Sequence[str]]], colours: Mapping[str, str]) -> str:
    """The name of each, its answer with explanations, or why there is none.

    Raises:
        ValueError: an explanation does not hold what it must.
    """
    y, drawn, said = 4.0, [], []
    for name, entry, notes in rows:
        title = f"{name}: {answer(entry) if entry else '; '.join(notes)}"
        said.append(title)
        drawn.append(
            f'<rect x="0" y="{y:.1f}" width="{WIDTH}" height="1" fill="currentColor" opacity="0.3"/>'
        )
        drawn.append(text(0, y + 17, title, size=14, more='font-weight="700"'))
        y += HEAD + 4
        if entry is not None:
            high, body = _figures(pictures(entry, colours))
            drawn.append(f'<g transform="translate(0 {y:.1f})">{body}</g>')
            y += high + GAP
    return whole(y, "; ".join(said), "".join(drawn))


def answer(entry: Entry) -> str:
    """What holds, with its scores; else that it abstained, or its strongest emotion, in brackets."""
    if entry.abstained:
        return "abstained"
    best = max(entry.scores, key=lambda name: entry.scores[name], default="")
    held = [f"{name} {entry.scores[name]:.2f}" for name in entry.emotions]
    return ", ".join(held) or f"nothing holds ({best} {entry.scores.get(best, 0.0):.2f})"


def _figures(found: Sequence[Figure]) -> tuple[float, str]:
    """Two side by side, each half as wide as by itself, in the order of `COLUMNS`."""
    ordered = sorted(
        found, key=lambda f: COLUMNS.index(f.modality) if f.modality in COLUMNS else len(COLUMNS)
    )
    wide = (WIDTH - GAP * (COLUMN - 1)) / COLUMN
    y, drawn = 0.0, []
    for start in range(0, len(ordered), COLUMN):
        row = ordered[start : start + COLUMN]
        for n, figure in enumerate(row):
            x, high = n * (wide + GAP), figure.height * wide / WIDTH
            label = f"{NAMED.get(figure.modality, figure.modality)} ({figure.method})"
            drawn.append(text(x, y + 10, label, size=10, more='opacity="0.7"'))
            box = f'x="{x:.1f}" y="{y + 14:.1f}" width="{wide:.1f}" height="{high:.1f}"'
            view = f'viewBox="0 0 {WIDTH} {figure.height:g}"'
            drawn.append(f"<svg {box} {view}><title>{escape(figure.said)}</title>{figure.body}</svg>")
        y += max(f.height for f in row) * wide / WIDTH + 18
    return y, "".join(drawn)
