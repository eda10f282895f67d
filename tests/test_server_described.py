"""The API does what its description says, whatever is sent: schemathesis makes the requests."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from service_makers import BASE, Fake, FakeBlurring, FakeStudio
from service_makers import settings as service_settings

from affectline.server.limits import Limits
from affectline.server.service import create_app

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # its own

EXAMPLES = 8  # requests for each operation, as described and otherwise
CHECKS: list[Any] = list(HealthCheck)
CHECKED = [
    f"{BASE}/jobs{rest}" for rest in ("", "/{id}/rerun", "/{id}/results/{format}", "/{id}/corrections/undo")
]
"""Where something can be sent that is not as described."""

DESCRIPTION = create_app(service_settings(Path("unused"))).openapi()
OPERATIONS = {
    f"{one.method.upper()} {one.path}": one
    for found in schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations()
    if (one := found.ok()) is not None  # pyright: ignore[reportAttributeAccessIssue]
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that runs."""
    made = service_settings(tmp_path_factory.mktemp("data"), limits=Limits(jobs=10_000))
    app = create_app(made, Fake(), studio=FakeStudio(), blurring=FakeBlurring())
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def known(address: str) -> str:
    """The id of a job that is completed."""
    with httpx2.Client(base_url=address + BASE) as client:
        job = client.post("/jobs", files={"recording": ("talk.mp4", b"speech")}).json()
        while client.get(f"/jobs/{job['id']}").json()["state"] != "completed":
            time.sleep(0.05)
    return job["id"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_as_described(operation: str, address: str, known: str) -> None:
    _ask(operation, GenerationMode.POSITIVE, address, known)


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.split()[1] in CHECKED])
def test_what_is_not_as_described_is_refused(operation: str, address: str, known: str) -> None:
    _ask(operation, GenerationMode.NEGATIVE, address, known)


def _ask(operation: str, mode: GenerationMode, address: str, known: str) -> None:
    number = 0

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=CHECKS)
    @given(case=OPERATIONS[operation].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        nonlocal number
        number += 1
        if "id" in case.path_parameters and number % 3 and not operation.startswith("DELETE"):
            case.path_parameters["id"] = known  # else next to nothing but 404 would be seen
        case.call_and_validate(base_url=address, timeout=120)

    ask()
    assert number
