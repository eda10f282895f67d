"""What a person at a terminal sees: progress on standard error, results on standard output."""

import sys
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


def stdout() -> Console:
    """Standard output, 100 columns wide where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=100)


def say(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)


def show(table: Table) -> None:
    stdout().print(table)


class Stages:
    """Which stage of what is running, and how much of it is done.

    A bar on a terminal, else a line for each new stage.
    """

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
        self._task = self._bar.add_task("", total=1.0) if self._bar else None
        self._name = self._stage = ""

    def __enter__(self) -> "Stages":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, name: str) -> None:
        """From now on stages are those of `name`."""
        self._name, self._stage = name, ""
        if self._bar and self._task is not None:
            self._bar.reset(self._task, description=escape(name))

    def __call__(self, stage: str, share: float = 0.0, note: str = "") -> None:
        if self._bar and self._task is not None:
            text = escape(" ".join(filter(None, (f"{self._name}: {stage}", note))))
            self._bar.update(self._task, description=text, completed=share)
        elif stage != self._stage or (note and share >= 1):
            say(" ".join(filter(None, (f"{self._name}: {stage}", note if share >= 1 else ""))))
        self._stage = stage

    def say(self, text: str) -> None:
        """A line on standard error that stays."""
        if self._bar:
            self._bar.console.print(escape(text), soft_wrap=True)
        else:
            say(text)


def split(text: str) -> list[str]:
    """The parts of a list such as "json,csv"."""
    return [part.strip() for part in text.split(",") if part.strip()]
