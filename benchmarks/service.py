"""The service under kills and under load: is a job lost, and how long do clients wait for an answer?

`python -m benchmarks.service`: the server runs as a process of its own, over HTTP. The kills are of a server
whose work only waits, as what is tested is the queue; the load is 8 jobs of the demo, words alone, which are
really analysed while 20 clients ask for the list and for one job, each five times a second.
With `--quick` it measures in place of that what people wait for: a stream of the demo in real time, of sound
alone and with five pictures a second, and the demo by other modalities once it is analysed.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from benchmarks._record import ROOT, parser, record
from benchmarks._stream import stream, switch

CLIENTS, QUEUED = 20, 8
PAUSE = 0.2  # seconds between two requests of a client
GOAL = 0.2  # seconds, of the 95th percentile


@dataclass
class Server:
    """A server as a process, on a port of its own."""

    data: Path
    seconds: float | None
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    client: httpx2.Client = field(default_factory=httpx2.Client)

    def start(self) -> float:
        """Start it; the seconds until it answers."""
        began = time.monotonic()
        command = [sys.executable, "-m", "benchmarks._service", str(self.data), str(self.port)]
        command += [] if self.seconds is None else [str(self.seconds)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=60)
        while True:
            try:
                self.client.get("")
            except httpx2.TransportError:
                time.sleep(0.05)
            else:
                return time.monotonic() - began

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[int]:
        """The processes of its workers, as the system tells (Linux)."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = {int(pid) for task in tasks for pid in task.read_text().split()}
        return [p for p in children if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]

    def jobs(self) -> list[dict[str, Any]]:
        return self.client.get("/jobs", params={"limit": 1000}).json()

    def send(self, count: int) -> list[str]:
        """Ids of new jobs of a file that says nothing."""
        sent = (self.client.post("/jobs", files={"recording": ("talk.mp4", b"speech")}) for _ in range(count))
        return [answer.json()["id"] for answer in sent]

    def wait(self) -> dict[str, str]:
        """Until all jobs are over; their states by id."""
        while True:
            states = {job["id"]: job["state"] for job in self.jobs()}
            if not {"queued", "running"} & {*states.values()}:
                return states
            time.sleep(0.2)


@contextmanager
def serving(seconds: float | None) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", seconds, port)
        server.start()
        try:
            yield server
        finally:
            server.kill()
            time.sleep(0.5)  # its workers end by themselves


def kill_workers(kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill the worker at random moments; jobs are counted at the end. One that dies 3 times may fail."""
    with serving(0.3) as server:
        sent, killed = server.send(40), 0
        while killed < kills:
            time.sleep(rng.uniform(0, 4))
            for pid in server.workers():
                os.kill(pid, signal.SIGKILL)
                killed += 1
            waiting = sum(job["state"] in ("queued", "running") for job in server.jobs())
            sent += server.send(10) if waiting < 10 else []
        return {"kills": killed, **_counted(sent, server.wait())}


def kill_servers(kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill the server at random moments, also while jobs come in; every job that it answered for counts."""
    with serving(0.1) as server:
        sent, starts = [], []
        for _ in range(kills):
            sender = threading.Thread(target=_send_on, args=(server, sent))
            sender.start()
            time.sleep(rng.uniform(0, 2.0))
            server.kill()
            sender.join()
            starts.append(server.start())
        states = server.wait()
        return {"kills": kills, **_counted(sent, states), "seconds_to_start": float(np.median(starts))}


def _send_on(server: Server, sent: list[str]) -> None:
    try:
        for _ in range(4):
            sent += server.send(1)
    except httpx2.TransportError:
        return  # it was killed


def _counted(sent: list[str], states: dict[str, str]) -> dict[str, int]:
    return {
        "jobs": len(sent),
        "lost": len(set(sent) - set(states)),
        "completed": sum(states.get(id) == "completed" for id in sent),
        "failed": sum(states.get(id) == "failed" for id in sent),
    }


def load() -> dict[str, Any]:
    """What clients wait while the demo is analysed eight times."""
    with serving(None) as server:
        files = {
            name: (f"demo.{end}", (ROOT / "examples" / f"demo.{end}").read_bytes())
            for name, end in (("recording", "mp4"), ("transcript", "srt"))
        }
        asked = {"modalities": "text"}
        began = time.monotonic()
        sent = [server.client.post("/jobs", files=files, data=asked).json()["id"] for _ in range(QUEUED)]
        seconds: list[float] = []
        done = threading.Event()
        clients = [threading.Thread(target=_poll, args=(server, sent, seconds, done)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        states = server.wait()
        done.set()
        for client in clients:
            client.join()
        found = np.quantile(seconds, [0.5, 0.95, 0.99]).round(4).tolist()
        return {
            "clients": CLIENTS,
            "requests": len(seconds),
            "seconds": dict(zip(("median", "p95", "p99"), found, strict=True)),
            "goal_p95": GOAL,
            "met": found[1] < GOAL,
            "jobs_seconds": round(time.monotonic() - began, 1),
            **_counted(sent, states),
        }


def quick(modalities: str) -> dict[str, Any]:
    """A stream, then another modality: of a server with nothing else to do."""
    with serving(None) as server:
        address = f"ws://127.0.0.1:{server.port}/api/v1/stream"
        results: dict[str, Any] = {"stream": stream(address, False), "stream_pictures": stream(address, True)}
        print(results, flush=True)
        files = {
            name: (f"demo.{end}", (ROOT / "examples" / f"demo.{end}").read_bytes())
            for name, end in (("recording", "mp4"), ("transcript", "srt"))
        }
        job = server.client.post("/jobs", files=files, data={"modalities": modalities}).json()
        server.wait()
        return results | {"modality_switch": switch(server.client, job["id"], modalities.split(","))}


def _poll(server: Server, ids: list[str], seconds: list[float], done: threading.Event) -> None:
    with httpx2.Client(base_url=server.client.base_url, timeout=60) as client:
        for n in range(10**9):
            if done.is_set():
                return
            began = time.monotonic()
            client.get("/jobs" if n % 2 else f"/jobs/{ids[n % len(ids)]}").raise_for_status()
            seconds.append(time.monotonic() - began)
            time.sleep(PAUSE)


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--worker-kills", type=int, default=100)
    made.add_argument("--server-kills", type=int, default=20)
    made.add_argument("--quick", action="store_true", help="the stream and the modality switch")
    made.add_argument("--modalities", default="text,audio,video", help="of the analysis that is switched")
    arguments = made.parse_args()
    if arguments.quick:
        busy = {"machine_load": [round(value, 1) for value in os.getloadavg()]}
        print(record("service_quick", quick(arguments.modalities) | busy))
        return
    rng = random.Random(0)
    results: dict[str, Any] = {}
    for name, measure in (
        ("load", load),
        ("server_kills", lambda: kill_servers(arguments.server_kills, rng)),
        ("worker_kills", lambda: kill_workers(arguments.worker_kills, rng)),
    ):
        results[name] = measure()
        print(name, results[name], flush=True)
    results["machine_load"] = [round(value, 1) for value in os.getloadavg()]
    print(record("service", results))


if __name__ == "__main__":
    main()
