"""What benchmarks/service.py asks of a server that runs: how soon a stream answers, and another modality."""

import asyncio
import io
import json
import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import httpx2
import numpy as np
from benchmarks._record import ROOT
from PIL import Image
from websockets.asyncio.client import connect

from affectline.media import FileClip
from affectline.segment.transcript import read

RATE, CHUNK = 16_000, 0.1  # samples a second; seconds of sound in a message
PICTURES = 5.0  # a second
QUIET = 0.7  # seconds after each utterance
GOAL = 1.0  # seconds, of both


def stream(address: str, pictures: bool) -> dict[str, Any]:
    """The demo's utterances in real time, with quiet after each, and five pictures a second.

    Seconds from the end of an utterance, as it was sent, to its scores.
    """
    sound, shown = _demo()
    latencies, modalities = asyncio.run(_listen(address, sound, shown if pictures else []))
    return {
        "seconds_of_sound": round(len(sound) / RATE, 1),
        "chunk": CHUNK,
        "pictures": len(shown) if pictures else 0,
        "modalities": modalities,
        "utterances": len(latencies),
        "seconds": _quantiles(latencies),
        "goal": GOAL,
        "met": bool(np.quantile(latencies, 0.95) <= GOAL),
    }


def _demo() -> tuple[np.ndarray, list[tuple[float, bytes]]]:
    """Sound, and pictures with their times: what the subtitles span, each followed by quiet."""
    recording = FileClip(ROOT / "examples" / "demo.mp4")
    sound = (recording.waveform(RATE) * 32767).astype("<i2")
    pictures = list(recording.pictures(PICTURES))
    parts: list[np.ndarray] = []
    shown: list[tuple[float, bytes]] = []
    for row in read(ROOT / "examples" / "demo.srt").rows:
        start, end = row.start or 0.0, row.end or 0.0
        begins = sum(len(part) for part in parts) / RATE
        shown += [
            (begins + time - start, _jpeg(picture)) for time, picture in pictures if start <= time < end
        ]
        parts.append(sound[round(start * RATE) : round(end * RATE)])
        parts.append(np.zeros(round(QUIET * RATE), "<i2"))
    return np.concatenate(parts), shown


def _jpeg(picture: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=85)
    return held.getvalue()


async def _listen(
    address: str, sound: np.ndarray, shown: Sequence[tuple[float, bytes]]
) -> tuple[list[float], list[str]]:
    """How late each utterance was, but the last, which ends with the sound; and what they were judged by."""
    found: list[float] = []
    modalities: set[str] = set()
    async with connect(address) as socket:
        await socket.send(json.dumps({"type": "start", "format": "pcm16"}))
        await socket.recv()
        began = time.monotonic()
        sending = asyncio.create_task(_send(socket, sound, shown, began))
        async for message in socket:  # until the server has sent all
            said = json.loads(message)
            if said["type"] == "utterance":
                found.append(time.monotonic() - began - said["utterance"]["end"])
                modalities |= {*said["utterance"]["modalities"]}
        await sending
    return found[:-1], sorted(modalities)


async def _send(socket: Any, sound: np.ndarray, shown: Sequence[tuple[float, bytes]], began: float) -> None:
    size, left = round(CHUNK * RATE), list(shown)
    for n in range(0, len(sound), size):
        await asyncio.sleep(max(0.0, began + (n + size) / RATE - time.monotonic()))
        while left and left[0][0] <= (n + size) / RATE:
            at, picture = left.pop(0)
            await socket.send(json.dumps({"type": "picture", "time": round(at, 3)}))
            await socket.send(picture)
        await socket.send(sound[n : n + size].tobytes())
    await socket.send(json.dumps({"type": "end"}))


def switch(client: httpx2.Client, id: str, used: Sequence[str], times: int = 5) -> dict[str, Any]:
    """Every set of the modalities that a job has used, several times over."""
    sets = [some for n in range(1, len(used) + 1) for some in combinations(used, n)]
    seconds: list[float] = []
    for some in sets * times:
        began = time.monotonic()
        client.get(f"/jobs/{id}/timeline", params={"modalities": some}).raise_for_status()
        seconds.append(time.monotonic() - began)
    return {
        "requests": len(seconds),
        "seconds": _quantiles(seconds),
        "goal": GOAL,
        "met": bool(np.quantile(seconds, 0.95) <= GOAL),
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    found = np.quantile(seconds, [0.5, 0.95, 1.0]).round(3).tolist()
    return dict(zip(("median", "p95", "most"), found, strict=True))
