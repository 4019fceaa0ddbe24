"""The line between a worker and the supervisor: frames over a socket, with bounded queues at both ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable
from typing import Final

from proxy.telemetry.labels import Reading, Values
from proxy.workers.frames import Frame, FrameError, Frames, Kind, pack_named

MAX_QUEUED_RECORDS: Final = 4 * 1024 * 1024
"""Bytes that may wait to be sent before records are dropped."""
_READ_BYTES: Final = 256 * 1024


class Link:
    """One end. Frames are handed to `take`, in order; when the other end is gone or talks nonsense, `run` returns."""

    def __init__(self, connection: socket.socket, take: Callable[[Frame], None]) -> None:
        self._connection = connection
        self._take = take
        self._writer: asyncio.StreamWriter | None = None
        self.connected = asyncio.Event()
        self.dropped: Counter[str] = Counter()

    async def run(self) -> None:
        """Read until the other end closes."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._connection)
        self.connected.set()
        frames = Frames()
        with contextlib.suppress(FrameError, ConnectionError):
            while data := await reader.read(_READ_BYTES):
                for frame in frames.feed(data):
                    self._take(frame)
        self.close()

    def tell(self, kind: Kind, data: bytes = b"") -> None:
        """Send a frame, some time soon; nothing happens where the other end is gone."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(Frame(kind, data).encoded())

    async def tell_slowly(self, kind: Kind, data: bytes = b"") -> None:
        """Send a frame, and wait until there is room for the next one. Raise ConnectionError where the other end is gone."""
        if self._writer is None or self._writer.is_closing():
            raise ConnectionResetError
        self.tell(kind, data)
        await self._writer.drain()

    def send(self, name: str, data: bytes) -> bool:
        """Hand a record to the supervisor's handler of that name; say whether it was sent. What does not fit is dropped and counted.

        Quick, and never raises for want of room: recorders may call it. Records of one worker arrive in order.
        """
        writer = self._writer
        if writer is None or writer.is_closing() or writer.transport.get_write_buffer_size() + len(data) > MAX_QUEUED_RECORDS:
            self.dropped[name] += 1
            return False
        self.tell(Kind.RECORD, pack_named(name, data))
        return True

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent, for at most `timeout_s` seconds."""
        if self._writer is None:
            return
        self._writer.transport.set_write_buffer_limits(0)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(timeout_s):
                await self._writer.drain()

    def close(self) -> None:
        """Close this end."""
        if self._writer is not None:
            self._writer.close()

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the records that are sent over it."""
        text = "Records that a worker could not hand to the supervisor because too many were waiting."
        return (Reading("scopegate_worker_records_dropped_total", text, self._dropped_values, ("kind",), counter=True),)

    def _dropped_values(self) -> Values:
        return {(name,): count for name, count in self.dropped.items()}
