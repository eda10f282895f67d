"""Who may ask: programs of this machine, or those with the token; never the pages of other sites."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from service_makers import BASE, send, service

from affectline.cli import main
from affectline.cli.options import UsageError
from affectline.cli.serve import _token
from affectline.server.jobs import Jobs

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with service(tmp_path_factory.mktemp("local")) as client:
        yield client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that asks for a token; the client has none."""
    with service(tmp_path_factory.mktemp("shared"), token=TOKEN) as client:
        yield client


@pytest.fixture(autouse=True)
def without_cookies(local: TestClient, shared: TestClient) -> None:
    local.cookies.clear()
    shared.cookies.clear()


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080"])
def test_the_names_of_this_machine_are_answered(local: TestClient, host: str) -> None:
    assert local.get(BASE, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "192.168.0.2:8080"]
)
def test_another_name_is_refused_where_no_token_is_asked(local: TestClient, host: str) -> None:
    answer = local.get(BASE, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},  # another program's page on this machine
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_the_pages_of_other_sites_are_refused(local: TestClient, shared: TestClient, headers: dict) -> None:
    files = {"recording": ("a.mp4", b"x")}
    for client in (local, shared):
        known = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get(f"{BASE}/jobs", headers={**known, **headers}).status_code == 403
        assert client.post(f"{BASE}/jobs", files=files, headers={**known, **headers}).status_code == 403
        assert client.get(f"{BASE}/jobs", headers=known).json() == []


def test_a_form_that_another_site_sends_by_a_click_is_refused(local: TestClient) -> None:
    click = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert local.get(BASE, headers=click).status_code == 200  # a link to it
    assert local.post(f"{BASE}/jobs", files={"recording": ("a", b"x")}, headers=click).status_code == 403


def test_its_own_pages_are_answered(local: TestClient) -> None:
    own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    answer = local.post(f"{BASE}/jobs", files={"recording": ("a", b"x")}, headers=own)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path", ["", "/jobs", "/openapi.json", "/jobs/none/recording", "/../../etc/passwd", "/jobs/none/events"]
)
@pytest.mark.parametrize(
    "given",
    [
        None,
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        "Bearer",
        f"Bearer {TOKEN[:-1]}",
        "Bearer ü",
    ],
)
def test_without_the_token_there_is_nothing(shared: TestClient, path: str, given: str | None) -> None:
    headers = [(b"authorization", given.encode())] if given else []
    answer = shared.get(f"{BASE}{path}", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert shared.get(f"{BASE}{path}", headers={"Cookie": "affectline=wrong"}).status_code == 401
    assert shared.get(f"{BASE}{path}?token=wrong").status_code == 401


def test_the_token_opens_all_of_it(shared: TestClient) -> None:
    known = {"Authorization": f"Bearer {TOKEN}", "Host": "affect.example"}
    assert shared.get(f"{BASE}/jobs", headers=known).status_code == 200
    assert shared.get(f"{BASE}/openapi.json", headers=known).status_code == 200


def test_a_browser_signs_in_by_a_link_once(shared: TestClient) -> None:
    answer = shared.get(f"{BASE}/jobs?limit=3&token={TOKEN}", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{BASE}/jobs?limit=3"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert shared.get(f"{BASE}/jobs").status_code == 200  # by the cookie
    away = shared.get(f"//evil.example/?token={TOKEN}", follow_redirects=False)
    assert not away.headers["location"].startswith("//")


def test_the_headers_that_browsers_hold_to_are_on_every_answer(local: TestClient) -> None:
    job = send(local)
    for path in (
        BASE,
        f"{BASE}/nothing",
        f"{BASE}/openapi.json",
        job["links"]["self"],
        job["links"]["events"],
    ):
        headers = local.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_another_host_demands_a_token_which_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AFFECTLINE_TOKEN", raising=False)
    for host in ("127.0.0.1", "localhost", "::1"):
        assert _token(host) is None
    tokens = {_token(host) for host in ("0.0.0.0", "::", "192.168.0.2", "affect.example")}
    assert None not in tokens
    assert len(tokens) == 4
    said = capsys.readouterr().err
    assert all(said.count(token or "") == 1 for token in tokens)
    monkeypatch.setenv("AFFECTLINE_TOKEN", TOKEN)
    assert _token("0.0.0.0") == TOKEN
    assert _token("127.0.0.1") == TOKEN
    assert TOKEN not in capsys.readouterr().err
    monkeypatch.setenv("AFFECTLINE_TOKEN", "short")
    with pytest.raises(UsageError, match="16 characters"):
        _token("127.0.0.1")


def test_a_worker_holds_no_more_than_its_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve = import_module("affectline.cli.serve")
    held = tmp_path / "memory.max"
    monkeypatch.setattr(serve, "CONTAINER", held)
    machine = serve._most_memory()
    for said, expected in (("4000000000\n", 3_000_000_000), ("max\n", machine)):
        held.write_text(said)
        assert serve._most_memory() == expected


def test_wrong_use_of_the_command_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--data", str(tmp_path), "--allow", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert main(["serve", "--data", str(tmp_path), "--host", "192.0.2.1"]) == 2  # which no machine has
    assert "cannot serve at 192.0.2.1" in capsys.readouterr().err
    jobs = Jobs(tmp_path)
    assert main(["serve", "--data", str(tmp_path), "--port", "0"]) == 2
    assert "another server uses the folder" in capsys.readouterr().err
    jobs.close()
