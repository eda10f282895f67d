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
from affectline.server.api import PREFIX, Here, making
from affectline.server.blurs import Making
from affectline.server.problems import RESPONSES, Problem
from affectline.server.results import (
    CONTENT,
    MEDIA_TYPES,
    Format,
    attached,
    file_name,
    rendered,
    without_pictures,
)
from affectline.server.views import Log
from affectline.timeline import face_of

router = APIRouter(prefix=f"{PREFIX}/jobs/{{id}}", responses=RESPONSES)

Version = Annotated[int, Field(ge=0, description="Of the corrections that were seen.")]


class Read(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Version


class Seen(BaseModel):
    """A face over time; one that goes and comes back is another."""

    id: str = Field(description="F1, F2, ...")
    boxes: list[list[float]] = Field(
        description="time, x0, y0, x1, y1: seconds of the recording, and pixels of its upright pictures."
    )


class Correction(Read):
    """One more correction."""

    edit: dict[str, Any] = Field(
        description="With a `kind`: text, times, speaker, face, merge, rename, label.",
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


@router.post("/corrections/undo", summary="Undo the last correction", openapi_extra=_body(Read))
async def undo(id: str, request: Request, service: Here) -> Corrections:
    given = await intake.json_of(request, Read)
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
    blurred: schemas.Blurred = False,
) -> Response:
    """By these modalities, which may be other ones than the analysis was asked for."""
    timeline = service.views.timeline(id, _ordered(modalities))
    timeline = without_pictures(timeline) if blurred else timeline
    try:
        content = rendered(timeline, format)
    except ValueError as error:
        raise Problem(409, str(error)) from error
    headers = attached(file_name(timeline, format)) if format is not Format.JSON else {}
    return Response(content, media_type=MEDIA_TYPES[format], headers=headers)


@router.get("/faces", summary="All faces of the recording")
def faces(id: str, service: Here) -> list[Seen]:
    """In order of appearance, also of those who never speak; empty where no pictures were read."""
    found = [face_of(track, None) for track in service.views.faces(id)]
    return [Seen(id=face.track, boxes=[list(box) for box in face.boxes]) for face in found]


@router.get(
    "/corpus",
    summary="The recording and its corrections as a corpus of one's own",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/zip": {}}},
        202: {"description": "The blurred copy is being made; ask again.", "model": schemas.Making},
    },
)
def corpus(id: str, service: Here, blurred: schemas.Blurred = False) -> Response:
    """A zip of a folder `mine`: utterances.csv with the labels that were given by hand, and the recording."""
    copy = service.blurs.look(service.completed(id)) if blurred else None
    if isinstance(copy, Making):
        return making(copy)
    folder = service.jobs.incoming()
    try:
        service.views.corpus(id, folder / "corpus.zip", copy)
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
