"""Whose mouth moves with the sound: two videos of one speaker each, side by side, with one of their sounds.

python -m benchmarks.who_speaks [--tune]

`scenes`: the two one-speaker scenes; an utterance is a stretch of speech. `mosi_conversations`: every two of
the last five videos of MOSI as two people in one picture, who say four clips each, while the other one is
seen talking, too. `mosi_utterances`: the same, each utterance judged alone, without what the speaker's others
say. `affectline.segment.faces` was tuned on the first five videos (`--tune` gives their figures alone).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record

from affectline.faces import RATE, Picture, Tracked, track_faces
from affectline.media import FileClip
from affectline.nn.mtcnn import MTCNN
from affectline.segment.faces import Fit, fits, loudness, who_speaks
from affectline.segment.speech import cut, detect
from affectline.types import Span

EACH = 4
"""Pairs of clips of every two videos; each is judged with both sounds."""

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


def seen_in(pair: Pair, detector: MTCNN, *, whole: bool) -> list[tuple[int, list[Fit]]]:
    """For each utterance of both sounds its side, and the faces, which are called after their sides."""
    found = track_faces(pair.pictures(), detector)
    middle = next(pair.left.pictures(RATE))[1].shape[1]
    named = [replace(face, track=replace(face.track, id=side_of(face, middle))) for face in found]
    utterances = []
    for side, clip in enumerate((pair.left, pair.right)):
        spans = [Span(0.0, pair.duration)] if whole else stretches(clip, pair.duration)
        heard = loudness(clip)
        utterances += [(side, list(fits(named, span, heard))) for span in spans]
    return utterances


def side_of(face: Tracked, middle: int) -> str:
    return str(int(face.track.boxes[:, [0, 2]].mean() > middle))


def right_faces(utterances: Sequence[tuple[int, list[Fit]]]) -> list[bool]:
    """Whether the face on the side of the sound was chosen, in each utterance of a conversation."""
    sides = [str(side) for side, _ in utterances]
    chosen = who_speaks([found for _, found in utterances], sides)
    return [fit is not None and fit.track.id == side for fit, side in zip(chosen, sides, strict=True)]


def stretches(clip: FileClip, until: float) -> list[Span]:
    speech = detect(clip)
    return [s for s in cut(speech.spans, speech.probability) if s.end <= until]


def conversations(clips: Sequence[Path], seed: int) -> Iterator[list[Pair]]:
    """Of every two videos, pairs of clips of nearly the same length, of 2 s at least."""
    by_video: dict[str, list[FileClip]] = {}
    for clip in map(FileClip, clips):
        if clip.duration >= 2:
            by_video.setdefault(video(clip), []).append(clip)
    rng = np.random.default_rng(seed)
    for one, other in combinations(sorted(by_video), 2):
        waiting, pairs = list(by_video[other]), []
        for n in rng.permutation(len(by_video[one]))[:EACH]:
            left = by_video[one][n]
            right = min(waiting, key=lambda c, to=left: abs(c.duration - to.duration))
            waiting.remove(right)
            pairs.append(Pair(left, right))
        yield pairs


def mosi(clips: Sequence[Path], detector: MTCNN, seed: int) -> dict[str, list[bool]]:
    alone, together = [], []
    for pairs in conversations(clips, seed):
        seen = [utterance for pair in pairs for utterance in seen_in(pair, detector, whole=True)]
        alone += [answer for utterance in seen for answer in right_faces([utterance])]
        together += right_faces(seen)
    return {"utterances": alone, "conversations": together}


def video(clip: FileClip) -> str:
    return clip.path.stem.rsplit("_", 1)[0]


def judged(answers: Sequence[bool]) -> dict[str, float]:
    """The share of right ones with its bootstrap 95 % interval."""
    values = np.array(answers, dtype=float)
    rng = np.random.default_rng(0)
    draws = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high), "n": len(values)}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--tune", action="store_true", help="the tuning pairs alone; nothing is written")
    options = arguments.parse_args()
    detector = MTCNN.load()
    clips = sorted((options.data / "mosi" / "clips").glob("*.mp4"))
    names = sorted({video(FileClip(c)) for c in clips})
    halves = [[c for c in clips if video(FileClip(c)) in part] for part in (names[:5], names[5:])]
    tuning = {f"tuning_{k}": v for k, v in mosi(halves[0], detector, 0).items()}
    for name, answers in tuning.items():
        print(name, judged(answers), flush=True)
    if options.tune:
        return
    scenes = Pair(*(FileClip(options.data / "scenes" / name) for name in SCENES))
    sets = {"scenes": right_faces(seen_in(scenes, detector, whole=False))}
    sets |= {f"mosi_{k}": v for k, v in mosi(halves[1], detector, 1).items()}
    every = sets["scenes"] + sets["mosi_conversations"]
    results: dict[str, object] = {"right": float(np.mean(every)), "n": len(every)}
    results |= {name: judged(answers) for name, answers in {**sets, **tuning}.items()}
    print(record("who_speaks", results))


if __name__ == "__main__":
    main()
