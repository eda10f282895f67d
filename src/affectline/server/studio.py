"""What a person asks about an analysis while looking at it: with corrections, by other modalities, why."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectline.server.analysis import Analysis, Loaded
from affectline.server.helper import Answer, Question

if TYPE_CHECKING:
    from affectline.types import Conversation

SAMPLES = 300  # of an explanation that a person waits for


@dataclass(frozen=True)
class Studio:
    """Makes what answers, in a process of its own: it decodes, and explanations take long."""

    analysis: Analysis

    def __call__(self) -> Answer:
        with suppress(OSError, AttributeError):
            os.nice(5)  # it loads as soon as an analysis is opened, and who switches modalities comes first
        return _Studio(Loaded(self.analysis))


@dataclass(frozen=True)
class _Studio:
    """Answers "judge" and "why". A question is a task as a worker has it, with "edits" and more.

    `stages`: of each explanation that is being made, what is done of it, for those who ask "how far".
    """

    loaded: Loaded
    stages: dict[str, tuple[str, float]] = field(default_factory=dict)

    def __call__(self, question: Question, content: bytes) -> dict[str, Any]:
        from affectline.server.worker import told

        try:
            match question["do"]:
                case "judge":
                    return self._judge(question)
                case "why":
                    return self._why(question)
                case "how far":
                    stage, share = self.stages.get(_key(question), ("", 0.0))
                    return {"stage": stage, "share": share}
            return {}  # "load", which is done by now
        except (ValueError, OSError) as error:
            raise ValueError(told(error, question)) from error

    def _judge(self, question: Question) -> dict[str, Any]:
        """The timeline by "modalities" in the file "out", and what the model saw in "seen"."""
        self._judged(question, question["modalities"], question["out"], question["seen"])
        return {}

    def _judged(
        self, question: Question, modalities: Sequence[str], out: str | None = None, seen: str | None = None
    ) -> "Conversation":
        from affectline.analyze.kept import Kept

        conversation, timeline = self.loaded.analyzer(question["options"]["checkpoint"]).judged(
            Path(question["recording"]),
            question["transcript"] and Path(question["transcript"]),
            self.loaded.options({**question["options"], "modalities": list(modalities)}),
            kept=Kept(question["kept"], Path(seen) if seen else None),
            edits=question["edits"],
        )
        if out is not None:
            timeline.write(out)
        return conversation

    def _why(self, question: Question) -> dict[str, Any]:
        """The "explanations" of an "utterance", as the timeline's JSON has them, and "notes"."""
        key = _key(question)
        self.stages[key] = ("reading", 0.0)
        try:
            return self._explained(question, lambda stage, share: self.stages.update({key: (stage, share)}))
        finally:
            del self.stages[key]

    def _explained(self, question: Question, progress: Callable[[str, float], None]) -> dict[str, Any]:
        from affectline.analyze.explaining import Explainer, Wanted

        conversation = self._judged(question, question["options"]["modalities"])
        checkpoint = self.loaded.analyzer(question["options"]["checkpoint"]).checkpoint
        notes: list[str] = []
        found = Explainer(checkpoint, conversation).explain(
            question["utterance"], Wanted(samples=SAMPLES), progress=progress, note=notes.append
        )
        return {"explanations": [d for one in found for d in one.documents()], "notes": notes}


def _key(question: Question) -> str:
    return f"{question['job']} {question['utterance']}"
