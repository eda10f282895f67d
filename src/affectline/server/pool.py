"""Who does the jobs: worker processes, each watched by a thread, restarted where they end."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from affectline.server import worker
from affectline.server.jobs import Job, Jobs, State
from affectline.server.limits import Limits, NotAllowedError

logger = logging.getLogger(__name__)

GRACE = 5.0  # seconds in which a worker may end a cancelled job by itself
STARTS = 5  # of workers that end before they are ready, until that is a failure of the job
LOADING = 600.0  # seconds in which a worker must be ready for its first job
TICK = 0.1  # seconds between looks at a worker that says nothing


@dataclass(frozen=True)
class Progress:
    """The stage that a running job is in, and the share of it that is done, 0 to 1."""

    stage: str
    share: float


class Pool:
    """Workers that take jobs from the queue, first come, first served.

    `make`: makes the work in the worker's process; a function or a dataclass of a module. A worker that ends
    while it does a job is started again, and the job tried `limits.tries` times in all.
    """

    def __init__(
        self, jobs: Jobs, make: Callable[[], worker.Work], limits: Limits, *, workers: int = 1
    ) -> None:
        self.jobs, self.limits = jobs, limits
        self._stop = threading.Event()
        self._wake = threading.Condition()
        self._slots = [_Slot(self, make) for _ in range(workers)]

    def start(self) -> None:
        for slot in self._slots:
            slot.thread.start()

    def stop(self) -> None:
        """End the workers; jobs that run go back into the queue."""
        self._stop.set()
        self.wake()
        for slot in self._slots:
            slot.thread.join()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def wake(self) -> None:
        """There is something new in the queue."""
        with self._wake:
            self._wake.notify_all()

    def wait(self) -> None:
        with self._wake:
            self._wake.wait(0.5)

    def progress(self, id: str) -> Progress | None:
        """Of a job that runs: "loading" until its worker has begun; None after its end."""
        slot = self._slot(id)
        return slot.progress if slot else None

    def cancel(self, id: str) -> bool:
        """End a job that is queued or runs; False where it is over already."""
        ended = self.jobs.finish(id, State.CANCELLED)
        if ended and (slot := self._slot(id)):
            slot.cancelled.set()
        return ended

    def remove(self, id: str) -> None:
        """Remove a job with all that was made for it; one that runs is ended at once.

        Raises:
            KeyError: there is no such job.
        """
        self.jobs.get(id)
        self.jobs.finish(id, State.CANCELLED)
        while slot := self._slot(id):
            slot.kill()
            slot.released.wait(TICK)
        self.jobs.remove(id)

    def processes(self) -> list[int]:
        """The ids of the workers' processes that run now."""
        return [slot.process.pid for slot in self._slots if slot.process and slot.process.pid]

    def _slot(self, id: str) -> "_Slot | None":
        return next((slot for slot in self._slots if slot.job == id), None)


class _Slot:
    """One worker and the thread that watches it."""

    def __init__(self, pool: Pool, make: Callable[[], worker.Work]) -> None:
        self.pool, self.make = pool, make
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.process: BaseProcess | None = None
        self.connection: Connection | None = None
        self.job: str | None = None
        self.progress: Progress | None = None
        self.cancelled = threading.Event()
        self.released = threading.Event()
        self._fails = 0  # starts in a row that led to nothing

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def _run(self) -> None:
        while not self.pool.stopping:
            job = None
            try:
                self._ensure()
                job = self.pool.jobs.claim()
                self._do(job) if job else self.pool.wait()
            except Exception:  # as a full disk under the database: later may be better
                logger.exception("a worker stumbled")
                self._end()
                self._return(job)
        self._end()

    def _return(self, job: Job | None) -> None:
        """Put a job back whose end could not be written down; nothing else is begun before that."""
        while not self.pool.stopping:
            time.sleep(1)
            with suppress(Exception):
                return self.pool.jobs.back(job.id) if job else None

    def _ensure(self) -> None:
        """A process that runs. One that ends again and again is started ever more slowly."""
        if self.process is not None and self.process.is_alive():
            return
        while self.connection is not None and (message := self._receive()):
            self._fails = 0 if "ready" in message else self._fails
        self._end()
        time.sleep(min(10.0, 0.1 * 2**self._fails - 0.1))
        self._fails += 1
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=worker.main, args=(theirs, self.make), daemon=True)
        self.process.start()
        theirs.close()

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _do(self, job: Job) -> None:
        self.cancelled.clear()
        self.released.clear()
        self.job, self.progress = job.id, Progress("loading", 0.0)  # until the worker says something
        try:
            if self.pool.jobs.get(job.id).state is State.RUNNING:  # not cancelled before we said it is ours
                self._send(task_of(job, self.pool.jobs))
                self._watch(job)
        except KeyError:
            pass  # removed meanwhile
        except NotAllowedError as error:
            self.pool.jobs.finish(job.id, State.FAILED, str(error))
        finally:
            self.job = self.progress = None
            self.released.set()

    def _send(self, message: dict[str, Any]) -> None:
        assert self.connection is not None
        with suppress(OSError):  # it has ended: `_watch` sees that
            self.connection.send_bytes(json.dumps(message).encode())

    def _watch(self, job: Job) -> None:
        """Until the job is over, in one way or another."""
        limits, jobs = self.pool.limits, self.pool.jobs
        begun, until = False, time.monotonic() + LOADING
        told: float | None = None  # when the worker was told that the job is cancelled
        while True:
            message = self._receive()
            if message is None:
                return self._crashed(job, begun)
            if self._ends(message, job):
                return None
            now, reason = time.monotonic(), None
            if "begun" in message:
                begun, until = True, now + limits.seconds
            if self.pool.stopping:
                self._end()
                return jobs.back(job.id)
            if self.cancelled.is_set() and told is None:
                told = now
                self._send({"cancel": job.id})
            if told is not None and now - told > GRACE:
                reason = "cancelled"  # which it is by now: the first end holds
            elif limits.memory is not None and self._memory() > limits.memory:
                reason = (
                    f"it needed more than the {limits.memory / 1e9:.1f} GB of memory that this server allows"
                )
            elif now > until:
                reason = f"it took longer than the {limits.seconds:g} s that this server allows"
            if reason is not None:
                self._end()
                jobs.finish(job.id, State.FAILED, reason)
                return None

    def _crashed(self, job: Job, begun: bool) -> None:
        """The worker has ended; what it had not begun is not what ended it."""
        logger.warning("a worker ended while it had job %s", job.id)
        self._end()
        if begun:
            reason = "it ended the process that analyses, so the file may be damaged"
            self.pool.jobs.crashed(job.id, self.pool.limits.tries, reason)
        elif self._fails >= STARTS:
            reason = "the process that analyses did not start, and the server's log says why"
            self.pool.jobs.crashed(job.id, self.pool.limits.tries, reason)
        else:
            self.pool.jobs.back(job.id)

    def _ends(self, message: dict[str, Any], job: Job) -> bool:
        """Take a message of the worker; whether the job is over by it."""
        if "ready" in message:
            self._fails = 0
        if message.get("job") != job.id:
            return False
        if "stage" in message:
            self.progress = Progress(message["stage"], message["share"])
        if "end" in message:
            self.pool.jobs.finish(job.id, State(message["end"]), message.get("reason"))
        return "end" in message

    def _receive(self) -> dict[str, Any] | None:
        """What the worker says; empty where it says nothing; None where it has ended."""
        assert self.connection is not None
        try:
            return json.loads(self.connection.recv_bytes()) if self.connection.poll(TICK) else {}
        except (EOFError, OSError):
            return None

    def _memory(self) -> int:
        """Bytes that the worker holds; 0 where the system does not say (it does on Linux)."""
        try:
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]  # pyright: ignore
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def task_of(job: Job, jobs: Jobs) -> dict[str, Any]:
    """A job as a process is told it; see `worker.Task`.

    Raises:
        NotAllowedError: its recording may not be read any more.
    """
    given = job.given
    jobs.readable(given)
    return {
        "job": job.id,
        "name": given.name,
        "recording": str(given.recording),
        "transcript": given.transcript and str(given.transcript),
        "options": dict(job.options),
        "kept": str(jobs.kept(given)),
        "folder": str(jobs.results(job)),
    }
