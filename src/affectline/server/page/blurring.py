"""Faces blurred in the player and in what is exported: for those who may hear and read, but not see who."""

from asyncio import to_thread
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nicegui import ui

from affectline.server.page import parts
from affectline.server.problems import Problem

if TYPE_CHECKING:
    from affectline.server.page.talk import Look

LOOK = 1.0  # seconds between looks at a copy that is being made


class Switch:
    """Until the copy is there the whole picture is veiled, and it stays so where there will be none."""

    def __init__(self, look: "Look", media: str) -> None:
        self.look, self.media = look, media
        self.ready = False
        self.box = ui.checkbox("blur faces", on_change=self._switched).props("dense")
        self.timer = ui.timer(LOOK, self._follow, active=False)

    @property
    def on(self) -> bool:
        return bool(self.box.value)

    @property
    def query(self) -> list[tuple[str, str]]:
        """What an export is asked for with."""
        return [("blurred", "true")] if self.on else []

    async def _switched(self, _event: Any) -> None:
        self.ready = False
        self.look.talk.play(self.media, veiled=self.on)
        self.look.tell()
        self.timer.active = self.on
        if self.on:
            await self._follow()
        else:
            self.look.say("")

    async def _follow(self) -> None:
        try:
            copy = await to_thread(parts.here().blurs.look, self.look.job)
        except Problem as problem:
            self.timer.active = False
            self.look.say(f"faces cannot be blurred: {problem.detail}", alarm=True)
            return
        if not self.on:
            return
        if not isinstance(copy, Path):
            self.look.say(f"blurring faces: {copy.share:.0%}")
            return
        self.timer.active = False
        self.ready = True
        self.look.talk.play(f"{self.media}?blurred=true", veiled=False)
        self.look.say("faces are blurred")
