"""What one request costs, counted and not timed: calls by module, and instructions by step.

`python -m bench.steps` counts the calls of the interpreted build; `make steps` counts instructions of the compiled build under
callgrind (needs valgrind; about two minutes) and writes the table of docs/reference/performance.md. Requests and answers go through
the real connections and everything behind them; only the two sockets are replaced, so nothing of the kernel is in these figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from proxy.app import App
from proxy.credentials import Secret
from proxy.model import Grants, Source
from proxy.settings import Loaded, parse_settings
from proxy.telemetry.line_writer import LineWriter
from proxy.vendors.facts import Issued
from proxy.wire.downstream import ClientConnection
from proxy.wire.listener import Listener
from proxy.wire.upstream import UpstreamConnection

CONFIG = b"""
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
vendors:
  ringcentral: {kind: ringcentral, mount: {path: /ringcentral}, upstream: "http://127.0.0.1:9", rewrite_links: false}
"""
CONFIG_FILE = Path(__file__).parent.parent / "config" / "bench.yaml"
"""Where that configuration would lie; its catalogues do."""
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 07:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1024\r\nConnection: keep-alive\r\n\r\n" + b"x" * 1024
)
_REQUEST = (
    b"GET /ringcentral/restapi/v1.0/account/~/call-log?page=%d HTTP/1.1\r\nHost: proxy.test\r\nAuthorization: bearer %b\r\n"
    b"User-Agent: bench/1\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
)


class Pipe:
    """A transport that counts what is written and sends nothing."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, _: str) -> None:
        return None

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def abort(self) -> None:
        raise AssertionError("a connection was given up")


@dataclass
class Driver:
    """One connection of an app, one to the vendor, and all that is between them."""

    client: ClientConnection
    vendor: UpstreamConnection
    log: LineWriter
    pages: int = 1
    """How many different targets are asked for, in turn."""

    def forward(self, count: int) -> None:
        """Send requests that the token permits, and an answer to each."""
        for number in range(count):
            self.client.data_received(_REQUEST % (number % self.pages, b"enough"))
            self.vendor.data_received(ANSWER)

    def deny(self, count: int) -> None:
        """Send requests for which the token lacks a scope."""
        for number in range(count):
            self.client.data_received(_REQUEST % (number % self.pages, b"too-little"))


@contextlib.asynccontextmanager
async def driver(pages: int = 1) -> AsyncIterator[Driver]:
    """Start a whole proxy that logs its decisions to nowhere, and connect to it without sockets."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    loaded = parse_settings(CONFIG, {}, file=CONFIG_FILE)
    assert isinstance(loaded, Loaded), loaded
    app = App(loaded, descriptor)
    await app.start()
    driven = _connect(app, pages)
    try:
        yield driven
    finally:
        driven.vendor.connection_lost(None)
        driven.client.connection_lost(None)
        await app.stop(0.0)
        os.close(descriptor)


def _connect(app: App, pages: int) -> Driver:
    listener = app._listener
    assert listener is not None
    service = listener.service
    mount = service.gate.mounts[0]
    for token, scopes in ((b"enough", {"ReadCallLog", "ReadAccounts"}), (b"too-little", {"ReadAccounts"})):
        issued = Issued(Secret(token), Grants(frozenset(scopes), complete=True), Source.TOKEN_RESPONSE, 3600.0)
        mount.learner.issue(issued, service.gate.moment())
    pool = service.channels["ringcentral"].pools["api"]
    vendor = UpstreamConnection(pool)
    vendor.connection_made(_as_transport(Pipe()))
    pool.put(vendor, 0.0)
    log = app._recording.writer
    assert log is not None
    return Driver(_client(listener), vendor, log, pages)


def _client(listener: Listener) -> ClientConnection:
    client = ClientConnection(listener)
    client.connection_made(_as_transport(Pipe()))
    return client


def _as_transport(pipe: Pipe) -> Any:
    return pipe


def calls_of(work: Callable[[int], None], count: int) -> Counter[str]:
    """Return the calls that `work(count)` makes in this thread, of Python functions and of built-in ones, by module, per request."""
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:  # noqa: ARG001 - sys.setprofile's signature
        if event == "call":
            found[str(frame.f_globals.get("__name__"))] += 1
        elif event == "c_call":
            found["built-in"] += 1

    gc.disable()
    sys.setprofile(note)
    try:
        work(count)
    finally:
        sys.setprofile(None)
        gc.enable()
    return found


async def run(what: str, count: int) -> None:
    """Serve so many requests and nothing else, and leave at once: for whoever counts from outside."""
    async with driver(pages=1000) as driven:
        gc.disable()
        (driven.forward if what == "forwarded" else driven.deny)(count)
        os._exit(0)


async def main() -> None:
    """Print the calls per request."""
    for name, pages in (("the same target", 1), ("targets in turn", 1000)):
        async with driver(pages) as driven:
            for what, work in (("forwarded", driven.forward), ("denied", driven.deny)):
                work(2000)
                calls = calls_of(work, 1000)
                print(f"{what}, {name}: {calls.total() / 1000:.1f} calls per request")
                for module, number in calls.most_common(12):
                    print(f"    {number / 1000:6.1f} {module}")


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else main())
