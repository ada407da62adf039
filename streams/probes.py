"""``/health``, ``/ready`` and ``/metrics`` of a process whose work is elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from streams.connections import BoundedConnection

__all__ = ["probe_routes", "serve_probes"]

_MAX_CONNECTIONS: Final = 100


def probe_routes(is_ready: Callable[[], bool]) -> list[Route]:
    """Routes for probes: ``/health`` answers while the process lives, ``/ready`` is 503 until ``is_ready()``."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        return PlainTextResponse("ready\n") if is_ready() else PlainTextResponse("recovering\n", 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]


def serve_probes(host: str, port: int, is_ready: Callable[[], bool]) -> None:
    """Serve the probes from a thread of their own, so that they answer while the process is busy."""
    config = uvicorn.Config(
        Starlette(routes=probe_routes(is_ready)),
        host=host,
        port=port,
        http=BoundedConnection,
        limit_concurrency=_MAX_CONNECTIONS,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, name="probes", daemon=True).start()
