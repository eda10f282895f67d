"""Beside the chosen utterance: what is wrong with it is said here, and can be undone."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from nicegui import ui

from affectline.corrections import labels_of
from affectline.server.page import parts
from affectline.timeline import Entry
from affectline.types import FaceTrack

if TYPE_CHECKING:
    from affectline.server.page.talk import Look

NEW = "+ a new speaker"
NOBODY = ""
RATE = 12.5
"""Samples of a face in a second: that of `affectline.faces`, which would bring PyTorch into the server."""


class Panel:
    """The forms for an utterance and for the speakers."""

    def __init__(self, look: "Look") -> None:
        self.look = look
        with ui.element("div").classes("bar"):
            parts.Words("h2", "Correct")
            self.undo = ui.button("Undo", icon="undo", on_click=look.undo).props("flat dense no-caps")
        self.text = ui.textarea("Words").props("autogrow outlined dense")
        with ui.element("div").classes("pair"):
            self.speaker = ui.select([], label="Speaker").props("outlined dense options-dense")
            self.label = ui.select(list(look.timeline.labels), label="Your own label", multiple=True).props(
                "outlined dense options-dense clearable"
            )
        with ui.element("div").classes("pair") as self.times:
            self.start = ui.number("Starts (s)", step=0.1, min=0, format="%.3f").props("outlined dense")
            self.end = ui.number("Ends (s)", step=0.1, min=0, format="%.3f").props("outlined dense")
        with ui.element("div").classes("pair") as self.seen:
            self.face = ui.select([], label="Face of the speaker").props("outlined dense options-dense")
            self.everywhere = ui.checkbox("in all that they say").props("dense")
        self.faces: tuple[FaceTrack, ...] = parts.here().views.faces(look.job.id)
        self.name = ui.input("Name of the new speaker").props("outlined dense maxlength=100")
        self.name.bind_visibility_from(self.speaker, "value", backward=lambda value: value == NEW)
        with ui.element("div").classes("row-of"):
            self.save = ui.button("Save", on_click=self._save).props("no-caps dense unelevated")
            self.revert = ui.button("The model's emotions", on_click=self._unlabel).props(
                "flat dense no-caps"
            )
        with ui.expansion("Speakers").props("dense") as self.speakers:
            self.people = ui.element("div").classes("panel").style("border:0;padding:0")
        self.made = ui.label().classes("quiet")
        look.watchers.append(self.fill)
        self.fill()

    @property
    def entry(self) -> Entry | None:
        found = (u for u in self.look.timeline.utterances if u.id == self.look.chosen)
        return next(found, None)

    def fill(self) -> None:
        """What is in the forms is what is so now."""
        entry, log = self.entry, self.look.log
        names = {s.id: s.label for s in self.look.timeline.speakers}
        self.undo.set_enabled(bool(log.edits))
        count = len(log.edits)
        last = f"; the last: {said(log.edits[-1])}" if log.edits else ""
        self.made.text = f"{count} correction{'' if count == 1 else 's'}{last}"
        self._fill_speakers(names)
        for element in (self.text, self.speaker, self.label, self.start, self.end, self.save):
            element.set_enabled(entry is not None)
        if entry is None:
            return
        self.text.value = entry.text or ""
        self.speaker.set_options({**names, NEW: NEW}, value=entry.speaker)
        self.label.value = list(self._own(entry) or [])
        self.times.set_visibility(entry.span is not None)
        self.start.value, self.end.value = entry.start, entry.end
        self.revert.set_visibility(self._own(entry) is not None)
        self._fill_faces(entry)
        self.name.value = ""

    def _fill_faces(self, entry: Entry) -> None:
        """Those that are seen while it is said, with how much of it, the longest first."""
        options, span = {NOBODY: "none that is seen"}, entry.span
        seen = {t.id: t.window(span.start, span.duration).times for t in self.faces} if span else {}
        for id in sorted(seen, key=lambda id: -len(seen[id])):
            if len(seen[id]) and span:
                options[id] = f"{id}, {min(1.0, len(seen[id]) / RATE / span.duration):.0%} of the time"
        chosen = entry.face.track if entry.face else NOBODY
        self.seen.set_visibility(len(options) > 1)
        self.face.set_options(options, value=chosen if chosen in options else NOBODY)
        self.everywhere.value = False

    def _face(self, entry: Entry) -> dict[str, Any] | None:
        """The correction of the face, if it is another one."""
        face = None if self.face.value == NOBODY else self.face.value
        if not self.seen.visible or face == (entry.face.track if entry.face else None):
            return None
        whose = {"speaker": entry.speaker} if self.everywhere.value else {"utterances": [entry.id]}
        return {"kind": "face", **whose, "face": face}

    def _own(self, entry: Entry) -> list[str] | None:
        """The emotions that were named by hand; None: those of the model hold."""
        return labels_of(self.look.log.edits).get(entry.id)

    def _fill_speakers(self, names: Mapping[str, str]) -> None:
        self.people.clear()
        with self.people:
            for id, name in names.items():
                with ui.element("div").classes("pair"):
                    field = ui.input(f"Name of {name}", value=name).props("outlined dense maxlength=100")
                    field.on("keydown.enter", partial(self._rename, id, field))
                    field.on("blur", partial(self._rename, id, field))
                    others = {other: f"is {n}" for other, n in names.items() if other != id}
                    ui.select(
                        others,
                        label="The same person as",
                        on_change=lambda e, id=id: self._merge(id, e.value),
                    ).props("outlined dense options-dense").set_enabled(bool(others))

    async def _rename(self, id: str, field: ui.input) -> None:
        name = field.value or ""
        known = {s.id: s.label for s in self.look.timeline.speakers}
        if name.strip() and known.get(id) not in (None, name.strip()):
            await self.look.correct({"kind": "rename", "speaker": id, "name": name})

    async def _merge(self, id: str, into: str | None) -> None:
        if into is not None:
            await self.look.correct({"kind": "merge", "speaker": id, "into": into})

    async def _unlabel(self) -> None:
        if self.entry is not None:
            await self.look.correct({"kind": "label", "utterance": self.entry.id, "emotions": None})

    async def _save(self) -> None:
        """One correction for each thing that is another than it was."""
        entry = self.entry
        if entry is None:
            return
        for edit in self._changes(entry):
            if not await self.look.correct(edit):
                return

    def _changes(self, entry: Entry) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if (self.text.value or "").strip() != (entry.text or ""):
            found.append({"kind": "text", "utterance": entry.id, "text": self.text.value or None})
        speaker = (self.name.value or "").strip() if self.speaker.value == NEW else self.speaker.value
        if speaker != entry.speaker:
            found.append({"kind": "speaker", "utterances": [entry.id], "speaker": speaker})
        if (face := self._face(entry)) is not None:
            found.append(face)
        if (self.start.value, self.end.value) != (entry.start, entry.end):
            times = {"start": self.start.value, "end": self.end.value}
            found.append({"kind": "times", "utterance": entry.id, **times})
        if sorted(self.label.value or []) != sorted(self._own(entry) or []):
            found.append({"kind": "label", "utterance": entry.id, "emotions": self.label.value or []})
        return found


def said(edit: Mapping[str, Any]) -> str:
    """A correction in words."""
    match edit["kind"]:
        case "text" | "times":
            return f"{'words' if edit['kind'] == 'text' else 'times'} of {edit['utterance']}"
        case "speaker":
            return f"{', '.join(edit['utterances'])} by {edit['speaker']}"
        case "face":
            return f"{edit['face'] or 'no face'} speaks in {', '.join(edit['utterances'])}"
        case "merge":
            return f"{edit['speaker']} is {edit['into']}"
        case "rename":
            return f"{edit['speaker']} is called {edit['name']}"
    emotions = edit["emotions"]
    shows = "as the model says" if emotions is None else ", ".join(emotions) or "none"
    return f"{edit['utterance']} shows {shows}"
