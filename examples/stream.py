"""Send the sound of a recording to a running `affectline serve`, as a microphone would, and print what comes.

pip install websockets
python examples/stream.py examples/demo.mp4 ws://127.0.0.1:8080/api/v1/stream
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from affectline.media import FileClip

RATE, CHUNK = 16_000, 0.1  # samples a second, seconds of sound in a message


async def send(socket: ClientConnection, recording: Path) -> None:
    """A tenth of a second every tenth of a second, as a microphone would."""
    sound = (FileClip(recording).waveform(RATE) * 32767).astype("<i2")
    began = time.monotonic()
    for n, chunk in enumerate(np.split(sound, range(round(CHUNK * RATE), len(sound), round(CHUNK * RATE)))):
        await asyncio.sleep(began + (n + 1) * CHUNK - time.monotonic())
        await socket.send(chunk.tobytes())
    await socket.send(json.dumps({"type": "end"}))


async def main(recording: Path, address: str) -> None:
    token = os.environ.get("AFFECTLINE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with connect(address, additional_headers=headers) as socket:
        await socket.send(json.dumps({"type": "start", "format": "pcm16"}))
        print(await socket.recv())  # {"type": "ready", ...}: from now on it listens
        sending = asyncio.create_task(send(socket, recording))
        async for message in socket:
            said = json.loads(message)
            if said["type"] == "utterance":
                u = said["utterance"]
                strongest = max(u["scores"], key=u["scores"].get)
                print(f"{u['start']:6.2f} {u['end']:6.2f}  {strongest} {u['scores'][strongest]:.2f}")
            else:
                print(message)
        await sending


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
