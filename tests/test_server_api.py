"""The API as programs use it: what is sent, what comes back, and what is refused."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from media_makers import make_video
from service_makers import BASE, ended, send, service, settings

from affectline.cli.options import UsageError
from affectline.cli.serve import serve
from affectline.server import service as service_module
from affectline.server.analysis import Analysis
from affectline.server.limits import Limits, NotAllowedError, allowed
from affectline.server.service import create_app
from affectline.timeline import Timeline

DEMO = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that may be read, with links out of it, beside one that may not."""
    folder = tmp_path_factory.mktemp("allowed")
    (folder / "in").mkdir()
    (folder / "in" / "talk.mp4").write_bytes(b"speech")
    (folder / "secret.mp4").write_bytes(b"speech")
    (folder / "in" / "link.mp4").symlink_to(folder / "secret.mp4")
    (folder / "in" / "within.mp4").symlink_to(folder / "in" / "talk.mp4")
    (folder / "in-not.mp4").write_bytes(b"speech")
    return folder


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[TestClient]:
    limits = Limits(size=100_000, jobs=50)
    with service(tmp_path_factory.mktemp("data"), limits=limits, allow=(root / "in",)) as client:
        yield client


@pytest.fixture(scope="module")
def done(client: TestClient) -> dict:
    return ended(client, send(client, name="Ein Gespräch.mp4"))


def _refused(answer, status: int, *words: str) -> str:
    """That an answer is a problem (RFC 9457) which says these words, and no path; what it says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert all(word in problem["detail"] for word in words), problem
    assert "/tmp" not in answer.text
    assert "Traceback" not in answer.text
    return problem["detail"]


def test_a_job_says_where_its_results_are(client: TestClient, done: dict) -> None:
    assert (done["state"], done["reason"], done["name"]) == ("completed", None, "Ein Gespräch.mp4")
    assert set(done["links"]["results"]) == {"json", "csv", "parquet", "vtt", "eaf", "rttm", "html", "zip"}
    for format, link in done["links"]["results"].items():
        answer = client.get(link)
        assert answer.status_code == 200, format
        assert b"/recordings/" not in answer.content  # no path of the server
    timeline = Timeline.from_json(client.get(done["links"]["results"]["json"]).text)
    assert timeline.source.path == "Ein Gespräch.mp4"
    assert len(timeline.utterances) == 3
    assert client.get(done["links"]["results"]["vtt"]).text.startswith("WEBVTT")
    assert client.get(done["links"]["recording"]).content == b"speech"
    part = client.get(done["links"]["recording"], headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"pee")


def test_the_zip_holds_what_is_asked_for_and_not_the_recording(client: TestClient, done: dict) -> None:
    link = done["links"]["results"]["zip"]
    whole = zipfile.ZipFile(io.BytesIO(client.get(link).content))
    assert sorted(whole.namelist()) == [
        "report.html",
        *sorted(f"timeline.{f}" for f in ("csv", "eaf", "json", "parquet", "rttm", "vtt")),
    ]
    two = zipfile.ZipFile(io.BytesIO(client.get(link, params={"formats": ["csv", "vtt", "csv"]}).content))
    assert sorted(two.namelist()) == ["timeline.csv", "timeline.vtt"]
    assert two.read("timeline.csv").startswith(b"id,speaker")


def test_the_report_plays_the_recording_and_keeps_its_own_policy(client: TestClient, done: dict) -> None:
    answer = client.get(done["links"]["results"]["html"])
    assert 'src="../recording/Ein%20Gespr%C3%A4ch.mp4"' in answer.text
    assert client.get(f"{done['links']['recording']}/Ein%20Gespr%C3%A4ch.mp4").content == b"speech"
    assert "script-src 'sha256-" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_format_that_cannot_hold_the_timeline_is_refused_and_left_out_of_the_zip(
    client: TestClient,
) -> None:
    job = ended(client, send(client, "untimed"))
    _refused(client.get(f"{BASE}/jobs/{job['id']}/results/vtt"), 409, "needs a start and an end")
    content = client.get(f"{BASE}/jobs/{job['id']}/results/zip").content
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert "timeline.csv" in names
    assert "timeline.vtt" not in names
    asked = client.get(f"{BASE}/jobs/{job['id']}/results/zip", params={"formats": "vtt"})
    _refused(asked, 409, "needs a start and an end")


def test_options_are_those_of_the_command(client: TestClient) -> None:
    fields = {"modalities": "text,audio", "checkpoint": "other", "speakers": "2", "language": "de"}
    job = send(client, **fields)
    assert job["options"] == {
        "modalities": ["text", "audio"],
        "checkpoint": "other",
        "speakers": 2,
        "language": "de",
        "asr": None,
        "granularity": "utterance",
        "explain": False,
        "explain_utterances": None,
    }
    several = send(client, modalities=["video", "text"])
    assert several["options"]["modalities"] == ["video", "text"]
    asked = send(client, granularity="turn", explain="true", explain_utterances="u0001,u0003")["options"]
    assert (asked["granularity"], asked["explain"]) == ("turn", True)
    assert asked["explain_utterances"] == ["u0001", "u0003"]


def test_without_a_checkpoint_it_is_the_first_that_there_is(tmp_path: Path) -> None:
    with service(tmp_path, checkpoints={"mine": "mine", "other": "other"}) as client:
        assert send(client)["options"]["checkpoint"] == "mine"
        assert send(client, checkpoint="other")["options"]["checkpoint"] == "other"


def test_explanations_are_refused_where_the_extra_is_missing(
    client: TestClient, done: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "EXPLAINING", ("captum", "not_there"))
    link = f"{BASE}/jobs/{done['id']}/rerun"
    _refused(client.post(link, json={"explain": True}), 422, 'install "affectline[app,explain]"')


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"modalities": "smell"}, "modalities"),
        ({"checkpoint": "../../etc"}, "this server has base, other"),
        ({"asr": "small"}, "this server has none"),
        ({"speakers": "0"}, "speakers"),
        ({"language": "<script>"}, "language"),
        ({"granularity": "syllable"}, "granularity"),
        ({"explain": "perhaps"}, "explain"),
        ({"volume": "11"}, "volume"),
        ({"speakers": ["1", "2"]}, "give it once"),
    ],
)
def test_wrong_options_are_refused_with_a_reason(client: TestClient, fields: dict, words: str) -> None:
    answer = client.post(f"{BASE}/jobs", files={"recording": ("a.mp4", b"x")}, data=fields)
    _refused(answer, 422, words)


def test_a_job_is_run_again_with_other_modalities(client: TestClient, done: dict) -> None:
    answer = client.post(f"{BASE}/jobs/{done['id']}/rerun", json={"modalities": ["audio"]})
    assert answer.status_code == 201
    again = ended(client, answer.json())
    assert answer.headers["location"] == again["links"]["self"]
    assert again["state"] == "completed"
    assert (again["recording"], again["id"] != done["id"]) == (done["recording"], True)
    assert again["options"] == {**done["options"], "modalities": ["audio"]}
    assert client.delete(again["links"]["self"]).status_code == 204
    assert client.get(done["links"]["results"]["json"]).status_code == 200
    _refused(client.post(f"{BASE}/jobs/{done['id']}/rerun", json={"checkpoint": "x"}), 422, "base, other")
    _refused(client.post(f"{BASE}/jobs/none/rerun", json={}), 404)
    large = client.post(
        f"{BASE}/jobs/{done['id']}/rerun",
        content=b" " * 100_001,
        headers={"content-type": "application/json"},
    )
    _refused(large, 413, "100 kB")


def test_a_timeline_by_fewer_modalities_needs_what_the_model_saw(client: TestClient, done: dict) -> None:
    link = f"{BASE}/jobs/{done['id']}/timeline"
    assert client.get(link).text == client.get(done["links"]["results"]["json"]).text
    _refused(client.get(link, params={"modalities": "text,audio"}), 409, "/rerun")
    _refused(client.get(link, params={"modalities": "smell"}), 422, "modalities")
    _refused(client.get(f"{BASE}/jobs/none/timeline", params={"modalities": "text"}), 404)
    assert client.app.state.service.helper.process is None  # pyright: ignore


def test_events_follow_a_job_to_its_end(client: TestClient) -> None:
    job = send(client, "sleep 0.5")
    text = client.get(job["links"]["events"]).text
    events = [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
    ]
    assert text.startswith("event: job\n")
    assert [e["state"] for e in events][-1] == "completed"
    shares = [e["progress"] for e in events if e["stage"] == "faces"]
    assert shares == sorted(shares)
    assert len(set(shares)) >= 1
    _refused(client.get(f"{BASE}/jobs/none/events"), 404)


def test_jobs_are_listed_the_newest_first(client: TestClient, done: dict) -> None:
    newest = send(client)
    listed = client.get(f"{BASE}/jobs").json()
    assert listed[0]["id"] == newest["id"]
    assert done["id"] in {j["id"] for j in listed}
    ended(client, newest)
    assert {j["state"] for j in client.get(f"{BASE}/jobs", params={"state": "completed"}).json()} == {
        "completed"
    }
    assert len(client.get(f"{BASE}/jobs", params={"limit": 1}).json()) == 1
    _refused(client.get(f"{BASE}/jobs", params={"limit": 0}), 422, "limit")


def test_a_deleted_job_leaves_nothing(client: TestClient) -> None:
    job = ended(client, send(client))
    folder = client.app.state.service.jobs.folder / "recordings" / job["recording"]  # pyright: ignore
    assert folder.is_dir()
    assert client.delete(job["links"]["self"]).status_code == 204
    assert not folder.exists()
    _refused(client.get(job["links"]["self"]), 404)
    _refused(client.get(job["links"]["results"]["json"]), 404)
    _refused(client.delete(job["links"]["self"]), 404)


@pytest.mark.parametrize(
    "path", ["in/link.mp4", "secret.mp4", "in/../secret.mp4", "in/none.mp4", "in", "in-not.mp4"]
)
def test_a_path_outside_the_allowed_folders_is_refused(client: TestClient, root: Path, path: str) -> None:
    answer = client.post(f"{BASE}/jobs", json={"path": f"{root}/{path}"})
    _refused(answer, 403, "no such file under a folder that this server may read")


def test_a_path_inside_is_taken_and_its_file_stays(client: TestClient, root: Path) -> None:
    for name in ("talk.mp4", "within.mp4"):
        answer = client.post(f"{BASE}/jobs", json={"path": f"{root}/in/{name}", "modalities": ["text"]})
        assert answer.status_code == 201
        job = ended(client, answer.json())
        assert job["state"] == "completed"
        assert client.get(job["links"]["recording"]).content == b"speech"
        client.delete(job["links"]["self"])
    assert (root / "in" / "talk.mp4").is_file()


def test_a_link_that_comes_later_is_not_followed(client: TestClient, root: Path) -> None:
    path = root / "in" / "changed.mp4"
    path.write_bytes(b"speech")
    job = ended(client, client.post(f"{BASE}/jobs", json={"path": str(path)}).json())
    path.unlink()
    path.symlink_to(root / "secret.mp4")
    _refused(client.get(job["links"]["recording"]), 410)


@pytest.mark.parametrize(
    "path", ["talk.mp4", "~/talk.mp4", "\0", "/in\0", "/dev/zero", "/proc/self/environ", "file:/etc/passwd"]
)
def test_odd_paths_are_refused(root: Path, path: str) -> None:
    with pytest.raises(NotAllowedError):
        allowed(path, [root])


def test_too_large_an_upload_is_refused_and_leaves_nothing(client: TestClient) -> None:
    def stream() -> Iterator[bytes]:  # which does not say how large it is
        yield b'--b\r\nContent-Disposition: form-data; name="recording"; filename="a.mp4"\r\n\r\n'
        for _ in range(20):
            yield b"x" * 10_000
        yield b"\r\n--b--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post(f"{BASE}/jobs", content=stream(), headers=headers)
    assert answer.status_code == 413
    announced = client.post(f"{BASE}/jobs", files={"recording": ("a.mp4", b"x" * 200_000)})
    assert announced.status_code == 413
    assert [*(client.app.state.service.jobs.folder / "incoming").iterdir()] == []  # pyright: ignore


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"speech", "multipart/form-data", 400),
        (b"speech", "multipart/form-data; boundary=b", 400),
        (
            b'--b\r\nContent-Disposition: form-data; name="recording"; filename="a"\r\n\r\nx',
            "multipart/form-data; boundary=b",
            400,
        ),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 422),
        (
            b'--b\r\nContent-Disposition: form-data; name="modalities"\r\n\r\n'
            + b"x" * 20_000
            + b"\r\n--b--\r\n",
            "multipart/form-data; boundary=b",
            413,
        ),
        (b"speech", "video/mp4", 415),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"path": 1}', "application/json", 422),
        (b'{"path": "' + b"x" * 100_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(
    client: TestClient, body: bytes, kind: str, status: int
) -> None:
    _refused(client.post(f"{BASE}/jobs", content=body, headers={"content-type": kind}), status)


def test_an_empty_file_is_refused_at_once(client: TestClient) -> None:
    answer = client.post(f"{BASE}/jobs", files={"recording": ("a.mp4", b"")})
    _refused(answer, 422, "recording: the file is empty")


def test_names_of_files_are_never_paths(client: TestClient, root: Path) -> None:
    for name in (
        "../../evil.mp4",
        "/etc/passwd",
        "..",
        "a\\..\\b.mp4",
        "x" * 300 + ".mp4",
        "\u202eevil.mp4",
        "a.mp4/",
    ):
        job = send(client, name=name)
        assert "/" not in job["name"]
        assert "\\" not in job["name"]
        assert 0 < len(job["name"]) <= 120
        home = client.app.state.service.jobs.folder / "recordings" / job["recording"]  # pyright: ignore
        assert [p.name.split(".")[0] for p in home.iterdir() if p.is_file()] == ["recording"]
        ended(client, job)


def test_more_jobs_than_allowed_are_refused_until_there_is_room(tmp_path: Path) -> None:
    with service(tmp_path, limits=Limits(jobs=2), seconds=0.3) as client:
        first = send(client)
        second = send(client)
        full = client.post(f"{BASE}/jobs", files={"recording": ("a.mp4", b"x")})
        _refused(full, 429, "2 jobs are queued or run")
        assert full.headers["retry-after"]
        _refused(client.post(f"{BASE}/jobs/{first['id']}/rerun", json={}), 429)
        ended(client, second)
        send(client)


def test_a_full_disk_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1000})())
    answer = client.post(f"{BASE}/jobs", files={"recording": ("a.mp4", b"x")})
    _refused(answer, 507, "the disk of the server is full")


def test_an_error_of_the_server_shows_no_trace(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_arguments: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(client.app.state.service.jobs, "list", stumble)  # pyright: ignore
    assert "secret" not in _refused(client.get(f"{BASE}/jobs"), 500, "its log says more")


def test_the_service_says_what_it_can(client: TestClient) -> None:
    about = client.get(BASE).json()
    assert about["checkpoints"] == ["base", "other"]
    assert about["limits"]["size"] == 100_000
    assert "does not read what a person feels" in about["notice"]


def test_the_command_refuses_wrong_settings(tmp_path: Path) -> None:
    for wrong in (
        {"port": 70_000},
        {"allow": (tmp_path / "none",)},
        {"checkpoint": ("nowhere",)},
        {"max_size": 0.0},
        {"workers": 0},
    ):
        with pytest.raises(UsageError, match=r"port|folder|checkpoint|size|workers"):
            serve(data=tmp_path, **wrong)  # pyright: ignore


def _zip_bomb() -> bytes:
    """A Matroska file's worth of nothing, packed a thousand times smaller, in a zip named as a video."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("talk.mp4", bytes(50_000_000))
    return buffer.getvalue()


def _picture_bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in few bytes: 10 GB when decoded."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(5_000_000))) + chunk(b"IEND", b"")


def test_the_real_analysis_takes_the_demo_and_refuses_what_is_hostile(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mp4", seconds=2, tone=440.0).read_bytes()
    hostile = {
        "zip": _zip_bomb(),
        "picture": _picture_bomb(),
        "truncated": video[: len(video) // 2],
        "page": b"<!doctype html><script>alert(1)</script>" * 20,
        "script": b"#!/bin/sh\nrm -rf /\n" * 50,
        "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:/etc/passwd\n",
        "long": make_video(tmp_path / "l.mp4", seconds=70, rate=1).read_bytes(),
    }

    made = settings(tmp_path / "data", limits=Limits(seconds=120, memory=4_000_000_000))
    app = create_app(made, Analysis({"base": "base"}, "cpu", length=60))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        files = {
            n: (DEMO / f"demo.{e}").read_bytes() for n, e in (("recording", "mp4"), ("transcript", "srt"))
        }
        answer = client.post(
            f"{BASE}/jobs",
            files={n: (f"demo.{e}", files[n]) for n, e in (("recording", "mp4"), ("transcript", "srt"))},
            data={"modalities": "text"},
        )
        sent = {
            name: send(client, content, "talk.mp4", modalities="text") for name, content in hostile.items()
        }
        demo = ended(client, answer.json(), 400)
        assert demo["state"] == "completed", demo
        over = {name: ended(client, job, 120) for name, job in sent.items()}
        assert {name: j["state"] for name, j in over.items()} == dict.fromkeys(hostile, "failed")
        timeline = client.get(demo["links"]["results"]["json"]).json()
        link = f"{demo['links']['self']}/timeline"
        assert client.get(link, params={"modalities": "text"}).json() == timeline
        refusal = client.get(link, params={"modalities": ["text", "audio"]})
        _refused(refusal, 409, "modalities: audio; the analysis used text")
        for job in over.values():
            assert str(tmp_path) not in job["reason"]
            assert client.get(job["links"]["recording"]).status_code == 409
    assert over["long"]["reason"] == "it is 70 s long, and this server takes 60 s at most"
    assert "not a recording" in over["zip"]["reason"]
    assert len(timeline["utterances"]) == 12
    assert {tuple(u["modalities"]) for u in timeline["utterances"]} == {("text",)}
