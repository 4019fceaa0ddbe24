"""The byte path without sockets: real connections and a real gate, fed piece by piece; what both sides got is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import httptools

from proxy.telemetry.exchange import Exchange
from proxy.wire.breaker import Breaker, BreakerRules
from proxy.wire.channel import Channel
from proxy.wire.downstream import ClientConnection
from proxy.wire.limits import Limits, Timeouts
from proxy.wire.listener import Listener
from proxy.wire.pool import Origin, Pool
from proxy.wire.rewriting import Rewrites
from proxy.wire.service import Service
from proxy.wire.upstream import UpstreamConnection
from tests.gates import House, plans

FINE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Line(asyncio.Transport):
    """A transport without a socket that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.aborted = False
        self._closing = False
        self._reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = self.aborted = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Nobody waits for it."""

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True


class _Lines(Pool):
    """A pool whose connections lead nowhere; each serves one request."""

    def __init__(self, bugs: list[BaseException], limits: Limits) -> None:
        super().__init__(Origin("vendor.test", 80), limits, Timeouts(), Breaker(BreakerRules(), lambda: 0.0), bugs.append)
        self.made: list[tuple[UpstreamConnection, Line]] = []

    def take(self) -> UpstreamConnection | None:
        connection, line = UpstreamConnection(self), Line()
        connection.connection_made(line)
        self.made.append((connection, line))
        return connection


@dataclass
class Sent:
    """One request as a vendor reads it."""

    target: bytes = b""
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        assert not self.whole, "a vendor was sent two requests where there was one"
        self.whole = True


def read_sent(data: bytes) -> Sent:
    """Read what a vendor was sent; whatever is no single HTTP request raises."""
    sent = Sent()
    httptools.HttpRequestParser(sent).feed_data(data)
    return sent


class Unplugged:
    """One client connection to a proxy before the three vendors of `tests.gates`, none of which answers by itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.house = House(plans())
        limits = Limits()
        self._pools = {plan.vendor.name: _Lines(self.house.bugs, limits) for plan in self.house.plans}
        channels = {name: Channel({"": pool, "api": pool}, limits, Timeouts()) for name, pool in self._pools.items()}
        service = Service(loop, loop.time, self.house.clock.now, self.house.gate, self.house.closer, channels, limits, Rewrites(4096, 4096))
        self.connection = ClientConnection(Listener(service, self.house.bugs.append))
        self.line = Line()
        self.connection.connection_made(self.line)

    def send(self, pieces: Iterable[bytes]) -> None:
        """Let the client send; while the proxy does not read, the vendors answer."""
        for piece in pieces:
            while not self.line.is_reading() and self.answer():
                pass
            if self.line.is_closing():
                return
            self.connection.data_received(piece)

    def answer(self, *pieces: bytes) -> bool:
        """Let the vendors answer every whole request that waits; return whether there was one."""
        waiting = [connection for connection, line in self._made() if connection.turn is not None and read_sent(bytes(line.written)).whole]
        for connection in waiting:
            for piece in pieces or (FINE,):
                if not connection.transport.is_closing():
                    connection.data_received(piece)
        return bool(waiting)

    def vendor_ends(self) -> None:
        """Let the vendors close every connection."""
        for connection, _ in self._made():
            if not connection.transport.is_closing():
                connection.eof_received()
            connection.connection_lost(None)

    def hang_up(self) -> None:
        """Let the client go, and see that nothing of it is left and nothing raised."""
        self.connection.connection_lost(None)
        for bug in self.house.bugs:
            raise bug
        assert len(self.house.exchanges) == self.connection.served, "every request is recorded once"
        assert not any(connection.turn for connection, _ in self._made()), "a vendor works for nobody"

    def _made(self) -> list[tuple[UpstreamConnection, Line]]:
        return [pair for pool in self._pools.values() for pair in pool.made]

    @property
    def exchanges(self) -> list[Exchange]:
        return self.house.exchanges

    @property
    def sent(self) -> list[Sent]:
        """What the vendors were sent: whole requests only, for a cut one may have been cut anywhere."""
        return [sent for sent in (read_sent(bytes(line.written)) for _, line in self._made()) if sent.whole]


def talk(loop: asyncio.AbstractEventLoop, pieces: Iterable[bytes]) -> Unplugged:
    """Send the pieces on one connection, answer what reaches a vendor, hang up."""
    proxy = Unplugged(loop)
    proxy.send(pieces)
    while proxy.answer():
        pass
    proxy.hang_up()
    return proxy
