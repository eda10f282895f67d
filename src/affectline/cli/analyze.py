"""`affectline analyze`."""

import json as to_json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import (
    Address,
    Device,
    Engine,
    UsageError,
    Workers,
    check_engine,
    find_checkpoint,
    usage,
)

if TYPE_CHECKING:
    from affectline.analyze import Analyzer
    from affectline.analyze.many import Asked, Judged
    from affectline.analyze.recordings import Failure, Plan, Task
    from affectline.timeline import Timeline

Made = TypeVar("Made")


def analyze(
    recordings: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="RECORDING|FOLDER...", help_behavior_hint="")
    ] = (),
    /,
    *,
    transcript: Annotated[Path | None, arg(metavar="FILE|FOLDER", help_behavior_hint="")] = None,
    speakers: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: found by voice)")] = None,
    language: Annotated[str | None, arg(metavar="CODE", help_behavior_hint="(default: detected)")] = None,
    modalities: Annotated[str, arg(metavar="LIST")] = "text,audio,video",
    checkpoint: Annotated[str, arg(metavar="NAME|DIR")] = "base",
    out: Annotated[
        Path | None, arg(metavar="DIR", help_behavior_hint="(default: RECORDING.affectline)")
    ] = None,
    formats: Annotated[str, arg(metavar="LIST")] = "json,html",
    explain: Annotated[bool, arg(help_behavior_hint="")] = False,
    resume: Annotated[bool, arg(help_behavior_hint="")] = False,
    asr: Annotated[str | None, arg(metavar="MODEL", help_behavior_hint="")] = None,
    diarization: Annotated[str, arg(metavar="voice|pyannote")] = "voice",
    granularity: Annotated[str, arg(metavar="word|utterance|turn")] = "utterance",
    device: Device = "auto",
    engine: Engine = "local",
    workers: Workers = None,
    address: Address = None,
    json: Annotated[bool, arg(help_behavior_hint="")] = False,
    debug: Annotated[bool, arg(help_behavior_hint="")] = False,
) -> int:
    """Write a timeline of who expressed which emotions, and when, for each recording.

    A recording is any file with sound, picture or both, or a transcript alone. A folder is taken whole.
    Exit code: 0 all done; 1 some recordings failed, and standard error says which and why; 2 wrong use.

    For example:

      affectline analyze talk.mp4
      affectline analyze talk.mp4 --transcript talk.srt --formats json,csv,html
      affectline analyze talks/ --transcript words/ --out runs --resume
      affectline analyze chat.csv --json
      affectline analyze talks/ --out runs --engine ray --workers 8

    Args:
        recordings: Sound or video files, transcripts (words alone), or folders of recordings.
        transcript: SRT, WebVTT, JSON or CSV (speaker, start, end, text); for several recordings a folder
            that holds one of the same name for each.
        speakers: How many people speak, where the transcript does not name them.
        language: Of the words: en, de, ... (ISO 639-1).
        modalities: What emotions are read from: text, audio, video.
        checkpoint: An installed checkpoint or the folder of one; see `affectline weights`.
        out: Each timeline goes to a folder DIR/<name of the recording>; two of one name get -2 and so on.
        formats: Of json (always), csv, parquet, vtt, eaf, rttm, html.
        explain: Also say which words, sounds and regions of the face speak for what was found, and how far
            that can be trusted: minutes for each utterance; see `affectline explain`.
        resume: Leave out recordings that have a timeline made from the same file with the same options.
        asr: Recognise words with this faster-whisper model (small, a folder, ...) where none are given.
        diarization: What tells speakers apart by voice; pyannote is an extra.
        granularity: What is judged: a word (its time must be known), an utterance, or all that a speaker
            says until another one speaks.
        device: What computes: auto takes cuda, mps or cpu.
        engine: One recording after the other, or several at a time on Ray (extra `scale`): on this machine
            or a cluster.
        workers: With ray: how many at a time.
        address: With ray: that of the cluster, whose machines have the recordings and the checkpoint under
            the same paths; on one of its machines: auto.
        json: Print one JSON object: {"done": [{"recording", "files", "seconds", "timeline"}],
            "failed": [{"recording", "reason"}]}.
        debug: Print the traceback of an error that affectline did not foresee.
    """
    if not recordings:
        raise UsageError("analyze needs a recording or a folder, such as: affectline analyze talk.mp4")
    from affectline.analyze import Options, find_device, modalities_of
    from affectline.analyze.many import Asked
    from affectline.analyze.recordings import plan

    with usage():
        wanted = _formats(formats)
        chosen = modalities_of(terminal.split(modalities))
        options = Options(
            speakers=speakers,
            language=language,
            modalities=chosen,
            asr=asr,
            diarization=diarization,
            granularity=granularity,
        )
        todo = plan(recordings, transcript=transcript, out=out)
        find_checkpoint(checkpoint)
        find_device(device)
        check_engine(engine, workers, address)
    asked = Asked(checkpoint, device, options, explain)
    return Job(todo, asked, wanted, resume, debug, engine, workers, address).run(as_json=json)


def _formats(text: str) -> tuple[str, ...]:
    from affectline.analyze.recordings import ALL_FORMATS

    names = terminal.split(text)
    unknown = [name for name in names if name not in ALL_FORMATS]
    if unknown:
        raise ValueError(f"there is no format {unknown[0]!r}; there are {', '.join(ALL_FORMATS)}")
    return tuple(names)


@dataclass(frozen=True)
class Done:
    """A timeline and its files; `seconds` is None where it had been made before."""

    task: "Task"
    timeline: "Timeline"
    files: dict[str, Path]
    seconds: float | None

    def line(self) -> str:
        """How much there is of it, and how long it took."""
        timeline, taken = self.timeline, "done before"
        if self.seconds is not None:
            times = f", {self.seconds / timeline.duration:.2f} x its length" if timeline.duration else ""
            taken = f"{self.seconds:.1f} s{times}"
        counts = f"{len(timeline.utterances)} utterances, {len(timeline.speakers)} speakers"
        return f"{self.task.recording}: {counts}, {taken}"


@dataclass(frozen=True)
class Job:
    """One call of the command."""

    plan: "Plan"
    asked: "Asked"
    formats: Sequence[str]
    resume: bool
    debug: bool
    engine: Engine
    workers: int | None
    address: str | None

    @cached_property
    def analyzer(self) -> "Analyzer":
        from affectline.analyze import Analyzer

        return Analyzer.load(self.asked.checkpoint, self.asked.device)

    def run(self, *, as_json: bool) -> int:
        """Do it; the results go to standard output, all else to standard error."""
        done: list[Done] = []
        failed = list(self.plan.failures)
        try:
            with terminal.Stages() as stages:
                for failure in failed:
                    stages.say(f"failed: {failure.recording}: {failure.reason}")
                for result in self._results(stages):
                    if isinstance(result, Done):
                        done.append(result)
                    else:
                        failed.append(result)
                        stages.say(f"failed: {result.recording}: {result.reason}")
                        terminal.say(result.trace) if self.debug and result.trace else None
        except KeyboardInterrupt:
            terminal.say(f"interrupted: {len(done)} of {len(self.plan.tasks)} done; with --resume it goes on")
            raise
        _print_json(done, failed) if as_json else _print_tables(done)
        return 1 if failed else 0

    def _load(self, stages: terminal.Stages) -> None:
        """Load the checkpoint, and say what its user must know."""
        from affectline.report import LICENCES

        stages.begin("affectline")
        stages(f"loading the checkpoint {self.asked.checkpoint}")
        loaded = self.analyzer.checkpoint
        licence = loaded.about.get("licence", LICENCES.get(loaded.name))
        if licence:
            stages.say(f"the weights of {loaded.name}: {licence}")
        for note in self.plan.notes:
            stages.say(f"note: {note}")

    def _results(self, stages: terminal.Stages) -> "Iterator[Done | Failure]":
        if not self.plan.tasks:
            return
        self._load(stages)
        yield from self._by_workers(stages) if self.engine == "ray" else self._in_turn(stages)

    def _in_turn(self, stages: terminal.Stages) -> "Iterator[Done | Failure]":
        for number, task in enumerate(self.plan.tasks, start=1):
            count = f"[{number}/{len(self.plan.tasks)}] " if len(self.plan.tasks) > 1 else ""
            stages.begin(f"{count}{task.recording}")
            yield self._tried(task, lambda task=task: self._one(task, stages))

    def _by_workers(self, stages: terminal.Stages) -> "Iterator[Done | Failure]":
        """On Ray: what is not done yet; the files are written here."""
        from affectline.analyze.many import on_ray
        from affectline.analyze.recordings import Failure

        todo = list["Task"]()
        for task in self.plan.tasks:
            before = self._tried(task, lambda task=task: self._before(task))
            yield from [before] if before else []
            todo += [] if before else [task]
        made = on_ray(self.asked, todo, workers=self.workers, address=self.address)
        for number, (task, judged) in enumerate(made, start=1):
            stages(f"{number} of {len(todo)} recordings", number / len(todo))
            if isinstance(judged, Failure):
                yield judged
                continue
            for note in judged.notes:
                stages.say(f"note: {task.recording}: {note}")
            yield self._tried(task, lambda task=task, judged=judged: self._written(task, judged, stages))

    def _tried(self, task: "Task", make: "Callable[[], Made]") -> "Made | Failure":
        """What is made, or why not: one recording must not stop the others, whatever is wrong with it."""
        from affectline.analyze.many import failed

        try:
            return make()
        except Exception as error:
            return failed(task.recording, error)

    def _before(self, task: "Task") -> Done | None:
        """What an earlier call made of it, if --resume wants that."""
        from affectline.analyze.recordings import finished, write

        timeline = (
            finished(task, self.asked.options, self.analyzer.checkpoint.sha256) if self.resume else None
        )
        if timeline is None or (self.asked.explain and not any(u.explanations for u in timeline.utterances)):
            return None
        missing = [f for f, path in self._files(task).items() if not path.is_file()]
        if missing:
            write(timeline, task.folder, missing)
        return Done(task, timeline, self._files(task), None)

    def _one(self, task: "Task", stages: terminal.Stages) -> Done:
        if before := self._before(task):
            return before
        judged = self.asked.judged(self.analyzer, task, stages, lambda text: stages.say(f"note: {text}"))
        return self._written(task, judged, stages)

    def _written(self, task: "Task", judged: "Judged", stages: terminal.Stages) -> Done:
        from affectline.analyze.recordings import write

        stages("writing")
        write(judged.timeline, task.folder, self.formats)
        for warning in judged.timeline.warnings:
            stages.say(f"warning: {task.recording}: {warning}")
        return Done(task, judged.timeline, self._files(task), judged.seconds)

    def _files(self, task: "Task") -> dict[str, Path]:
        from affectline.analyze.recordings import name_of

        return {f: task.folder / name_of(f) for f in dict.fromkeys(("json", *self.formats))}


def _print_json(done: Sequence[Done], failed: "Sequence[Failure]") -> None:
    document = {
        "done": [
            {
                "recording": str(d.task.recording),
                "files": {format: str(path) for format, path in d.files.items()},
                "seconds": None if d.seconds is None else round(d.seconds, 3),
                "timeline": d.timeline.document(),
            }
            for d in done
        ],
        "failed": [{"recording": str(f.recording), "reason": f.reason} for f in failed],
    }
    print(to_json.dumps(document, allow_nan=False))


def _print_tables(done: Sequence[Done]) -> None:
    """The whole timeline of one recording; of several a line each."""
    from affectline.report import summary_table

    if len(done) == 1:
        terminal.show(summary_table(done[0].timeline))
    for each in done:
        print(each.line())
        for path in each.files.values():
            print(f"  {path}")
