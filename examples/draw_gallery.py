"""Makes docs/gallery.md and its pictures: six explanations of the demo conversation, and how good they are.

    python examples/draw_gallery.py [CHECKPOINT]

Nobody in the demo exists: its faces are drawn and its voices are espeak-ng's.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from affectline.analyze import Analyzer
from affectline.analyze.beside import Beside, beside
from affectline.analyze.explaining import Explainer, Wanted, with_explanations
from affectline.report import colours_of
from affectline.report.beside import answer, beside_svg
from affectline.report.pictures import pictures
from affectline.types import Modality

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
SAMPLES = 500
T, A, V = Modality.TEXT, Modality.AUDIO, Modality.VIDEO


@dataclass(frozen=True)
class Case:
    """An utterance, what of it is explained, and what there is to see."""

    name: str
    utterance: str
    wanted: Wanted
    shows: str
    figure: tuple[str, str] = field(default=("text", "lime"))


CASES = (
    Case("words", "u0002", Wanted(modalities=(T,), samples=SAMPLES), "Words, by LIME."),
    Case(
        "turns", "u0007", Wanted(modalities=(T,), samples=SAMPLES, around=2),
        "Words, and the turns around them as wholes. A model that sees no other turn gives them nothing.",
    ),
    Case(
        "sound", "u0004", Wanted(modalities=(A,), samples=SAMPLES),
        "The sound in segments and components: above, what all of a segment weighs.", ("audio", "lime"),
    ),
    Case(
        "face", "u0006", Wanted(modalities=(V,), samples=SAMPLES), "Regions of the face, by likeness of "
        "colour.", ("video", "lime"),
    ),
    Case(
        "modalities", "u0004", Wanted(modalities=(T,), samples=100, judged=False),
        "How much each modality moved the answer: exact Shapley values.", ("all", "shapley"),
    ),
)  # fmt: skip
BESIDE = (("all three", ()), ("words alone", (T,)), ("sound alone", (A,)), ("face alone", (V,)))


def drawn(checkpoint: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Of each case its name, what it shows, the picture and what was measured."""
    analyzer = Analyzer.load(checkpoint, "cpu")
    conversation, timeline = analyzer.judged(HERE / "demo.mp4", HERE / "demo.srt")
    explainer, colours = Explainer(analyzer.checkpoint, conversation), colours_of(timeline)
    for case in CASES:
        found = explainer.explain(case.utterance, case.wanted)
        explained = with_explanations(timeline, found)
        entry = next(u for u in explained.utterances if u.id == case.utterance)
        figure = next(f for f in pictures(entry, colours) if (f.modality, f.method) == case.figure)
        yield case.name, f'{case.shows} {case.utterance}: "{entry.text}"', figure.svg, figure.notes
    asked = [(name, analyzer.checkpoint, kept) for name, kept in BESIDE]
    wanted = Wanted(samples=200, judged=False, emotions=("sadness",))
    rows = [_one_each(b) for b in beside(asked, timeline, conversation, "u0002", wanted)]
    said = tuple(f"{b.name}: {answer(b.entry) if b.entry else b.notes}" for b in rows)
    svg = beside_svg([(b.name, b.entry, b.notes) for b in rows], colours)
    yield (
        "beside",
        "Each modality alone beside all three, for sadness, as in AMuSE's figure 2. u0002",
        svg,
        said,
    )


def _one_each(one: Beside) -> Beside:
    """Without what stands in another picture."""
    if one.entry is None:
        return one
    kept = tuple(e for e in one.entry.explanations if e["modality"] not in ("all", "attention"))
    return replace(one, entry=replace(one.entry, explanations=kept))


def main(checkpoint: str = "base") -> None:
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    lines = [
        "# Explanations of the demo conversation",
        "",
        f"Six pictures of what `{Path(checkpoint).name}` answers to examples/demo.mp4, made by `python",
        "examples/draw_gallery.py`. Nobody in it exists. What speaks for a label is filled with its colour,",
        "what speaks against it is outlined. Under each picture: what was measured of it, good or bad.",
    ]
    for name, shows, svg, notes in drawn(checkpoint):
        (folder / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")
        lines += ["", f"## {name.capitalize()}", "", shows, "", f"![{name}](gallery/{name}.svg)", ""]
        lines += [f"- {note}" for note in notes]
        print(name, flush=True)
    (DOCS / "gallery.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
