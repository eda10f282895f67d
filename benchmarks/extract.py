"""What `affectline extract` costs: wall time, CPU and memory, local and on Ray; and what kills leave.

python -m benchmarks.extract PART,... [--engine local|ray]

series: clips of MOSI, 100, 200, 400 and 800 by repetition, streams of sound and words. all: every stream that
works offline by its name, on the 216 clips of MOSI. ravdess: those of sound, on its 1,200 recordings. kills:
an extraction of 100 clips that is killed at random. Each extraction is a process of its own; its memory is
that of all of its processes, twice a second, and what they share is counted once. A part is written when it
is done, with the command that made it, beside what other calls measured; tables of both engines are compared.
"""

import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from benchmarks._record import FOLDER, command, parser, record

STREAMS = "audio.egemaps,audio.mel,text.minilm"
SOUND = "audio.mel,audio.egemaps,audio.compare"
ALL = (
    f"{SOUND},text.minilm,video.expression,"
    "audio.samples,text.tokens,text.turns,text.windows,video.faces,video.frames"
)
"""With --raw: the second line is words, sound and pictures as they are. Left out: what needs an extra that
is not installed here, or weights that no package carries."""
CLIPS, RECORDINGS, KILLED = 216, 1200, 100
TICK = os.sysconf("SC_CLK_TCK")


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


def call(corpus: str, root: Path, out: Path, streams: str, engine: str) -> list[str]:
    named = ["--streams", streams, "--root", str(root), "--out", str(out), "--engine", engine]
    raw = ["--raw"] if streams == ALL else []
    return [sys.executable, "-m", "affectline", "extract", corpus, *named, *raw]


def run(words: Sequence[str]) -> dict[str, Any]:
    """One extraction, watched."""
    began, memory, cpu = time.monotonic(), [], dict[int, float]()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while process.poll() is None:
            seen = tree(process.pid)
            memory.append(sum(size for size, _ in seen.values()) / 2**20)
            cpu |= {pid: seconds for pid, (_, seconds) in seen.items()}
            time.sleep(0.5)
        said = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: {said[-500:]}")
    quarter = max(1, len(memory) // 4)
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": sum(cpu.values()),
        "peak_mib": max(memory),
        "mib_in_quarters": [float(np.mean(memory[n * quarter : (n + 1) * quarter])) for n in range(4)],
    }


def tree(root: int) -> dict[int, tuple[int, float]]:
    """Bytes and CPU seconds of a process and of all that it started; of what n share each has an nth."""
    stats: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        stats[int(path.parent.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK
    found, more = {root}, True
    while more:
        children = {pid for pid, (parent, _) in stats.items() if parent in found} - found
        found, more = found | children, bool(children)
    return {pid: (_share(pid), stats[pid][1]) for pid in found if pid in stats}


def _share(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def sha256(folder: Path) -> str:
    """Of all files of a table and their names."""
    content = hashlib.sha256()
    for path in sorted(folder.glob("*.parquet")):
        content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()


def killed(words: Sequence[str], out: Path, kills: int) -> list[int]:
    """Kill an extraction so many times, then let it end; how many files there were at each kill.

    It is killed within a second after it has written one more, and every other time before.
    """
    rng, files = random.Random(0), list[int]()
    for n in range(kills):
        before = len(list(out.glob("*.parquet")))
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            next((line for line in process.stderr if "extracting" in line), None)
            while n % 2 == 0 and process.poll() is None and len(list(out.glob("*.parquet"))) <= before:
                time.sleep(0.02)
            time.sleep(rng.random())
            process.send_signal(signal.SIGKILL)
        files.append(len(list(out.glob("*.parquet"))))
    run(words)
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


def series(folder: Path, data: Path, engine: str, count: int) -> dict[str, Any]:
    """With one more count, or that one anew, in what was measured before."""
    before = there().get(f"series_{engine}", {"runs": []})["runs"]
    row = {"command": command(), **_clips(data, folder, engine, count, STREAMS)}
    rows = sorted([*(r for r in before if r["clips"] != count), row], key=lambda r: r["clips"])
    return {"streams": STREAMS, "runs": rows, **(linear(rows) if len(rows) > 2 else {})}


def everything(data: Path, folder: Path, engine: str, count: int) -> dict[str, Any]:
    return {"streams": ALL, **_clips(data, folder, engine, count, ALL)}


def ravdess(data: Path, folder: Path, engine: str, count: int) -> dict[str, Any]:
    watched = run([*call("ravdess", data, folder / "out", SOUND, engine), "--limit", str(count)])
    return {"streams": SOUND, **_of(folder / "out", watched)}


def kills(data: Path, folder: Path, engine: str, count: int, times: int) -> dict[str, Any]:
    """Never killed: the table of so many clips that `series` made, or, where it did not, one made here."""
    before = {row["clips"]: row["sha256"] for row in there().get("series_local", {"runs": []})["runs"]}
    words = call("mine", made(data / "mosi", folder / "data", count), folder / "out", STREAMS, engine)
    files = killed(words, folder / "out", times)
    never = before.get(count) or _clips(data, folder, "local", count, STREAMS)["sha256"]
    same = sha256(folder / "out") == never
    return {"clips": count, "files_at_each_kill": files, "same_table_as_never_killed": same}


def _clips(data: Path, folder: Path, engine: str, count: int, streams: str) -> dict[str, Any]:
    root, out = folder / f"data{count}", folder / f"out{count}"
    found = _of(out, run(call("mine", made(data / "mosi", root, count), out, streams, engine)))
    print(engine, found, flush=True)
    shutil.rmtree(out)
    return found


def _of(out: Path, watched: Mapping[str, Any]) -> dict[str, Any]:
    """What was watched, how many rows it made, and what names the table."""
    rows = sum(pq.read_metadata(path).num_rows for path in out.glob("*.parquet"))
    size = sum(path.stat().st_size for path in out.glob("*.parquet")) / 2**20
    each = {"seconds_a_clip": watched["seconds"] / rows, "table_mib": size, "sha256": sha256(out)}
    return {"clips": rows, **watched, **each}


def same(results: Mapping[str, Any]) -> bool | None:
    """Whether both engines gave the same tables, of those that both made; None where there is none."""
    tables = dict[tuple[str, int], set[str]]()
    for part in (found for name, found in results.items() if isinstance(found, dict) and "kills" not in name):
        for row in part.get("runs", [part]):
            if "sha256" in row:
                tables.setdefault((part["streams"], row["clips"]), set()).add(row["sha256"])
    return all(len(names) == 1 for names in tables.values()) if tables else None


def there() -> dict[str, Any]:
    """The parts that were measured before."""
    path = FOLDER / "extract.json"
    results = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else {}
    return {name: found for name, found in results.items() if isinstance(found, dict)}


def write(part: str, found: Mapping[str, Any]) -> Path:
    """Beside the other parts."""
    told = {} if "runs" in found else {"command": command()}
    results = there() | {part: {**told, "made": date.today().isoformat(), **found}}
    return record("extract", {**dict(sorted(results.items())), "same_tables": same(results)})


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("parts", help="of series,all,ravdess,kills", metavar="PART,...")
    arguments.add_argument("--engine", default="local", choices=("local", "ray"))
    arguments.add_argument("--counts", default="100,200,400,800", help="of series")
    arguments.add_argument("--clips", type=int, default=CLIPS, help="of all")
    arguments.add_argument("--recordings", type=int, default=RECORDINGS, help="of ravdess")
    arguments.add_argument("--kills", type=int, default=5)
    options = arguments.parse_args()
    data, engine = options.data, options.engine
    known: Mapping[str, Callable[[Path], dict[str, Any]]] = {
        "all": lambda folder: everything(data, folder, engine, options.clips),
        "ravdess": lambda folder: ravdess(data, folder, engine, options.recordings),
        "kills": lambda folder: kills(data, folder, engine, KILLED, options.kills),
        **{n: partial(series, data=data, engine=engine, count=int(n)) for n in options.counts.split(",")},
    }
    parts = options.parts.replace("series", options.counts).split(",")
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            name = "series" if part.isdigit() else part
            print(write(f"{name}_{engine}", known[part](Path(folder))))


if __name__ == "__main__":
    main()
