"""Whose mouth moves with the sound: two videos of one speaker each, side by side, with one of their sounds.

python -m benchmarks.who_speaks [--tune]

Held out are the one-speaker scenes (an utterance is a stretch of speech) and pairs of clips of the last five
videos of MOSI (an utterance is a clip). `affectline.segment.faces` was tuned on pairs of the first five
(`--tune` gives their figures alone).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record

from affectline.faces import RATE, Picture, track_faces
from affectline.media import FileClip
from affectline.nn.mtcnn import MTCNN
from affectline.segment.faces import loudness, who_speaks
from affectline.segment.speech import cut, detect
from affectline.types import Span

PAIRS = 40
"""Of MOSI clips in each half; each is judged with both sounds."""

SCENES = ("one_speaker_512.mp4", "another_speaker_512.mp4")


@dataclass(frozen=True)
class Pair:
    """Two recordings of one speaker each, as long as the shorter one."""

    left: FileClip
    right: FileClip

    @property
    def duration(self) -> float:
        return min(self.left.duration, self.right.duration)

    def pictures(self) -> Iterator[tuple[float, Picture]]:
        """Side by side; the lower one is enlarged downwards in black."""
        both = zip(self.left.pictures(RATE), self.right.pictures(RATE), strict=False)
        for (time, left), (_, right) in both:
            height = max(len(left), len(right))
            padded = [np.pad(p, ((0, height - len(p)), (0, 0), (0, 0))) for p in (left, right)]
            yield time, np.hstack(padded)


def right_faces(pair: Pair, detector: MTCNN, *, whole: bool) -> list[bool]:
    """Of each utterance of both sounds: whether the face on its side was chosen."""
    found = track_faces(pair.pictures(), detector)
    middle = next(pair.left.pictures(RATE))[1].shape[1]
    answers = []
    for side, clip in enumerate((pair.left, pair.right)):
        spans = [Span(0.0, pair.duration)] if whole else utterances(clip, pair.duration)
        heard = loudness(clip)
        for span in spans:
            track, _ = who_speaks(found, span, heard)
            on_right = track is not None and track.boxes[:, [0, 2]].mean() > middle
            answers.append(track is not None and on_right == bool(side))
    return answers


def utterances(clip: FileClip, until: float) -> list[Span]:
    speech = detect(clip)
    return [s for s in cut(speech.spans, speech.probability) if s.end <= until]


def mosi_pairs(clips: Sequence[Path], seed: int) -> list[Pair]:
    """Pairs of clips of different videos and nearly the same length, of 2 s at least."""
    rng = np.random.default_rng(seed)
    waiting = sorted((c for c in map(FileClip, clips) if c.duration >= 2), key=lambda c: c.duration)
    pairs = []
    while waiting:
        first = waiting.pop(0)
        other = next((c for c in waiting if video(c) != video(first)), None)
        if other is not None:
            waiting.remove(other)
            pairs.append(Pair(first, other))
    return [pairs[n] for n in rng.permutation(len(pairs))[:PAIRS]]


def video(clip: FileClip) -> str:
    return clip.path.stem.rsplit("_", 1)[0]


def judged(answers: Sequence[bool]) -> dict[str, float]:
    """The share of right ones with its bootstrap 95 % interval."""
    values = np.array(answers, dtype=float)
    rng = np.random.default_rng(0)
    draws = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--tune", action="store_true", help="the tuning pairs alone; nothing is written")
    options = arguments.parse_args()
    detector = MTCNN.load()
    clips = sorted((options.data / "mosi" / "clips").glob("*.mp4"))
    names = sorted({c.stem.rsplit("_", 1)[0] for c in clips})
    halves = [[c for c in clips if c.stem.rsplit("_", 1)[0] in part] for part in (names[:5], names[5:])]
    tuning = [a for p in mosi_pairs(halves[0], 0) for a in right_faces(p, detector, whole=True)]
    print("tuning", judged(tuning), len(tuning), flush=True)
    if options.tune:
        return
    scenes = Pair(*(FileClip(options.data / "scenes" / name) for name in SCENES))
    sets = {
        "scenes": right_faces(scenes, detector, whole=False),
        "mosi_last_five_videos": [
            a for p in mosi_pairs(halves[1], 1) for a in right_faces(p, detector, whole=True)
        ],
    }
    every = [a for answers in sets.values() for a in answers]
    results: dict[str, object] = {"right": judged(every)["mean"], "all": judged(every), "n": len(every)}
    for name, answers in {**sets, "mosi_first_five_videos_tuning": tuning}.items():
        results[name] = {"utterances": len(answers), **judged(answers)}
    print(record("who_speaks", results))


if __name__ == "__main__":
    main()
