"""A vendor that answers when it is told to, and a configuration in front of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest


class SlowVendor:
    """Answers each request with the number of body bytes it received; `head_arrived` tells that a request has begun."""

    def __init__(self) -> None:
        self.head_arrived = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.head_arrived.set()
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            body = str(len(await reader.readexactly(length))).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def vendor() -> AsyncIterator[SlowVendor]:
    vendor = SlowVendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield vendor
    server.close()
    await server.wait_closed()


@pytest.fixture
def occupied() -> Iterator[int]:
    """The number of a port that is in use."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """The number of a port nobody listens on, held so that nobody will."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


WriteConfiguration = Callable[..., Path]


@pytest.fixture
def configured(tmp_path: Path) -> WriteConfiguration:
    """Write a configuration with one RingCentral in front of `upstream`; `more` is YAML at the top level, `keys` of the vendor."""

    def write(upstream: str = "https://vendor.example", more: str = "", keys: str = "") -> Path:
        file = tmp_path / "scopegate.yaml"
        vendor = f"kind: ringcentral, mount: {{path: /ringcentral}}, upstream: '{upstream}'{', ' if keys else ''}{keys}"
        file.write_text(f"vendors:\n  ringcentral: {{{vendor}}}\n{more}\n")
        return file

    return write
