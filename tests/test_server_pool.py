"""Workers and servers end at any moment, and no job is lost."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from service_makers import BASE, ended, send, service, until

from affectline.server.limits import Limits

LIMITS = Limits(seconds=2.5)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with service(tmp_path_factory.mktemp("data"), limits=LIMITS) as client:
        yield client


def _workers(client: TestClient) -> list[int]:
    return client.app.state.service.pool.processes()  # pyright: ignore


def test_a_worker_that_ends_is_started_again_and_its_job_tried_again(client: TestClient) -> None:
    job = ended(client, send(client, "crash once"))
    assert (job["state"], job["crashes"]) == ("completed", 1)


def test_a_job_whose_worker_says_nothing_yet_is_loading(client: TestClient) -> None:
    job = until(client, send(client, "hang"), lambda j: j["state"] == "running")
    assert (job["stage"], job["progress"]) == ("loading", 0.0)
    client.delete(job["links"]["self"])


def test_a_job_that_ends_every_worker_fails_and_the_next_is_done(client: TestClient) -> None:
    bad, good = send(client, "crash"), send(client, "speech")
    bad = ended(client, bad)
    assert (bad["state"], bad["crashes"]) == ("failed", 3)
    assert "3 times" in bad["reason"]
    assert ended(client, good)["state"] == "completed"


def test_a_worker_that_is_killed_at_random_loses_no_job(client: TestClient) -> None:
    rng = random.Random(0)
    sent = [send(client, "sleep 0.1") for _ in range(6)]
    for _ in range(2):  # fewer than the tries of one job
        time.sleep(rng.uniform(0.2, 0.6))
        for pid in _workers(client):
            os.kill(pid, signal.SIGKILL)
    assert [ended(client, job)["state"] for job in sent] == ["completed"] * 6


def test_work_ends_at_its_time_limit_even_where_it_hears_nothing(client: TestClient) -> None:
    job = ended(client, send(client, "hang"))
    assert job["state"] == "failed"
    assert "longer than the 2.5 s" in job["reason"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell memory so")
def test_work_that_eats_memory_is_ended(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = client.app.state.service.pool  # pyright: ignore
    monkeypatch.setattr(pool, "limits", Limits(seconds=60, memory=250_000_000))
    job = ended(client, send(client, "eat"))
    assert job["state"] == "failed"
    assert "more than the 0.2 GB of memory" in job["reason"]


def test_a_cancelled_job_ends_and_its_worker_goes_on(client: TestClient) -> None:
    running, queued = send(client, "sleep 2"), send(client, "sleep 2")
    until(client, running, lambda j: j["stage"] == "faces")
    before = _workers(client)
    for job in (queued, running):
        assert client.post(f"{BASE}/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert ended(client, send(client))["state"] == "completed"
    assert _workers(client) == before
    assert client.get(f"{BASE}/jobs/{running['id']}").json()["state"] == "cancelled"
    assert client.get(f"{BASE}/jobs/{running['id']}/results/json").status_code == 409


def test_a_job_that_runs_is_deleted_with_all_traces(client: TestClient) -> None:
    job = send(client, "hang")
    until(client, job, lambda j: j["state"] == "running")
    began = time.monotonic()
    assert client.delete(f"{BASE}/jobs/{job['id']}").status_code == 204
    assert time.monotonic() - began < 2.4
    assert client.get(f"{BASE}/jobs/{job['id']}").status_code == 404
    folder = client.app.state.service.jobs.folder  # pyright: ignore
    assert not (folder / "recordings" / job["recording"]).exists()


def test_what_nobody_foresaw_is_told_without_its_contents(client: TestClient) -> None:
    job = ended(client, send(client, "stumble"))
    assert job["state"] == "failed"
    assert "did not foresee (KeyError)" in job["reason"]
    assert "secret" not in job["reason"]


def test_an_error_names_the_file_as_the_client_does(client: TestClient) -> None:
    job = ended(client, send(client, "fail", name="../../Mein Gespräch.mp4"))
    assert job["name"] == "Mein Gespräch.mp4"
    assert job["reason"] == "is text, not a recording"


def test_a_server_that_is_killed_at_random_loses_no_job(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "service_makers", str(tmp_path), str(port), "0.05"]
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    rng = random.Random(1)
    sent: list[str] = []
    for last in (False, True):
        server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}{BASE}", timeout=30) as client:
            _wait_for(client)
            files = {"recording": ("talk.mp4", b"speech")}
            sent += [client.post("/jobs", files=files).json()["id"] for _ in range(4)]
            if not last:
                time.sleep(rng.uniform(0, 0.5))
            else:
                while any(j["state"] in ("queued", "running") for j in client.get("/jobs").json()):
                    time.sleep(0.05)
                assert {j["id"] for j in client.get("/jobs").json()} == set(sent)
                assert {j["state"] for j in client.get("/jobs").json()} == {"completed"}
        server.kill()
        server.wait()


def _wait_for(client: httpx2.Client, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            client.get("")
        except httpx2.TransportError:
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.05)
        else:
            return
