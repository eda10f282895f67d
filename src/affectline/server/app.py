"""The page, mounted beside the API and behind the same guard. It asks no other server for anything."""

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from fastapi import FastAPI

    from affectline.server.service import Service

POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""What a page may do. NiceGUI's Vue compiles its templates in the browser, which is 'unsafe-eval', and Quasar
sets styles in elements, which is 'unsafe-inline' for styles. Pictures of explanations are data."""

SCRIPT = re.compile(rb"^(\s*<script)(?=[ >])", re.MULTILINE)
"""The scripts of the template: each begins a line. What comes out of a recording never does, as it is JSON,
which has no line ends in its texts."""


def mount(app: "FastAPI", data: Path) -> None:
    """Serve the page at "/" of an app, one in a process. `data`: the folder of the jobs.

    Raises:
        ImportError: NiceGUI is not installed; the extra "app" brings it.
    """
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(data / "page"))  # never in the folder one stands in
    try:
        from nicegui import app as pages
        from nicegui import ui
    except ImportError as error:
        raise ImportError('the page needs NiceGUI: pip install "affectline[app]"') from error
    from affectline.server.page import beside, library, summary, talk

    for one in (library, talk, summary, beside):
        one.register()
    pages.add_middleware(Policy)
    pages.add_exception_handler(Exception, _failed)
    ui.run_with(
        app,
        title="affectline",
        favicon=ICON,
        dark=None,
        language="en-US",
        tailwind=False,
        gzip_middleware_factory=None,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    (whole,) = (route for route in app.router.routes if isinstance(route, Mount) and route.app is pages)
    app.router.routes[app.router.routes.index(whole)] = _BesideTheApi("/", app=pages)


def serve(service: "Service") -> None:
    """The pages show this service from now on."""
    from nicegui import app as pages

    pages.state.service = service


class _BesideTheApi(Mount):
    """Takes all that is not the API's, which answers for its own unknown paths."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE, {}) if scope["path"].startswith("/api/") else super().matches(scope)


class Policy:
    """Gives each HTML page the policy above, and its own scripts the nonce that the policy names."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        nonce, start = secrets.token_urlsafe(16), None
        body = bytearray()

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if not MutableHeaders(scope=message).get("content-type", "").startswith("text/html"):
                    return await send(message)
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    marked = SCRIPT.sub(rb'\1 nonce="' + nonce.encode() + b'"', bytes(body))
                    headers = MutableHeaders(scope=start)
                    headers["Content-Length"] = str(len(marked))
                    headers["Content-Security-Policy"] = POLICY.format(nonce=nonce)
                    await send(start)
                    await send({"type": "http.response.body", "body": marked})

        return await self.app(scope, receive, sending)


async def _failed(_request: Any, error: Exception) -> Any:
    """What went wrong is in the log; the network learns that something did."""
    import logging

    from affectline.server.problems import answer

    logging.getLogger(__name__).error("a page failed", exc_info=error)
    return answer(500, "the server failed; its log says more")


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" '
    'fill="#16202c"/><path d="M4 20l5-8 5 11 5-15 4 9 5-4" fill="none" stroke="#e69f00" stroke-width="3" '
    'stroke-linecap="round" stroke-linejoin="round"/></svg>'
)
