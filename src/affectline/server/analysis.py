"""The work of a worker: one recording, analysed as `affectline analyze` does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectline.server.results import seen_in
from affectline.server.worker import Report, Task, Work

if TYPE_CHECKING:
    from affectline.analyze import Analyzer, Options


@dataclass(frozen=True)
class Analysis:
    """Makes the work: `checkpoints` by name; `length`: the most seconds that a recording may have."""

    checkpoints: dict[str, str]
    device: str = "auto"
    length: float = float("inf")

    def __call__(self) -> Work:
        return _Work(Loaded(self))


class Loaded:
    """What is loaded of an analysis: the first of its checkpoints at once, so that no job waits for it."""

    def __init__(self, of: Analysis) -> None:
        from affectline.checkpoint.vectors import Vectors

        self.of = of
        self._analyzers: dict[str, Analyzer] = {}
        for extractor in self.analyzer(next(iter(of.checkpoints))).checkpoint.extractors:
            if isinstance(extractor, Vectors):
                extractor.load()

    def analyzer(self, name: str) -> "Analyzer":
        from affectline.analyze import Analyzer

        if name not in self._analyzers:
            self._analyzers[name] = Analyzer.load(self.of.checkpoints[name], self.of.device)
        return self._analyzers[name]

    def options(self, wanted: Mapping[str, Any]) -> "Options":
        """Those of a job as the analysis has them."""
        from affectline.analyze import Options, modalities_of

        return Options(
            speakers=wanted["speakers"],
            language=wanted["language"],
            modalities=modalities_of(wanted["modalities"]),
            asr=wanted["asr"],
            granularity=wanted.get("granularity", "utterance"),  # which jobs of an older server do not have
        )


@dataclass(frozen=True)
class _Work:
    loaded: Loaded

    def __call__(self, task: Task, report: Report) -> None:
        from affectline.analyze.explaining import explained
        from affectline.analyze.kept import Kept

        report("loading", 0.0)
        wanted = task["options"]
        options = self.loaded.options(wanted)
        analyzer = self.loaded.analyzer(wanted["checkpoint"])
        recording = unmoved(task["recording"])
        transcript = unmoved(task["transcript"]) if task["transcript"] else None
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
        if length > self.loaded.of.length:
            raise ValueError(
                f"it is {length:.0f} s long, and this server takes {self.loaded.of.length:g} s at most"
            )


def unmoved(path: str) -> Path:
    """The path, which leads to where it led when the job was taken: no link has come into it since."""
    if os.path.realpath(path) != path:
        raise ValueError("it has moved since the job was sent; send it again")
    return Path(path)
