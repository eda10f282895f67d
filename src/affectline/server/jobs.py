"""Jobs in a folder: SQLite says what is to be done and what came of it, files hold the rest.

    jobs.db             jobs, and what they are of
    incoming/           uploads that are not whole yet
    recordings/ID/      recording.mp4, transcript.srt, kept/ and results/JOB/timeline.json

One process writes to the database: the server. A file is there before the row that names it and goes after
it, so what a killed server leaves are files without a row, which are removed when the next one starts.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from affectline.server.limits import NotAllowedError, allowed

GONE = "the recording is no longer where it was, or this server may not read it any more"
RESTARTS = 10
"""Servers that may end while a job runs, until it is taken as what ended them."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS given (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, recording TEXT NOT NULL, transcript TEXT,
    uploaded INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    given TEXT NOT NULL REFERENCES given (id), options TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
    crashes INTEGER NOT NULL DEFAULT 0, restarts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, started REAL, finished REAL
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_state ON jobs (state, number);
"""


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a client gave: a recording and perhaps its transcript.

    `recording`, `transcript`: where they lie. `uploaded`: whether the recording is ours, to be removed with
    the last job of it.
    """

    id: str
    name: str
    recording: Path
    transcript: Path | None
    uploaded: bool


@dataclass(frozen=True, kw_only=True)
class Job:
    """One analysis. `reason`: why it failed. `crashes`: workers that ended while they did it.

    Times are seconds since 1970.
    """

    id: str
    number: int
    given: Given
    options: Mapping[str, Any]
    state: State
    reason: str | None
    crashes: int
    restarts: int
    created: float
    started: float | None
    finished: float | None


class Jobs:
    """All jobs of a data folder, which is made where it is absent. Safe to be used by several threads.

    `roots`: folders that recordings may be named in, as the operator has it today; None: any.

    Raises:
        ValueError: another server uses the folder.
        OSError: it cannot be written to.
    """

    def __init__(self, folder: Path | str, roots: Sequence[Path] | None = None) -> None:
        self.folder, self.roots = Path(folder).resolve(), roots
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # recordings of people: nobody else's
        for name in ("incoming", "recordings"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        self._lock = FileLock(self.folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ValueError(
                f"another server uses the folder {folder}; stop that one, or give --data"
            ) from error
        self._thread = RLock()
        self._db = sqlite3.connect(self.folder / "jobs.db", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(SCHEMA)
        self._recover()

    def readable(self, given: Given) -> None:
        """Whether a recording may be read, and what was made of it be shown: one that was named by its path
        only as long as the path leads to it, and under a folder that may be read.

        Raises:
            NotAllowedError: it may not.
        """
        if given.uploaded or self.roots is None:
            return
        try:
            named = [path for path in (given.recording, given.transcript) if path is not None]
            there = all(allowed(str(path), self.roots) == path for path in named)
        except NotAllowedError:
            there = False
        if not there:
            raise NotAllowedError(GONE)

    def close(self) -> None:
        with self._thread:
            self._db.close()
        self._lock.release()

    def _recover(self) -> None:
        """What a server that is gone was doing goes back into the queue; what it was removing goes."""
        with self._change() as db:
            db.execute("UPDATE jobs SET restarts = restarts + 1 WHERE state = 'running'")
            reason = f"{RESTARTS} servers ended while it ran; send it again if that was not its doing"
            db.execute(
                "UPDATE jobs SET state = 'failed', reason = ?, finished = ?"
                " WHERE state = 'running' AND restarts >= ?",
                (reason, time.time(), RESTARTS),
            )
            db.execute("UPDATE jobs SET state = 'queued', started = NULL WHERE state = 'running'")
            self._forget_unused(db)
        jobs = {row["id"] for row in self._rows("SELECT id FROM jobs")}
        known = {row["id"] for row in self._rows("SELECT id FROM given")}
        left = [*(self.folder / "incoming").iterdir()]
        for folder in (self.folder / "recordings").iterdir():
            results = folder / "results"
            inside = results.iterdir() if results.is_dir() else ()
            left += [r for r in inside if r.name not in jobs] if folder.name in known else [folder]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, and nobody else meanwhile."""
        with self._thread:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._thread, closing(self._db.execute(query, values)) as cursor:
            return cursor.fetchall()

    def incoming(self) -> Path:
        """A new empty folder for an upload; `add` takes it in."""
        folder = self.folder / "incoming" / uuid4().hex
        folder.mkdir(mode=0o700)
        return folder

    def add(
        self,
        name: str,
        recording: Path,
        transcript: Path | None,
        options: Mapping[str, Any],
        *,
        upload: Path | None = None,
    ) -> Job:
        """A job of a new recording: one in the folder `upload`, which is taken in, or one elsewhere."""
        given, id = uuid4().hex, uuid4().hex
        home = self.folder / "recordings" / given
        if upload is None:
            home.mkdir(mode=0o700)
            paths = (str(recording), transcript and str(transcript))
        else:
            upload.rename(home)
            paths = (recording.name, transcript and transcript.name)  # the data folder may move
        with self._change() as db:
            db.execute("INSERT INTO given VALUES (?, ?, ?, ?, ?)", (given, name, *paths, upload is not None))
            self._queue(db, id, given, options)
        return self.get(id)

    def again(self, job: Job, options: Mapping[str, Any]) -> Job:
        """Another job of the same recording, which reads what was kept of it.

        Raises:
            KeyError: the recording has been removed.
        """
        id = uuid4().hex
        try:
            with self._change() as db:
                self._queue(db, id, job.given.id, options)
        except sqlite3.IntegrityError as error:
            raise KeyError(job.id) from error
        return self.get(id)

    def _queue(self, db: sqlite3.Connection, id: str, given: str, options: Mapping[str, Any]) -> None:
        db.execute(
            "INSERT INTO jobs (id, given, options, state, created) VALUES (?, ?, ?, 'queued', ?)",
            (id, given, json.dumps(dict(options)), time.time()),
        )

    def get(self, id: str) -> Job:
        """One job.

        Raises:
            KeyError: there is none of this id.
        """
        found = self._jobs("WHERE jobs.id = ?", [id])
        if not found:
            raise KeyError(id)
        return found[0]

    def has(self, id: str) -> bool:
        return bool(self._rows("SELECT 1 FROM jobs WHERE id = ?", [id]))

    def list(self, *, state: State | None = None, limit: int = 100, offset: int = 0) -> list[Job]:
        """Jobs, the newest first."""
        where = "WHERE state = ?" if state else ""
        values = [*([str(state)] if state else []), limit, offset]
        return self._jobs(f"{where} ORDER BY number DESC LIMIT ? OFFSET ?", values)

    def of(self, given: str) -> "list[Job]":
        """The jobs of one recording."""
        return self._jobs("WHERE given = ? ORDER BY number", [given])

    def waiting(self) -> int:
        """How many jobs are queued or running."""
        (row,) = self._rows("SELECT COUNT(*) AS n FROM jobs WHERE state IN ('queued', 'running')")
        return row["n"]

    def before(self, job: Job) -> int:
        """How many queued jobs come before this one."""
        query = "SELECT COUNT(*) AS n FROM jobs WHERE state = 'queued' AND number < ?"
        (row,) = self._rows(query, [job.number])
        return row["n"]

    def _jobs(self, rest: str, values: Sequence[object]) -> "list[Job]":
        query = (
            "SELECT jobs.*, given.name, given.recording, given.transcript, given.uploaded "
            f"FROM jobs JOIN given ON given.id = jobs.given {rest}"
        )
        return [_job(row, self.folder) for row in self._rows(query, values)]

    def claim(self) -> Job | None:
        """The first of the queue, which runs from now on; None where the queue is empty."""
        with self._change() as db:
            query = "SELECT id FROM jobs WHERE state = 'queued' ORDER BY number LIMIT 1"
            row = db.execute(query).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', started = ? WHERE id = ?", (time.time(), row["id"])
            )
            return self.get(row["id"])

    def finish(self, id: str, state: State, reason: str | None = None) -> bool:
        """End a job; False where it is over already, or gone: the first end holds."""
        with self._change() as db:
            done = db.execute(
                "UPDATE jobs SET state = ?, reason = ?, finished = ?"
                " WHERE id = ? AND state IN ('queued', 'running')",
                (str(state), reason, time.time(), id),
            )
            return done.rowcount > 0

    def crashed(self, id: str, tries: int, reason: str) -> None:
        """A worker ended while it did this job: it is tried again, `tries` times in all."""
        with self._change() as db:
            db.execute("UPDATE jobs SET crashes = crashes + 1 WHERE id = ? AND state = 'running'", (id,))
            db.execute(
                "UPDATE jobs SET state = 'failed', finished = ?, reason = ?"
                " WHERE id = ? AND state = 'running' AND crashes >= ?",
                (time.time(), f"{reason}, {tries} times", id, tries),
            )
            self._back(db, id)

    def back(self, id: str) -> None:
        """A running job that was not done goes back to its place in the queue."""
        with self._change() as db:
            self._back(db, id)

    def _back(self, db: sqlite3.Connection, id: str) -> None:
        db.execute(
            "UPDATE jobs SET state = 'queued', started = NULL WHERE id = ? AND state = 'running'", (id,)
        )

    def remove(self, id: str) -> None:
        """A job with all that was made for it; with the last one of a recording, that and all kept of it."""
        job = self.get(id)
        with self._change() as db:
            db.execute("DELETE FROM jobs WHERE id = ?", (id,))
            self._forget_unused(db)
        with self._thread:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds no trace either
        home = self.home(job.given)
        shutil.rmtree(home if not self.of(job.given.id) else self.results(job), ignore_errors=True)

    def _forget_unused(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM given WHERE id NOT IN (SELECT given FROM jobs)")

    def home(self, given: Given) -> Path:
        """The folder of a recording and of all that is made of it."""
        return self.folder / "recordings" / given.id

    def kept(self, given: Given) -> Path:
        return self.home(given) / "kept"

    def results(self, job: Job) -> Path:
        return self.home(job.given) / "results" / job.id


def _job(row: sqlite3.Row, folder: Path) -> Job:
    home = folder / "recordings" / row["given"]  # which a path that is absolute ignores
    given = Given(
        id=row["given"],
        name=row["name"],
        recording=home / row["recording"],
        transcript=home / row["transcript"] if row["transcript"] else None,
        uploaded=bool(row["uploaded"]),
    )
    plain = ("id", "number", "reason", "crashes", "restarts", "created", "started", "finished")
    return Job(
        given=given,
        options=json.loads(row["options"]),
        state=State(row["state"]),
        **{name: row[name] for name in plain},
    )
