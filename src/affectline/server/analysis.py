"""The work of a worker: one recording, analysed as `affectline analyze` does."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from affectline.server.results import seen_in
from affectline.server.worker import Report, Task, Work

if TYPE_CHECKING:
    from affectline.analyze import Analyzer


@dataclass(frozen=True)
class Analysis:
    """Makes the work: `checkpoints` by name; `length`: the most seconds that a recording may have."""

    checkpoints: dict[str, str]
    device: str = "auto"
    length: float = float("inf")

    def __call__(self) -> Work:
        work = _Work(self)
        work.analyzer(next(iter(self.checkpoints)))  # before the first job, so that this need not wait
        return work


@dataclass(frozen=True)
class _Work:
    of: Analysis
    loaded: "dict[str, Analyzer]" = field(default_factory=dict)

    def analyzer(self, name: str) -> "Analyzer":
        from affectline.analyze import Analyzer

        if name not in self.loaded:
            self.loaded[name] = Analyzer.load(self.of.checkpoints[name], self.of.device)
        return self.loaded[name]

    def __call__(self, task: Task, report: Report) -> None:
        from affectline.analyze import Options, modalities_of
        from affectline.analyze.explaining import explained
        from affectline.analyze.kept import Kept

        report("loading", 0.0)
        wanted = task["options"]
        options = Options(
            speakers=wanted["speakers"],
            language=wanted["language"],
            modalities=modalities_of(wanted["modalities"]),
            asr=wanted["asr"],
            granularity=wanted.get("granularity", "utterance"),  # which jobs of an older server do not have
        )
        analyzer = self.analyzer(wanted["checkpoint"])
        recording = _checked(task["recording"])
        transcript = _checked(task["transcript"]) if task["transcript"] else None
        report("reading", 0.0)
        self._refuse_long(recording)
        folder = Path(task["folder"])
        kept = Kept(task["kept"], seen_in(folder))
        conversation, timeline = analyzer.judged(recording, transcript, options, report, kept)
        if wanted.get("explain"):
            only, notes = wanted["explain_utterances"], list[str]()
            timeline = explained(
                analyzer.checkpoint, conversation, timeline, only=only, progress=report, note=notes.append
            )
            timeline = replace(timeline, warnings=(*timeline.warnings, *notes))
        report("writing", 0.0)
        timeline.write(folder / "timeline.json")

    def _refuse_long(self, recording: Path) -> None:
        from affectline.analyze.recordings import is_transcript
        from affectline.media import probe

        length = 0.0 if is_transcript(recording) else probe(recording).duration
        if length > self.of.length:
            raise ValueError(f"it is {length:.0f} s long, and this server takes {self.of.length:g} s at most")


def _checked(path: str) -> Path:
    """The path, which leads to where it led when the job was taken: no link has come into it since."""
    if os.path.realpath(path) != path:
        raise ValueError("it has moved since the job was sent; send it again")
    return Path(path)
