"""What the helper answers: timelines by fewer modalities."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectline.server.helper import Answer, Question

if TYPE_CHECKING:
    from affectline.checkpoint import Checkpoint


@dataclass(frozen=True)
class Quick:
    """Makes what answers: `checkpoints` by name, as they are loaded by the workers."""

    checkpoints: dict[str, str]
    device: str = "auto"

    def __call__(self) -> Answer:
        return _Answers(self)


@dataclass(frozen=True)
class _Answers:
    of: Quick
    loaded: "dict[str, Checkpoint]" = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, question: Question, content: bytes) -> dict[str, Any]:
        match question["do"]:
            case "load":
                self.checkpoint(question["checkpoint"])
                return {}
            case "by modalities":
                return self.by_modalities(question)
            case _:
                raise ValueError(f"there is no answer to {question['do']!r}")

    def checkpoint(self, name: str) -> "Checkpoint":
        """One of those that the service has; loaded once."""
        from affectline import checkpoint
        from affectline.analyze import find_device

        with self.lock:
            if name not in self.loaded:
                self.loaded[name] = checkpoint.load(self.of.checkpoints[name], find_device(self.of.device))
            return self.loaded[name]

    def by_modalities(self, question: Question) -> dict[str, Any]:
        from affectline.analyze import modalities_of
        from affectline.analyze.subsets import by_modalities
        from affectline.checkpoint.seen import Seen
        from affectline.timeline import Timeline

        timeline = Timeline.from_json(question["timeline"])
        modalities = modalities_of(question["modalities"])
        seen, checkpoint = Seen.read(Path(question["seen"])), self.checkpoint(question["checkpoint"])
        return {"timeline": by_modalities(timeline, checkpoint, seen, modalities).to_json()}
