"""Blurred copies over the API: made once, beside the server, kept with the recording and gone with it."""

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_makers import BASE, ended, send, service

from affectline.server.jobs import GONE, Jobs
from affectline.timeline import Timeline

FACE = "data:image/jpeg;base64,AAAA"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with service(tmp_path_factory.mktemp("data")) as client:
        yield client


def jobs(client: TestClient) -> Jobs:
    return client.app.state.service.jobs  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]


def ask(client: TestClient, job: dict[str, Any], what: str = "recording", until: int = 200) -> Any:
    """The answer that is no 202 any more."""
    end = time.monotonic() + 60
    while (
        answer := client.get(f"{BASE}/jobs/{job['id']}/{what}", params={"blurred": True})
    ).status_code == 202:
        assert 0 <= answer.json()["share"] <= 1
        assert answer.headers["retry-after"]
        assert time.monotonic() < end
        time.sleep(0.02)
    assert answer.status_code == until, answer.text
    return answer


def files(client: TestClient, content: bytes) -> list[Path]:
    """Those of the data folder that hold this."""
    found = (path for path in jobs(client).folder.rglob("*") if path.is_file())
    return [path for path in found if content in path.read_bytes()]


def test_a_copy_is_made_once_for_all_analyses_of_a_recording_and_goes_with_the_last(
    client: TestClient,
) -> None:
    job = ended(client, send(client, "speech of Ada"))
    first = client.get(f"{BASE}/jobs/{job['id']}/recording", params={"blurred": True})
    assert first.status_code == 202
    assert ask(client, job).content == b"blurred: speech of Ada"
    part = client.get(
        f"{BASE}/jobs/{job['id']}/recording/talk.mp4?blurred=true", headers={"Range": "bytes=0-6"}
    )
    assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"blurred", "video/mp4")
    assert client.get(f"{BASE}/jobs/{job['id']}/recording").content == b"speech of Ada"
    again = ended(client, client.post(f"{BASE}/jobs/{job['id']}/rerun", json={"modalities": ["text"]}).json())
    assert ask(client, again).content == b"blurred: speech of Ada"
    assert (jobs(client).folder / "made").read_text() == "one\n"
    client.delete(f"{BASE}/jobs/{job['id']}")
    assert ask(client, again).content == b"blurred: speech of Ada"
    client.delete(f"{BASE}/jobs/{again['id']}")
    assert files(client, b"speech of Ada") == []


def test_a_copy_that_is_being_made_is_given_up_with_its_recording(client: TestClient) -> None:
    job = ended(client, send(client, "slowly speech of Ben"))
    client.get(f"{BASE}/jobs/{job['id']}/recording", params={"blurred": True})
    end = time.monotonic() + 30
    while not files(client, b"half of it: slowly speech of Ben"):
        assert time.monotonic() < end
        time.sleep(0.05)
    client.delete(f"{BASE}/jobs/{job['id']}")
    while files(client, b"speech of Ben"):
        assert time.monotonic() < end
        time.sleep(0.05)
    other = ended(client, send(client, "speech of Cleo"))
    assert ask(client, other).content == b"blurred: speech of Cleo"


def test_what_cannot_be_blurred_is_said_without_a_path(client: TestClient) -> None:
    job = ended(client, send(client, "faceless speech"))
    refused = ask(client, job, until=409).json()["detail"]
    assert refused == "there are no pictures in it"
    assert files(client, b"half of it") == []


def test_a_timeline_of_one_speaker(client: TestClient) -> None:
    at = f"{BASE}/jobs/{ended(client, send(client, 'speech'))['id']}/timeline"
    whole = client.get(at).json()
    for speaker in whole["speakers"]:
        own = client.get(at, params={"speaker": speaker["id"]}).json()
        assert own["utterances"] == [u for u in whole["utterances"] if u["speaker"] == speaker["id"]] != []
    refused = client.get(at, params={"speaker": "nobody"})
    assert (refused.status_code, "no speaker 'nobody'; there are S" in refused.json()["detail"]) == (
        409,
        True,
    )


def test_exports_hold_no_picture_of_a_face_unless_they_are_asked_to(client: TestClient) -> None:
    job = ended(client, send(client, "speech"))
    path = jobs(client).results(jobs(client).get(job["id"])) / "timeline.json"
    timeline = Timeline.read(path)
    why = {"modality": "video", "method": "lime", "emotion": "joy", "parts": [], "picture": FACE}
    first, *rest = timeline.utterances
    replace(timeline, utterances=(replace(first, explanations=(why,)), *rest)).write(path)
    at = f"{BASE}/jobs/{job['id']}"

    def zipped(**query: Any) -> list[bytes]:
        with zipfile.ZipFile(io.BytesIO(client.get(f"{at}/results/zip", params=query).content)) as archive:
            return [archive.read(name) for name in archive.namelist()]

    assert not [content for content in zipped() if b"data:image" in content]
    assert [content for content in zipped(pictures=True) if FACE.encode() in content]
    corrected = json.loads(client.get(f"{at}/corrected/json", params={"blurred": True}).content)
    assert corrected["utterances"][0]["explanations"] == [{**why, "picture": None}]
    assert FACE in client.get(f"{at}/corrected/json").text
    with zipfile.ZipFile(io.BytesIO(ask(client, job, "corpus").content)) as archive:
        assert archive.read("mine/talk.blurred.mp4") == b"blurred: speech"
        rows = csv.DictReader(io.StringIO(archive.read("mine/utterances.csv").decode()))
        assert {row["clip"] for row in rows} == {"talk.blurred.mp4"}


def test_nothing_of_a_recording_is_shown_that_may_not_be_read_any_more(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "talk.mp4"
    path.write_bytes(b"speech")
    with service(tmp_path / "data", allow=(tmp_path / "in",)) as client:
        done = ended(client, client.post(f"{BASE}/jobs", json={"path": str(path)}).json())
        address = f"{BASE}/jobs/{done['id']}"
        assert ask(client, done).content == b"blurred: speech"
        path.write_bytes(b"sleep 20")
        waiting = client.post(f"{address}/rerun", json={"modalities": ["text"]}).json()
    with service(tmp_path / "data", allow=()) as client:
        assert ended(client, waiting)["state"] == "failed"
        for part in ("recording", "recording?blurred=true", "corpus", "corpus?blurred=true"):
            refused = client.get(f"{address}/{part}")
            assert (refused.status_code, refused.json()["detail"]) == (410, GONE)
        said = client.get(f"{address}/results/json").json()["utterances"][0]["id"]
        for part in ("rerun", f"utterances/{said}/why"):
            assert client.post(f"{address}/{part}", json={}).status_code == 410
        assert client.delete(address).status_code == 204
    assert path.is_file()
