"""The service: jobs in a worker process, and the HTTP API in front of them."""

from importlib.util import find_spec

if find_spec("fastapi") is None or find_spec("uvicorn") is None:
    raise ImportError('the service needs an extra: pip install "affectline[app]"')
