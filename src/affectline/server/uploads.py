"""Forms with files (RFC 7578), written to the disk as they come; never whole in memory."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from affectline.server.problems import Problem

FIELD = 10_000  # bytes of a field that is no file
FIELDS = 50
IDLE = 60.0  # seconds without a byte, after which an upload is given up


class Form:
    """What a form holds: the values of its fields, and the files, written to a folder.

    `names`: what the client calls a file, by field; never used as a path. `files`: where it lies.
    """

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        """`files`: under which name the file of a field is written; its ending is that of the client's."""
        self.folder, self._wanted = folder, files
        self.fields: dict[str, list[str]] = {}
        self.names: dict[str, str] = {}
        self.files: dict[str, Path] = {}
        self._headers: dict[bytes, bytes] = {}
        self._header = self._value = b""
        self._field = ""
        self._text = bytearray()
        self._file: BinaryIO | None = None
        self._parts = 0
        self._open = ExitStack()
        self.ended = False

    async def read(self, boundary: bytes, body: AsyncIterator[bytes], most: int) -> None:
        """Read all of it.

        Raises:
            Problem: it is no form, too large, or breaks off.
        """
        events = ("part_begin", "part_data", "part_end", "headers_finished", "end")
        events += ("header_field", "header_value", "header_end")
        calls = {f"on_{event}": getattr(self, f"_{event}") for event in events}
        size = 0
        with self._open:
            try:
                parser = MultipartParser(boundary, calls)  # pyright: ignore[reportArgumentType]
                async for chunk in _timely(body):
                    size += len(chunk)
                    if size > most:
                        raise Problem(413, f"this server takes {most / 1e6:g} MB at most")
                    await asyncio.to_thread(parser.write, chunk)
                parser.finalize()
            except FormParserError as error:
                raise Problem(400, f"this is no multipart/form-data: {error}") from error
        if not self.ended:
            raise Problem(400, "the form breaks off before its last boundary; send it again")

    def _part_begin(self) -> None:
        self._headers, self._text, self._file = {}, bytearray(), None
        self._parts += 1
        if self._parts > FIELDS:
            raise Problem(413, f"a form has {FIELDS} fields at most")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field not in self._wanted:
            return
        if b"filename" not in options:
            raise Problem(422, f"{self._field}: send a file; with curl: -F {self._field}=@talk.mp4")
        if self._field in self.files:
            raise Problem(422, f"{self._field}: send one file; each recording is a job of its own")
        name = shown_name(options[b"filename"].decode("utf-8", "replace"))
        path = self.folder / f"{self._wanted[self._field]}{ending(name)}"
        self.names[self._field], self.files[self._field] = name, path
        self._file = self._open.enter_context(path.open("xb"))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
        elif len(self._text) + end - start <= FIELD:
            self._text += data[start:end]
        else:
            raise Problem(413, f"a field that is no file has {FIELD} bytes at most")

    def _part_end(self) -> None:
        if self._file is not None:
            self._file.close()
        else:
            self.fields.setdefault(self._field, []).append(self._text.decode("utf-8", "replace"))

    def _end(self) -> None:
        self.ended = True


async def _timely(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        try:
            yield await asyncio.wait_for(anext(body), IDLE)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Problem(408, f"nothing came for {IDLE:g} s; send it again") from error


def boundary_of(content_type: str) -> bytes:
    """The boundary of a form.

    Raises:
        Problem: the content type names none.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Problem(400, "the Content-Type of a form names its boundary; leave it to your HTTP library")
    return boundary


def shown_name(name: str) -> str:
    """The name of a file without folders and control characters, 120 characters at most."""
    last = re.split(r"[/\\]", name)[-1]
    clean = "".join(c for c in last if c.isprintable()).strip()[-120:]
    return clean if clean.strip(".") else "recording"


def ending(name: str) -> str:
    """The ending of a file's name where that is a plain one: ".mp4"; else none."""
    found = re.search(r"\.[a-z0-9]{1,5}$", name.lower())
    return found.group() if found else ""
