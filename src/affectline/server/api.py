"""The HTTP API, version 1: jobs in, timelines out. Its description is at /api/v1/openapi.json."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.sse import EventSourceResponse, format_sse_event

from affectline import __version__
from affectline.server import intake, jobs, schemas
from affectline.server.blurs import Making
from affectline.server.problems import RESPONSES, Problem
from affectline.server.results import (
    CONTENT,
    MEDIA_TYPES,
    Format,
    attached,
    file_name,
    of_speaker,
    rendered,
    without_pictures,
    zipped,
)
from affectline.server.schemas import Job
from affectline.server.service import NOTICE, Service, Settings, unknown

PREFIX = "/api/v1"
TICK = 0.25  # seconds between looks at a job that is watched
KEEP_ALIVE = 15.0  # seconds after which a silent stream says that it lives

MEDIA: dict[str, Any] = {"audio/*": {}, "video/*": {}, "application/octet-stream": {}}
CHANGES = schemas.Changes.model_json_schema()

router = APIRouter(prefix=PREFIX, responses=RESPONSES)


def _service(request: Request) -> Service:
    return request.app.state.service


Here = Annotated[Service, Depends(_service)]


@router.get("", summary="What this service is and can")
def about(service: Here) -> schemas.About:
    limits = service.limits
    return schemas.About(
        affectline=__version__,
        checkpoints=[*service.settings.checkpoints],
        asr=[*service.settings.asr],
        modalities=list(schemas.MODALITIES),
        formats=[*Format, "zip"],
        limits=schemas.Allowed(
            size=limits.size,
            length=limits.length,
            seconds=limits.seconds,
            jobs=limits.jobs,
            streams=limits.streams,
        ),
        paths=bool(service.settings.allow),
        notice=NOTICE,
    )


@router.post(
    "/jobs", status_code=201, summary="Send a recording", openapi_extra={"requestBody": intake.DESCRIPTION}
)
async def create(request: Request, response: Response, service: Here) -> Job:
    """As a form with a file (`curl -F recording=@talk.mp4 -F transcript=@talk.srt`), or as JSON that names
    one under a folder that the server may read. What the file is, is found by decoding it, in the job.
    """
    job = await intake.take(request, service)
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return await asyncio.to_thread(_view, service, job)


@router.get("/jobs", summary="Jobs, the newest first")
def list_jobs(
    service: Here,
    state: jobs.State | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> list[Job]:
    return [_view(service, job) for job in service.jobs.list(state=state, limit=limit, offset=offset)]


@router.get("/jobs/{id}", summary="One job")
def get(id: str, service: Here) -> Job:
    return _view(service, _job(service, id))


@router.delete("/jobs/{id}", status_code=204, summary="Delete a job with all traces")
def delete(id: str, service: Here) -> None:
    """One that runs is ended. With the last job of a recording go the recording and all that was kept of it;
    a recording that was named by a path stays where it is.
    """
    try:
        service.remove(id)
    except KeyError as error:
        raise unknown() from error


@router.post("/jobs/{id}/cancel", summary="End a job that is queued or runs")
def cancel(id: str, service: Here) -> Job:
    _job(service, id)
    ended = service.pool.cancel(id)
    job = _job(service, id)
    if not ended and job.state is not jobs.State.CANCELLED:
        raise Problem(409, f"the job is {job.state}, so there is nothing to cancel")
    return _view(service, job)


@router.post(
    "/jobs/{id}/rerun",
    status_code=201,
    summary="Analyse the same recording again, with other options",
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": CHANGES}}}},
)
async def rerun(id: str, request: Request, response: Response, service: Here) -> Job:
    """A new job. What was found before is not decoded again: speech, words, faces, features."""
    changes = await intake.json_of(request, schemas.Changes)
    made = await asyncio.to_thread(again, service, id, changes)
    response.headers["Location"] = f"{PREFIX}/jobs/{made.id}"
    return made


def again(service: Service, id: str, changes: schemas.Changes) -> Job:
    """Queue another analysis of the same recording; raises Problem where it cannot be made."""
    job = _job(service, id)
    service.recording(job)
    asked = changes.model_dump(exclude_unset=True)
    asked = {k: v for k, v in asked.items() if v is not None or k in schemas.NULLABLE}
    options = service.checked(schemas.Options(**{**job.options, **asked}))
    with service.one_more():
        try:
            made = service.jobs.again(job, options.model_dump())
        except KeyError as error:
            raise unknown() from error
    service.pool.wake()
    return _view(service, made)


@router.get(
    "/jobs/{id}/events",
    summary="Follow a job (server-sent events)",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(id: str, service: Here) -> EventSourceResponse:
    """An event `job` with the job as its data, now and whenever it changes; the stream ends with the job. An
    event `deleted` says that the job is gone.
    """
    await asyncio.to_thread(_job, service, id)
    headers = {"X-Accel-Buffering": "no"}
    return EventSourceResponse(_followed(service, id), headers=headers)


async def _followed(service: Service, id: str) -> AsyncIterator[bytes]:
    said, silent = "", 0.0
    while not service.pool.stopping:
        try:
            job = await asyncio.to_thread(lambda: _view(service, _job(service, id)))
        except Problem:
            yield format_sse_event(event="deleted", data_str="{}")
            return
        text = job.model_dump_json()
        if text != said:
            yield format_sse_event(event="job", data_str=text)
            said, silent = text, 0.0
        if job.state.final:
            return
        await asyncio.sleep(TICK)
        silent += TICK
        if silent >= KEEP_ALIVE:
            yield format_sse_event(comment="still there")
            silent = 0.0


@router.get(
    "/jobs/{id}/timeline",
    summary="The timeline by some of its modalities, at once",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}},
)
def timeline(
    id: str, service: Here, modalities: schemas.Some = None, speaker: schemas.Speaker = None
) -> Response:
    """As `results/json`, by these modalities alone, all of which the job has used. Nothing is decoded and no
    job is made: the network answers again from what it saw. Explanations are left out.
    """
    found = service.timeline(id) if modalities is None else service.by_modalities(id, modalities)
    try:
        return Response(of_speaker(found, speaker).to_json(), media_type="application/json")
    except ValueError as error:
        raise Problem(409, str(error)) from error


@router.get(
    "/jobs/{id}/results/zip",
    summary="Several formats in one file",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}},
)
def result_zip(
    id: str,
    service: Here,
    formats: Annotated[list[Format] | None, Query(max_length=7)] = None,
    pictures: schemas.Pictures = False,
) -> Response:
    """Those of `formats`, else all that can hold this timeline. The recording is not in it."""
    timeline = service.timeline(id)
    try:
        content = zipped(timeline if pictures else without_pictures(timeline), formats or ())
    except ValueError as error:
        raise Problem(409, str(error)) from error
    return Response(content, media_type=MEDIA_TYPES["zip"], headers=attached(file_name(timeline, "zip")))


@router.get(
    "/jobs/{id}/results/{format}",
    summary="The timeline in a format",
    response_class=Response,
    responses={200: {"content": CONTENT}},
)
def result(id: str, format: Format, service: Here) -> Response:
    """`json` is docs/contracts.md's timeline; `html` is the report, which plays the recording."""
    timeline = service.timeline(id)
    name = timeline.source.path or ""
    try:
        content = rendered(timeline, format, media=f"../recording/{name}" if format is Format.HTML else None)
    except ValueError as error:
        raise Problem(409, str(error)) from error
    headers = attached(file_name(timeline, format)) if format not in (Format.JSON, Format.HTML) else {}
    if format is Format.HTML:
        headers = {"Content-Security-Policy": _own_policy(content)}
    return Response(content, media_type=MEDIA_TYPES[format], headers=headers)


def _own_policy(report: bytes) -> str:
    """The policy that a report declares in itself, which names its only script, and no frames around it."""
    declared = report.split(b'Content-Security-Policy" content="', 1)[1].split(b'"', 1)[0].decode()
    return f"{declared.replace(' file:', '')}; frame-ancestors 'none'"


@router.get(
    "/jobs/{id}/recording",
    summary="The recording, whole or in ranges",
    response_class=FileResponse,
    responses={
        200: {"content": MEDIA},
        206: {"description": "A range of it."},
        202: {"description": "The copy is being made; ask again.", "model": schemas.Making},
    },
)
@router.get("/jobs/{id}/recording/{name}", include_in_schema=False)
def recording(id: str, service: Here, blurred: schemas.Blurred = False) -> Response:
    """Once the job is completed: what could not be decoded as a recording is never sent back.

    With `blurred` an MP4 with all faces that are found blurred. It is made with the first request for it, and
    kept; until it is there the answer is 202.
    """
    job = service.completed(id)
    if blurred:
        copy = service.blurs.look(job)
        return FileResponse(copy, media_type="video/mp4") if isinstance(copy, Path) else making(copy)
    path = service.recording(job)
    kind = mimetypes.guess_type(job.given.name)[0] or ""
    media = kind if kind.startswith(("audio/", "video/")) else "application/octet-stream"
    return FileResponse(path, media_type=media)


def making(copy: Making) -> Response:
    """That a copy is not there yet."""
    return JSONResponse({"share": copy.share}, 202, {"Retry-After": "2"})


def _job(service: Service, id: str) -> jobs.Job:
    try:
        return service.jobs.get(id)
    except KeyError as error:
        raise unknown() from error


def _view(service: Service, job: jobs.Job) -> Job:
    progress = service.pool.progress(job.id) if job.state is jobs.State.RUNNING else None
    position = service.jobs.before(job) if job.state is jobs.State.QUEUED else None
    return Job.of(job, progress, position)


def described(schema: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The OpenAPI description with the names that this service knows."""
    posts = (schema["paths"][f"{PREFIX}/jobs{rest}"]["post"] for rest in ("", "/{id}/rerun"))
    bodies = [body["schema"] for post in posts for body in post["requestBody"]["content"].values()]
    for where in (schema["components"]["schemas"]["Options"], *bodies):
        _name(where["properties"], "checkpoint", [*settings.checkpoints])
        _name(where["properties"], "asr", [*settings.asr])
    return schema


def _name(properties: dict[str, Any], option: str, names: list[str]) -> None:
    """Say which values an option may have; null stays where it was allowed."""
    nullable = "anyOf" in properties[option]
    properties[option].pop("anyOf", None)
    properties[option].pop("type", None)
    properties[option]["enum"] = [*names, *([None] if nullable else [])]
