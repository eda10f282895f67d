"""How fast explanations are, and how often they are better than random ones, on raw clips of CMU-MOSI.

`python -m benchmarks.explain [--count N] [--modalities text,audio,video] [--methods lime,shap,ig]` writes
docs/results/explain.json. Utterances are drawn beforehand, of those with at least four parts of what is
explained; a modality that is not asked for keeps what was measured of it before. Seconds of the processor are
given beside those of the clock, which mean little on a machine that does other work. With `--methods ""` the
speed alone is measured again, on the utterance of median length, and the rest stays.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import FOLDER, parser, record

from affectline.analyze.explaining import Explainer, Wanted
from affectline.checkpoint import Checkpoint, load
from affectline.corpora import mosi
from affectline.explain.faithfulness import LEAST, summary
from affectline.faces import detector
from affectline.segment.faces import attach
from affectline.types import Conversation, Modality, Span, Utterance

SAMPLES = 1000
GOALS = {Modality.TEXT: 5.0, Modality.AUDIO: 15.0, Modality.VIDEO: 30.0}
"""Seconds for as many samples, on two cores."""


def clips(data: Path) -> list[Utterance]:
    """Every raw clip with its words, as a recording of its own."""
    talks = [c for split in ("train", "dev", "test") for c in mosi.read(data / "mosi", split)]
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


def timed(base: Checkpoint, talks: Sequence[Conversation], modality: Modality) -> dict[str, Any]:
    """A thousand samples of the utterance of median length, without early stop; and until it is stable."""
    talk = sorted(talks, key=lambda t: _seconds(t.utterances[0]))[len(talks) // 2]
    found: dict[str, Any] = {
        "seconds of sound": round(_seconds(talk.utterances[0]), 2),
        "goal, seconds": GOALS[modality],
    }
    for name, until_stable in (("1000 samples", False), ("until stable", True)):
        explainer = Explainer(base, talk)
        assert explainer.asked  # what is made of the utterance as it is does not count
        wanted = Wanted(modalities=(modality,), samples=SAMPLES, judged=False, until_stable=until_stable)
        clock, processor = time.perf_counter(), time.process_time()
        one = explainer.explain("u0001", wanted)[0]
        found[name] = {
            "parts": len(one.parts),
            "samples": one.samples,
            "seconds": round(time.perf_counter() - clock, 2),
            "processor seconds": round(time.process_time() - processor, 2),
        }
    return found


def _seconds(utterance: Utterance) -> float:
    return utterance.clip.duration if utterance.clip else 0.0


def judged(
    base: Checkpoint, talks: Sequence[Conversation], modality: Modality, methods: Sequence[str]
) -> list[dict[str, object]]:
    """The share of explanations that are better than random, by method."""
    documents: list[dict[str, Any]] = []
    for n, talk in enumerate(talks, start=1):
        explainer = Explainer(base, talk)
        for method in methods:
            wanted = Wanted(modalities=(modality,), method=method, samples=SAMPLES)
            try:
                documents += explainer.explain("u0001", wanted)[0].documents()
            except ValueError as error:  # no face, one word: counted as not explained
                print(f"{talk.id}: {error}", flush=True)
        print(f"{modality}: {n} of {len(talks)}", flush=True)
    return [{**row, "utterances": len(talks)} for row in summary(documents)]


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--count", type=int, default=20, help="utterances (default: 20)")
    arguments.add_argument("--modalities", default="text,audio,video", help="(default: text,audio,video)")
    arguments.add_argument("--methods", default="lime,shap", help="(default: lime,shap)")
    arguments.add_argument("--checkpoint", default="base", help="(default: base)")
    chosen = arguments.parse_args()
    base = load(chosen.checkpoint)
    utterances = drawn(clips(chosen.data), chosen.count)
    if not chosen.methods:
        utterances = sorted(utterances, key=_seconds)[len(utterances) // 2 :][:1]
    talks = [talk_of(u) for u in utterances]
    path = FOLDER / "explain.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else {}
    for modality in map(Modality, chosen.modalities.split(",")):
        speed = {"checkpoint": base.sha256[:12], "speed": timed(base, talks, modality)}
        found[modality] = {**found.get(modality, {}), **speed}
        if chosen.methods:
            found[modality]["faithfulness"] = judged(base, talks, modality, chosen.methods.split(","))
        print(record("explain", found), flush=True)


if __name__ == "__main__":
    main()
