"""What benchmarks/service.py asks of a server that runs: how soon a stream answers, and another modality."""

import asyncio
import json
import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import httpx2
import numpy as np
from benchmarks._record import ROOT
from websockets.asyncio.client import connect

from affectline.media import FileClip

RATE, CHUNK = 16_000, 0.1  # samples a second; seconds of sound in a message
LONGEST = 15.0  # seconds after which an utterance is cut at a pause that is over already
GOAL = 1.0  # seconds, of both


def stream(address: str) -> dict[str, Any]:
    """The demo's sound in real time. Seconds from the end of an utterance, as it was sent, to its scores."""
    sound = (FileClip(ROOT / "examples" / "demo.mp4").waveform(RATE) * 32767).astype("<i2")
    latencies = asyncio.run(_listen(address, sound))
    paused = [late for late in latencies if late < LONGEST / 5]
    return {
        "seconds_of_sound": round(len(sound) / RATE, 1),
        "chunk": CHUNK,
        "utterances": len(latencies),
        "cut_for_length": len(latencies) - len(paused),
        "seconds": _quantiles(paused),
        "goal": GOAL,
        "met": bool(np.quantile(paused, 0.95) <= GOAL),
    }


async def _listen(address: str, sound: np.ndarray) -> list[float]:
    """How late each utterance was, but the last, which ends with the sound."""
    found: list[float] = []
    async with connect(address) as socket:
        await socket.send(json.dumps({"type": "start", "format": "pcm16"}))
        await socket.recv()
        began = time.monotonic()
        sending = asyncio.create_task(_send(socket, sound, began))
        async for message in socket:  # until the server has sent all
            said = json.loads(message)
            if said["type"] == "utterance":
                found.append(time.monotonic() - began - said["utterance"]["end"])
        await sending
    return found[:-1]


async def _send(socket: Any, sound: np.ndarray, began: float) -> None:
    size = round(CHUNK * RATE)
    for n in range(0, len(sound), size):
        await asyncio.sleep(max(0.0, began + (n + size) / RATE - time.monotonic()))
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
