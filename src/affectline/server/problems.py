"""Errors as clients see them: problem details (RFC 9457), without paths and traces."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Details(BaseModel):
    """What is wrong, and what to do about it (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="what the status means", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no job of this id"])


class Problem(HTTPException):
    """A request that cannot be answered as asked."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    details = Details(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(details.model_dump(), status, headers, MEDIA_TYPE)


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "model": Details, "content": {MEDIA_TYPE: {}}}
    for status, meaning in (("4XX", "The request cannot be answered."), ("5XX", "The server failed."))
}
"""What the OpenAPI description says of errors."""


def install(app: FastAPI) -> None:
    """Answer every error of an app with problem details."""

    @app.exception_handler(HTTPException)
    def _(_request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(422, wrong(error.errors()))

    @app.exception_handler(Exception)
    def _(_request: Request, error: Exception) -> JSONResponse:
        logger.error("a request failed", exc_info=error)
        return answer(500, "the server failed; its log says more")


def wrong(errors: Any) -> str:
    """What pydantic refused, in a sentence each, without what was given."""
    places = ((".".join(map(str, e["loc"])).removeprefix("body."), e["msg"]) for e in errors)
    return "; ".join(f"{place}: {message}" if place else message for place, message in places)
