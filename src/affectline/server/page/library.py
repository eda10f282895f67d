"""The list of analyses: what is done, what is being done, and a place to drop another recording."""

from asyncio import to_thread
from contextlib import suppress
from datetime import datetime
from typing import Any

from nicegui import ui

from affectline.server.jobs import Job, State
from affectline.server.page import parts
from affectline.server.schemas import MODALITIES

TRANSCRIPTS = (".srt", ".vtt", ".json", ".csv", ".tsv", ".ass", ".ssa", ".ttml", ".sami", ".smi")
"""Those of `affectline.analyze.recordings`, which would bring PyTorch into the server."""
SHOWN = 200  # analyses, the newest
TICK = 0.5  # seconds between looks at what is being done
STAGES = {
    "loading": "loading the model",
    "reading": "opening the recording",
    "speech": "finding speech",
    "speakers": "telling voices apart",
    "words": "recognising words",
    "faces": "finding faces",
    "emotions": "reading emotions",
    "writing": "writing",
}


class Drop(ui.element, component="static/library.js"):
    """Where a recording is dropped or chosen; tells "sent" when the server has it."""

    def __init__(self) -> None:
        super().__init__()
        self._props["modalities"] = list(MODALITIES)
        self._props["transcripts"] = list(TRANSCRIPTS)


def register() -> None:
    """Serve the page at "/", and what all pages need."""
    parts.register()
    ui.page("/")(_page)


async def _page() -> None:
    with parts.frame("affectline", home=True):
        pass
    with ui.element("div").classes("library"):
        drop = Drop()
        with ui.element("section").props('aria-label="Analyses"'):
            parts.Words("h2", "Analyses")
            empty = ui.label("There are none yet.").classes("quiet")
            with ui.element("div").classes("jobs") as box:
                pass
    rows = _Rows(box, empty)
    await rows.look()
    ui.timer(TICK, rows.look)
    drop.on("sent", rows.look)


class _Rows:
    """One row for each analysis, changed in place, so that nobody loses the button that they are at."""

    def __init__(self, box: ui.element, empty: ui.label) -> None:
        self.box, self.empty = box, empty
        self.rows: dict[str, _Row] = {}

    async def look(self, _event: Any = None) -> None:
        service = parts.here()
        jobs = await to_thread(service.jobs.list, limit=SHOWN)
        for id in self.rows.keys() - {job.id for job in jobs}:
            self.rows.pop(id).row.delete()
        for n, job in enumerate(jobs):
            if job.id not in self.rows:
                with self.box:
                    self.rows[job.id] = _Row(job)
                self.rows[job.id].row.move(self.box, n)
            self.rows[job.id].show(job)
        self.empty.set_visibility(not jobs)


class _Row:
    def __init__(self, job: Job) -> None:
        self.id, self.said = job.id, ("", -1.0)
        name = job.given.name
        with ui.element("div").classes("job").props(f'data-job="{job.id}"') as self.row:
            with ui.element("div"):
                with ui.element("div").classes("name").props("dir=auto"):
                    self.link = ui.link(name, f"/analysis/{job.id}")
                    self.name = ui.label(name)
                read = ", ".join(job.options["modalities"])
                when = datetime.fromtimestamp(job.created).strftime("%Y-%m-%d %H:%M")
                ui.label(f"{when} · {read} · by {job.options['checkpoint']}").classes("quiet")
            with ui.element("div").props("aria-live=polite"):
                self.state = ui.label().classes("quiet")
                self.bar = ui.linear_progress(0, show_value=False).props('aria-label="Progress of the stage"')
            with ui.element("div").classes("tools"):
                self.summary = ui.link("Summary", f"/summary/{job.id}").classes("plain")
                self.cancel = ui.button("Cancel", on_click=self._cancel).props("outline dense no-caps")
                ui.button("Delete", on_click=self._ask).props("flat dense no-caps color=negative").props[
                    "aria-label"
                ] = f"Delete {name}"

    def show(self, job: Job) -> None:
        progress = parts.here().pool.progress(job.id) if job.state is State.RUNNING else None
        said = (_said(job, progress.stage if progress else None), progress.share if progress else 0.0)
        if said == self.said:
            return
        self.said = said
        done = job.state is State.COMPLETED
        self.link.set_visibility(done)
        self.summary.set_visibility(done)
        self.name.set_visibility(not done)
        self.state.text = said[0]
        self.bar.set_value(said[1])
        self.bar.set_visibility(job.state is State.RUNNING)
        self.cancel.set_visibility(not job.state.final)

    async def _cancel(self) -> None:
        await to_thread(parts.here().pool.cancel, self.id)

    async def _ask(self) -> None:
        with ui.dialog() as dialog, ui.card():
            ui.label("Delete this analysis with its corrections and all that was kept of it?")
            ui.label("The recording goes with the last analysis of it, if it was uploaded.").classes("quiet")
            with ui.row():
                ui.button("Delete", on_click=lambda: dialog.submit(True)).props("color=negative no-caps")
                ui.button("Keep", on_click=lambda: dialog.submit(False)).props("flat no-caps")
        if await dialog:
            await to_thread(_remove, self.id)
        dialog.delete()


def _remove(id: str) -> None:
    with suppress(KeyError):  # somebody was quicker
        parts.here().remove(id)


def _said(job: Job, stage: str | None) -> str:
    if job.state is State.RUNNING:
        return STAGES.get(stage or "", "beginning")
    if job.state is State.FAILED:
        return f"failed: {job.reason}"
    return {State.QUEUED: "waiting", State.COMPLETED: "done", State.CANCELLED: "cancelled"}[job.state]
