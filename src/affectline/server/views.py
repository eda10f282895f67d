"""One analysis as it is looked at: by some modalities, with what a person corrected.

Beside the timeline of a job lie `corrections.json`, the list of edits and a number that grows with every
change of it, and `views/`, what a model said with some of them; the timeline itself is never written to.
"""

import hashlib
import json
import shutil
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectline import tracks
from affectline.corrections import HEARD, Edit, asks_again, checked, shown, spoken
from affectline.files import atomic_write
from affectline.server.corpus import write_zip
from affectline.server.helper import Helper, HelperError
from affectline.server.jobs import GONE, Job, Jobs, State
from affectline.server.limits import NotAllowedError
from affectline.server.pool import task_of
from affectline.server.problems import Problem
from affectline.server.results import seen_in, timeline_of
from affectline.server.schemas import MODALITIES
from affectline.timeline import Timeline
from affectline.types import FaceTrack

MOST = 10_000  # corrections of one analysis
KEPT = 100  # files of the views of one analysis
IDLE = 900.0  # seconds without a question to the studio, after which its memory is given back


@dataclass(frozen=True)
class Log:
    """What was corrected so far. `version` grows with every change, an undoing too."""

    version: int = 0
    edits: tuple[Edit, ...] = ()


class Views:
    """The views of all analyses, and the only way to change their corrections. Safe for several threads.

    `helper`: judges again at once from what a model saw; `studio`: from the recording, see `Studio`.
    """

    def __init__(self, jobs: Jobs, helper: Helper, studio: Helper) -> None:
        self.jobs, self.helper, self.studio = jobs, helper, studio
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._rest: threading.Timer | None = None
        self._fewer = threading.Lock()
        self._last: tuple[dict[str, Any], Timeline] | None = None

    def stop(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self.studio.stop()

    def forget(self) -> None:
        """What was answered last."""
        self._last = None

    def warm(self) -> None:
        """Start the studio, so that the first correction need not wait for it."""
        self.studio.ask({"do": "load", "lane": "judge"})

    def log(self, id: str) -> Log:
        """The corrections of an analysis.

        Raises:
            Problem: there is no such analysis, or it is not completed.
        """
        return self._log(self._job(id))

    def timeline(self, id: str, modalities: Sequence[str] | None = None) -> Timeline:
        """The timeline with its corrections, by these modalities; None: those of the analysis.

        Raises:
            Problem: there is no such analysis, it is not completed, or a model cannot be asked.
        """
        job = self._job(id)
        return self._timeline(job, modalities, self._log(job).edits)

    def correct(self, id: str, version: int, edit: Any) -> Log:
        """Add a correction to those that were seen as `version`.

        Raises:
            Problem: as above; the correction cannot be applied; or others have changed something meanwhile.
        """
        job = self._job(id)
        with self._locks[id]:
            log = self._current(job, version)
            if len(log.edits) >= MOST:
                raise Problem(409, f"an analysis has {MOST} corrections at most")
            try:
                new = checked(edit, self._timeline(job, None, log.edits), self._faces(job))
            except ValueError as error:
                raise Problem(409, str(error)) from error
            edits = (*log.edits, new)
            self._timeline(job, None, edits)  # what is written down can be shown
            return self._write(job, Log(version + 1, edits))

    def undo(self, id: str, version: int) -> Log:
        """Leave the last correction out.

        Raises:
            Problem: as above, or there is nothing to undo.
        """
        job = self._job(id)
        with self._locks[id]:
            log = self._current(job, version)
            if not log.edits:
                raise Problem(409, "there is nothing to undo")
            return self._write(job, Log(version + 1, log.edits[:-1]))

    def why(self, id: str, utterance: str) -> dict[str, Any]:
        """What explains the answers of an utterance: "explanations", as the timeline's JSON has them, and
        "notes".

        Raises:
            Problem: as above, or there is nothing to explain.
        """
        job = self._job(id)
        edits = asks_again(self._log(job).edits)
        if utterance not in {u.id for u in self._timeline(job, None, edits).utterances}:
            raise Problem(404, "there is no utterance of this id")
        path = self._path(job, ["why", utterance], edits)
        if not path.exists():
            found = self._ask(job, {"do": "why", "lane": "why", "edits": edits, "utterance": utterance})
            self._job(id)  # which may have been removed meanwhile
            kept = {name: found[name] for name in ("explanations", "notes")}
            atomic_write(path, json.dumps(kept, ensure_ascii=False, allow_nan=False))
        return json.loads(path.read_text(encoding="utf-8"))

    def how_far(self, id: str, utterance: str) -> tuple[str, float]:
        """The stage of an explanation that is being made, and the share of the stage that is done.

        Empty where none is. Raises Problem where nobody can say.
        """
        try:
            question = {"do": "how far", "lane": "how far", "job": id, "utterance": utterance}
            found = self.studio.answer(question)
        except HelperError as error:
            raise Problem(409, str(error)) from error
        return found["stage"], found["share"]

    def faces(self, id: str) -> tuple[FaceTrack, ...]:
        """All faces of a recording, also of those who never speak; none where no pictures were read.

        Raises:
            Problem: there is no such analysis, or it is not completed.
        """
        return self._faces(self._job(id))

    def _faces(self, job: Job) -> tuple[FaceTrack, ...]:
        return tracks.read(self.jobs.kept(job.given) / tracks.NAME) or ()

    def corpus(self, id: str, path: Path, copy: Path | None = None) -> None:
        """Write the analysis as a corpus; see `affectline.server.corpus`. `copy`: in place of the recording.

        Raises:
            Problem: as above, or the recording is no longer where it was.
        """
        job = self._job(id)
        log = self._log(job)
        timeline = self._timeline(job, None, log.edits)
        try:
            if timeline.timed:
                self.jobs.readable(job.given)
            write_zip(path, timeline, log.edits, (copy or job.given.recording) if timeline.timed else None)
        except (NotAllowedError, FileNotFoundError) as error:
            raise Problem(410, GONE) from error

    def _job(self, id: str) -> Job:
        try:
            job = self.jobs.get(id)
        except KeyError as error:
            raise Problem(404, "there is no job of this id") from error
        if job.state is not State.COMPLETED:
            raise Problem(409, f"the job is {job.state}, so there is nothing to look at")
        return job

    def _log(self, job: Job) -> Log:
        try:
            found = json.loads((self.jobs.results(job) / "corrections.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Log()
        return Log(found["version"], tuple(found["edits"]))

    def _current(self, job: Job, version: int) -> Log:
        log = self._log(job)
        if version != log.version:
            detail = "this analysis was corrected elsewhere meanwhile, perhaps in another window"
            raise Problem(409, f"{detail}; look at it as it is now, and correct that")
        return log

    def _write(self, job: Job, log: Log) -> Log:
        text = json.dumps({"version": log.version, "edits": log.edits}, ensure_ascii=False)
        atomic_write(self.jobs.results(job) / "corrections.json", text)
        return log

    def _timeline(self, job: Job, modalities: Sequence[str] | None, edits: Sequence[Edit]) -> Timeline:
        own = [m for m in MODALITIES if m in job.options["modalities"]]
        wanted = own if modalities is None else [m for m in MODALITIES if m in modalities]
        asked = asks_again(edits)
        folder = self.jobs.results(job)
        seen, heard = seen_in(folder), any(edit["kind"] in HEARD for edit in asked)
        try:
            if wanted == own and not asked:
                return shown(timeline_of(folder, job.given.name), edits)
            if set(wanted) <= set(own) and (heard or seen.exists()):
                path, seen = self._judged(job, own, asked) if heard else (folder, seen)
                whole = timeline_of(path, job.given.name)
                whole = whole if heard else spoken(whole, asked)
                if wanted == own and heard:
                    return shown(whole, edits)
                if seen.exists():
                    return shown(self._by_fewer(job, whole, seen, wanted), edits)
            return shown(timeline_of(self._judged(job, wanted, asked)[0], job.given.name), edits)
        except FileNotFoundError as error:
            raise Problem(404, "there is no job of this id") from error  # removed at this moment

    def _judged(self, job: Job, modalities: Sequence[str], asked: Sequence[Edit]) -> tuple[Path, Path]:
        path = self._path(job, modalities, asked)
        seen = path.with_suffix(".safetensors")
        if not path.exists():
            where = {"out": str(path), "seen": str(seen)}
            question = {"do": "judge", "lane": "judge", "edits": asked, "modalities": modalities, **where}
            self._ask(job, question)
        return path, seen

    def _by_fewer(self, job: Job, whole: Timeline, seen: Path, modalities: Sequence[str]) -> Timeline:
        question = {
            "do": "by modalities",
            "lane": "timelines",
            "timeline": whole.to_json(),
            "modalities": modalities,
            "seen": str(seen),
            "checkpoint": job.options["checkpoint"],
        }
        with self._fewer:  # a page asks twice at once: for what it draws in the browser, and for the rest
            last = self._last
            if last is None or last[0] != question:
                try:
                    found = Timeline.from_json(self.helper.answer(question)["timeline"])
                except HelperError as error:
                    raise Problem(409, str(error)) from error
                self._last = last = question, found
            return last[1]

    def _path(self, job: Job, of: Sequence[str], edits: Sequence[Edit]) -> Path:
        key = hashlib.sha256(json.dumps([of, edits], sort_keys=True).encode()).hexdigest()[:24]
        return self.jobs.results(job) / "views" / f"{key}.json"

    def _ask(self, job: Job, question: dict[str, Any]) -> dict[str, Any]:
        folder = self.jobs.results(job)
        self._prune(folder / "views")
        if self._rest is not None:
            self._rest.cancel()
        try:
            return self.studio.answer({**task_of(job, self.jobs), **question})
        except NotAllowedError as error:
            raise Problem(410, str(error)) from error
        except HelperError as error:
            raise Problem(409, str(error)) from error
        finally:
            self._rest = threading.Timer(IDLE, self.studio.kill)
            self._rest.daemon = True
            self._rest.start()
            if not self.jobs.has(job.id):  # removed while it was worked on: nothing of it stays
                shutil.rmtree(folder if self.jobs.of(job.given.id) else self.jobs.home(job.given), True)

    def _prune(self, folder: Path) -> None:
        """They can be made again."""
        found = sorted(folder.glob("*.*"), key=lambda path: path.stat().st_mtime)
        for path in found[: max(0, len(found) - KEPT)]:
            path.unlink(missing_ok=True)
