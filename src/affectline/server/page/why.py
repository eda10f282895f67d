"""What shows the emotions of the chosen utterance: words, sound, picture; and how far to trust that."""

from asyncio import to_thread
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nicegui import ui

from affectline.report import colours_of
from affectline.report.explained import INK, figures
from affectline.server.page import parts
from affectline.server.problems import Problem

if TYPE_CHECKING:
    from affectline.server.page.talk import Look


TICK = 1.0  # seconds between looks at how far an explanation is
ASKING = "Asking the model some hundred times what it says of parts of it ..."
STAGES = {"text": "words", "audio": "sound", "video": "picture"}


class Panel:
    """A button, as it takes a while; and what came of it, as the report draws it."""

    def __init__(self, look: "Look") -> None:
        self.look, self.asked, self.asking = look, "", ""
        with ui.element("div").classes("bar"):
            parts.Words("h2", "What shows it")
            self.button = ui.button("Explain", on_click=self._ask).props("outline dense no-caps")
        self.bar = ui.linear_progress(0, show_value=False).props('aria-label="Progress of the stage"')
        self.bar.set_visibility(False)
        self.timer = ui.timer(TICK, self._follow, active=False)
        self.said = ui.label().classes("quiet").props("role=status aria-live=polite")
        self.box = ui.element("div")
        look.watchers.append(self._other)
        self._other()

    def _other(self) -> None:
        key = f"{self.look.chosen} {self.look.log.version} {self.look.blurred.on}"
        if key != self.asked:
            self.asked = key
            self.box.clear()
            self.said.text = (
                "Which words, sounds and parts of the face moved the answer; takes up to some minutes."
            )
            self.button.set_enabled(self.look.chosen is not None)

    async def _ask(self) -> None:
        look, key, chosen = self.look, self.asked, self.look.chosen
        if chosen is None:
            return
        self.button.set_enabled(False)
        self.said.text = ASKING
        self.asking, self.timer.active = chosen, True
        try:
            found = await to_thread(parts.here().views.why, look.job.id, chosen)
        except Problem as problem:
            self.said.text = str(problem.detail)
        else:
            if key == self.asked:
                self._draw(found, chosen)
        finally:
            self.timer.active = False
            self.bar.set_visibility(False)
            self.button.set_enabled(True)

    async def _follow(self) -> None:
        try:
            stage, share = await to_thread(parts.here().views.how_far, self.look.job.id, self.asking)
        except Problem:
            return  # which the answer will say better
        if stage and self.timer.active:
            name, _, rest = stage.partition(":")
            self.said.text = f"{ASKING} {STAGES.get(name, name)}{rest and ':'}{rest}"
            self.bar.set_visibility(True)
            self.bar.set_value(round(share, 3))

    def _draw(self, found: dict[str, Any], utterance: str) -> None:
        entry = next(u for u in self.look.timeline.utterances if u.id == utterance)
        bare = {"picture": None} if self.look.blurred.on else {}
        explanations = tuple({**one, **bare} for one in found["explanations"])
        drawn = figures(replace(entry, explanations=explanations), colours_of(self.look.timeline))
        self.said.text = (
            "What speaks for a label is filled with its colour, what speaks against it is outlined. It says "
            "what the model looked at, not what anyone felt."
        )
        self.box.clear()
        with self.box:
            for figure in drawn:
                with ui.element("figure"):
                    parts.Words("figcaption", figure.title)
                    ui.html(figure.svg.replace(f'color="{INK}"', "", 1))
                    for note in figure.notes:
                        parts.Words("p", note).classes("note")
            for note in found["notes"]:
                parts.Words("p", note).classes("note")
