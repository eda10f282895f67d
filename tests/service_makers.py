"""A service whose work is quick and does as the recording says, and what is sent to it."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi.testclient import TestClient
from timeline_makers import talk

from affectline.server.limits import Limits
from affectline.server.service import Settings, create_app, run
from affectline.server.worker import Report, Task, Work

CHECKPOINTS = {"base": "base", "other": "other"}
BASE = "/api/v1"


@dataclass(frozen=True)
class Fake:
    """Makes work that does what the recording says: "sleep 2", "crash", "crash once", "hang", "fail" ...

    `seconds`: that any other recording takes.
    """

    seconds: float = 0.0

    def __call__(self) -> Work:
        return self.do

    def do(self, task: Task, report: Report) -> None:
        said = Path(task["recording"]).read_bytes()[:200].decode("latin-1").split()
        word, rest = (said or [""])[0], said[1:]
        folder = Path(task["folder"])
        match word:
            case "sleep":
                wait(report, float(rest[0]))
            case "hang":  # and hears nothing
                time.sleep(60)
            case "crash":
                once = folder.parent / "crashed"
                folder.parent.mkdir(exist_ok=True)
                if not rest or not once.exists():
                    once.touch()
                    os._exit(1)
            case "fail":
                raise ValueError(f"{task['recording']}: is text, not a recording")
            case "stumble":
                raise KeyError("/etc/secret")
            case "eat":
                held = bytearray(300_000_000)
                wait(report, 20 + len(held) * 0)
            case _:
                wait(report, self.seconds)
        untimed = word == "untimed"
        talk(3, timed=not untimed, path=task["recording"]).write(folder / "timeline.json")


def wait(report: Report, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        report("faces", 1 - left / seconds)
        time.sleep(min(left, 0.02))


def settings(folder: Path, **changes) -> Settings:
    return Settings(data=folder, checkpoints=CHECKPOINTS, **changes)


@contextmanager
def service(folder: Path, *, seconds: float = 0.0, **changes) -> Iterator[TestClient]:
    """A client of a service that runs while the context does."""
    app = create_app(settings(folder, **changes), Fake(seconds))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def send(client: TestClient, content: bytes | str = "speech", name: str = "talk.mp4", **fields) -> dict:
    """Send a recording; the job."""
    files = {"recording": (name, content.encode() if isinstance(content, str) else content)}
    answer = client.post(f"{BASE}/jobs", files=files, data=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def ended(client: TestClient, job: dict, seconds: float = 30.0) -> dict:
    """The job as it is when it is over."""
    return until(client, job, lambda j: j["state"] in ("completed", "failed", "cancelled"), seconds)


def until(client: TestClient, job: dict, holds, seconds: float = 30.0) -> dict:
    end = time.monotonic() + seconds
    while True:
        now = client.get(f"{BASE}/jobs/{job['id']}").json()
        if holds(now):
            return now
        assert time.monotonic() < end, now
        time.sleep(0.02)


if __name__ == "__main__":  # a server of its own, to be killed: FOLDER PORT SECONDS
    data, port, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    limits = Limits(jobs=1000)
    make = Fake(seconds)
    sys.exit(run(settings(data, limits=limits), "127.0.0.1", port, print, make))
