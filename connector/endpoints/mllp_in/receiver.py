"""The listening side: it opens, sweeps slow and silent connections, and stops in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from connector.endpoints import Endpoint
from connector.endpoints.mllp_in.admission import Admission
from connector.endpoints.mllp_in.budget import Budget
from connector.endpoints.mllp_in.connection import Connection, Floor
from connector.endpoints.mllp_in.settings import MllpInSettings
from connector.endpoints.tls import server_context
from connector.ports import Intake

__all__ = ["MllpIn"]


class MllpIn:
    """A `Receiver`. `counts` says what happened since the start, for metrics."""

    def __init__(self, settings: MllpInSettings, endpoint: Endpoint) -> None:
        self.settings = settings
        self.endpoint = endpoint
        self.counts: Counter[str] = Counter()
        self._context = server_context(settings.tls) if settings.tls else None
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._connections: set[Connection] = set()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [sock.getsockname()[:2] for sock in self._server.sockets] if self._server else []

    async def start(self, intake: Intake) -> None:
        """Listen. Raises OSError naming the address when that is impossible."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        floor = Floor(
            settings=settings,
            endpoint=self.endpoint,
            intake=intake,
            loop=loop,
            admission=Admission(settings),
            budget=Budget(settings.memory),
            counts=self.counts,
            connections=self._connections,
        )
        options: dict[str, Any] = {"ssl_handshake_timeout": 10.0} if self._context else {}
        try:
            self._server = await loop.create_server(
                lambda: Connection(floor), settings.host, settings.port, ssl=self._context, backlog=1024, **options
            )
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise OSError(error.errno, f"{self.endpoint.name}: cannot listen on {where} ({error.strerror})") from error
        self._sweeper = loop.create_task(self._sweep(loop))

    async def stop(self) -> None:
        """Accept and read nothing more, answer what is in hand (also of senders that have gone), close."""
        if self._server is None:
            return
        loop = asyncio.get_running_loop()
        self._server.close()
        for connection in list(self._connections):
            connection.finish()
        deadline = loop.time() + self.settings.drain
        while self._connections and loop.time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what is too slow or silent; one timer for all connections."""
        settings = self.settings
        pause = min(1.0, settings.frame_timeout / 4, settings.idle_timeout / 4)
        while True:
            await asyncio.sleep(pause)
            for connection in list(self._connections):
                connection.check_time(loop.time())
