"""What `affectline extract` costs: wall time, CPU and memory, local and on Ray; and what kills leave.

Clips of MOSI, each as many times as it takes. Each extraction is a process of its own; its memory is that of
all of its processes, twice a second.

python -m benchmarks.extract [--counts 100,200,400,800] [--engines local,ray] [--kills 5]
"""

import argparse
import csv
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import parser, record

STREAMS = "audio.egemaps,audio.mel,text.minilm"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def made(mosi: Path, root: Path, count: int) -> Path:
    """A corpus of so many clips: those of MOSI, again and again; the files are links."""
    folder = root / "mine"
    (folder / "clips").mkdir(parents=True)
    with (mosi / "utterances.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if (mosi / "clips" / f"{r['utterance_id']}.mp4").is_file()]
    with (folder / "utterances.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "clip", "text", "labels", "split"])
        for n in range(count):
            row = rows[n % len(rows)]
            clip = f"clips/{row['utterance_id']}.mp4"
            if not (folder / clip).exists():
                (folder / clip).symlink_to(mosi / clip)
            label = "positive" if float(row["sentiment"]) >= 0 else "negative"
            writer.writerow([f"c{n:05d}", clip, row["text"], label, "train"])
    return root


def command(root: Path, out: Path, engine: str) -> list[str]:
    named = ["--streams", STREAMS, "--root", str(root), "--split", "train", "--out", str(out)]
    return [sys.executable, "-m", "affectline", "extract", "mine", *named, "--engine", engine]


def run(root: Path, out: Path, engine: str) -> dict[str, Any]:
    """One extraction, watched."""
    began, memory, cpu = time.monotonic(), [], dict[int, float]()
    with subprocess.Popen(command(root, out, engine), stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            seen = tree(process.pid)
            memory.append(sum(rss for rss, _ in seen.values()) / 2**20)
            cpu |= {pid: seconds for pid, (_, seconds) in seen.items()}
            time.sleep(0.5)
        said = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise RuntimeError(f"{engine}: {said[-500:]}")
    quarter = max(1, len(memory) // 4)
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": sum(cpu.values()),
        "peak_mib": max(memory),
        "mib_in_quarters": [float(np.mean(memory[n * quarter : (n + 1) * quarter])) for n in range(4)],
    }


def tree(root: int) -> dict[int, tuple[int, float]]:
    """Resident bytes and CPU seconds of a process and of all that it started."""
    stats: dict[int, tuple[int, int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        stats[int(path.parent.name)] = (
            int(fields[1]),
            int(fields[21]) * PAGE,
            (int(fields[11]) + int(fields[12])) / TICK,
        )
    found, more = {root}, True
    while more:
        children = {pid for pid, (parent, *_) in stats.items() if parent in found} - found
        found, more = found | children, bool(children)
    return {pid: stats[pid][1:] for pid in found if pid in stats}


def sha256(folder: Path) -> str:
    """Of all files of a table and their names."""
    content = hashlib.sha256()
    for path in sorted(folder.glob("*.parquet")):
        content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()


def killed(root: Path, out: Path, kills: int) -> list[int]:
    """Kill an extraction so many times, then let it end; how many files there were at each kill.

    It is killed within a second after it has written one more, and every other time before.
    """
    rng, files = random.Random(0), list[int]()
    for n in range(kills):
        before = len(list(out.glob("*.parquet")))
        with subprocess.Popen(command(root, out, "local"), stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            next((line for line in process.stderr if "extracting" in line), None)
            while n % 2 == 0 and process.poll() is None and len(list(out.glob("*.parquet"))) <= before:
                time.sleep(0.02)
            time.sleep(rng.random())
            process.send_signal(signal.SIGKILL)
        files.append(len(list(out.glob("*.parquet"))))
    run(root, out, "local")
    return files


def linear(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """A straight line through CPU seconds over clips: what a clip costs, what starting does, and R2."""
    clips, cpu = (np.array([row[key] for row in rows], float) for key in ("clips", "cpu_seconds"))
    slope, start = np.polyfit(clips, cpu, 1)
    rest = cpu - (slope * clips + start)
    return {
        "cpu_seconds_a_clip": float(slope),
        "cpu_seconds_to_start": float(start),
        "r2": float(1 - rest @ rest / ((cpu - cpu.mean()) @ (cpu - cpu.mean()))),
    }


def measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    counts = {"local": numbers(options.counts), "ray": numbers(options.ray_counts)}
    results: dict[str, Any] = {"streams": STREAMS}
    tables: dict[int, str] = {}
    for engine in options.engines.split(","):
        rows = []
        for count in counts[engine]:
            root = folder / f"{count}"
            if not root.exists():
                made(options.data / "mosi", root, count)
            out = folder / f"{engine}{count}"
            rows.append({"clips": count, **run(root, out, engine)})
            print(engine, rows[-1], flush=True)
            if tables.setdefault(count, sha256(out)) != sha256(out):
                raise RuntimeError(f"{engine} gives another table of {count} clips")
        results[engine] = {"runs": rows, **(linear(rows) if len(rows) > 2 else {})}
    results["same_table"] = True
    if options.kills:
        count = options.kill_count
        files = killed(folder / f"{count}", folder / "killed", options.kills)
        same = sha256(folder / "killed") == tables[count]
        results["kills"] = {"clips": count, "files_at_each_kill": files, "same_table": same}
    return results


def numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",")]


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--counts", default="100,200,400,800")
    arguments.add_argument("--ray-counts", default="100,200", help="the same for Ray, on so many clips")
    arguments.add_argument("--kill-count", type=int, default=200, help="one of the counts")
    arguments.add_argument("--engines", default="local,ray" if find_spec("ray") else "local")
    arguments.add_argument("--kills", type=int, default=5)
    options = arguments.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        print(record("extract", measured(options, folder)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
