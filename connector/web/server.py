"""Serves the web of an application on its loop: uvicorn without its own signals, so that one place decides when everything stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from connector.app import Application

__all__ = ["serving"]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the command."""
        yield


@contextlib.asynccontextmanager
async def serving(application: Application) -> AsyncIterator[str]:
    """The web, listening, at the address given (`http://host:port`). Raises OSError when the address is taken."""
    from connector.web.app import build

    http = application.settings.http
    listener = socket.create_server(
        (http.host, http.port), family=socket.AF_INET6 if ":" in http.host else socket.AF_INET, backlog=128
    )
    port = int(listener.getsockname()[1])
    host = f"[{http.host}]" if ":" in http.host else http.host
    config = uvicorn.Config(
        build(application),
        lifespan="off",
        log_config=None,
        access_log=False,  # a search by patient stands in the URL
        server_header=False,
        timeout_graceful_shutdown=5,
        ws="none",
    )
    server = _Server(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        if task.done():
            task.result()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await task
        listener.close()
