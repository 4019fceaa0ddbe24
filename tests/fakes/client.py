"""A client that sends exactly the bytes it is given, and reads answers strictly."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from typing import Any

from tests.fakes.messages import Message, read_answer
from tests.fakes.waiting import PATIENCE_S


class RawClient:
    """One connection to the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    def send_now(self, data: bytes) -> None:
        """Send bytes before the loop does anything else."""
        self._writer.write(data)

    async def send_bytewise(self, data: bytes) -> None:
        """Send every byte in a packet of its own."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            self._writer.write(data[at : at + 1])
            await asyncio.sleep(0)  # let the other side read what there is

    async def answer(self, method: str = "GET") -> Message:
        """Read one answer; `Cut` where its body is incomplete, EOFError where there is none."""
        return await read_answer(self._more, self._buffer, method)

    async def rest(self) -> bytes:
        """Read whatever comes until the orderly end; ConnectionError where there was none."""
        while True:
            try:
                await self._more()
            except EOFError:
                break
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def gone(self) -> None:
        """Wait until the proxy has hung up, one way or the other."""
        try:
            await self.rest()
        except ConnectionError:
            self._buffer.clear()

    async def at_least(self, count: int) -> int:
        """Read until `count` bytes have arrived since the last message."""
        while len(self._buffer) < count:
            await self._more()
        return len(self._buffer)

    @property
    def seen(self) -> bytes:
        """What has arrived since the last message."""
        return bytes(self._buffer)

    async def _more(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            data = await self._reader.read(65536)
        if not data:
            raise EOFError
        self._buffer += data

    @property
    def certificate(self) -> dict[str, Any]:
        """What the proxy showed in the handshake."""
        shown: dict[str, Any] = self._writer.get_extra_info("peercert")
        return shown

    def half_close(self) -> None:
        """Say that nothing more is sent, and keep reading."""
        self._writer.write_eof()

    def close(self) -> None:
        """Close."""
        self._writer.close()

    def reset(self) -> None:
        """Hang up with a TCP reset."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


async def connect(port: int, *, receive_buffer: int = 0, tls: ssl.SSLContext | None = None) -> RawClient:
    """Connect to a loopback port; `receive_buffer` bytes of kernel buffer where that matters."""
    if tls is not None:
        return RawClient(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost"))
    if not receive_buffer:
        return RawClient(*await asyncio.open_connection("127.0.0.1", port))
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    return RawClient(*await asyncio.open_connection(sock=plain, limit=4096))
