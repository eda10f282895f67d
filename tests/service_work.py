"""Work that is quick and does as the recording says; what a worker's process imports."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from timeline_makers import talk

from affectline.server.worker import Report, Task, Work


@dataclass(frozen=True)
class Fake:
    """Makes work that does what the recording says: "sleep 2", "crash", "crash once", "hang", "fail" ...

    `seconds`: that any other recording takes.
    """

    seconds: float = 0.0

    def __call__(self) -> Work:
        return self.do

    def do(self, task: Task, report: Report) -> None:
        said = Path(task["recording"]).read_bytes()[:200].decode("latin-1").split()
        word, rest = (said or [""])[0], said[1:]
        folder = Path(task["folder"])
        match word:
            case "sleep":
                wait(report, float(rest[0]))
            case "hang":  # and hears nothing
                time.sleep(60)
            case "crash":
                once = folder.parent / "crashed"
                folder.parent.mkdir(exist_ok=True)
                if not rest or not once.exists():
                    once.touch()
                    os._exit(1)
            case "fail":
                raise ValueError(f"{task['recording']}: is text, not a recording")
            case "stumble":
                raise KeyError("/etc/secret")
            case "eat":
                held = bytearray(300_000_000)
                wait(report, 20.0 + held[0])
            case _:
                wait(report, self.seconds)
        untimed = word == "untimed"
        talk(3, timed=not untimed, path=task["recording"]).write(folder / "timeline.json")


def wait(report: Report, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        report("faces", 1 - left / seconds)
        time.sleep(min(left, 0.02))
