"""What goes over the wire, as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from affectline.server import jobs
from affectline.server.pool import Progress
from affectline.server.results import Format

MODALITIES = ("text", "audio", "video")


def _listed(value: object) -> object:
    """A list, also of "text,audio" as in the command, and of the repeated fields of a form."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list):
        return value
    pieces: list[object] = []
    for part in parts:
        pieces += map(str.strip, part.split(",")) if isinstance(part, str) else [part]
    return pieces


Modalities = Annotated[
    list[Literal["text", "audio", "video"]],
    BeforeValidator(_listed, json_schema_input_type=list[Literal["text", "audio", "video"]]),
    Field(min_length=1, max_length=3, description="What emotions are read from."),
]
Some = Annotated[
    list[Literal["text", "audio", "video"]] | None,
    BeforeValidator(_listed, json_schema_input_type=list[Literal["text", "audio", "video"]] | None),
    Query(description="What emotions are read from; left out: as in the job."),
]
Blurred = Annotated[bool, Query(description="With all faces that are found blurred, and no picture of one.")]
Pictures = Annotated[bool, Query(description="Also the pictures of faces that explanations lie over.")]
Speaker = Annotated[
    str | None, Query(description="The id of a speaker, whose utterances alone are given.", max_length=100)
]
Checkpoint = Annotated[str, Field(description="One of the service's checkpoints; else the first of them.")]
Speakers = Annotated[
    int | None,
    Field(
        ge=1,
        le=100,
        description="How many speak, where the transcript does not name them; null: found by voice.",
    ),
]
Language = Annotated[
    str | None,
    Field(pattern="^[A-Za-z]{2,3}$", description="Of the words: en, de, ... (ISO 639-1); null: detected."),
]
Recogniser = Annotated[
    str | None,
    Field(description="Recognise words with this model of the service, where no transcript gives them."),
]


Granularity = Annotated[
    Literal["word", "utterance", "turn"],
    Field(
        description="What is judged: a word (its time must be known), an utterance, or all that a speaker "
        "says until another one speaks."
    ),
]
Explain = Annotated[
    bool,
    Field(
        description="Also say which words, sounds and regions of the face speak for what was found, and how "
        "far that can be trusted: minutes for each utterance."
    ),
]
Explained = Annotated[
    list[str] | None,
    BeforeValidator(_listed, json_schema_input_type=list[str] | str | None),
    Field(description="The ids of those that are explained; null: all of them."),
]


class Options(BaseModel):
    """What may be asked for, as of `affectline analyze`."""

    model_config = ConfigDict(extra="forbid")

    modalities: Modalities = list(MODALITIES)  # pyright: ignore[reportAssignmentType]
    checkpoint: Checkpoint | None = None
    speakers: Speakers = None
    language: Language = None
    asr: Recogniser = None
    granularity: Granularity = "utterance"
    explain: Explain = False
    explain_utterances: Explained = None


NULLABLE = ("speakers", "language", "asr", "explain_utterances")
"""Options that null is a value of."""


class FromPath(Options):
    """A recording that lies on the server, under a folder that it may read."""

    path: str = Field(
        description="The recording.", examples=["/data/talk.mp4"], min_length=1, max_length=4096
    )
    transcript: str | None = Field(
        None, description="Its transcript: SRT, WebVTT, JSON or CSV.", max_length=4096
    )


class Changes(BaseModel):
    """What is other in an analysis that is run again; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    modalities: Modalities | None = None
    checkpoint: Checkpoint | None = None
    speakers: Speakers = None
    language: Language = None
    asr: Recogniser = None
    granularity: Granularity | None = None
    explain: Explain | None = None
    explain_utterances: Explained = None


class Making(BaseModel):
    """A copy that is being made."""

    share: float = Field(description="Of it that is done, 0 to 1.")


class Links(BaseModel):
    """Where the rest is, from the root of the server on."""

    self: str
    events: str
    recording: str
    results: dict[str, str] = Field(description="By format, once the job is completed.")


class Job(BaseModel):
    """One analysis of a recording."""

    id: str
    state: jobs.State
    reason: str | None = Field(description="Why it failed.")
    stage: str | None = Field(
        description="loading, reading, speech, speakers, words, faces, emotions, explanations, writing"
    )
    progress: float | None = Field(description="The share of the stage that is done, 0 to 1.")
    position: int | None = Field(description="How many jobs come before it, while it is queued.")
    name: str = Field(description="What the recording is called.")
    recording: str = Field(description="Its id; an analysis that is run again has the same.")
    transcript: bool = Field(description="Whether a transcript was given.")
    options: Options
    crashes: int = Field(description="How often the process that analyses ended while it did this job.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    links: Links

    @classmethod
    def of(cls, job: jobs.Job, progress: Progress | None, position: int | None) -> "Job":
        here = f"/api/v1/jobs/{job.id}"
        done = job.state is jobs.State.COMPLETED
        results = {str(f): f"{here}/results/{f}" for f in (*Format, "zip")} if done else {}
        return cls(
            **{name: getattr(job, name) for name in ("id", "state", "reason", "crashes")},
            stage=progress and progress.stage,
            progress=progress and min(1.0, max(0.0, progress.share)),
            position=position,
            name=job.given.name,
            recording=job.given.id,
            transcript=job.given.transcript is not None,
            options=Options(**job.options),
            **{name: _time(getattr(job, name)) for name in ("created", "started", "finished")},
            links=Links(self=here, events=f"{here}/events", recording=f"{here}/recording", results=results),
        )


def _time(seconds: float | None) -> Any:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class Allowed(BaseModel):
    """The most that may be asked for. `size`: bytes; `length`, `seconds`: seconds; others: at one time."""

    size: int
    length: float
    seconds: float
    jobs: int
    streams: int


class About(BaseModel):
    """What this service is and can."""

    affectline: str = Field(description="Its version.")
    checkpoints: list[str]
    asr: list[str]
    modalities: list[str]
    formats: list[str]
    limits: Allowed
    paths: bool = Field(description="Whether recordings may be named by a path on the server.")
    notice: str = Field(description="What it is for, and what it is not for.")
