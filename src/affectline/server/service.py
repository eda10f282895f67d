"""The service as a whole: its settings, its jobs, its workers, and the app in front of them."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import FastAPI

from affectline import __version__
from affectline.server.analysis import Analysis
from affectline.server.app import mount, serve
from affectline.server.blurs import Blurring, Blurs
from affectline.server.guard import Guard
from affectline.server.helper import Answer, Helper, HelperError
from affectline.server.jobs import GONE, Job, Jobs, State
from affectline.server.limits import Limits, NotAllowedError
from affectline.server.pool import Pool
from affectline.server.problems import Problem, install
from affectline.server.quick import Quick
from affectline.server.results import seen_in, timeline_of
from affectline.server.schemas import Options
from affectline.server.studio import Studio
from affectline.server.views import Views
from affectline.server.worker import Work
from affectline.summary import Summary, summarise
from affectline.timeline import Timeline

SUMMARIES = 16
"""That are kept in memory."""

EXPLAINING = ("captum", "skimage")
"""What the extra "explain" brings."""

NOTICE = (
    "affectline estimates perceived expression: how likely a human rater would be to use a label such as joy "
    "for an utterance. It does not read what a person feels. Not for workplaces or education (EU AI Act, "
    "Art. 5(1)(f)), not for decisions about people, and never without telling them (Art. 50(3)). All is "
    "computed on this machine. The weights of base are CC BY-NC-SA 4.0: not for commercial use. "
    "See docs/intended-use.md."
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator chooses.

    `data`: the folder of the jobs. `allow`: the folders that recordings may be named in. `checkpoints`: by
    name, the first is loaded at once. `asr`: models that words may be recognised with. `token`: what every
    request must have; None: the server is for its own machine alone.
    """

    data: Path
    checkpoints: Mapping[str, str]
    allow: tuple[Path, ...] = ()
    asr: tuple[str, ...] = ()
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    device: str = "auto"


@dataclass
class Service:
    """What the routes work with."""

    settings: Settings
    jobs: Jobs
    pool: Pool
    helper: Helper
    views: Views
    blurs: Blurs
    _coming: int = 0
    _streams: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.summary = lru_cache(SUMMARIES)(self._summary)

    @classmethod
    def of(
        cls,
        settings: Settings,
        jobs: Jobs,
        make: Callable[[], Work],
        studio: Callable[[], Answer],
        blurring: Callable[[], Answer],
    ) -> "Service":
        """With what makes its work, what answers those who look, and what blurs; see `create_app`."""
        helper = Helper(Quick(dict(settings.checkpoints), settings.device))
        return cls(
            settings=settings,
            jobs=jobs,
            pool=Pool(jobs, make, settings.limits, workers=settings.workers),
            helper=helper,
            views=Views(jobs, helper, Helper(studio)),
            blurs=Blurs(jobs, blurring, settings.limits.seconds),
        )

    def start(self, ready: bool) -> None:
        """Take up the queue. `ready`: load the first checkpoint for those who will look."""
        self.pool.start()
        if ready:
            first = next(iter(self.settings.checkpoints))
            self.helper.ask({"do": "load", "lane": "timelines", "checkpoint": first})

    def stop(self) -> None:
        """End all processes; jobs that run go back into the queue."""
        for part in (self.views, self.blurs, self.helper, self.pool):
            part.stop()
        self.jobs.close()

    @property
    def limits(self) -> Limits:
        return self.settings.limits

    def refuse_more(self) -> None:
        """Raises Problem where as many jobs wait as are allowed."""
        if self.jobs.waiting() + self._coming >= self.limits.jobs:
            detail = f"{self.limits.jobs} jobs are queued or run, which is the most that this server takes"
            raise Problem(429, f"{detail}; try again later", {"Retry-After": "30"})

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """A job is about to come in, and counts already."""
        with self._lock:
            self.refuse_more()
            self._coming += 1
        try:
            yield
        finally:
            with self._lock:
                self._coming -= 1

    @contextmanager
    def one_more_stream(self) -> Iterator[None]:
        """A stream that goes on; raises Problem where as many do as are allowed."""
        with self._lock:
            if self._streams >= self.limits.streams:
                detail = f"{self.limits.streams} streams go on, which is the most that this server takes"
                raise Problem(429, f"{detail}; try again later")
            self._streams += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams -= 1

    def checked(self, options: Options) -> Options:
        """The options, with a checkpoint, where this service has what they name; else raises Problem."""
        for option, name, known in (
            ("checkpoint", options.checkpoint, [*self.settings.checkpoints]),
            ("asr", options.asr, [*self.settings.asr]),
        ):
            if name is not None and name not in known:
                raise Problem(
                    422, f"{option}: this server has {', '.join(known) or 'none'}, and not that one"
                )
        if options.explain and not all(find_spec(name) for name in EXPLAINING):
            raise Problem(422, 'explain: this server lacks an extra; install "affectline[app,explain]" there')
        return options.model_copy(
            update={"checkpoint": options.checkpoint or next(iter(self.settings.checkpoints))}
        )

    def completed(self, id: str) -> Job:
        """A job that has a result; else raises Problem."""
        try:
            job = self.jobs.get(id)
        except KeyError as error:
            raise unknown() from error
        if job.state is not State.COMPLETED:
            why = f": {job.reason}" if job.reason else ""
            raise Problem(409, f"the job is {job.state}, so there is no result{why}")
        return job

    def recording(self, job: Job) -> Path:
        """Where a recording lies; raises Problem where it is gone, or may not be read any more."""
        try:
            self.jobs.readable(job.given)
        except NotAllowedError as error:
            raise Problem(410, str(error)) from error
        if not job.given.recording.is_file():
            raise Problem(410, GONE)
        return job.given.recording

    def remove(self, id: str) -> None:
        """Delete a job with all traces, also of what was made of it in memory.

        Raises:
            KeyError: there is none.
        """
        self.pool.remove(id)
        self.views.forget()
        self.summary.cache_clear()

    def _summary(self, id: str, version: int) -> Summary:
        """Of an analysis with its corrections, as they are in a version: it takes 2 s for an hour of talk."""
        return summarise(self.views.timeline(id))

    def timeline(self, id: str) -> Timeline:
        """The timeline of a job, whose recording is called as the client called it; else raises Problem."""
        job = self.completed(id)
        try:
            return timeline_of(self.jobs.results(job), job.given.name)
        except FileNotFoundError as error:
            raise unknown() from error  # removed at this moment

    def by_modalities(self, id: str, modalities: Sequence[str], timeline: Timeline | None = None) -> Timeline:
        """The timeline of a job as it is where these modalities alone count: in under a second, and blocking.

        Nothing is decoded and no job made: the network answers again from what it saw in the job. `timeline`:
        the job's, with speakers that were corrected. Raises Problem where the job has not used a modality, or
        where its model cannot do so.
        """
        found = timeline or self.timeline(id)
        job = self.completed(id)
        seen = seen_in(self.jobs.results(job))
        if not seen.is_file():
            raise Problem(
                409,
                "what the model saw of it is not kept, as it reads the recording itself, or nobody spoke; "
                f"run it again: POST /api/v1/jobs/{id}/rerun",
            )
        question = {
            "do": "by modalities",
            "lane": "timelines",
            "timeline": found.to_json(),
            "modalities": list(modalities),
            "seen": str(seen),
            "checkpoint": job.options["checkpoint"],
        }
        try:
            answer = self.helper.answer(question)
        except HelperError as error:
            raise Problem(409, str(error)) from error
        return Timeline.from_json(answer["timeline"])

    def add(
        self,
        name: str,
        recording: Path,
        transcript: Path | None,
        options: Options,
        upload: Path | None = None,
    ) -> Job:
        """Queue a new job; see `Jobs.add`."""
        job = self.jobs.add(name, recording, transcript, options.model_dump(), upload=upload)
        self.pool.wake()
        return job


def unknown() -> Problem:
    return Problem(404, "there is no job of this id")


def create_app(
    settings: Settings,
    make: Callable[[], Work] | None = None,
    jobs: Jobs | None = None,
    *,
    studio: Callable[[], Answer] | None = None,
    blurring: Callable[[], Answer] | None = None,
    page: bool = False,
    ready: bool = False,
) -> FastAPI:
    """The service as an ASGI app, whose workers live as long as it does.

    `make`: what makes the work, see `Pool`; None: the analysis. `jobs`: those of the data folder, which are
    opened when the app starts where they are not given. `studio`: what answers those who look at a
    result, see `Studio`; None: that of the analysis. `blurring`: what blurs, see `Blurs`. `page`: with what
    people see in a browser, which only one app of a process can have. `ready`: start the helper at once, and
    not when it is asked first.
    """
    analysis = Analysis(dict(settings.checkpoints), settings.device, settings.limits.length)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service = Service.of(
            settings,
            jobs or Jobs(settings.data, settings.allow),
            make or analysis,
            studio or Studio(analysis),
            blurring or Blurring(settings.device),
        )
        app.state.service = service
        if page:
            serve(service)
        service.start(ready)
        try:
            yield
        finally:
            service.stop()

    return _routed(settings, life, page)


def _routed(settings: Settings, life: Callable[[FastAPI], Any], page: bool) -> FastAPI:
    """The app with all that it answers, and the guard in front."""
    from affectline.server import api, editing, stream, summaries

    app = FastAPI(
        title="affectline",
        version=__version__,
        description=NOTICE,
        lifespan=life,
        openapi_url=f"{api.PREFIX}/openapi.json",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    for part in (api, stream, editing, summaries):
        app.include_router(part.router)
    if page:
        mount(app, settings.data)
    install(app)
    app.add_middleware(Guard, token=settings.token)
    openapi = app.openapi

    def describe() -> dict[str, Any]:
        return api.described(openapi(), settings) if app.openapi_schema is None else app.openapi_schema

    app.openapi = describe  # pyright: ignore[reportAttributeAccessIssue]
    return app


def run(
    settings: Settings,
    host: str,
    port: int,
    say: Callable[[str], None],
    make: Callable[[], Work] | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit code. `say` tells the operator where, and what it is for.

    Raises:
        ValueError: another server uses the data folder.
        OSError: the address cannot be used.
    """
    import socket

    import uvicorn

    from affectline.server.stream import MESSAGE

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=128) as listening:
        app = create_app(settings, make, Jobs(settings.data, settings.allow), page=True, ready=make is None)
        name = f"[{host}]" if ":" in host else host
        say(NOTICE)
        at = f"http://{name}:{listening.getsockname()[1]}"
        say(f"affectline {__version__} serves at {at}/ and, for programs, {at}/api/v1")
        config = uvicorn.Config(
            app,
            access_log=False,  # names of recordings and tokens in addresses are nobody's business
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=3,
            lifespan="on",
            ws_max_size=MESSAGE,
            ws_per_message_deflate=False,  # else few bytes could be many
        )
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
    return 0 if server.started else 1
