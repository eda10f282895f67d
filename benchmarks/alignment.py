"""How far rows without times land from where they are spoken.

python -m benchmarks.alignment

Rows of known recordings are joined with pauses, given without their times, and laid over the speech. RAVDESS:
20 files of one actor each, two sentences of the same length (silence of about a second around each is in the
files). MOSI: the clips of one video in order, words of any length; 0.2-1 s and, harder, 0-0.2 s between them.
The demo conversation has the times of its SRT. `UNEVEN` and `BREATH` were chosen on RAVDESS actors 1-14 and
the first five videos of MOSI.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from benchmarks._record import ROOT, parser, record

from affectline.media import FileClip, MemoryClip
from affectline.segment.align import lay, weight
from affectline.segment.speech import RATE, detect
from affectline.segment.transcript import read
from affectline.types import Span

Made = tuple[list[str], Sequence[Span], list[Span]]  # words, detected speech, where they are spoken
Rng = np.random.Generator
SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


def main() -> None:
    data = parser("Alignment of rows without times.").parse_args().data
    mosi = {pause: list(mosi_videos(data / "mosi", pause)) for pause in ((0.2, 1.0), (0.0, 0.2))}
    sets = {
        "ravdess_actors_01_14": list(ravdess(data / "ravdess", range(1, 15))),
        "ravdess_actors_15_20": list(ravdess(data / "ravdess", range(15, 21))),
        "mosi_first_five_videos": mosi[0.2, 1.0][:5],
        "mosi_last_five_videos": mosi[0.2, 1.0][5:],
        "mosi_last_five_videos_short_pauses": mosi[0.0, 0.2][5:],
        "demo": [demo()],
    }
    record(
        "alignment",
        {
            name: {
                "recordings": len(made),
                "rows": sum(len(m[0]) for m in made),
                "here": errors(made, lay),
                "proportional_without_pauses": errors(made, proportional),
            }
            for name, made in sets.items()
        },
    )


def errors(
    made: Sequence[Made], place: Callable[[list[str], Sequence[Span]], list[Span]]
) -> dict[str, float]:
    """Absolute errors of all starts and ends, in seconds."""
    found = []
    for texts, speech, true in made:
        for ours, theirs in zip(place(texts, speech), true, strict=True):
            found += [abs(ours.start - theirs.start), abs(ours.end - theirs.end)]
    array = np.array(found)
    return {
        "mean": round(float(array.mean()), 3),
        "median": round(float(np.median(array)), 3),
        "within_half_a_second": round(float((array <= 0.5).mean()), 3),
    }


def proportional(texts: list[str], speech: Sequence[Span]) -> list[Span]:
    """The naive way: each row its share of the whole stretch from the first to the last speech."""
    shares = np.cumsum([0.0, *(weight(text) for text in texts)])
    bounds = speech[0].start + (speech[-1].end - speech[0].start) * shares / shares[-1]
    return [Span(float(a), float(b)) for a, b in pairwise(bounds)]


def ravdess(folder: Path, actors: range) -> Iterator[Made]:
    rng = np.random.default_rng(0)
    for actor in actors:
        files = sorted((folder / f"Actor_{actor:02}").glob("*.flac"))
        chosen = [files[n] for n in rng.permutation(len(files))[:20]]
        yield joined([SENTENCES[f.stem.split("-")[4]] for f in chosen], chosen, rng, (0.0, 0.3))


def mosi_videos(folder: Path, pause: tuple[float, float]) -> Iterator[Made]:
    rng = np.random.default_rng(1)
    videos = defaultdict(list)
    with (folder / "utterances.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["has_clip"] == "1":
                videos[row["video_id"]].append((int(row["position"]), row["utterance_id"], row["text"]))
    for rows in videos.values():
        rows.sort()
        yield joined([r[2] for r in rows], [folder / "clips" / f"{r[1]}.mp4" for r in rows], rng, pause)


def joined(
    texts: list[str], files: Sequence[Path], rng: np.random.Generator, pause: tuple[float, float]
) -> Made:
    """Files one after the other; a row is spoken from the first to the last speech of its file alone."""
    sounds, true, time = [], [], 0.0
    for file in files:
        clip = FileClip(file)
        sound = clip.waveform(RATE)
        spans = detect(clip).spans or (Span(0.0, len(sound) / RATE),)
        true.append(Span(time + spans[0].start, time + spans[-1].end))
        quiet = rng.standard_normal(round(rng.uniform(*pause) * RATE)).astype(np.float32) * np.float32(1e-4)
        sounds += [sound, quiet]
        time += (len(sound) + len(quiet)) / RATE
    return texts, detect(MemoryClip(np.concatenate(sounds), RATE)).spans, true


def demo() -> Made:
    rows = read(ROOT / "examples" / "demo.srt").rows
    speech = detect(FileClip(ROOT / "examples" / "demo.mp4")).spans
    return [r.text or "" for r in rows], speech, [Span(r.start or 0.0, r.end or 1.0) for r in rows]


if __name__ == "__main__":
    main()
