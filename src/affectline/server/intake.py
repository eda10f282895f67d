"""Where recordings come in: as a form with files, or as the path of a file on the server."""

import errno
import shutil
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from affectline.server import uploads
from affectline.server.jobs import Job
from affectline.server.limits import NotAllowedError, allowed
from affectline.server.problems import Problem, wrong
from affectline.server.schemas import FromPath, Options
from affectline.server.service import Service

FREE = 500_000_000  # bytes that stay free on the disk
JSON_SIZE = 100_000  # bytes
JSON = "application/json"
FORM = "multipart/form-data"
LISTS = ("modalities", "explain_utterances")  # options that have several values


def _form() -> dict[str, Any]:
    """A form in OpenAPI's words. What is null in JSON is left out of a form."""
    file = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 1}
    properties = {name: _plain(value) for name, value in Options.model_json_schema()["properties"].items()}
    files = {"recording": {**file, "description": "Sound, video, or a transcript alone."}}
    files["transcript"] = {**file, "description": "SRT, WebVTT, JSON or CSV (speaker, start, end, text)."}
    return {
        "type": "object",
        "required": ["recording"],
        "additionalProperties": False,
        "properties": files | properties,
    }


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    first = value.get("anyOf", [{}])[0]
    return {k: v for k, v in {**value, **first}.items() if k not in ("anyOf", "default")}


Body = TypeVar("Body", bound=BaseModel)

DESCRIPTION: dict[str, Any] = {
    "required": True,
    "content": {FORM: {"schema": _form()}, JSON: {"schema": FromPath.model_json_schema()}},
}
"""Of the body of a new job, in OpenAPI's words."""


async def take(request: Request, service: Service) -> Job:
    """A new job of what a request holds.

    Raises:
        Problem: the request is too large, not as described, or names a file that may not be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with service.one_more():
        if kind == JSON:
            return await _from_path(request, service)
        if kind == FORM:
            return await _from_form(request, service)
    raise Problem(415, f"send {FORM} with a file `recording`, or {JSON} with a `path`")


async def json_of(request: Request, model: type[Body]) -> Body:
    """The body of a request, which is small.

    Raises:
        Problem: it is not as the model says.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > JSON_SIZE:
            raise Problem(413, f"JSON has {JSON_SIZE / 1000:g} kB at most; send files as a form")
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        raise Problem(422, wrong(error.errors())) from error


async def _from_path(request: Request, service: Service) -> Job:
    asked = await json_of(request, FromPath)
    options = service.checked(Options(**asked.model_dump(exclude={"path", "transcript"})))
    try:
        path = allowed(asked.path, service.settings.allow)
        transcript = allowed(asked.transcript, service.settings.allow) if asked.transcript else None
    except NotAllowedError as error:
        raise Problem(403, str(error)) from error
    return service.add(uploads.shown_name(path.name), path, transcript, options)


async def _from_form(request: Request, service: Service) -> Job:
    boundary = uploads.boundary_of(request.headers["content-type"])
    _refuse_large(request, service)
    folder = service.jobs.incoming()
    form = uploads.Form(folder, {"recording": "recording", "transcript": "transcript"})
    try:
        await form.read(boundary, request.stream(), service.limits.size)
        if "recording" not in form.files:
            raise Problem(422, "recording: send a file; with curl: -F recording=@talk.mp4")
        empty = [name for name, path in form.files.items() if not path.stat().st_size]
        if empty:
            raise Problem(422, f"{empty[0]}: the file is empty (0 bytes)")
        options = service.checked(_options(form))
        recording, transcript = form.files["recording"], form.files.get("transcript")
        return service.add(form.names["recording"], recording, transcript, options, upload=folder)
    except ClientDisconnect as error:
        raise Problem(400, "the upload broke off; send it again") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _full() from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_large(request: Request, service: Service) -> None:
    """Before anything of it is read, where it says how large it is."""
    length = request.headers.get("content-length", "0")
    size = int(length) if length.isdecimal() else 0
    if size > service.limits.size:
        raise Problem(413, f"this server takes {service.limits.size / 1e6:g} MB at most")
    if shutil.disk_usage(service.jobs.folder).free < FREE + size:
        raise _full()


def _full() -> Problem:
    return Problem(507, "the disk of the server is full; delete jobs, or ask its operator")


def _options(form: uploads.Form) -> Options:
    given: dict[str, Any] = {}
    for name, values in form.fields.items():
        if name not in LISTS and len(values) > 1:
            raise Problem(422, f"{name}: give it once")
        value = values if name in LISTS else values[0]
        if value not in ("", [""]):
            given[name] = value
    try:
        return Options(**given)
    except ValidationError as error:
        raise Problem(422, wrong(error.errors())) from error
