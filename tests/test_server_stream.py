"""The stream as programs use it: what comes out of it, and what closes it."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from service_makers import service
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from affectline.server import stream
from affectline.server.helper import HelperError
from affectline.server.limits import Limits

URL = "ws://127.0.0.1/api/v1/stream"
START = {"type": "start", "format": "pcm16"}
SECOND = bytes(32_000)


class Fake:
    """Answers as the helper does, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.process = 1

    def ask(self, question: dict[str, Any], content: bytes = b"") -> "Future[dict[str, Any]]":
        self.asked.append({**question, "content": content})
        answer: Future[dict[str, Any]] = Future()
        if content == b"broken":
            answer.set_result({"refused": "the picture is neither a JPEG nor a PNG"})
        elif content[:2] == b"!!":
            answer.set_exception(HelperError("the process that answers has ended; try again"))
        else:
            number = len(self.asked)
            some = question["do"] in ("hear", "end")
            answer.set_result({"utterances": [{"id": f"u{number}"}] if some else []})
        return answer

    def stop(self) -> None:
        pass


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with service(tmp_path_factory.mktemp("data"), limits=Limits(streams=2, length=10)) as client:
        yield client


@pytest.fixture
def fake(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(client.app.state.service, "helper", fake)  # pyright: ignore
    return fake


def _closed(socket: WebSocketTestSession) -> tuple[int, str]:
    """The code by which the server ends it, and the message before."""
    while True:
        message = socket.receive_json()
        if message["type"] == "error":
            break
    with pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    assert closed.value.code == message["code"]
    assert closed.value.reason == message["detail"][: len(closed.value.reason)]
    return message["code"], message["detail"]


def test_sound_words_and_pictures_reach_the_model_and_utterances_come_back(
    client: TestClient, fake: Fake
) -> None:
    with client.websocket_connect(URL) as socket:
        socket.send_json({**START, "speaker": "Ada", "modalities": ["audio"], "wait": 0.5})
        assert socket.receive_json() == {"type": "ready", "rate": 16000, "format": "pcm16"}
        socket.send_bytes(SECOND)
        assert socket.receive_json() == {"type": "utterance", "utterance": {"id": "u2"}}
        socket.send_json({"type": "words", "words": [{"text": "oh", "start": 0, "end": 0.5}]})
        socket.send_json({"type": "picture", "time": 0.5})
        socket.send_bytes(b"jpeg")
        socket.send_json({"type": "end"})
        assert socket.receive_json() == {"type": "utterance", "utterance": {"id": "u5"}}
        assert socket.receive_json() == {"type": "end", "seconds": 1.0}
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == 1000
    opened, sound, words, picture, *_ = fake.asked
    assert (opened["checkpoint"], opened["speaker"], opened["wait"]) == ("base", "Ada", 0.5)
    assert (sound["content"], sound["format"]) == (SECOND, "pcm16")
    assert words["words"] == [{"text": "oh", "start": 0.0, "end": 0.5}]
    assert (picture["content"], picture["time"]) == (b"jpeg", 0.5)
    assert [q["do"] for q in fake.asked[4:]] == ["end", "leave", "leave"]


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([b"sound"], 1003, "the first message is JSON"),
        (["{"], 1007, "JSON"),
        ([{**START, "format": "mp3"}], 1007, "format"),
        ([{**START, "rate": 8000}], 1007, "rate"),
        ([{**START, "checkpoint": "../../etc"}], 1007, "this server has base, other"),
        ([{**START, "colour": 1}], 1007, "colour"),
        ([START, b"odd"], 1007, "whole number of samples of 2 bytes"),
        ([START, {"type": "dance"}], 1007, "words, picture, end"),
        ([START, {"type": ["words"]}], 1007, "words, picture, end"),
        ([START, "[" * 50_000], 1007, "words, picture, end"),
        ([START, {"type": "words", "words": [{"text": "oh", "start": "NaN", "end": 1}]}], 1007, "start"),
        ([START, bytes(2_000_002)], 1009, "2 MB at most"),
        ([START, "x" * 100_001], 1009, "100 kB"),
        ([START, bytes(32_000 * 11)], 1008, "10 s of sound at most"),
        ([START, SECOND * 6, SECOND * 6], 1008, "10 s of sound at most"),
        ([START, {"type": "picture", "time": 0}, START], 1003, "comes the picture, as bytes"),
        ([START, {"type": "picture", "time": 0}, b"broken", SECOND], 1007, "neither a JPEG"),
        ([START, b"!!"], 1011, "has ended; try again"),
    ],
)
def test_what_is_not_as_described_closes_the_stream_with_a_reason(
    client: TestClient, fake: Fake, messages: list[Any], code: int, words: str
) -> None:
    with client.websocket_connect(URL) as socket:
        for message in messages:
            if isinstance(message, bytes):
                socket.send_bytes(message)
            else:
                socket.send_text(message if isinstance(message, str) else json.dumps(message))
        closed = _closed(socket)
    assert closed[0] == code
    assert words in closed[1]
    assert client.app.state.service._streams == 0  # pyright: ignore


def test_no_more_streams_than_allowed(client: TestClient, fake: Fake) -> None:
    connect = client.websocket_connect
    with connect(URL), connect(URL), connect(URL) as third:
        code, detail = _closed(third)
    assert (code, detail.split(",")[0]) == (1013, "2 streams go on")
    with client.websocket_connect(URL) as again:
        again.send_json(START)
        assert again.receive_json()["type"] == "ready"


def test_each_stream_is_another_one(client: TestClient, fake: Fake) -> None:
    for _ in range(2):
        with client.websocket_connect(URL) as socket:
            socket.send_json(START)
            assert socket.receive_json()["type"] == "ready"
    first, second = (q["stream"] for q in fake.asked if q["do"] == "open")
    assert first != second
    lanes = {q["lane"] for q in fake.asked if q["do"] == "leave"}
    assert lanes == {first, f"{first} pictures", second, f"{second} pictures"}


def test_a_silent_client_is_not_waited_for(
    client: TestClient, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "IDLE", 0.05)
    with client.websocket_connect(URL) as socket:
        assert _closed(socket) == (1008, "nothing came for 0.05 s")


def test_a_stream_needs_the_token_and_a_page_of_this_site(tmp_path: Path) -> None:
    with service(tmp_path, token="t" * 20) as client:
        for headers in ({}, {"authorization": "Bearer wrong"}):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(URL, headers=headers):
                pass
        right = {"authorization": f"Bearer {'t' * 20}"}
        evil = {**right, "origin": "https://evil.example"}
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(URL, headers=evil):
            pass
        with client.websocket_connect(URL, headers=right) as socket:
            socket.send_text("{")
            assert _closed(socket)[0] == 1007


def test_float_sound_is_taken_as_it_is(client: TestClient, fake: Fake) -> None:
    from affectline.server import quick

    with client.websocket_connect(URL) as socket:
        socket.send_json({**START, "format": "float32"})
        socket.receive_json()
        socket.send_bytes(np.array([0.5, -2.0], "<f4").tobytes())
        socket.receive_json()
        socket.send_json({"type": "end"})
        assert socket.receive_json()["type"] == "utterance"
        assert socket.receive_json() == {"type": "end", "seconds": round(2 / 16_000, 3)}
    assert fake.asked[1]["format"] == "float32"
    sound = quick.sound(fake.asked[1]["content"], "float32")
    assert sound.tolist() == [0.5, -1.0]
    assert quick.sound(np.array([16384, -32768], "<i2").tobytes(), "pcm16").tolist() == [0.5, -1.0]
    with pytest.raises(quick.WrongError, match="NaN"):
        quick.sound(np.array([np.nan], "<f4").tobytes(), "float32")
