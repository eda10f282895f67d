"""The part of the API by which an analysis is looked at by other modalities, corrected and explained."""

from asyncio import to_thread
from collections.abc import Sequence
from shutil import rmtree
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from affectline.server import intake, schemas
from affectline.server.api import PREFIX, Here
from affectline.server.problems import RESPONSES, Problem
from affectline.server.results import CONTENT, MEDIA_TYPES, Format, attached, file_name, rendered
from affectline.server.views import Log

router = APIRouter(prefix=f"{PREFIX}/jobs/{{id}}", responses=RESPONSES)

Version = Annotated[int, Field(ge=0, description="Of the corrections that were seen.")]


class Seen(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Version


class Correction(Seen):
    """One more correction."""

    edit: dict[str, Any] = Field(
        description="With a `kind`: text, times, speaker, merge, rename, label.",
        examples=[{"kind": "text", "utterance": "u0003", "text": "I see."}],
    )


class Corrections(BaseModel):
    """What was corrected, in order."""

    version: Version
    edits: list[dict[str, Any]]

    @classmethod
    def of(cls, log: Log) -> "Corrections":
        return cls(version=log.version, edits=[dict(edit) for edit in log.edits])


class Why(BaseModel):
    """What explains the answers of an utterance."""

    explanations: list[dict[str, Any]] = Field(description="As in the timeline's JSON.")
    notes: list[str] = Field(description="What could not be explained, and why.")


def _body(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get("/corrections", summary="What was corrected")
def corrections(id: str, service: Here) -> Corrections:
    return Corrections.of(service.views.log(id))


@router.post("/corrections", summary="Correct something", openapi_extra=_body(Correction))
async def correct(id: str, request: Request, service: Here) -> Corrections:
    """Answers 409 where the corrections are not of this version any more."""
    given = await intake.json_of(request, Correction)
    return Corrections.of(await to_thread(service.views.correct, id, given.version, given.edit))


@router.post("/corrections/undo", summary="Undo the last correction", openapi_extra=_body(Seen))
async def undo(id: str, request: Request, service: Here) -> Corrections:
    given = await intake.json_of(request, Seen)
    return Corrections.of(await to_thread(service.views.undo, id, given.version))


@router.get(
    "/corrected/{format}",
    summary="The timeline with its corrections, in a format",
    response_class=Response,
    responses={200: {"content": CONTENT}},
)
def corrected(
    id: str,
    format: Format,
    service: Here,
    modalities: Annotated[list[Literal["text", "audio", "video"]] | None, Query(max_length=3)] = None,
) -> Response:
    """By these modalities, which may be other ones than the analysis was asked for."""
    timeline = service.views.timeline(id, _ordered(modalities))
    try:
        content = rendered(timeline, format)
    except ValueError as error:
        raise Problem(409, str(error)) from error
    headers = attached(file_name(timeline, format)) if format is not Format.JSON else {}
    return Response(content, media_type=MEDIA_TYPES[format], headers=headers)


@router.get(
    "/corpus",
    summary="The recording and its corrections as a corpus of one's own",
    response_class=FileResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
def corpus(id: str, service: Here) -> Response:
    """A zip of a folder `mine`: utterances.csv with the labels that were given by hand, and the recording."""
    folder = service.jobs.incoming()
    try:
        service.views.corpus(id, folder / "corpus.zip")
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    after = BackgroundTask(rmtree, folder, ignore_errors=True)
    return FileResponse(
        folder / "corpus.zip", media_type="application/zip", headers=attached("mine.zip"), background=after
    )


@router.post("/utterances/{utterance}/why", summary="Explain an utterance")
def why(id: str, utterance: str, service: Here) -> Why:
    """It takes seconds to minutes, and is kept."""
    return Why(**service.views.why(id, utterance))


def _ordered(modalities: Sequence[str] | None) -> list[str] | None:
    return [m for m in schemas.MODALITIES if m in modalities] if modalities else None
