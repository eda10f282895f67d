"""Several checkpoints side by side: beside the chosen utterance, and of all of them on a page of its own."""

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nicegui import ui

from affectline.report import MORE_COLOURS, PALETTE
from affectline.server import api, summaries
from affectline.server.jobs import Job, State
from affectline.server.page import parts
from affectline.server.page.summary import template
from affectline.server.problems import Problem
from affectline.server.schemas import Changes

if TYPE_CHECKING:
    from affectline.server.page.talk import Look

TICK = 1.0  # seconds between looks at what is being analysed
SHOWN = 3000  # utterances in the table


def register() -> None:
    """Serve the page that has several checkpoints side by side."""
    ui.page("/beside/{id}")(_page)


async def _page(id: str) -> None:
    job = await parts.completed(id)
    if job is None:
        return
    with parts.frame(f"Side by side: {job.given.name}"):
        ui.link("The analysis", f"/analysis/{id}")
        only = ui.checkbox("Only where they differ").props("dense")
    panel = ui.element("section").classes("panel top").props('aria-label="Checkpoints"')
    table = ui.element("section").classes("sheet scrolls").props('aria-label="Side by side" tabindex="0"')
    only.on_value_change(
        lambda event: table.classes(add="only") if event.value else table.classes(remove="only")
    )

    async def show(found: Mapping[str, Any]) -> None:
        table.clear()
        with table:
            ui.html(await to_thread(_table, found))

    with panel:
        beside = Others(job, show)
    ui.timer(0.05, beside.look, once=True)


def _table(found: Mapping[str, Any]) -> str:
    rows = found["utterances"]
    return template("beside.html").render(
        rows=rows[:SHOWN],
        total=len(rows),
        differ=sum(row["differ"] for row in rows),
        agreement=found["agreement"],
        names=_names(found),
        colours=_colours(found),
    )


def _names(found: Mapping[str, Any]) -> list[str]:
    return [one["name"] for one in found["analyses"]]


def _colours(found: Mapping[str, Any]) -> dict[str, str]:
    """As in the report of each of them."""
    return {
        name: PALETTE.get(name, MORE_COLOURS[n % len(MORE_COLOURS)])
        for one in reversed(found["analyses"])
        for n, name in enumerate(one["labels"])
    }


class Others:
    """The other checkpoints that the server offers: what is there of them, and a button for the rest.

    `show` is called with the document of all that is there, at first and when one more is.
    """

    def __init__(self, job: Job, show: Any) -> None:
        self.job, self.show = job, show
        self.there: list[str] | None = None
        with ui.element("div").classes("bar"):
            parts.Words("h2", "Other checkpoints")
            self.said = ui.label().classes("quiet").props("role=status aria-live=polite")
        self.box = ui.element("div").classes("row-of")
        offered = [*parts.here().settings.checkpoints]
        self.wanted = [name for name in offered if name != job.options["checkpoint"]]
        with self.box:
            self.buttons = {name: self._button(name) for name in self.wanted}
            if not self.wanted:
                parts.Words(
                    "p", "This server has no other one; its operator offers more: --checkpoint NAME DIR."
                ).classes("quiet")
        ui.timer(TICK, self.look)

    def _button(self, name: str) -> ui.button:
        async def ask() -> None:
            self.buttons[name].set_enabled(False)
            try:
                changes = Changes(checkpoint=name, explain=False)
                await to_thread(api.again, parts.here(), self.job.id, changes)
            except Problem as problem:
                ui.notify(parts.sentence(problem), type="warning", close_button="Close")
            await self.look()

        return ui.button(f"Analyse by {name}", on_click=ask).props("outline dense no-caps")

    async def look(self) -> None:
        """What is there now; where one is being made, how far it is."""
        service = parts.here()
        try:
            jobs = await to_thread(summaries.made_alike, service, self.job)
            there = [one.id for one in jobs if one.state is State.COMPLETED]
            if there != self.there:
                self.there = there
                await self.show(await to_thread(summaries.side_by_side, service, self.job.id))
        except Problem as problem:
            self.said.text = parts.sentence(problem)
            return
        self._tell(jobs)

    def _tell(self, jobs: Sequence[Job]) -> None:
        last = {one.options["checkpoint"]: one for one in jobs}
        going = [f"{name} is {one.state}" for name, one in last.items() if not one.state.final]
        failed = [f"{name} failed: {one.reason}" for name, one in last.items() if one.state is State.FAILED]
        done = [name for name, one in last.items() if one.state is State.COMPLETED]
        self.said.text = "; ".join([*(["beside: " + ", ".join(done)] if done else []), *going, *failed])
        for name, button in self.buttons.items():
            state = last[name].state if name in last else None
            button.set_visibility(state is not State.COMPLETED)
            button.set_enabled(state is None or state.final)


class Panel:
    """Beside the chosen utterance: what each checkpoint says of it."""

    def __init__(self, look: "Look") -> None:
        self.look, self.found = look, dict[str, Any]()
        Others(look.job, self._found)
        self.box = ui.element("div").classes("beside-panel")
        ui.link("All utterances side by side", f"/beside/{look.job.id}")
        look.watchers.append(self._draw)

    async def _found(self, found: Mapping[str, Any]) -> None:
        self.found = dict(found)
        self._draw()

    def _draw(self) -> None:
        self.box.clear()
        rows = (row for row in self.found.get("utterances", ()) if row["id"] == self.look.chosen)
        row = next(rows, None)
        if row is None or len(self.found["analyses"]) < 2:
            return
        shown = {"rows": [row], "total": 1, "differ": int(row["differ"]), "agreement": []}
        with self.box:
            ui.html(
                template("beside.html").render(
                    **shown, names=_names(self.found), colours=_colours(self.found)
                )
            )
