"""A process beside the workers, for what clients wait for: it answers at once while recordings are analysed.

Questions and answers are JSON, with bytes beside a question that has sound or a picture. What it answers is
made by `make` in the process; the server itself loads no network and decodes nothing.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

logger = logging.getLogger(__name__)

Question = Mapping[str, Any]
"""Plain JSON. Those of one "lane" are answered in order, those of different lanes side by side."""

Answer = Callable[[Question, bytes], dict[str, Any]]
"""Answers a question and the bytes beside it; raises ValueError, OSError or ImportError as work does."""

PATIENCE = 600.0  # seconds until an answer is given up, loading included
ENDED = "the process that answers has ended; try again"
UNFORESEEN = "an error that affectline did not foresee; the server's log says more"


class HelperError(ValueError):
    """What was asked could not be answered; the message is for the client."""


@dataclass
class _Running:
    """A process, and the questions that it has not answered yet, by number."""

    process: BaseProcess
    connection: Connection
    waiting: "dict[int, Future[dict[str, Any]]]" = field(default_factory=dict)


class Helper:
    """Starts the process when something is asked of it first, and again where it has ended."""

    def __init__(self, make: Callable[[], Answer]) -> None:
        """`make`: makes what answers, in the process; a function or a dataclass of a module."""
        self._make = make
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._count = 0
        self._stopped = False

    def ask(self, question: Question, content: bytes = b"") -> "Future[dict[str, Any]]":
        """The answer, later: a HelperError where there is none."""
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            try:
                running = self._ensure()
                self._count += 1
                running.waiting[self._count] = answer
                said = {**question, "number": self._count, "bytes": len(content)}
                running.connection.send_bytes(json.dumps(said).encode())
                if content:
                    running.connection.send_bytes(content)
            except OSError:  # it has ended at this moment: `_listen` may have seen that, or not
                with suppress(InvalidStateError):
                    answer.set_exception(HelperError(ENDED))
        return answer

    def answer(self, question: Question, content: bytes = b"") -> dict[str, Any]:
        """The answer, awaited.

        Raises:
            HelperError: there is none.
        """
        waiting = self.ask(question, content)
        try:
            return waiting.result(PATIENCE)
        except TimeoutError as error:
            self.kill()
            raise HelperError(f"there was no answer in {PATIENCE:g} s") from error

    def kill(self) -> None:
        """End the process; the next question starts another."""
        running = self._running
        if running is not None:
            running.process.kill()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
        self.kill()

    @property
    def process(self) -> int | None:
        """Its id, while it runs."""
        running = self._running
        return running.process.pid if running is not None and running.process.is_alive() else None

    def _ensure(self) -> _Running:
        if self._stopped:
            raise OSError("the server ends")
        if self._running is not None and self._running.process.is_alive():
            return self._running
        context = get_context("spawn")
        connection, theirs = context.Pipe()
        process = context.Process(target=main, args=(theirs, self._make), daemon=True)
        process.start()
        theirs.close()
        self._running = _Running(process, connection)
        threading.Thread(target=_listen, args=(self._running,), daemon=True).start()
        return self._running


def _listen(running: _Running) -> None:
    """Hand out the answers of a process until it ends; then its questions have none."""
    while True:
        try:
            said = json.loads(running.connection.recv_bytes())
        except (EOFError, OSError):
            break
        waiting = running.waiting.pop(said.pop("number"), None)
        if waiting is not None:
            _settle(waiting, said)
    running.process.join()
    logger.warning("the process that answers has ended")
    while running.waiting:
        with suppress(KeyError, InvalidStateError):
            running.waiting.popitem()[1].set_exception(HelperError(ENDED))


def _settle(waiting: "Future[dict[str, Any]]", said: dict[str, Any]) -> None:
    if "error" in said:
        waiting.set_exception(HelperError(said["error"]))
    else:
        waiting.set_result(said)


def main(connection: Connection, make: Callable[[], Answer]) -> None:
    """Answer until the server ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends this
    _Lanes(connection, make()).listen()


class _Lanes:
    """A thread for each lane, as long as it is asked; `{"close": true}` ends one."""

    def __init__(self, connection: Connection, answer: Answer) -> None:
        self.connection, self.answer = connection, answer
        self.lanes: dict[str, SimpleQueue[tuple[dict[str, Any], bytes]]] = {}
        self.lock = threading.Lock()

    def listen(self) -> None:
        while True:
            try:
                question = json.loads(self.connection.recv_bytes())
                content = self.connection.recv_bytes() if question["bytes"] else b""
            except (EOFError, OSError):
                os._exit(0)
            lane = str(question["lane"])
            if lane not in self.lanes:
                self.lanes[lane] = SimpleQueue()
                threading.Thread(target=self._answer, args=(self.lanes[lane],), daemon=True).start()
            self.lanes[lane].put((question, content))
            if question.get("close"):
                del self.lanes[lane]

    def _answer(self, questions: "SimpleQueue[tuple[dict[str, Any], bytes]]") -> None:
        while True:
            question, content = questions.get()
            try:
                said = self.answer(question, content)
            except (ValueError, OSError, ImportError) as error:
                said = {"error": str(error) or type(error).__name__}
            except Exception:
                logger.exception("no answer to %s", question.get("do"))
                said = {"error": UNFORESEEN}
            with self.lock, suppress(OSError):  # the server has ended: `listen` sees that
                self.connection.send_bytes(json.dumps({**said, "number": question["number"]}).encode())
            if question.get("close"):
                return
