"""The server that benchmarks/service.py kills and loads, as a process: FOLDER PORT [SECONDS]."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from affectline.server.limits import Limits
from affectline.server.worker import Report, Task, Work


@dataclass(frozen=True)
class Waits:
    """Work that waits and writes a file, in place of an analysis."""

    seconds: float

    def __call__(self) -> Work:
        return self.do

    def do(self, task: Task, report: Report) -> None:
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0:
            report("waiting", 1 - left / self.seconds)
            time.sleep(min(left, 0.02))
        folder = Path(task["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "timeline.json").write_text("{}")


def main() -> int:
    from affectline.server.service import Settings, run
    from affectline.shipped import installed

    data, port, *seconds = sys.argv[1:]
    known = {name: str(path) for name, path in installed().items()}
    settings = Settings(data=Path(data), checkpoints=known, limits=Limits(jobs=1000))
    return run(settings, "127.0.0.1", int(port), print, Waits(float(seconds[0])) if seconds else None)


if __name__ == "__main__":
    sys.exit(main())
