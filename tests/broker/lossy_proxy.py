"""A proxy that lets the server carry out what it is asked and then loses the reply: the fault that hurts most."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit


class LossyProxy:
    """Forwards bytes both ways. `loses` is asked per piece of reply; if it says so, the connection ends instead.

    Attributes:
        port: where it listens, on 127.0.0.1.
        lost: how many replies were lost.
    """

    def __init__(self, url: str, loses: Callable[[], bool]) -> None:
        self._target = urlsplit(url)
        self._loses = loses
        self._server: asyncio.Server | None = None
        self.lost = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._target.scheme == "unix":
            from_server, to_server = await asyncio.open_unix_connection(self._target.path)
        else:
            from_server, to_server = await asyncio.open_connection(self._target.hostname, self._target.port)
        requests = asyncio.create_task(self._forward(reader, to_server, lambda: False))
        try:
            await self._forward(from_server, writer, self._loses)
        finally:
            requests.cancel()
            for each in (writer, to_server):
                each.transport.abort()

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, loses: Callable[[], bool]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if loses():
                    self.lost += 1
                    return
                sink.write(data)
                await sink.drain()


@contextlib.asynccontextmanager
async def lossy(url: str, loses: Callable[[], bool]) -> AsyncIterator[LossyProxy]:
    """A proxy in front of a server until the block ends."""
    proxy = LossyProxy(url, loses)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
