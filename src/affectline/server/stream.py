"""The stream: sound comes in over a WebSocket as it is made, utterances with scores go out as they end."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from uuid import uuid4

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from affectline.server import schemas
from affectline.server.helper import HelperError
from affectline.server.problems import Problem, wrong
from affectline.server.service import Service

MESSAGE = 2_000_000  # bytes of a message: a minute of sound, or a picture
TEXT = 100_000  # bytes of JSON
IDLE = 60.0  # seconds without a message
WIDTHS = {"pcm16": 2, "float32": 4}  # bytes of a sample
RATE = 16_000

Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Start(_Said):
    """The first message."""

    type: Literal["start"]
    format: Literal["pcm16", "float32"]
    rate: Literal[16000] = 16000
    checkpoint: str | None = None
    modalities: schemas.Modalities = list(schemas.MODALITIES)  # pyright: ignore[reportAssignmentType]
    speaker: Name = "S1"
    wait: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0


class Word(_Said):
    text: Name
    start: Seconds
    end: Seconds


class Words(_Said):
    type: Literal["words"]
    words: Annotated[list[Word], Field(min_length=1, max_length=1000)]
    speaker: Name | None = None


class Picture(_Said):
    """The next binary message is a picture, and not sound."""

    type: Literal["picture"]
    time: Seconds


class End(_Said):
    type: Literal["end"]


KINDS: Mapping[str, type[_Said]] = {"words": Words, "picture": Picture, "end": End}

Message = TypeVar("Message", bound=BaseModel)

router = APIRouter()


class ClosedError(Exception):
    """The stream is ended by the server: a code of RFC 6455, and what is wrong."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@router.websocket("/api/v1/stream")
async def stream(socket: WebSocket) -> None:
    """See docs/service.md."""
    service: Service = socket.app.state.service
    await socket.accept()
    try:
        with service.one_more_stream():
            await _Stream(socket, service).run()
    except (WebSocketDisconnect, asyncio.CancelledError):
        return
    except Problem as error:
        await _close(socket, 1013, str(error.detail))
    except ClosedError as error:
        await _close(socket, error.code, error.detail)
    except HelperError as error:
        await _close(socket, 1011, str(error))


async def _close(socket: WebSocket, code: int, detail: str) -> None:
    """With the reason as a message, as that of the closing itself has 123 bytes at most."""
    if socket.client_state is WebSocketState.CONNECTED:
        await socket.send_json({"type": "error", "code": code, "detail": detail})
        await socket.close(code, detail.encode()[:120].decode("utf-8", "ignore"))


class _Stream:
    def __init__(self, socket: WebSocket, service: Service) -> None:
        self.socket, self.service = socket, service
        self.lane = f"stream {uuid4().hex}"
        self.format = "pcm16"
        self.seconds = 0.0
        self.looking: asyncio.Future[dict[str, Any]] | None = None

    async def run(self) -> None:
        start = await self._start()
        self.format = start.format
        try:
            await self._ask("open", **start.model_dump(exclude={"type", "format", "rate"}))
            await self.socket.send_json({"type": "ready", "rate": RATE, "format": start.format})
            while await self._next():
                pass
        finally:
            self._leave()
        await self.socket.close(1000)

    def _leave(self) -> None:
        """What the helper keeps of the stream is forgotten."""
        if self.service.helper.process is not None:
            for lane in (f"{self.lane} pictures", self.lane):
                self.service.helper.ask({"do": "leave", "stream": self.lane, "lane": lane, "close": True})

    async def _start(self) -> Start:
        text = await self._receive()
        if isinstance(text, bytes):
            raise ClosedError(1003, 'the first message is JSON: {"type": "start", "format": "pcm16"}')
        start = _parsed(text, Start)
        names = [*self.service.settings.checkpoints]
        if start.checkpoint is None:
            return start.model_copy(update={"checkpoint": names[0]})
        if start.checkpoint not in names:
            raise ClosedError(1007, f"checkpoint: this server has {', '.join(names)}, and not that one")
        return start

    async def _next(self) -> bool:
        """Take a message; whether there may be another."""
        message = await self._receive()
        if isinstance(message, bytes):
            await self._hear(message)
            return True
        kind = _kind(message)
        said = _parsed(message, KINDS[kind])
        if isinstance(said, Words):
            await self._ask("say", words=[w.model_dump() for w in said.words], speaker=said.speaker)
        elif isinstance(said, Picture):
            await self._see(said.time)
        else:
            if self.looking is not None:
                _refuse(await self.looking)
            await self._send(await self._ask("end"))
            await self.socket.send_json({"type": "end", "seconds": round(self.seconds, 3)})
        return kind != "end"

    async def _hear(self, sound: bytes) -> None:
        width = WIDTHS[self.format]
        if len(sound) % width:
            raise ClosedError(1007, f"a chunk of {self.format} is a whole number of samples of {width} bytes")
        self.seconds += len(sound) / width / RATE
        if self.seconds > self.service.limits.length:
            most = self.service.limits.length
            raise ClosedError(1008, f"this server takes {most:g} s of sound at most in a stream")
        self._looked()
        await self._send(await self._ask("hear", sound, format=self.format))

    async def _see(self, time: float) -> None:
        """A picture that comes while one is being looked at is left out: sound does not wait for pictures."""
        picture = await self._receive()
        if not isinstance(picture, bytes):
            raise ClosedError(1003, "after a message of the type picture comes the picture, as bytes")
        if self.looking is not None and not self.looking.done():
            return
        self._looked()
        lane = f"{self.lane} pictures"
        self.looking = asyncio.wrap_future(
            await asyncio.to_thread(
                self.service.helper.ask,
                {"do": "see", "stream": self.lane, "lane": lane, "time": time},
                picture,
            )
        )

    def _looked(self) -> None:
        """What was wrong with the last picture, if it is known."""
        if self.looking is not None and self.looking.done():
            _refuse(self.looking.result())

    async def _ask(self, what: str, content: bytes = b"", **about: Any) -> dict[str, Any]:
        question = {"do": what, "stream": self.lane, "lane": self.lane, **about}
        answer = await asyncio.wrap_future(
            await asyncio.to_thread(self.service.helper.ask, question, content)
        )
        _refuse(answer)
        return answer

    async def _send(self, answer: dict[str, Any]) -> None:
        for utterance in answer["utterances"]:
            await self.socket.send_json({"type": "utterance", "utterance": utterance})

    async def _receive(self) -> str | bytes:
        try:
            message = await asyncio.wait_for(self.socket.receive(), IDLE)
        except TimeoutError as error:
            raise ClosedError(1008, f"nothing came for {IDLE:g} s") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        text, content = message.get("text"), message.get("bytes")
        if len(text or "") > TEXT or len(content or b"") > MESSAGE:
            raise ClosedError(1009, f"a message has {MESSAGE / 1e6:g} MB at most, and JSON {TEXT / 1e3:g} kB")
        return text if isinstance(text, str) else content or b""


def _refuse(answer: Mapping[str, Any]) -> None:
    if "refused" in answer:
        raise ClosedError(1007, answer["refused"])


def _kind(text: str) -> str:
    try:
        kind = json.loads(text)["type"]
    except (ValueError, KeyError, TypeError, RecursionError):
        kind = None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ClosedError(1007, f"a message is sound, or JSON with a type: {', '.join(KINDS)}")
    return kind


def _parsed(text: str, model: type[Message]) -> Message:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ClosedError(1007, wrong(error.errors())) from error
