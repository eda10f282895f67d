"""A timeline as a picture: one lane per speaker, each utterance coloured by its strongest emotion.

python examples/draw_timeline.py runs/demo/timeline.json docs/timeline.svg
"""

import sys
from html import escape
from pathlib import Path

from affectline.timeline import Entry, Timeline

COLOURS = {
    "neutral": "#9aa3ad",
    "joy": "#e3a018",
    "sadness": "#4a78c2",
    "anger": "#c8402f",
    "surprise": "#d06bb0",
    "fear": "#7a58a8",
    "disgust": "#6a8f3c",
}
WIDTH, LEFT, LANE, TOP = 960, 70, 62, 34  # pixels


def draw(timeline: Timeline) -> str:
    """The picture as SVG; an utterance is as opaque as its score is high."""
    assert timeline.duration is not None, "a timeline without times cannot be drawn"
    scale = (WIDTH - LEFT - 10) / timeline.duration
    lanes = {speaker.id: n for n, speaker in enumerate(timeline.speakers)}
    bottom = TOP + LANE * len(lanes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 56}" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{bottom + 56}" fill="#ffffff"/>',
    ]
    for speaker in timeline.speakers:
        y = TOP + LANE * lanes[speaker.id]
        parts.append(f'<text x="8" y="{y + 30}" font-weight="600">{escape(speaker.label)}</text>')
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{WIDTH - LEFT - 10}" height="{LANE - 10}" fill="#f3f4f6"/>'
        )
    for second in range(0, int(timeline.duration) + 1, 5):
        x = LEFT + scale * second
        parts.append(f'<text x="{x:.1f}" y="22" fill="#6b7280" text-anchor="middle">{second} s</text>')
    parts += [_block(u, LEFT, TOP + LANE * lanes[u.speaker], scale) for u in timeline.utterances]
    for n, (emotion, colour) in enumerate(COLOURS.items()):
        x = LEFT + 120 * n
        parts.append(f'<rect x="{x}" y="{bottom + 20}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{bottom + 30}">{emotion}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _block(utterance: Entry, left: float, y: float, scale: float) -> str:
    if utterance.span is None:
        return ""
    best = max(utterance.scores, key=lambda name: utterance.scores[name])
    x, width = left + scale * utterance.span.start, scale * utterance.span.duration
    score = utterance.scores[best]
    return (
        f"<g><title>{escape(utterance.text or '')}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LANE - 10}" rx="4" '
        f'fill="{COLOURS.get(best, "#333333")}" fill-opacity="{0.35 + 0.65 * score:.2f}"/>'
        f'<text x="{x + 5:.1f}" y="{y + 22}" fill="#111827" font-size="11">{escape(best)}</text>'
        f'<text x="{x + 5:.1f}" y="{y + 40}" fill="#374151">{score:.2f}</text></g>'
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(Timeline.read(Path(sys.argv[1]))), encoding="utf-8")
