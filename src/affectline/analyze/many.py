"""Recordings one after the other, here or by workers on Ray: what is made of each, or why it failed."""

import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from affectline.analyze import Analyzer, Options, Progress, find_device
from affectline.analyze.explaining import explained
from affectline.analyze.recordings import Failure, Task
from affectline.scale import DIED, Worker, spread
from affectline.timeline import Timeline


@dataclass(frozen=True)
class Judged:
    """What was made of a recording. `notes`: what of it could not be explained."""

    timeline: Timeline
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """How every recording of a call is to be analysed."""

    checkpoint: str
    device: str
    options: Options
    explain: bool = False

    def judged(
        self,
        analyzer: Analyzer,
        task: Task,
        progress: Progress = lambda *_: None,
        note: Callable[[str], None] = lambda _: None,
    ) -> Judged:
        """The timeline of one, explained if that was asked for; `note` is told of its notes at once.

        Raises:
            ValueError, ImportError, OSError: as `Analyzer.judged`.
        """
        began, notes = time.monotonic(), list[str]()

        def told(text: str) -> None:
            notes.append(text)
            note(text)

        talk, timeline = analyzer.judged(task.recording, task.transcript, self.options, progress)
        if self.explain:
            timeline = explained(analyzer.checkpoint, talk, timeline, progress=progress, note=told)
        return Judged(timeline, time.monotonic() - began, tuple(notes))


def failed(recording: Path, error: Exception) -> Failure:
    """Why, in words; to be called where the error was caught."""
    trace = traceback.format_exc()
    if isinstance(error, ValueError | OSError | ImportError):
        return replace(Failure.of(recording, error), trace=trace)
    reason = f"{type(error).__name__}: {error}; this should not happen: --debug shows where it did"
    return Failure(recording, reason, trace)


def on_ray(
    asked: Asked, tasks: Sequence[Task], *, workers: int | None = None, address: str | None = None
) -> Iterator[tuple[Task, Judged | Failure]]:
    """Each recording with what workers make of it, in the order in which they end.

    `workers` and `address` are those of `affectline.scale.spread`; on CUDA each worker has a device.
    """
    gpus = 1 if find_device(asked.device).type == "cuda" else 0
    yield from spread(partial(_worker, asked), tasks, workers=workers, address=address, gpus=gpus)


def _worker(asked: Asked) -> Worker[Task, Judged | Failure]:
    analyzer = Analyzer.load(asked.checkpoint, asked.device)

    def made(task: Task, deadly: Collection[str]) -> Iterator[str | Judged | Failure]:
        whole = str(task.recording)
        if whole in deadly:
            yield Failure(task.recording, DIED)
            return
        yield whole
        try:
            yield asked.judged(analyzer, task)
        except Exception as error:  # one recording must not stop the others, whatever is wrong with it
            yield failed(task.recording, error)

    return made
