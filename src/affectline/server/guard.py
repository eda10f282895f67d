"""Who may ask: the token, the pages of other sites, and the headers that browsers hold to."""

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affectline.server.problems import answer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "affectline"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""Of every answer that does not set its own."""


@dataclass(frozen=True)
class Guard:
    """Refuses what does not come from a page of this server, or from a program that has the token.

    Without a `token` this server is for its own machine alone: then the name that it is called by must be
    one of that machine, so that no other site can be given its address (DNS rebinding).
    """

    app: ASGIApp
    token: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            return await self.app(scope, receive, _with_headers(send))
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await refusal(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self.token is None and _name(host) not in LOOPBACK:
            return answer(
                421, "this server is called 127.0.0.1 or localhost; with another --host it asks a token"
            )
        if _foreign(scope, headers, host):
            return answer(403, "requests from the pages of other sites are refused")
        if self.token is None:
            return None
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("token", "")
        if scope["type"] == "http" and scope["method"] == "GET" and self._right(given):
            return self._signed_in(scope)
        if self._right(_bearer(headers)) or self._right(_cookie(headers)):
            return None
        detail = "this server asks for its token: Authorization: Bearer TOKEN, or open /?token=TOKEN once"
        return answer(401, detail, {"WWW-Authenticate": "Bearer"})

    def _right(self, given: str) -> bool:
        assert self.token is not None
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _signed_in(self, scope: Scope) -> Response:
        """To the same address without the token, which a cookie holds from now on."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + scope["path"].lstrip("/")  # "//host" would lead to another server
        response = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        secure = scope["scheme"] == "https"
        response.set_cookie(COOKIE, self.token or "", httponly=True, samesite="strict", secure=secure)
        return response


def _name(host: str) -> str:
    """The name in a Host header: without the port and the brackets of IPv6."""
    return (urlsplit(f"//{host}").hostname or "") if host and "@" not in host else ""


def _foreign(scope: Scope, headers: Headers, host: str) -> bool:
    """Whether a page of another site asks. Programs send none of these headers."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return True
    link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if headers.get("sec-fetch-site") not in ("cross-site", "same-site"):
        return False
    return not (link and scope.get("method") == "GET")


def _bearer(headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
