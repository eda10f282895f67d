"""Copies of recordings with blurred faces: made when they are asked for first, kept beside the recording.

Each is made in a process of its own, which ends with it; the server itself never decodes. A copy goes with
the last analysis of its recording, and one that is being made is given up then.
"""

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from affectline.server.helper import Answer, Helper, HelperError, Question
from affectline.server.jobs import Job, Jobs
from affectline.server.limits import NotAllowedError
from affectline.server.pool import task_of
from affectline.server.problems import Problem
from affectline.server.worker import told

TICK = 0.25  # seconds between looks at what is being made
NAME = "blurred.mp4"


@dataclass
class Making:
    """A copy that is not there yet. `share`: of it that is done. `reason`: why it could not be made."""

    share: float = 0.0
    reason: str | None = None


class Blurs:
    """All copies, one made at a time. `make`: makes what blurs, see `Blurring`. `seconds`: for one copy."""

    def __init__(self, jobs: Jobs, make: Callable[[], Answer], seconds: float) -> None:
        self.jobs, self.seconds = jobs, seconds
        self._helper = Helper(make)
        self._queue = ThreadPoolExecutor(1)
        self._making: dict[str, Making] = {}
        self._lock = Lock()

    def stop(self) -> None:
        self._queue.shutdown(wait=False, cancel_futures=True)
        self._helper.stop()

    def look(self, job: Job) -> Path | Making:
        """The copy, or how far it is; it is begun with the first look.

        Raises:
            Problem: it could not be made; another look begins again. Or its recording may not be read any
                more: then what was made of it is not shown either.
        """
        try:
            self.jobs.readable(job.given)
        except NotAllowedError as error:
            raise Problem(410, str(error)) from error
        path = self._path(job)
        with self._lock:
            if path.is_file():
                return path
            if job.given.id not in self._making:
                self._making[job.given.id] = Making()
                self._queue.submit(self._make, job, self._making[job.given.id])
            making = self._making[job.given.id]
            if making.reason is not None:
                del self._making[job.given.id]
                raise Problem(409, making.reason)
            return making

    def _path(self, job: Job) -> Path:
        return self.jobs.home(job.given) / NAME

    def _make(self, job: Job, making: Making) -> None:
        folder = self.jobs.incoming()
        try:
            self._watched(job, making, folder / NAME)
            os.replace(folder / NAME, self._path(job))
        except (HelperError, OSError) as error:
            known = isinstance(error, HelperError)
            making.reason = told(error, task_of(job, self.jobs)) if known else "it was removed meanwhile"
        finally:
            self._helper.kill()  # its memory is given back
            shutil.rmtree(folder, ignore_errors=True)
            if not self.jobs.of(job.given.id):  # removed at this moment: nothing of it stays
                shutil.rmtree(self.jobs.home(job.given), ignore_errors=True)
            with self._lock:
                if making.reason is None:
                    del self._making[job.given.id]

    def _watched(self, job: Job, making: Making, out: Path) -> None:
        question = {**task_of(job, self.jobs), "do": "blur", "lane": "blur", "out": str(out)}
        answer, until = self._helper.ask(question), time.monotonic() + self.seconds
        while wait([answer], TICK).not_done:
            if not self.jobs.of(job.given.id):
                self._helper.kill()
                continue
            if time.monotonic() > until:
                raise HelperError(f"it took longer than the {self.seconds:g} s that this server allows")
            with suppress(HelperError):
                making.share = self._helper.answer({"do": "share", "lane": "share"})["share"]
        answer.result()


@dataclass(frozen=True)
class Blurring:
    """Makes what blurs, in its process. `device`: as of `Analysis`."""

    device: str = "auto"

    def __call__(self) -> Answer:
        with suppress(OSError, AttributeError):
            os.nice(10)  # the pages come first
        return _Blurring(self.device)


@dataclass
class _Blurring:
    """Answers "blur" and, meanwhile, "share"."""

    device: str
    share: dict[str, float] = field(default_factory=lambda: {"share": 0.0})

    def __call__(self, question: Question, content: bytes) -> dict[str, Any]:
        from affectline.analyze import find_device
        from affectline.blurring import blur_faces, detector
        from affectline.server.analysis import unmoved

        if question["do"] == "share":
            return {**self.share}

        def progress(stage: str, share: float) -> None:
            self.share["share"] = share / 2 if stage == "faces" else 0.5 + share / 2

        finds = detector(str(find_device(self.device)))
        blur_faces(unmoved(question["recording"]), question["out"], finds, progress=progress)
        return {}
