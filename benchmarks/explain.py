"""How fast explanations are, and how often they are better than random ones, on raw clips and scenes.

`python -m benchmarks.explain [--on mosi|scenes] [--count N] [--modalities text,audio,video] [--methods
lime,shap,ig]` writes docs/results/explain.json: what is measured anew takes the place of what was measured of
the same checkpoint, material, modality and method; the rest stays. It is written after each utterance, so a
run that is stopped counts those that it has done. Clips of CMU-MOSI are drawn beforehand, of those with at
least four words; a scene is heard and seen as `affectline analyze` has it, and of its utterances the longest
are explained, `--count` of all scenes; nobody wrote down their words. `--orders 10 --unchecked` takes a third
of the time: fewer random orders, no weights of another seed or of a shuffled model. With `--methods ""` the
speed alone is measured, on the utterance of median length: seconds of the clock, and of the processor, as the
clock means little on a machine that does other work. The import of libraries does not count.

A small SeMuL-PCD, which looks at whole pictures, first learns and is then explained:

    python -m benchmarks.mosi_raw --folds 0
    python -m benchmarks.explain --checkpoint runs/semul_pcd.mosi_raw/fold0 --as "SeMuL-PCD" --fold 0
        --regions scene

`--fold` keeps to clips of the people whom it has not seen.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import FOLDER, command, parser, record

from affectline import checkpoint
from affectline.analyze import Analyzer
from affectline.analyze.explaining import Explainer, Wanted
from affectline.checkpoint import Checkpoint
from affectline.corpora import mosi
from affectline.explain.faithfulness import LEAST, ORDERS, summary
from affectline.explain.surrogate import captum
from affectline.faces import detector
from affectline.segment.faces import attach
from affectline.types import Conversation, Modality, Span, Utterance

SAMPLES = 1000
GOALS = {Modality.TEXT: 5.0, Modality.AUDIO: 15.0, Modality.VIDEO: 30.0}
"""Seconds for as many samples, on two cores."""
SCENES = (
    *("another_speaker_512.mp4", "face_noface.mov", "film_10s.mp4", "meeting_30s.wav", "no_face.mp4"),
    *("one_speaker_512.mp4", "several_people.avi", "single_face.mp4", "spk1_snt1.wav", "spk2_snt2.wav"),
)
Talk = tuple[Conversation, str]
"""A conversation, and the utterance of it that is explained."""


def clips(data: Path, fold: int | None = None) -> list[Utterance]:
    """Every raw clip with its words; of a fold those of its test part alone."""
    if fold is None:
        talks = [c for split in ("train", "dev", "test") for c in mosi.read(data / "mosi", split)]
    else:
        talks = mosi.read_raw(data / "mosi", "test", fold=fold)
    return [u for talk in talks for u in talk if u.clip is not None]


def talk_of(utterance: Utterance) -> Conversation:
    """A clip as `affectline analyze` sees it: one utterance, its words, and the face of who speaks."""
    assert utterance.clip is not None
    whole = Span(0.0, utterance.clip.duration)
    alone = Utterance(id="u0001", speaker="S1", text=utterance.text, clip=utterance.clip, span=whole)
    return attach(Conversation(utterance.id, (alone,)), utterance.clip, detector())


def drawn(utterances: Sequence[Utterance], count: int, seed: int = 0) -> list[Utterance]:
    """At random, of those with at least four words."""
    fit = [u for u in utterances if len((u.text or "").split()) >= LEAST]
    return [fit[n] for n in np.random.default_rng(seed).permutation(len(fit))[:count]]


def scenes(base: Checkpoint, data: Path, count: int) -> list[Talk]:
    """The longest utterances of all scenes, each in its conversation; no scene has words."""
    analyzer = Analyzer(base, detector())
    found: list[tuple[float, Conversation, str]] = []
    for name in SCENES:
        talk, _ = analyzer.judged(data / "scenes" / name)
        found += [(u.span.duration, talk, u.id) for u in talk if u.span]
    found.sort(key=lambda one: -one[0])
    return [(talk, id) for _, talk, id in found[:count]]


def timed(base: Checkpoint, talks: Sequence[Talk], modality: Modality) -> dict[str, Any]:
    """A thousand samples of the utterance of median length, without early stop; and until it is stable."""
    talk, id = sorted(talks, key=lambda t: _seconds(t[0].utterances[0]))[len(talks) // 2]
    found: dict[str, Any] = {
        "checkpoint": base.sha256[:12],
        "seconds of sound": round(_seconds(talk.utterances[0]), 2),
        "goal, seconds": GOALS[modality],
    }
    captum()
    explain_once = Wanted(modalities=(Modality.TEXT,), samples=50, judged=False)
    Explainer(base, talk).explain(id, explain_once)  # which imports what all need
    for name, until_stable in (("", False), ("until stable, ", True)):
        explainer = Explainer(base, talk)
        assert explainer.asked  # what is made of the utterance as it is does not count
        wanted = Wanted(modalities=(modality,), samples=SAMPLES, judged=False, until_stable=until_stable)
        clock, processor = time.perf_counter(), time.process_time()
        one = explainer.explain(id, wanted)[0]
        found |= {
            "parts": len(one.parts),
            f"{name}samples": one.samples,
            f"{name}seconds": round(time.perf_counter() - clock, 2),
            f"{name}processor seconds": round(time.process_time() - processor, 2),
        }
    return found


def _seconds(utterance: Utterance) -> float:
    return utterance.clip.duration if utterance.clip else 0.0


def judged(explainer: Explainer, id: str, wanted: Wanted) -> list[dict[str, Any]]:
    """Of each emotion that is explained; nothing where there is nothing to explain."""
    try:
        return explainer.explain(id, wanted)[0].documents()
    except ValueError as error:  # no face, one word
        print(f"{explainer.conversation.id} {id}: {error}", flush=True)
        return []


def faithfulness(
    base: Checkpoint, talks: Sequence[Talk], chosen: argparse.Namespace, modalities: Sequence[Modality]
) -> None:
    """The share of explanations that are better than random, by modality and method, after each utterance."""
    kinds = [(m, how) for m in modalities for how in chosen.methods.split(",")]
    documents: dict[tuple[Modality, str], list[dict[str, Any]]] = {kind: [] for kind in kinds}
    explained = dict.fromkeys(kinds, 0)
    for n, (talk, id) in enumerate(talks, start=1):
        explainer = Explainer(base, talk)
        for kind in kinds:
            regions = chosen.regions if kind[0] is Modality.VIDEO else None
            options: dict[str, Any] = {"samples": chosen.samples, "orders": chosen.orders}
            options |= {"checked": not chosen.unchecked, "regions": regions}
            found = judged(explainer, id, Wanted(modalities=kind[:1], method=kind[1], **options))
            documents[kind] += found
            explained[kind] += bool(found)
            for row in summary(documents[kind]):
                told = {"checkpoint": base.sha256[:12], "asked": n, "explained": explained[kind]}
                told |= {"random orders": chosen.orders}
                write(f"{chosen.name} on {MATERIAL[chosen.on]}", ", ".join(kind), told | _short(row))
        print(f"{n} of {len(talks)}", flush=True)


MATERIAL = {"mosi": "clips of CMU-MOSI", "scenes": "scenes"}


def _short(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in ("modality", "method")}


def write(group: str, name: str, row: Mapping[str, object]) -> None:
    """One row anew; all others stay as they are in the file, with the commands that made them."""
    path = FOLDER / "explain.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else {}
    commands = [*dict.fromkeys([*found.pop("commands", []), command()])]
    group_rows = {**found.get(group, {}), name: row}
    record("explain", {**found, group: dict(sorted(group_rows.items())), "commands": commands})


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--on", choices=(*MATERIAL,), default="mosi", help="(default: mosi)")
    arguments.add_argument("--count", type=int, default=20, help="utterances (default: 20)")
    arguments.add_argument("--modalities", default="text,audio,video", help="(default: text,audio,video)")
    arguments.add_argument("--methods", default="lime,shap", help="(default: lime,shap)")
    arguments.add_argument("--checkpoint", default="base", help="(default: base)")
    arguments.add_argument("--as", dest="name", default="base", help="how it is named (default: base)")
    arguments.add_argument("--samples", type=int, default=SAMPLES, help=f"at most (default: {SAMPLES})")
    arguments.add_argument("--orders", type=int, default=ORDERS, help=f"random ones (default: {ORDERS})")
    arguments.add_argument("--unchecked", action="store_true", help="no stability, no sanity: half the time")
    arguments.add_argument("--regions", help="superpixels|parts|scene (default: by the model)")
    arguments.add_argument("--fold", type=int, help="clips of its test part alone (default: all)")
    chosen = arguments.parse_args()
    base = checkpoint.load(chosen.checkpoint)
    modalities = [Modality(m) for m in chosen.modalities.split(",")]
    if chosen.on == "scenes":
        talks = scenes(base, chosen.data, chosen.count)
        modalities = [m for m in modalities if m is not Modality.TEXT]
    else:
        utterances = drawn(clips(chosen.data, chosen.fold), chosen.count)
        if not chosen.methods:
            utterances = sorted(utterances, key=_seconds)[len(utterances) // 2 :][:1]
        talks = [(talk_of(u), "u0001") for u in utterances]
    if chosen.methods:
        faithfulness(base, talks, chosen, modalities)
        return
    for modality in modalities:
        write(f"{chosen.name}: {SAMPLES} samples", str(modality), timed(base, talks, modality))


if __name__ == "__main__":
    main()
