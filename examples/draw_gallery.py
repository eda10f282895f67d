"""Makes docs/gallery.md and its pictures: seven explanations of made-up people, and how good they are.

    affectline train multiemo.mosi_videos     # and amuse.mosi_videos, late_fusion.mosi_videos: minutes each
    python examples/draw_gallery.py base MultiEMO=runs/multiemo.mosi_videos AMuSE=runs/amuse.mosi_videos
        "late fusion=runs/late_fusion.mosi_videos"

Six are of the demo conversation, one is of a clip that is drawn here. Nobody in them exists: their faces are
drawn and their voices are espeak-ng's. It takes some minutes.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from drawn_face import Expression, Moment, Person, Pose, draw
from make_demo import FACES, FRAME_RATE, RATE

from affectline.analyze import Analyzer, Options
from affectline.analyze.beside import Beside, beside
from affectline.analyze.explaining import Explainer, Wanted, with_explanations
from affectline.checkpoint import load
from affectline.media import FileClip
from affectline.report import colours_of
from affectline.report.beside import answer, beside_svg
from affectline.report.pictures import pictures
from affectline.timeline import Timeline
from affectline.types import Conversation, Modality

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
SAMPLES = 300
T, A, V = Modality.TEXT, Modality.AUDIO, Modality.VIDEO


@dataclass(frozen=True)
class Case:
    """An utterance, what of it is explained, and what there is to see."""

    name: str
    utterance: str
    wanted: Wanted
    shows: str
    figure: tuple[str, str] = field(default=("text", "lime"))
    recording: str = "demo"


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
        "face", "u0001", Wanted(modalities=(V,), samples=SAMPLES), "Regions of the face, by likeness of "
        "colour, in a clip drawn for this page; the model sees the face alone.", ("video", "lime"), "smile",
    ),
    Case(
        "modalities", "u0004", Wanted(modalities=(T,), samples=100, judged=False),
        "How much each modality moved the answer: exact Shapley values.", ("all", "shapley"),
    ),
)  # fmt: skip
ORDER = ("words", "turns", "sound", "face", "modalities", "beside", "models")
BESIDE = (("all three", ()), ("words alone", (T,)), ("sound alone", (A,)), ("face alone", (V,)))


SMILE = "That is wonderful! I am so happy, thank you!"
"""What is said in the drawn clip: Ben's words of the demo, in his voice."""
SPOKEN = (33.56, 36.2)
CARLA = Person(
    skin=(214, 160, 128),
    lips=(176, 84, 84),
    hair=(60, 40, 30),
    iris=(54, 84, 60),
    shirt=(90, 120, 96),
    wall=(206, 200, 188),
    curls=True,
    seed=3,
)
SIZE = (360, 320)  # pixels: height and width


def smile(folder: Path) -> tuple[Path, Path]:
    """Somebody else who says a line of the demo and soon smiles; with her words."""
    start, end = SPOKEN
    sound = FileClip(HERE / "demo.mp4").window(start, end - start).waveform(RATE)
    loud = np.abs(sound) / np.abs(sound).max()
    recording, words = folder / "smile.mp4", folder / "smile.srt"
    words.write_text(f"1\n00:00:00,000 --> 00:00:02,600\nCarla: {SMILE}\n", encoding="utf-8")
    with av.open(str(recording), "w") as file:
        picture = file.add_stream("libx264", FRAME_RATE, options={"crf": "23"})
        picture.height, picture.width = SIZE
        picture.pix_fmt = "yuv420p"
        voice = file.add_stream("aac", RATE, layout="mono")
        pieces = np.array_split(loud, round(len(sound) / RATE * FRAME_RATE))
        for n, piece in enumerate(pieces):
            face = Expression().towards(FACES["joy"], min(1.0, 6 * (n + 1) / len(pieces)))
            pose = Pose(x=160 + 3 * math.sin(n / 11), y=170, scale=80, turn=0.2 * math.sin(n / 17))
            seen = draw(CARLA, Moment(face, pose, float(piece.mean())), SIZE)
            file.mux(picture.encode(av.VideoFrame.from_ndarray(seen, format="rgb24")))
        file.mux(picture.encode())
        heard = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = RATE, 0, Fraction(1, RATE)
        file.mux(voice.encode(heard))
        file.mux(voice.encode())
    return recording, words


Row = tuple[str, str, str, tuple[str, ...]]
"""A case's name, what it shows, the picture and what was measured."""


def drawn(checkpoint: str, others: Mapping[str, str], folder: Path) -> Iterator[Row]:
    """All cases, in the order in which they are made; `others`: more checkpoints, by the names they get."""
    analyzer = Analyzer.load(checkpoint, "cpu")
    alone = analyzer.judged(*smile(folder), Options(modalities=(V,)))  # words would outweigh the face
    yield from _explained(analyzer, "smile", *alone)
    conversation, timeline = analyzer.judged(HERE / "demo.mp4", HERE / "demo.srt")
    yield from _explained(analyzer, "demo", conversation, timeline)
    asked = [(name, analyzer.checkpoint, kept) for name, kept in BESIDE]
    wanted = Wanted(samples=200, judged=False, emotions=("sadness",))
    shows = "Each modality alone beside all three, for sadness, as in AMuSE's figure 2. u0002"
    yield "beside", shows, *_beside(beside(asked, timeline, conversation, "u0002", wanted), timeline)
    if others:
        models = [(name, load(path), ()) for name, path in {checkpoint: checkpoint, **others}.items()]
        wanted = replace(wanted, emotions=None)
        shows = "Models side by side: `base`, and three that learnt of six videos what is positive. "
        found = beside(models, timeline, conversation, "u0002", wanted)
        yield "models", f"{shows}u0002", *_beside(found, timeline)


def _explained(
    analyzer: Analyzer, recording: str, conversation: Conversation, timeline: Timeline
) -> Iterator[Row]:
    """The cases that are of this recording."""
    explainer = Explainer(analyzer.checkpoint, conversation)
    for case in (case for case in CASES if case.recording == recording):
        explained = with_explanations(timeline, explainer.explain(case.utterance, case.wanted))
        entry = next(u for u in explained.utterances if u.id == case.utterance)
        found = pictures(entry, colours_of(timeline))
        figure = next(f for f in found if (f.modality, f.method) == case.figure)
        yield case.name, f'{case.shows} {case.utterance}: "{entry.text}"', figure.svg, figure.notes


def _beside(found: Sequence[Beside], timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    """The picture, and what each says."""
    rows = [_one_each(one) for one in found]
    said = tuple(f"{b.name}: {answer(b.entry) if b.entry else b.notes}" for b in rows)
    colours = colours_of(timeline, [b.entry for b in rows if b.entry])
    return beside_svg([(b.name, b.entry, b.notes) for b in rows], colours), said


def _one_each(one: Beside) -> Beside:
    """Without what stands in another picture."""
    if one.entry is None:
        return one
    kept = tuple(e for e in one.entry.explanations if e["modality"] not in ("all", "attention"))
    return replace(one, entry=replace(one.entry, explanations=kept))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("checkpoint", nargs="?", default="base")
    arguments.add_argument("others", nargs="*", metavar="NAME=DIR", help="more, side by side with it")
    chosen = arguments.parse_args()
    checkpoint, others = chosen.checkpoint, dict(other.split("=", 1) for other in chosen.others)
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    lines = [
        "# Explanations of made-up people",
        "",
        f"Pictures of what `{Path(checkpoint).name}` answers to examples/demo.mp4 and to a clip that is "
        "drawn for this page, made by",
        "`python examples/draw_gallery.py`. Nobody in them exists. What speaks for a label is filled with "
        "its colour, what speaks",
        "against it is outlined. Under each picture: what was measured of it, good or bad.",
    ]
    with tempfile.TemporaryDirectory() as made:
        cases = {case[0]: case[1:] for case in drawn(checkpoint, others, Path(made))}
    for name in sorted(cases, key=ORDER.index):
        shows, svg, notes = cases[name]
        (folder / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")
        lines += ["", f"## {name.capitalize()}", "", shows, "", f"![{name}](gallery/{name}.svg)", ""]
        lines += [f"- {note}" for note in notes]
    (DOCS / "gallery.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
