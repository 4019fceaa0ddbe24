"""A gigabyte passes in constant memory, in both directions, and nobody is read faster than the other side takes it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.fakes.messages import Message
from tests.fakes.origin import Origin, Wire
from tests.fakes.running import Running
from tests.integration.wire.samples import get

GIB = 1 << 30
GROWTH_BYTES = 32 << 20
BLOCK = bytes(1 << 20)
ROOT = Path(__file__).parents[3]
only_uvloop = pytest.mark.asyncio(loop_factories=["uvloop"])


def read_to(connection: socket.socket, marker: bytes) -> bytes:
    """Read up to `marker`; return what came behind it."""
    data = b""
    while marker not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data.partition(marker)[2]


def swallow(connection: socket.socket, count: int) -> None:
    """Read `count` bytes into one buffer."""
    buffer = bytearray(1 << 20)
    while count:
        got = connection.recv_into(buffer, min(count, len(buffer)))
        assert got, f"{count} bytes are missing"
        count -= got


def pour(connection: socket.socket, count: int) -> None:
    """Send `count` bytes."""
    for _ in range(count // len(BLOCK)):
        connection.sendall(BLOCK)


@contextmanager
def plain_origin(serve_gigabyte: bool) -> Iterator[int]:
    """Run a server with a thread of its own, fast enough not to be what is measured; yield its port."""

    def run() -> None:
        connection, _ = listening.accept()
        with closing(connection):
            rest = read_to(connection, b"\r\n\r\n")
            if serve_gigabyte:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
                pour(connection, GIB)
            else:
                swallow(connection, GIB - len(rest))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=run, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


class Serving:
    """A proxy in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    def peak_bytes(self) -> int:
        """Return the most memory that was ever resident (VmHWM)."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


async def serving(directory: Path, port: int) -> Serving:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.serving", str(directory), f"http://127.0.0.1:{port}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    return Serving(process, int(await process.stdout.readline()))


@pytest.fixture
async def processes() -> AsyncIterator[list[Serving]]:
    started: list[Serving] = []
    yield started
    for one in started:
        assert one.process.stdin is not None
        one.process.stdin.close()
        assert await one.process.wait() == 0


@only_uvloop
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize("direction", ["download", "upload"])
async def test_a_gigabyte_passes_in_constant_memory(processes: list[Serving], tmp_path: Path, direction: str) -> None:
    def exchange(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            if direction == "download":
                client.sendall(get("/big"))
                swallow(client, GIB - len(read_to(client, b"\r\n\r\n")))
            else:
                client.sendall(get("/big", f"Content-Length: {GIB}", method="POST"))
                pour(client, GIB)
                assert read_to(client, b"\r\n\r\n") in (b"", b"o", b"ok")

    with plain_origin(direction == "download") as port:
        proxy = await serving(tmp_path, port)
        processes.append(proxy)
        before = proxy.peak_bytes()
        await asyncio.to_thread(exchange, proxy.port)
        assert proxy.peak_bytes() - before < GROWTH_BYTES


async def test_a_slow_reader_stalls_the_vendor(proxy: Running, origin: Origin) -> None:
    size = 64 << 20

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(BLOCK)):
            await wire.send(BLOCK)

    origin.default = script
    client = await proxy.client(receive_buffer=8192)
    await client.send(get("/big"))
    wire = await origin.wire()
    stalled_at = await _comes_to_rest(lambda: wire.sent)
    assert stalled_at < size // 2
    assert len((await client.answer()).body) == size
    assert (await proxy.exchange())["fault"] == ""


async def test_a_slow_vendor_stalls_the_client(proxy: Running, origin: Origin) -> None:
    size = 64 << 20
    awake = asyncio.Event()
    seen: list[Message] = []

    async def script(wire: Wire) -> None:
        await wire.until_head()
        await awake.wait()
        seen.append(await wire.request())
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    origin.default = script
    client = await proxy.client()
    await client.send(get("/big", f"Content-Length: {size}", method="POST"))
    sent = 0

    async def upload() -> None:
        nonlocal sent
        for _ in range(size // len(BLOCK)):
            await client.send(BLOCK)
            sent += len(BLOCK)

    uploading = asyncio.create_task(upload())
    assert await _comes_to_rest(lambda: sent) < size // 2
    awake.set()
    assert (await client.answer()).body == b"ok"
    await uploading
    assert len(seen[0].body) == size
    assert (await proxy.exchange())["request_bytes"] == size


async def _comes_to_rest(reading: object) -> int:
    """Wait until a number has stopped rising."""
    assert callable(reading)
    last, still = -1, 0
    while still < 5:
        await asyncio.sleep(0.03)
        now = int(reading())
        still = still + 1 if now == last and now else 0
        last = now
    return last
