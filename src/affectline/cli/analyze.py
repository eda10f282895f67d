"""`affectline analyze`."""

import json as to_json
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from affectline.cli import terminal
from affectline.cli.options import Device, UsageError, find_checkpoint, usage

if TYPE_CHECKING:
    from affectline.analyze import Analyzer, Options
    from affectline.analyze.recordings import Failure, Plan, Task
    from affectline.timeline import Timeline
    from affectline.types import Conversation


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
        json: Print one JSON object: {"done": [{"recording", "files", "seconds", "timeline"}],
            "failed": [{"recording", "reason"}]}.
        debug: Print the traceback of an error that affectline did not foresee.
    """
    if not recordings:
        raise UsageError("analyze needs a recording or a folder, such as: affectline analyze talk.mp4")
    from affectline.analyze import Options, find_device, modalities_of
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
    job = Job(todo, options, checkpoint, device, wanted, explain, resume, debug)
    return job.run(as_json=json)


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
    options: "Options"
    checkpoint: str
    device: str
    formats: Sequence[str]
    explain: bool
    resume: bool
    debug: bool

    @cached_property
    def analyzer(self) -> "Analyzer":
        from affectline.analyze import Analyzer

        return Analyzer.load(self.checkpoint, self.device)

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
        except KeyboardInterrupt:
            terminal.say(f"interrupted: {len(done)} of {len(self.plan.tasks)} done; with --resume it goes on")
            raise
        _print_json(done, failed) if as_json else _print_tables(done)
        return 1 if failed else 0

    def _load(self, stages: terminal.Stages) -> None:
        """Load the checkpoint, and say what its user must know."""
        from affectline.report import LICENCES

        stages.begin("affectline")
        stages(f"loading the checkpoint {self.checkpoint}")
        loaded = self.analyzer.checkpoint
        licence = loaded.about.get("licence", LICENCES.get(loaded.name))
        if licence:
            stages.say(f"the weights of {loaded.name}: {licence}")
        for note in self.plan.notes:
            stages.say(f"note: {note}")

    def _results(self, stages: terminal.Stages) -> "Iterator[Done | Failure]":
        from affectline.analyze.recordings import Failure

        if self.plan.tasks:
            self._load(stages)
        for number, task in enumerate(self.plan.tasks, start=1):
            count = f"[{number}/{len(self.plan.tasks)}] " if len(self.plan.tasks) > 1 else ""
            stages.begin(f"{count}{task.recording}")
            try:
                yield self._one(task, stages)
            except (ValueError, OSError, ImportError) as error:
                self._trace()
                yield Failure.of(task.recording, error)
            except Exception as error:  # one recording must not stop the others, whatever is wrong with it
                self._trace()
                reason = (
                    f"{type(error).__name__}: {error}; this should not happen: --debug shows where it did"
                )
                yield Failure(task.recording, reason)

    def _trace(self) -> None:
        if self.debug:
            traceback.print_exc()

    def _one(self, task: "Task", stages: terminal.Stages) -> Done:
        from affectline.analyze.recordings import finished, name_of, write

        files = {f: task.folder / name_of(f) for f in dict.fromkeys(("json", *self.formats))}
        before = finished(task, self.options, self.analyzer.checkpoint.sha256) if self.resume else None
        if before and (not self.explain or any(u.explanations for u in before.utterances)):
            missing = [f for f, path in files.items() if not path.is_file()]
            if missing:
                write(before, task.folder, missing)
            return Done(task, before, files, None)
        began = time.monotonic()
        talk, timeline = self.analyzer.judged(task.recording, task.transcript, self.options, stages)
        timeline = self._explained(talk, timeline, stages) if self.explain else timeline
        stages("writing")
        write(timeline, task.folder, self.formats)
        for warning in timeline.warnings:
            stages.say(f"warning: {task.recording}: {warning}")
        return Done(task, timeline, files, time.monotonic() - began)

    def _explained(self, talk: "Conversation", timeline: "Timeline", stages: terminal.Stages) -> "Timeline":
        from affectline.analyze.explaining import explained

        loaded = self.analyzer.checkpoint
        return explained(
            loaded, talk, timeline, progress=stages, note=lambda text: stages.say(f"note: {text}")
        )


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
