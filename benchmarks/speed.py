"""Time and peak memory of `affectline analyze`, words given where they are known.

python -m benchmarks.speed [--long] [--checkpoint DIR]

Recordings of a minute or less are analysed three times and the fastest counts (`slowest_ratio` is the other
end): whatever else the machine does only adds. 60 minutes take a quarter of an hour (`--long`). What was
measured before of recordings that are not asked for is kept (`--minutes` without a number: of joined clips).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._record import FOLDER, parser, record
from benchmarks._talks import join, spoken

MEASURED = """
import json, resource, sys, time
from pathlib import Path
began = time.monotonic()
from affectline import Analyzer
analyzer = Analyzer.load(sys.argv[1], "cpu")
loaded = time.monotonic()
stages = []
timeline = analyzer.analyze(
    sys.argv[2], sys.argv[3] or None, progress=lambda stage, share: stages.append((time.monotonic(), stage))
)
ended = time.monotonic()
seconds = {}
for (start, stage), (end, _) in zip(stages, [*stages[1:], (ended, "")]):
    seconds[stage] = round(seconds.get(stage, 0.0) + end - start, 3)
print(json.dumps({
    "duration": timeline.duration,
    "utterances": len(timeline.utterances),
    "loading_s": round(loaded - began, 3),
    "analysing_s": round(ended - loaded, 3),
    "ratio": round((ended - loaded) / timeline.duration, 4),
    "stages_s": seconds,
    "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
}))
"""


def measure(recording: Path, transcript: Path | None, checkpoint: str) -> dict[str, object]:
    """One analysis in a process of its own, so that its memory is its own."""
    command = [sys.executable, "-c", MEASURED, checkpoint, str(recording), str(transcript or "")]
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as users have it
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(ran.stdout)
    found["processor_s"] = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)
    found["whole_command_s"] = round(time.monotonic() - began, 2)
    print(recording.name, found, flush=True)
    return found


def fastest(recording: Path, transcript: Path | None, checkpoint: str, times: int = 3) -> dict[str, object]:
    """The fastest of several analyses, and how slow the slowest was."""
    runs = [measure(recording, transcript, checkpoint) for _ in range(times)]
    ratios = [float(str(run["ratio"])) for run in runs]
    return {**runs[ratios.index(min(ratios))], "slowest_ratio": max(ratios)}


def before() -> dict[str, dict[str, object]]:
    """What was measured of each recording the last time."""
    path = FOLDER / "speed.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"]["recordings"] if path.is_file() else {}


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--checkpoint", default="base")
    arguments.add_argument("--long", action="store_true", help="also 60 minutes")
    arguments.add_argument("--minutes", type=float, nargs="*", default=[1, 10], help="of joined clips")
    options = arguments.parse_args()
    scenes = options.data / "scenes"
    results = before()
    for name in ("one_speaker_512.mp4", "several_people.avi"):
        results[name] = fastest(scenes / name, None, options.checkpoint)
    utterances = spoken(options.data)
    with tempfile.TemporaryDirectory() as folder:
        for minutes in [*options.minutes, *([60] if options.long else [])]:
            recording, transcript = join(utterances, 60 * minutes, Path(folder))
            times = 3 if minutes <= 1 else 1
            results[f"{minutes:g} minutes"] = fastest(recording, transcript, options.checkpoint, times)
            recording.unlink()
    peak = {name: float(str(r["peak_mb"])) for name, r in results.items()}
    ratio = max(float(str(r["ratio"])) for r in results.values())
    growth = peak.get("60 minutes", float("nan")) - peak.get("1 minutes", float("nan"))
    print(record("speed", {"ratio": ratio, "growth_mb": growth, "recordings": results}))


if __name__ == "__main__":
    main()
