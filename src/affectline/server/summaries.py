"""The part of the API that sums up: an analysis, two of them, and one recording by several checkpoints."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from affectline.server.api import PREFIX, Here
from affectline.server.jobs import Job, State
from affectline.server.problems import RESPONSES, Problem
from affectline.server.service import Service
from affectline.summary import Summary, beside, document
from affectline.timeline import Timeline

MOST = 8
"""Analyses side by side."""

router = APIRouter(prefix=f"{PREFIX}/jobs/{{id}}", responses=RESPONSES)


class Summed(BaseModel):
    """An analysis at a glance; see docs/contracts.md."""

    recording: str | None
    checkpoint: dict[str, str | None]
    labels: list[str]
    everyone: dict[str, Any] = Field(description="Shares of each emotion, of all speakers together.")
    speakers: list[dict[str, Any]] = Field(description="The same of each speaker.")
    transitions: list[dict[str, Any]] = Field(
        description="From each speaker's utterances to their next ones: n, counts, and what was tested."
    )
    following: list[dict[str, Any]] = Field(description="From a speaker's turns to another's next ones.")
    settings: dict[str, Any] = Field(description="How it was tested.")
    notes: list[str] = Field(description="What it does not say.")
    other: dict[str, Any] | None = Field(None, description="The same of the other analysis.")
    comparison: dict[str, Any] | None = Field(None, description="Shares of the one less those of the other.")


class Beside(BaseModel):
    """What several checkpoints say of one recording, without corrections."""

    recording: str | None
    analyses: list[dict[str, Any]]
    agreement: list[dict[str, Any]] = Field(
        description="Of each two: utterances, and those with the same answer."
    )
    utterances: list[dict[str, Any]]


@router.get("/summary", summary="An analysis at a glance, with its corrections")
def summary(
    id: str,
    service: Here,
    other: Annotated[str | None, Query(description="The id of an analysis to compare with.")] = None,
    speaker: Annotated[
        str | None, Query(description="Compare what one who is called so says in both.", max_length=200)
    ] = None,
) -> Summed:
    """Shares, transitions, what follows what, each with n and a permutation test; with `other` the difference
    of both. It speaks of what is perceived, not of causes.
    """
    return Summed(**compared(service, id, other, speaker)[0])


@router.get("/beside", summary="What several checkpoints say of the recording")
def by_several(
    id: str,
    service: Here,
    other: Annotated[
        list[str] | None,
        Query(
            description="Ids of other analyses of the recording; left out: the last of each checkpoint.",
            max_length=MOST - 1,
        ),
    ] = None,
) -> Beside:
    """Another one is made by `POST rerun` with another `checkpoint`, of which nothing is decoded again that
    both read.
    """
    return Beside(**side_by_side(service, id, other))


def compared(
    service: Service, id: str, other: str | None, speaker: str | None
) -> tuple[dict[str, Any], list[Timeline]]:
    """The document of `affectline.summary`, and the timelines that it is of.

    Raises:
        Problem: an analysis is not there, or not completed, or nobody is called so in both.
    """
    if speaker is not None and other is None:
        raise Problem(409, "speaker: it is for a comparison; say with which `other`")
    found = [summed(service, id), *([] if other is None else [summed(service, other, "other")])]
    try:
        return document(*found, speaker=speaker), [one.timeline for one in found]
    except ValueError as error:
        raise Problem(409, f"speaker: {error}") from error


def summed(service: Service, id: str, which: str = "") -> Summary:
    """The summary of an analysis with its corrections.

    Raises:
        Problem: there is no such analysis, or it is not completed; `which`: what the client calls it.
    """
    try:
        return service.summary(id, service.views.log(id).version)
    except Problem as problem:
        said = f"{which}: {problem.detail}" if which else problem.detail
        raise Problem(problem.status_code, said) from problem


def side_by_side(service: Service, id: str, others: Sequence[str] | None = None) -> dict[str, Any]:
    """The document of `affectline.summary.beside`, of an analysis and others of the same recording.

    Raises:
        Problem: one is not there, is not completed, or is of another recording.
    """
    job = service.completed(id)
    wanted = of_others(service, job) if others is None else [_other(service, job, one) for one in others]
    jobs = [job, *wanted]
    timelines: list[Timeline] = [service.timeline(one.id) for one in jobs]
    names = [
        {"job": one.id, "name": one.options["checkpoint"], "modalities": one.options["modalities"]}
        for one in jobs
    ]
    return beside.document(names, timelines)


def of_others(service: Service, job: Job) -> list[Job]:
    """The last completed analysis by each other checkpoint, else asked for as the job was."""
    done = [one for one in made_alike(service, job) if one.state is State.COMPLETED]
    return [*{one.options["checkpoint"]: one for one in done}.values()][: MOST - 1]


def made_alike(service: Service, job: Job) -> list[Job]:
    """All jobs that are as this one but for another checkpoint, the oldest first."""
    return [
        one
        for one in service.jobs.of(job.given.id)
        if one.options["checkpoint"] != job.options["checkpoint"] and _alike(one, job)
    ]


def _alike(one: Job, job: Job) -> bool:
    """Whether both judge the same utterances, from the same modalities."""
    return all(
        one.options.get(name, "utterance") == job.options.get(name, "utterance")
        for name in ("granularity", "speakers", "language", "asr")
    ) and set(one.options["modalities"]) == set(job.options["modalities"])


def _other(service: Service, job: Job, id: str) -> Job:
    try:
        other = service.completed(id)
    except Problem as problem:
        raise Problem(problem.status_code, f"other: {problem.detail}") from problem
    if other.given.id != job.given.id:
        raise Problem(
            409, "other: it is of another recording, and so has other utterances; /summary compares both"
        )
    return other
