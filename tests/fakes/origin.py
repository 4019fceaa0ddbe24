"""A vendor that does exactly what a test tells it to: it records every byte and plays bytes, pauses, resets and ends."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Self

from tests.fakes.messages import Cut, Message, read_request
from tests.fakes.waiting import PATIENCE_S

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """One accepted connection. `received` are all bytes so far; `ending` is "open", then "end" or "reset"."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._moved = asyncio.Event()
        self.received = bytearray()
        self.ending = "open"
        self.sent = 0

    # --- reading

    async def request(self) -> Message:
        """Read one whole request; raise EOFError where the connection ends before."""
        return await read_request(self._more, self._buffer)

    async def until_head(self) -> None:
        """Read until the head of a request has arrived; `request` reads it again with its body."""
        while b"\r\n\r\n" not in self._buffer:
            await self._more()

    async def read_to_end(self) -> None:
        """Take everything until the connection ends."""
        while self.ending == "open":
            try:
                await self._more()
            except EOFError:
                break

    async def _more(self) -> None:
        try:
            data = await self._reader.read(65536)
        except ConnectionError:
            self.ending, data = "reset", b""
        if not data:
            self.ending = "end" if self.ending == "open" else self.ending
        self.received += data
        self._buffer += data
        self._moved.set()
        if not data:
            raise EOFError

    # --- watching, for tests (scripts read)

    async def until(self, marker: bytes) -> bytes:
        """Wait until `marker` has been received, and return everything that was."""
        while marker not in self.received:
            assert self.ending == "open", bytes(self.received)
            await self._movement()
        return bytes(self.received)

    async def ended(self) -> str:
        """Wait for the end of the connection and say what it was: "end" or "reset"."""
        while self.ending == "open":
            await self._movement()
        return self.ending

    async def _movement(self) -> None:
        self._moved.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self._moved.wait()

    def lost(self) -> None:
        """Note that sending failed."""
        self.ending = "reset" if self.ending == "open" else self.ending
        self._moved.set()

    # --- writing

    async def send(self, data: bytes) -> None:
        """Send bytes, waiting while the other side does not take them; raise `ConnectionError` where it has hung up, on every loop."""
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()
        self.sent += len(data)

    def send_now(self, data: bytes) -> None:
        """Send bytes before the loop does anything else."""
        self._writer.write(data)

    def half_close_now(self) -> None:
        """Say that nothing more is sent, before the loop does anything else."""
        number = self._writer.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(number)) as plain:
            plain.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """Close as an orderly server does."""
        self._writer.close()

    def half_close(self) -> None:
        """Say that nothing more is sent, and keep reading."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Hang up with a TCP reset."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Wire], Awaitable[None]]


async def serve(wire: Wire) -> None:
    """Answer every request with `ok`."""
    while True:
        await wire.request()
        await wire.send(OK)


async def echo(wire: Wire) -> None:
    """Answer every request with its own body."""
    while True:
        body = (await wire.request()).body
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def answers(*parts: bytes) -> Script:
    """Return a script that answers the requests of one connection with `parts`, one each, and then says nothing more."""

    async def script(wire: Wire) -> None:
        for part in parts:
            await wire.request()
            await wire.send(part)

    return script


def answers_and_ends(answer: bytes) -> Script:
    """Return a script that answers one request and closes."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer)
        wire.end()

    return script


async def silence(wire: Wire) -> None:
    """Take everything and say nothing."""
    await wire.read_to_end()


class Origin:
    """The server. Connections play `scripts` in order; when they are used up, each plays `default`."""

    def __init__(self) -> None:
        self.default: Script = serve
        self.scripts: list[Script] = []
        self.wires: list[Wire] = []
        self.errors: list[BaseException] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._arrived = asyncio.Event()

    async def start(self, tls: ssl.SSLContext | None = None) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.wires.append(wire)
        script = self.scripts.pop(0) if self.scripts else self.default
        self._arrived.set()
        try:
            await script(wire)
            await wire.read_to_end()
        except (EOFError, Cut):
            pass  # the proxy hung up, and tests look at `received` and `ending`
        except ConnectionError:
            wire.lost()
        except BaseException as error:
            self.errors.append(error)
            raise
        finally:
            writer.close()

    @property
    def dials(self) -> int:
        """How many connections were made."""
        return len(self.wires)

    @property
    def received(self) -> bytes:
        """Every byte of every connection."""
        return b"".join(bytes(wire.received) for wire in self.wires)

    async def wire(self, number: int = 0) -> Wire:
        """Wait for a connection, counted from 0."""
        while len(self.wires) <= number:
            self._arrived.clear()
            async with asyncio.timeout(PATIENCE_S):
                await self._arrived.wait()
        return self.wires[number]

    def stop_accepting(self) -> None:
        """Refuse further connections."""
        assert self._server is not None
        self._server.close()

    async def stop(self) -> None:
        """Close."""
        self.stop_accepting()
        for wire in self.wires:
            wire.end()
        assert not self.errors
