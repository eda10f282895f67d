"""What noise costs the shipped checkpoint: babble in voices, blur on faces, misheard words.

`python -m benchmarks.noise` writes docs/results/noise.json. Each modality alone, on its corpus' test part.
"""

from dataclasses import replace
from typing import Any

from benchmarks._record import parser, record
from benchmarks.base import PARTS

from affectline.checkpoint import load
from affectline.evaluation import Truth
from affectline.evaluation.damage import Damage, Only
from affectline.evaluation.report import compare_headlines
from affectline.evaluation.robustness import NOISE, answer_of, ask
from affectline.features.video_faces import seen_whole
from affectline.recipes import base
from affectline.types import Modality

UNIT = {Modality.AUDIO: "babble, dB", Modality.VIDEO: "blur, pixels", Modality.TEXT: "words misheard"}
LEVEL = {Modality.AUDIO: "decibels", Modality.VIDEO: "sigma", Modality.TEXT: "rate"}


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--checkpoint", default="base")
    arguments = options.parse_args()
    found: dict[str, Any] = {}
    for corpus in ("goemotions", "ravdess", "ferplus"):
        part = PARTS[corpus]
        talks, modality = part.read(arguments.data / corpus, "test"), part.modality
        checkpoint = load(arguments.checkpoint)
        checkpoint = replace(checkpoint, extractors=seen_whole(checkpoint.extractors))
        damages: list[Damage] = [Only((str(modality),), ()), *NOISE[modality]]
        runs = ask(answer_of(checkpoint), talks, damages, apart=True)
        truth = Truth.of(talks, base.LABELS, by_speaker=part.by_speaker)
        levels = ["none", *(getattr(noise, LEVEL[modality]) for noise in NOISE[modality])]
        rows = found[corpus] = []
        for level, run in zip(levels, runs, strict=True):
            macro_f1, lost = compare_headlines(truth, [run], runs[:1])
            rows.append({UNIT[modality]: level, "macro_f1": macro_f1.to_json(), "change": lost.to_json()})
        print(corpus, [round(row["macro_f1"]["mean"], 3) for row in rows], flush=True)
    record("noise", found)


if __name__ == "__main__":
    main()
