"""Who speaks when, against the truth.

python -m benchmarks.diarisation

The diarisation error rate (missed + false + confused speech, over all speech; lower is better) on a real
meeting (AMI, two voices, 30 s) and on conversations joined from single-speaker files with 0.1-0.6 s between
them: RAVDESS actors 15-20, who act strong emotions (the hard case: a voice changes more than with the
speaker), and the last five videos of MOSI (spontaneous speech; each video has a microphone of its own, which
helps). `apart` and the clustering were chosen on actors 1-14 and the first five videos.

Compared are the number of speakers estimated or told, and the speaker network (needs the package Resemblyzer)
against cepstra, which need no weights.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time
from unittest.mock import patch

import numpy as np
from benchmarks._record import parser, record
from scipy.optimize import linear_sum_assignment

from affectline.media import FileClip, MemoryClip
from affectline.segment import speakers
from affectline.segment.speakers import Turn, by_voice
from affectline.segment.speech import RATE, Speech, detect
from affectline.segment.voice import Cepstra, Network, Voice
from affectline.types import Clip, Span

Listen = Callable[[Clip, Sequence[Span], Voice], speakers.Voices]
Made = tuple[MemoryClip | FileClip, Speech, list[Turn]]
GRID = 100  # points a second on which speech is counted
FILES = 20  # in a joined conversation


def main() -> None:
    data = parser("Diarisation error.").parse_args().data
    actors = {f"{n:02}": sorted((data / "ravdess" / f"Actor_{n:02}").glob("*.flac")) for n in range(15, 21)}
    videos = defaultdict(list)
    for file in sorted((data / "mosi" / "clips").glob("*.mp4")):
        videos[file.stem.rsplit("_", 1)[0]].append(file)
    sets = {
        "meeting": [meeting(data / "scenes")],
        "ravdess_actors_15_20": list(conversations(actors, 3)),
        "mosi_last_five_videos": list(conversations(dict(sorted(videos.items())[5:]), 3)),
    }
    record("diarisation", {name: judged(made) for name, made in sets.items()} | {"speed": speed()})


def judged(made: Sequence[Made]) -> dict[str, object]:
    results: dict[str, object] = {"recordings": len(made)}
    for name, voice in (("network", Network()), ("cepstra", Cepstra())):
        with patch.object(speakers, "listen", remembered(speakers.listen)):
            for told in (False, True):
                results[f"{name}_number_{'told' if told else 'estimated'}"] = mean_rates(made, voice, told)
    return results


def mean_rates(made: Sequence[Made], voice: Voice, told: bool) -> dict[str, float]:
    found = []
    for clip, speech, true in made:
        count = len({t.speaker for t in true}) if told else None
        found.append(rates(true, by_voice(clip, speech, count, voice), clip.duration))
    return {name: round(float(np.mean([f[name] for f in found])), 3) for name in found[0]}


def rates(true: Sequence[Turn], found: Sequence[Turn], duration: float) -> dict[str, float]:
    """Error rates with and without a collar of 0.25 s around each true change, and the count of speakers."""
    strict, lenient = (error_rate(true, found, duration, collar) for collar in (0.0, 0.25))
    count = len({t.speaker for t in found}) - len({t.speaker for t in true})
    return {
        **strict,
        "der_collar_0.25": lenient["der"],
        "confusion_collar_0.25": lenient["confusion"],
        "speakers_too_many": count,
        "speakers_off_by": abs(count),
        "count_right": float(count == 0),
    }


def error_rate(
    true: Sequence[Turn], found: Sequence[Turn], duration: float, collar: float
) -> dict[str, float]:
    """Diarisation error rate under the best one-to-one mapping of speakers (Hungarian), overlaps counted."""
    reference, hypothesis = _grid(true, duration), _grid(found, duration)
    judged = np.ones(reference.shape[1], dtype=bool)
    for change in (time for t in true for time in (t.span.start, t.span.end) if collar):
        judged[max(0, round((change - collar) * GRID)) : round((change + collar) * GRID)] = False
    reference, hypothesis = reference[:, judged], hypothesis[:, judged]
    shared = reference.astype(float) @ hypothesis.T
    rows, columns = linear_sum_assignment(-shared)
    ours, theirs = hypothesis.sum(axis=0), reference.sum(axis=0)
    total = max(1, int(theirs.sum()))
    missed, false = np.maximum(0, theirs - ours).sum(), np.maximum(0, ours - theirs).sum()
    confused = np.minimum(ours, theirs).sum() - shared[rows, columns].sum()
    return {
        "der": float(missed + false + confused) / total,
        "missed": float(missed) / total,
        "false": float(false) / total,
        "confusion": float(confused) / total,
        "purity": float(shared.max(axis=0).sum() / max(1.0, shared.sum())),
    }


def _grid(turns: Sequence[Turn], duration: float) -> np.ndarray:
    names = sorted({t.speaker for t in turns})
    grid = np.zeros((max(1, len(names)), round(duration * GRID) + 1), dtype=bool)
    for turn in turns:
        grid[names.index(turn.speaker), round(turn.span.start * GRID) : round(turn.span.end * GRID)] = True
    return grid


def meeting(folder: Path) -> Made:
    clip = FileClip(folder / "meeting_30s.wav")
    lines = [line.split() for line in (folder / "meeting_30s.rttm").read_text().splitlines()]
    true = [Turn(Span(float(f[3]), float(f[3]) + float(f[4])), f[7]) for f in lines]
    return clip, detect(clip), true


def conversations(files: dict[str, list[Path]], each: int) -> Iterator[Made]:
    """`each` conversations of one, two, three and four speakers."""
    rng = np.random.default_rng(1)
    for count in (1, 2, 3, 4):
        for _ in range(each):
            names = [str(name) for name in rng.choice(sorted(files), count, replace=False)]
            order = names + [names[n] for n in rng.integers(0, count, FILES - count)]
            yield _joined([(n, files[n][rng.integers(len(files[n]))]) for n in order], rng)


def _joined(parts: Sequence[tuple[str, Path]], rng: np.random.Generator) -> Made:
    sounds, true, time = [], [], 0.0
    for name, file in parts:
        spans = detect(FileClip(file)).spans
        if not spans:
            continue
        whole = Span(spans[0].start, spans[-1].end)
        sound = FileClip(file, whole.start, whole.end).waveform(RATE)
        quiet = np.zeros(round(rng.uniform(0.1, 0.6) * RATE), dtype=np.float32)
        true += [Turn(Span(time + s.start - whole.start, time + s.end - whole.start), name) for s in spans]
        sounds += [sound, quiet]
        time += (len(sound) + len(quiet)) / RATE
    sound = np.concatenate(sounds)
    clip = MemoryClip(sound + np.float32(1e-4) * rng.standard_normal(len(sound)).astype(np.float32), RATE)
    return clip, detect(clip), true


def remembered(listen: Listen) -> Listen:
    """The voices of a recording are the same however many speakers are looked for."""
    known: dict[int, speakers.Voices] = {}

    def heard(recording: Clip, stretches: Sequence[Span], voice: Voice) -> speakers.Voices:
        if id(recording) not in known:
            known[id(recording)] = listen(recording, stretches, voice)
        return known[id(recording)]

    return heard


def speed() -> dict[str, float]:
    """Seconds of one core for ten minutes of speech-like sound, as a share of its length."""
    rng = np.random.default_rng(0)
    clip = MemoryClip(0.1 * rng.standard_normal(RATE * 600).astype(np.float32), RATE)
    begin = process_time()
    detect(clip)
    heard = process_time()
    speech = Speech(
        tuple(Span(n * 5.0, n * 5.0 + 4.5) for n in range(120)), np.ones(18_750, dtype=np.float32)
    )
    by_voice(clip, speech, voice=Network())
    return {
        "speech_detection_of_real_time": round((heard - begin) / 600, 4),
        "speakers_of_real_time": round((process_time() - heard) / 600, 4),
    }


if __name__ == "__main__":
    main()
