"""A service manager that listens: the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PATIENCE_S: Final = 20.0


class FakeManager:
    """Keeps what it is told; `address` is what the process has to be told of it."""

    def __init__(self, listening: socket.socket, address: str) -> None:
        self._listening = listening
        self.address = address
        self.heard: list[dict[str, str]] = []

    async def next(self) -> dict[str, str]:
        """Return the next message."""
        async with asyncio.timeout(PATIENCE_S):
            data = await asyncio.get_running_loop().sock_recv(self._listening, 4096)
        message = dict(line.split("=", 1) for line in data.decode().splitlines())
        self.heard.append(message)
        return message

    async def until(self, name: str) -> dict[str, str]:
        """Return the next message with this member."""
        while True:
            message = await self.next()
            if name in message:
                return message

    def waiting(self) -> list[bytes]:
        """Return what has been said and not yet been read."""
        found: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._listening.recv(4096))
        return found


@contextlib.contextmanager
def listening_manager(directory: Path, *, abstract: bool = False) -> Iterator[FakeManager]:
    """Listen in `directory`, or under an abstract name, as containers do."""
    place = str(directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.setblocking(False)
        listening.bind(f"\0{place}" if abstract else place)
        yield FakeManager(listening, f"@{place}" if abstract else place)
