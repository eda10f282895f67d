"""A server with its pages whose work is quick (service_work.py), in a process of its own: FOLDER."""

import socket
import sys
from pathlib import Path

import uvicorn
from service_makers import settings
from service_work import Fake, FakeStudio

from affectline.server.service import create_app

if __name__ == "__main__":
    app = create_app(settings(Path(sys.argv[1])), Fake(), studio=FakeStudio(), page=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
