"""The process that analyses: it is told jobs, and tells how far they are. The server never decodes.

Messages are JSON in both directions, as what reads hostile files should not be able to make the server
unpickle something. The process ends as soon as the server does.
"""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

logger = logging.getLogger(__name__)

Task = Mapping[str, Any]
"""A job for a worker: "job", "name", "recording", "transcript", "options", "kept", "folder"."""

Report = Callable[[str, float], None]
"""Is told a stage and the share of it that is done; ends a job that was cancelled."""

Work = Callable[[Task, Report], None]
"""Does a job: writes timeline.json in its folder.

Raises ValueError, OSError or ImportError where the client, or the operator, can do something about it.
"""

INTERVAL = 0.1  # seconds between two messages about one stage


class CancelledError(Exception):
    """The job that runs is no longer wanted."""


def main(connection: Connection, make: Callable[[], Work]) -> None:
    """Do jobs until the server ends. `make()` makes what does them, and may take a while."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends this
    with suppress(OSError, AttributeError):
        os.nice(10)  # the pages come first
    worker = _Worker(connection)
    threading.Thread(target=worker.listen, daemon=True).start()
    work = make()
    worker.say(ready=True)
    while True:
        worker.do(worker.tasks.get(), work)


class _Worker:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.tasks: SimpleQueue[Task] = SimpleQueue()
        self.cancelled: str | None = None  # the id of a job

    def listen(self) -> None:
        """Take tasks and cancellations; end the process, whatever it does, where the server has ended."""
        while True:
            try:
                message = json.loads(self.connection.recv_bytes())
            except (EOFError, OSError):
                os._exit(0)
            if "cancel" in message:
                self.cancelled = message["cancel"]
            else:
                self.tasks.put(message)

    def say(self, **message: Any) -> None:
        try:
            self.connection.send_bytes(json.dumps(message).encode())
        except OSError:
            os._exit(0)

    def do(self, task: Task, work: Work) -> None:
        self.say(job=task["job"], begun=True)
        try:
            work(task, self._report(task))
        except CancelledError:
            self.say(job=task["job"], end="cancelled")
        except (ValueError, OSError, ImportError) as error:
            self.say(job=task["job"], end="failed", reason=told(error, task))
        except Exception as error:
            logger.exception("job %s", task["job"])
            kind = type(error).__name__
            reason = f"an error that affectline did not foresee ({kind}); the server's log says more"
            self.say(job=task["job"], end="failed", reason=reason)
        else:
            self.say(job=task["job"], end="completed")

    def _report(self, task: Task) -> Report:
        last = ("", 0.0)

        def report(stage: str, share: float) -> None:
            nonlocal last
            if self.cancelled == task["job"]:
                raise CancelledError
            now = time.monotonic()
            if stage != last[0] or now - last[1] >= INTERVAL:
                last = (stage, now)
                self.say(job=task["job"], stage=stage, share=share)

        return report


def told(error: Exception, task: Task) -> str:
    """An error in words for the client, in which files are called as the client knows them."""
    text = f"{error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
    text = text or type(error).__name__
    for key, name in (("recording", task["name"]), ("transcript", "the transcript")):
        if task[key]:
            path = str(task[key])
            text = text.replace(path, name)
            base = os.path.basename(path)
            text = text.replace(base, name) if "." in base else text  # a short word may be anything
    text = text.removeprefix(f"{task['name']}: ")
    for key in ("kept", "folder"):
        text = text.replace(str(task[key]), "the data folder")
    return text
