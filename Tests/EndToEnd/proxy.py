"""A wire between uplinks and collector that a test can hold, break, or make talk nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lanesim_parts.changes import Changes


class Proxy:
    """Forwards TCP from `port` to the collector. `hold_answers`: requests go through, answers wait. `nonsense`: the
    collector is not asked; these bytes are the answer to whatever was sent."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.hold_answers = False
        self.nonsense: bytes | None = None
        self.batches = 0  # that came by
        self.held = 0  # batches whose answer is being held back
        self._changes = Changes()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server:
            self._server.close()
        self.drop_connections()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop_connections(self) -> None:
        for task in self._tasks:
            task.cancel()

    def set(self, **changes: object) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        self._changes.tell()

    async def wait_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        return await self._changes.wait_until(holds, seconds)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._carry(reader, writer)
        except (ConnectionError, OSError):
            pass
        finally:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.nonsense is not None:
            if (await reader.read(65536)).startswith(b"POST /v1/records"):
                self.batches += 1
            self._changes.tell()
            writer.write(self.nonsense)
            await writer.drain()
            return
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self.target)
        batches = [0]  # sent on this connection and not answered

        async def there() -> None:
            while data := await reader.read(65536):
                if data.startswith(b"POST /v1/records"):
                    batches[0] += 1
                    self.batches += 1
                self._changes.tell()
                back_writer.write(data)
                await back_writer.drain()
            back_writer.write_eof()

        async def back() -> None:
            while data := await back_reader.read(65536):
                if self.hold_answers and batches[0]:
                    self.held += 1
                    self._changes.tell()
                    await self.wait_until(lambda: not self.hold_answers, 60)
                    self.held -= 1
                batches[0] = 0
                writer.write(data)
                await writer.drain()

        both = [asyncio.ensure_future(there()), asyncio.ensure_future(back())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            back_writer.close()
