"""The page of one analysis: look, listen, switch modalities, correct, ask why, export."""

from asyncio import to_thread
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import ui

from affectline.report import PLAYABLE, colours_of
from affectline.server.api import PREFIX
from affectline.server.jobs import Job, State
from affectline.server.page import beside, blurring, correcting, parts, why
from affectline.server.problems import Problem
from affectline.server.results import Format
from affectline.server.schemas import MODALITIES
from affectline.server.views import Log
from affectline.timeline import Timeline

LOOK = 2.0  # seconds between looks at what others corrected
KEYS = (
    ("Space", "play or pause"),
    ("← →", "2 s back or on"),
    ("J  K", "next or previous utterance"),
    ("F", "follow its speaker, or nobody: J and K are then theirs"),
    ("+ -", "zoom the lanes"),
    ("U", "undo the last correction"),
    ("?", "this list"),
)


class Talk(ui.element, component="static/talk.js"):
    """Player, lanes, curves, transcript and details; shows the timeline that lies at `url`."""

    def __init__(self, colours: dict[str, str], media: str, kind: str, faces: str) -> None:
        super().__init__()
        self._props["colours"] = colours
        self._props["media"] = media
        self._props["kind"] = kind
        self._props["faces"] = faces
        self._props["veiled"] = False
        self._props["url"] = ""

    def show(self, url: str) -> None:
        self._props["url"] = url
        self.update()

    def play(self, media: str, *, veiled: bool) -> None:
        self._props["media"] = media
        self._props["veiled"] = veiled
        self.update()


def register() -> None:
    """Serve the page of an analysis."""
    ui.page("/analysis/{id}")(_page)


async def _page(id: str) -> None:
    try:
        job = await to_thread(_completed, id)
        look = Look(job, await to_thread(parts.here().views.timeline, id))
        look.log = await to_thread(parts.here().views.log, id)
    except Problem as problem:
        parts.not_there(problem)
        return
    look.build()


def _completed(id: str) -> Job:
    try:
        job = parts.here().jobs.get(id)
    except KeyError as error:
        raise Problem(404, "there is no analysis at this address; it may have been deleted") from error
    if job.state is not State.COMPLETED:
        raise Problem(409, f"this analysis is {job.state}; its page is there when it is completed")
    return job


class Look:
    """One browser's look at an analysis. `timeline`: with the corrections of `log`, by `modalities`."""

    def __init__(self, job: Job, timeline: Timeline) -> None:
        self.job, self.timeline, self.log = job, timeline, Log()
        self.modalities = [m for m in MODALITIES if m in job.options["modalities"]]
        self.chosen: str | None = None
        self.watchers: list[Callable[[], None]] = []
        """Called when another utterance is chosen, or the timeline is another one."""

    def build(self) -> None:
        name = self.job.given.name
        kind = PLAYABLE.get(Path(name).suffix.lower(), "") if self.timeline.timed else ""
        media = self._at(f"recording/{quote(name, safe='')}")
        with parts.frame(name):
            self._switches()
            self.blurred = blurring.Switch(self, media)
            self.blurred.box.set_visibility(kind == "video")
            self._exports()
            ui.link("Summary", f"/summary/{self.job.id}")
            ui.button("?", on_click=self._help).props('flat round dense aria-label="Keys"')
        self.talk = Talk(colours_of(self.timeline), media, kind, self._at("faces"))
        with self.talk:
            with ui.element("section").classes("panel").props('aria-label="Corrections"'):
                self.correcting = correcting.Panel(self)
            with ui.element("section").classes("panel").props('aria-label="Explanations"'):
                why.Panel(self)
            with ui.element("section").classes("panel").props('aria-label="Other checkpoints"'):
                beside.Panel(self)
        self.talk.on("choose", lambda event: self._choose(event.args["id"]))
        self.talk.on("help", self._help)
        self.talk.on("undo", self.undo)
        self.talk.on("shown", self._shown)
        self.talk.on("failed", lambda event: self.say(event.args["reason"], alarm=True))
        self._show()
        ui.timer(LOOK, self._watch)
        parts.here().views.warm()

    def _switches(self) -> None:
        self.boxes: dict[str, ui.checkbox] = {}
        with ui.element("fieldset").classes("switches"):
            parts.Words("legend", "Read from").classes("quiet").style("float:left;font-size:13px")
            for m in MODALITIES:
                box = ui.checkbox(m, value=m in self.modalities, on_change=self._switched).props("dense")
                self.boxes[m] = box
        self.state = ui.label().classes("state").props("role=status aria-live=polite")

    def _exports(self) -> None:
        with (
            ui.button("Export").props("outline no-caps dense icon-right=expand_more"),
            ui.menu().props("role=menu"),
        ):
            for format in Format:
                ui.menu_item(
                    str(format), on_click=partial(self._export, f"corrected/{format}", format)
                ).props("role=menuitem")
            ui.menu_item("corpus (zip)", on_click=self._corpus).props("role=menuitem")

    def _at(self, rest: str) -> str:
        return f"{PREFIX}/jobs/{self.job.id}/{rest}"

    def _export(self, rest: str, format: str) -> None:
        query = urlencode([*(("modalities", m) for m in self.modalities), *self.blurred.query])
        ui.download.from_url(f"{self._at(rest)}?{query}", f"{Path(self.job.given.name).stem}.{format}")

    def _corpus(self) -> None:
        if self.blurred.on and not self.blurred.ready:
            self.say("the blurred copy is not there yet", alarm=True)
        else:
            ui.download.from_url(f"{self._at('corpus')}?{urlencode(self.blurred.query)}", "mine.zip")

    def _help(self) -> None:
        with ui.dialog(value=True) as dialog, ui.card():
            parts.Words("h2", "Keys").style("font-size:18px;margin:0")
            with ui.element("dl").style(
                "display:grid;grid-template-columns:max-content 1fr;gap:8px 16px;margin:0"
            ):
                for key, what in KEYS:
                    with ui.element("dt"):
                        parts.Words("kbd", key)
                    parts.Words("dd", what).style("margin:0")
            ui.button("Close", on_click=dialog.close).props("flat no-caps")
        dialog.on("hide", dialog.delete)

    def say(self, text: str, *, alarm: bool = False) -> None:
        """Tell the person something, beside the switches; what is wrong also over everything else."""
        self.state.text = text
        self.state.classes(add="alarm") if alarm else self.state.classes(remove="alarm")
        if alarm:
            ui.notify(text, type="warning", timeout=8000, close_button="Close")

    def _shown(self, event: Any) -> None:
        self.say(f"by {', '.join(self.modalities)}")

    async def _switched(self, _event: Any) -> None:
        wanted = [m for m in MODALITIES if self.boxes[m].value]
        if wanted == self.modalities:
            return
        if not wanted:
            self.say("at least one of them is needed", alarm=True)
            self.boxes[self.modalities[0]].value = True
            return
        self.modalities = wanted
        self.say("asking the model ...")
        self._show()
        await self._again()

    def _show(self) -> None:
        query = urlencode([*(("modalities", m) for m in self.modalities), ("seen", self.log.version)])
        self.talk.show(f"{self._at('corrected/json')}?{query}")

    async def _again(self) -> None:
        """The timeline for what is beside the picture."""
        try:
            views = parts.here().views
            self.timeline = await to_thread(views.timeline, self.job.id, self.modalities)
        except Problem as problem:
            self.say(str(problem.detail), alarm=True)
            return
        self.tell()

    def tell(self) -> None:
        """That something is another than it was, to all that show it."""
        for watcher in self.watchers:
            watcher()

    def _choose(self, id: str) -> None:
        self.chosen = id
        self.tell()

    async def correct(self, edit: dict[str, Any]) -> bool:
        """Add a correction; whether it was taken."""
        return await self._change(parts.here().views.correct, edit)

    async def undo(self, _event: Any = None) -> None:
        """Leave the last correction out."""
        await self._change(parts.here().views.undo)

    async def _change(self, change: Callable[..., Log], *what: Any) -> bool:
        self.say("asking the model ...")
        try:
            self.log = await to_thread(change, self.job.id, self.log.version, *what)
        except Problem as problem:
            self.say(str(problem.detail), alarm=True)
            await self._watch()
            return False
        self._show()
        await self._again()
        return True

    async def _watch(self) -> None:
        """Follow what is corrected elsewhere."""
        try:
            log = await to_thread(parts.here().views.log, self.job.id)
        except Problem as problem:
            self.say(str(problem.detail))
            return
        if log.version > self.log.version:
            self.log = log
            ui.notify("Corrected in another window; this is how it is now.")
            self._show()
            await self._again()
