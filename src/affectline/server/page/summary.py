"""The page of a summary: who showed what, what followed what, and another recording beside it."""

from asyncio import to_thread
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import jinja2
from nicegui import ui

from affectline.report import clock, colours_of
from affectline.server import summaries
from affectline.server.jobs import Job, State
from affectline.server.page import parts
from affectline.server.problems import Problem
from affectline.summary.comparison import names

NOT_KNOWN = "\N{EN DASH}"
SHOWN = 200  # other analyses to choose from, the newest


def register() -> None:
    """Serve the page of a summary."""
    ui.page("/summary/{id}")(_page)


async def _page(id: str, other: str | None = None, speaker: str | None = None) -> None:
    job = await parts.completed(id)
    if job is None:
        return
    with parts.frame(f"Summary of {job.given.name}"):
        ui.link("The analysis", f"/analysis/{id}")
        await _others(id, other)
        if other is not None:
            await _speakers(id, other, speaker)
    said = ui.label("Dealing out the emotions some thousand times ...").classes("state lone")
    said.props("role=status aria-live=polite")
    box = ui.element("div").classes("summary")

    async def fill() -> None:
        try:
            content = await to_thread(_content, id, other, speaker)
        except Problem as problem:
            said.text = parts.sentence(problem)
            return
        said.text = ""
        with box:
            ui.html(content)

    ui.timer(0.05, fill, once=True)  # a page is there at once; long talks take seconds


async def _others(id: str, chosen: str | None) -> None:
    """Another recording to compare with."""
    jobs = await to_thread(parts.here().jobs.list, state=State.COMPLETED, limit=SHOWN)
    others = {job.id: _name(job) for job in jobs if job.id != id}
    _choice("Compare with", others, chosen, f"/summary/{id}", "?other=")


async def _speakers(id: str, other: str, chosen: str | None) -> None:
    """Whose utterances are compared: everyone's, or those of one who has a name in both."""
    try:
        both = [await to_thread(parts.here().views.timeline, one) for one in (id, other)]
    except Problem:
        return  # which is said below
    first, second = (names(timeline) for timeline in both)
    known = [name for name in first if name in second]
    _choice("Whose utterances", known, chosen, f"/summary/{id}?other={other}", "&speaker=")


def _choice(
    label: str, options: list[str] | dict[str, str], chosen: str | None, address: str, asked: str
) -> None:
    """One of the options, or none: the same page, which is asked for it."""
    select = ui.select(
        options,
        label=label,
        value=chosen if chosen in options else None,
        clearable=True,
        on_change=lambda event: ui.navigate.to(
            f"{address}{asked}{quote(event.value)}" if event.value else address
        ),
    )
    select.props("outlined dense options-dense").classes("compare")
    select.set_enabled(bool(options))


def _name(job: Job) -> str:
    when = datetime.fromtimestamp(job.created).strftime("%Y-%m-%d %H:%M")
    return f"{job.given.name} ({when}, {job.options['checkpoint']})"


def _content(id: str, other: str | None, speaker: str | None) -> str:
    said, timelines = summaries.compared(parts.here(), id, other, speaker)
    colours = {name: colour for timeline in timelines for name, colour in colours_of(timeline).items()}
    return template("summary.html").render(
        said=_named(said),
        other=_named(said["other"]) if "other" in said else None,
        comparison=said.get("comparison"),
        colours=colours,
    )


def _named(said: Mapping[str, Any]) -> dict[str, Any]:
    names = {one["id"]: one["name"] for one in said["speakers"]}
    return {**said, "title": said["recording"] or "The recording", "speakers_by_id": names}


@cache
def template(name: str) -> jinja2.Template:
    """One of this folder, which escapes all that it is given."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=clock, percent=_percent, small=_small)
    found = files("affectline.server.page").joinpath("templates", name)
    return environment.from_string(found.read_text(encoding="utf-8"))


def _percent(share: float | None) -> str:
    return NOT_KNOWN if share is None else f"{100 * share:.0f} %"


def _small(p: float | None) -> str:
    return NOT_KNOWN if p is None else f"{p:.2g}" if p < 0.01 else f"{p:.2f}"
