"""Explanations as pictures: words, a waveform and a face in the colour of the label, by what they weigh.

What speaks for a label is filled, the more the stronger; what speaks against it is outlined. They are SVG,
drawn from the timeline's JSON alone; a number or a name that is not what it must be is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from affectline.checked import NULL, each, take
from affectline.timeline import Entry

WIDTH = 720  # of a figure, in pixels
LINE, GAP, SIZE = 26, 5, 15  # of words: height of a line, between them, of a letter
WAVE, ROW = 56, 14  # heights of a waveform and of a component's row
FACE = 168  # side of a face
BAR = 20
ATTENTION = "attention"  # the modality of what `affectline.report.attended` draws
SHOWN = 0.08  # of the largest weight: what is smaller is not drawn
NARROW, WIDE = set("iljtfrI.,:;'!|()[]- "), set("mwMW@%&")
INK = "#16202c"


@dataclass(frozen=True)
class Figure:
    """What one modality of an utterance says for one or more emotions; `title` and `notes` are plain text.

    `said`: the same in words. `body`: what is drawn, in a box `WIDTH` wide and `height` high.
    """

    modality: str
    method: str
    title: str
    said: str
    height: float
    body: str
    notes: tuple[str, ...]

    @property
    def svg(self) -> str:
        return whole(self.height, self.said, self.body)


def whole(height: float, said: str, body: str) -> str:
    """A picture by itself."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" color="{INK}" font-family="system-ui, sans-serif" role="img" '
        f'aria-label="{escape(said)}">{body}</svg>'
    )


@dataclass(frozen=True)
class _Piece:
    """A part of an explanation and its weight as a share of the largest of the same emotion."""

    name: str
    weight: float
    share: float
    utterance: str
    start: float | None
    end: float | None
    region: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class _Row:
    """An emotion of a figure."""

    emotion: str
    probability: float | None
    pieces: tuple[_Piece, ...]
    colour: str
    document: Mapping[str, Any]

    @property
    def title(self) -> str:
        return self.emotion if self.probability is None else f"{self.emotion} {self.probability:.2f}"


def figures(entry: Entry, colours: Mapping[str, str]) -> list[Figure]:
    """One for each modality and method that explains this utterance, with a row for each emotion.

    Raises:
        ValueError: an explanation does not hold what it must.
    """
    groups: dict[tuple[str, str], list[_Row]] = {}
    for n, document in enumerate(entry.explanations, start=1):
        where = f"{entry.id}: explanation {n}"
        modality, method = (take(document, name, str, where) for name in ("modality", "method"))
        if modality == ATTENTION:
            continue
        row = _row(document, colours, where)
        if row.pieces:
            groups.setdefault((modality, method), []).append(row)
    return [_figure(entry, modality, method, rows) for (modality, method), rows in groups.items()]


def _figure(entry: Entry, modality: str, method: str, rows: Sequence[_Row]) -> Figure:
    seen = any(piece.region for row in rows for piece in row.pieces)
    video = _faces if seen else _bars
    draw = {"text": _words, "audio": _waves, "video": video}.get(modality, _bars)
    height, body = draw(entry, rows)
    what = {"text": "Words", "audio": "Sound", "video": "Picture"}.get(modality, "Modalities")
    said = "; ".join(f"{row.title}: {_strongest(row)}" for row in rows)
    title = f"{what} ({method})"
    return Figure(modality, method, title, said, height, body, tuple(_note(row) for row in rows))


def _row(document: Mapping[str, Any], colours: Mapping[str, str], where: str) -> _Row:
    emotion = take(document, "emotion", str, where)
    parts = each(take(document, "parts", list, where), dict, f"{where}: 'parts'")
    weights = [float(take(part, "weight", float, where)) for part in parts]
    largest = max(map(abs, weights), default=0.0) or 1.0
    pieces = tuple(_piece(p, w, w / largest, where) for p, w in zip(parts, weights, strict=True))
    probability = take(document, "probability", float, where) if "probability" in document else None
    return _Row(emotion, probability, pieces, colours.get(emotion, INK), document)


def _piece(part: Mapping[str, Any], weight: float, share: float, where: str) -> _Piece:
    region = part.get("region") or []
    runs = [each(run, int, f"{where}: 'region'") for run in each(region, list, f"{where}: 'region'")]
    if any(len(run) != 3 for run in runs):
        raise ValueError(f"{where}: 'region' must hold [row, first column, column after the last]")
    start, end = (
        take(part, name, (float, NULL), where) if name in part else None for name in ("start", "end")
    )
    return _Piece(
        name=take(part, "name", str, where),
        weight=weight,
        share=share,
        utterance=str(part.get("utterance") or ""),
        start=start,
        end=end,
        region=tuple((int(y), int(a), int(b)) for y, a, b in runs),
    )


def _strongest(row: _Row, count: int = 3) -> str:
    best = sorted(row.pieces, key=lambda p: -abs(p.weight))[:count]
    return ", ".join(f"{p.name} {p.weight:+.3f}" for p in best)


def strongest(document: Mapping[str, Any]) -> str:
    """Of one explanation, in words.

    Raises:
        ValueError: it does not hold what it must.
    """
    row = _row(document, {}, "an explanation")
    return f"{document.get('modality')}, {row.title}: {_strongest(row)}"


def _note(row: _Row) -> str:
    """How far it can be trusted, in a sentence."""
    d = row.document
    found = [f"{row.title}: {d.get('samples', '?')} samples"]
    if isinstance(d.get("fit"), float | int):
        found.append(f"fit {d['fit']:.2f}")
    areas = [d.get(name) for name in ("deletion", "insertion", "random_deletion")]
    if all(isinstance(a, float | int) for a in areas):
        deletion, insertion, chance = (float(a) for a in areas if a is not None)
        good = deletion < chance < insertion
        found.append(f"deletion {deletion:.3f} and insertion {insertion:.3f}, random {chance:.3f}")
        found.append("better than random" if good else "NOT better than random: do not rely on it")
    for name, text in (("stability", "other samples agree"), ("sanity", "random weights agree")):
        if isinstance(d.get(name), float | int):
            found.append(f"{text} {d[name]:+.2f}")
    return ", ".join(found)


def _style(piece: _Piece, colour: str) -> str:
    """Filled where it speaks for the label, outlined where against it, and not drawn where it says little."""
    strength = abs(piece.share)
    if strength < SHOWN:
        return 'fill="none"'
    if piece.share > 0:
        return f'fill="{colour}" fill-opacity="{0.12 + 0.68 * strength:.2f}"'
    return (
        f'fill="none" stroke="{colour}" stroke-opacity="{0.3 + 0.7 * strength:.2f}" stroke-width="1.5" '
        'stroke-dasharray="3 2"'
    )


def text(x: float, y: float, text: str, *, size: int = 13, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="currentColor" {more}>{escape(text)}</text>'
    )


def _head(row: _Row, y: float) -> str:
    swatch = f'<rect x="0" y="{y - 10:.1f}" width="11" height="11" rx="2" fill="{row.colour}"/>'
    return swatch + text(17, y, row.title, more='font-weight="600"')


def _width(text: str) -> float:
    return SIZE * sum(0.3 if c in NARROW else 0.88 if c in WIDE else 0.57 for c in text) + 2


def _words(entry: Entry, rows: Sequence[_Row]) -> tuple[float, str]:
    """The words of each utterance on lines of their own, those around it under their ids."""
    y, drawn = 0.0, []
    for row in rows:
        y += 14
        drawn.append(_head(row, y))
        y += 8
        speaker = entry.id
        x = 0.0
        for piece in row.pieces:
            if piece.utterance not in ("", speaker):
                speaker, x, y = piece.utterance, 0.0, y + (LINE if x else 0)
                drawn.append(text(0, y + 17, speaker, size=11, more='opacity="0.7"'))
                x = 52
            width = min(_width(piece.name), WIDTH - 60.0)
            if x + width > WIDTH and x > 0:
                x, y = 0.0, y + LINE
            title = f"<title>{escape(piece.name)} {piece.weight:+.3f}</title>"
            box = f'<rect x="{x:.1f}" y="{y + 2:.1f}" width="{width + 4:.1f}" height="{LINE - 4}" rx="3" '
            letters = f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"'
            drawn.append(f"<g>{title}{box}{_style(piece, row.colour)}/>")
            drawn.append(text(x + 2, y + 18, piece.name, size=SIZE, more=letters) + "</g>")
            x += width + GAP + 4
        y += LINE + 10
    return y, "".join(drawn)


def _waves(entry: Entry, rows: Sequence[_Row]) -> tuple[float, str]:
    """The waveform over what all components of a stretch weigh; under it each component by itself."""
    y, drawn, left = 0.0, [], 150
    for row in rows:
        starts = sorted({p.start or 0.0 for p in row.pieces})
        names = list(dict.fromkeys(p.name for p in row.pieces))
        each_wide = (WIDTH - left) / max(1, len(starts))
        y += 14
        drawn.append(_head(row, y))
        y += 8
        largest = max(abs(p.weight) for p in row.pieces) or 1.0
        for n, start in enumerate(starts):
            total = sum(p.weight for p in row.pieces if (p.start or 0.0) == start)
            whole = _Piece("", total, max(-1.0, min(1.0, total / largest)), "", None, None, ())
            place = f'x="{left + n * each_wide:.1f}" y="{y:.1f}" width="{each_wide - 1:.1f}" height="{WAVE}"'
            tip = f"<title>{start:.2f} s: {total:+.3f}</title>"
            drawn.append(f"<rect {place} {_style(whole, row.colour)}>{tip}</rect>")
            for i, name in enumerate(names):
                piece = next((p for p in row.pieces if (p.start or 0.0) == start and p.name == name), None)
                if piece is not None:
                    top = y + WAVE + 4 + i * (ROW + 2)
                    place = f'x="{left + n * each_wide:.1f}" y="{top:.1f}" width="{each_wide - 1:.1f}"'
                    tip = f"<title>{escape(name)}, {start:.2f} s: {piece.weight:+.3f}</title>"
                    drawn.append(f'<rect {place} height="{ROW}" {_style(piece, row.colour)}>{tip}</rect>')
        drawn.append(_wave(row.document.get("envelope"), left, y + WAVE / 2))
        drawn.append(text(0, y + WAVE / 2 + 4, "all of the sound", size=12))
        y += WAVE + 4
        for name in names:
            drawn.append(text(0, y + ROW - 2, name, size=12))
            y += ROW + 2
        if entry.span is not None:
            drawn.append(text(left, y + 12, f"{entry.span.start:.1f} s", size=11, more='opacity="0.7"'))
            at_end = 'opacity="0.7" text-anchor="end"'
            drawn.append(text(WIDTH, y + 12, f"{entry.span.end:.1f} s", size=11, more=at_end))
        y += 24
    return y, "".join(drawn)


def _wave(envelope: object, left: float, middle: float) -> str:
    if not isinstance(envelope, list) or not envelope:
        return ""
    peaks = [float(p) if isinstance(p, float | int) else 0.0 for p in envelope]
    step = (WIDTH - left) / len(peaks)
    halves = [max(0.5, WAVE / 2 * peak) for peak in peaks]
    path = "".join(
        f"M{left + (n + 0.5) * step:.1f} {middle - half:.1f}v{2 * half:.1f}" for n, half in enumerate(halves)
    )
    return f'<path d="{path}" stroke="currentColor" stroke-opacity="0.75" stroke-width="{0.6 * step:.2f}"/>'


def _faces(_entry: Entry, rows: Sequence[_Row]) -> tuple[float, str]:
    """The picture once for each emotion, regions over it."""
    drawn, x, y = [], 0.0, 0.0
    shapes = [_shape(row) for row in rows]
    for row, (high, wide) in zip(rows, shapes, strict=True):
        width = FACE * wide / high
        if x and x + width > WIDTH:
            x, y = 0.0, y + FACE + 34
        drawn.append(f'<g transform="translate({x:.1f} {y:.1f})">{_head(row, 12)}')
        drawn.append(f'<svg y="20" width="{width:.1f}" height="{FACE}" viewBox="0 0 {wide} {high}">')
        picture = row.document.get("picture")
        if isinstance(picture, str) and picture.startswith("data:image/"):
            fit = 'preserveAspectRatio="none"'
            drawn.append(f'<image width="{wide}" height="{high}" {fit} href="{escape(picture)}"/>')
        for piece in row.pieces:
            if abs(piece.share) >= SHOWN:
                style = _style(piece, row.colour).replace('"1.5"', '"0.5"').replace('"3 2"', '"1.2 0.8"')
                tip = f"<title>{escape(piece.name)} {piece.weight:+.3f}</title>"
                path = _outline(piece.region) if piece.share < 0 else _filled(piece.region)
                drawn.append(f'<path d="{path}" {style}>{tip}</path>')
        drawn.append("</svg></g>")
        x += width + 16
    return y + FACE + 34, "".join(drawn)


def _shape(row: _Row) -> tuple[int, int]:
    """Rows and columns of the grid that regions lie in."""
    grid = row.document.get("grid")
    if isinstance(grid, list) and len(grid) == 2 and all(isinstance(n, int) and n > 0 for n in grid):
        return grid[0], grid[1]
    ends = [(y + 1, b) for p in row.pieces for y, _, b in p.region]
    return max((y for y, _ in ends), default=1), max((b for _, b in ends), default=1)


def _filled(region: Sequence[tuple[int, int, int]]) -> str:
    return "".join(f"M{a} {y}H{b}V{y + 1}H{a}Z" for y, a, b in region)


def _outline(region: Sequence[tuple[int, int, int]]) -> str:
    """The edges of a region: where a place is in it and the one beside it is not."""
    inside = {(y, x) for y, a, b in region for x in range(a, b)}
    return "".join(_edges(inside))


def _edges(inside: set[tuple[int, int]]) -> Iterator[str]:
    for y, x in sorted(inside):
        if (y - 1, x) not in inside:
            yield f"M{x} {y}h1"
        if (y + 1, x) not in inside:
            yield f"M{x} {y + 1}h1"
        if (y, x - 1) not in inside:
            yield f"M{x} {y}v1"
        if (y, x + 1) not in inside:
            yield f"M{x + 1} {y}v1"


def _bars(_entry: Entry, rows: Sequence[_Row]) -> tuple[float, str]:
    """A bar for each part, to the right where it speaks for the label."""
    y, drawn, middle, reach = 0.0, [], 390.0, 240.0
    for row in rows:
        y += 14
        drawn.append(_head(row, y))
        y += 8
        for piece in row.pieces:
            long = max(1.0, reach * abs(piece.share))
            x = middle if piece.share > 0 else middle - long
            drawn.append(text(0, y + 14, piece.name))
            drawn.append(
                f'<rect x="{x:.1f}" y="{y + 3:.1f}" width="{long:.1f}" height="{BAR - 6}" '
                f"{_style(piece, row.colour)}/>"
            )
            drawn.append(text(WIDTH - 60, y + 14, f"{piece.weight:+.3f}"))
            y += BAR
        y += 12
    return y, "".join(drawn)
