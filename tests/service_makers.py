"""A service whose work is quick (service_work.py), and what is sent to it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from service_work import Fake, FakeBlurring, FakeStudio

from affectline.server.limits import Limits
from affectline.server.service import Settings, create_app, run

CHECKPOINTS = {"base": "base", "other": "other"}
BASE = "/api/v1"


def settings(folder: Path, **changes) -> Settings:
    return Settings(data=folder, **{"checkpoints": CHECKPOINTS, **changes})


@contextmanager
def service(folder: Path, *, seconds: float = 0.0, **changes) -> Iterator[TestClient]:
    """A client of a service that runs while the context does."""
    made = settings(folder, **changes)
    app = create_app(made, Fake(seconds), studio=FakeStudio(), blurring=FakeBlurring())
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def send(client: TestClient, content: bytes | str = "speech", name: str = "talk.mp4", **fields) -> dict:
    """Send a recording; the job."""
    files = {"recording": (name, content.encode() if isinstance(content, str) else content)}
    answer = client.post(f"{BASE}/jobs", files=files, data=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def ended(client: TestClient, job: dict, seconds: float = 60.0) -> dict:
    """The job as it is when it is over."""
    return until(client, job, lambda j: j["state"] in ("completed", "failed", "cancelled"), seconds)


def until(client: TestClient, job: dict, holds, seconds: float = 60.0) -> dict:
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
