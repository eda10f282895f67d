"""What all pages have: the head, the notice, and the colours of the report."""

from asyncio import to_thread
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import Response
from nicegui import app, ui
from nicegui.elements.mixins.text_element import TextElement

from affectline.report import drawing
from affectline.server.jobs import Job
from affectline.server.problems import Problem
from affectline.server.service import Service

STATIC = Path(__file__).parent / "static"
EXPORTED = "AXIS, BAR, THIN, THINS, clock, drawAxis, drawBar, drawHatch, make, paper, score, svg"
SEEN = "affectline-notice-1"
"""Under which a browser remembers that the notice was read; another number shows it again."""
NOTICE = (
    "affectline estimates perceived expression: how likely a human rater would be to use a label such as "
    "joy for an utterance. It does not read what a person feels.",
    "Not for workplaces or education (EU AI Act, Art. 5(1)(f)), not for decisions about people, and never "
    "without telling them (Art. 50(3)).",
    "It is often wrong about a single utterance, and more often about people, languages and situations "
    "unlike those it was trained on. All is computed on the machine that serves this page; the page asks "
    "nobody else. The weights of base are CC BY-NC-SA 4.0: not for commercial use.",
)
FOOTER = (
    "Perceived expression, not what someone feels. Not for workplaces or education (EU AI Act, Art. "
    "5(1)(f)), not for decisions about people, never without telling them (Art. 50(3)). All is computed on "
    "this server."
)


def here() -> Service:
    """The service that the pages show."""
    return app.state.service


class Words(TextElement):
    """An HTML element that holds a text and nothing else."""

    def __init__(self, tag: str, text: str) -> None:
        super().__init__(tag=tag, text=text)


def register() -> None:
    """Serve the style and the drawing, which are this server's own."""
    script = f"{drawing()}\nexport {{ {EXPORTED} }};\n"
    app.add_api_route(
        "/static/drawing.js", lambda: Response(script, media_type="text/javascript"), include_in_schema=False
    )
    app.add_static_files("/static", STATIC)


def sentence(problem: Problem) -> str:
    """What is wrong, for a person."""
    detail = str(problem.detail)
    return f"{detail[:1].upper()}{detail[1:]}."


def not_there(problem: Problem) -> None:
    """A page that says why there is nothing to see."""
    with frame("Not there"):
        pass
    ui.label(sentence(problem))


async def completed(id: str) -> Job | None:
    """The job, where it has a result; else None, and the page says why."""
    try:
        return await to_thread(here().completed, id)
    except Problem as problem:
        not_there(problem)
        return None


@contextmanager
def frame(title: str, *, home: bool = False) -> Iterator[None]:
    """A page: its head, in which the block's elements come, and its foot with the notice."""
    ui.add_head_html('<link rel="stylesheet" href="/static/page.css">')
    ui.page_title(f"{title} · affectline")
    dark = ui.dark_mode(None)
    with ui.header(elevated=False), ui.element("div").classes("head"):
        if not home:
            ui.link("← All analyses", "/")
        Words("h1", title).props("dir=auto")
        yield
        ui.button(icon="contrast", on_click=lambda: _turn(dark)).props(
            'flat round dense aria-label="Light or dark"'
        )
    with ui.footer(fixed=False, elevated=False), ui.element("footer").classes("notice"):
        Words("p", FOOTER)
    _first_time()


def _turn(dark: ui.dark_mode) -> None:
    """From what the system says to dark, to light, and back."""
    dark.value = {None: True, True: False, False: None}[dark.value]


def _first_time() -> None:
    """The notice, until it was read in this browser."""
    with ui.dialog().props("persistent") as dialog, ui.card():
        Words("h2", "Before you begin").style("font-size:18px;margin:0")
        for text in NOTICE:
            ui.label(text)

        def understood() -> None:
            dialog.close()
            ui.run_javascript(f"localStorage.setItem('{SEEN}', 'read')")

        ui.button("I have read this", on_click=understood).props("no-caps")

    async def ask() -> None:
        if not await ui.run_javascript(f"localStorage.getItem('{SEEN}')", timeout=10):
            dialog.open()

    ui.timer(0.05, ask, once=True)
