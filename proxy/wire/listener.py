"""The traffic listener: accepts, keeps the bounds, ends what takes too long, and drains on shutdown."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from proxy import errors
from proxy.errors import Fault
from proxy.tls.handshakes import Handshakes, Secured
from proxy.wire.channel import Channel
from proxy.wire.downstream import ClientConnection
from proxy.wire.limits import SURPLUS_CONNECTIONS
from proxy.wire.service import Service

_BACKLOG: Final = 2048
_GOODBYE_S: Final = 1.0
"""How long the loop gets to tell connections that they were cut."""


class Listener:
    """Serves client connections on one address. `on_bug` is told of exceptions that are ours."""

    def __init__(self, service: Service, on_bug: Callable[[BaseException], None]) -> None:
        self.service = service
        self.on_bug = on_bug
        self._connections: set[ClientConnection] = set()
        self._servers: list[asyncio.Server] = []
        self.handshakes: Handshakes | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._by_address: dict[str, int] = {}
        self.ending = False
        self._leaving: list[Channel] = []
        """Ways to vendors of configurations before this one, on which requests are still under way."""
        self.accepted = 0
        self.dropped = 0
        self.cut_count = 0

    def swap(self, service: Service) -> None:
        """Let all requests that begin from now on go through `service`; those under way end in the one they began in."""
        before, self.service = self.service, service
        kept = {id(pool) for channel in service.channels.values() for pool in channel.pools.values()}
        self._leaving += [channel for name, channel in before.channels.items() if service.channels.get(name) is not channel]
        for channel in before.channels.values():
            for pool in channel.pools.values():
                if id(pool) not in kept:
                    pool.retire()
        for connection in self._connections:
            connection.forget()

    @property
    def connection_count(self) -> int:
        """How many client connections are open."""
        return len(self._connections)

    async def start(self, host: str, port: int, tls: Secured | None = None, *, reuse_port: bool = False) -> int:
        """Listen, with TLS where `tls` says how; return the port. Raise OSError where the address cannot be had."""
        if tls is not None:
            self.handshakes = Handshakes(tls, self._protocol, self._has_room, self.on_bug)
            number = await self.handshakes.start(host, port, _BACKLOG, reuse_port=reuse_port)
        else:
            server = await self.service.loop.create_server(self._protocol, host, port, backlog=_BACKLOG, reuse_port=reuse_port or None)
            self._servers.append(server)
            number = server.sockets[0].getsockname()[1]
        self._tick()
        return number

    async def start_on(self, sockets: Sequence[socket.socket], tls: Secured | None = None) -> int:
        """Accept from sockets that listen already; return the port of the first. They are closed here when accepting stops."""
        number: int = sockets[0].getsockname()[1]
        if tls is not None:
            self.handshakes = Handshakes(tls, self._protocol, self._has_room, self.on_bug)
            self.handshakes.start_on(sockets)
        else:
            for each in sockets:
                self._servers.append(await self.service.loop.create_server(self._protocol, sock=each, backlog=_BACKLOG))
        self._tick()
        return number

    def _has_room(self, handshakes: int) -> bool:
        """Whether one more handshake may begin: those under way count as connections."""
        return len(self._connections) + handshakes < self.service.limits.max_connections

    def _protocol(self) -> Any:
        """Return a new connection; asyncio wants a `Protocol`, whose methods it has (a compiled class cannot inherit from one)."""
        return ClientConnection(self)

    def add(self, connection: ClientConnection) -> Fault | None:
        """Count a new connection; return the fault if that is one more than there may be."""
        limits, address = self.service.limits, connection.peer.address
        self._connections.add(connection)
        self._empty.clear()
        connection.ending = self.ending
        self.accepted += 1
        from_there = self._by_address[address] = self._by_address.get(address, 0) + 1
        if len(self._connections) > limits.max_connections:
            return errors.FULL
        return errors.FULL_FOR_ADDRESS if address and 0 < limits.max_connections_per_address < from_there else None

    def is_flooded(self, address: str) -> bool:
        """Whether there are so many connections too many that not even an answer is due; if so one is counted as dropped."""
        limits = self.service.limits
        flooded = len(self._connections) > limits.max_connections + SURPLUS_CONNECTIONS
        if address and limits.max_connections_per_address:
            flooded = flooded or self._by_address.get(address, 0) > limits.max_connections_per_address + SURPLUS_CONNECTIONS
        self.dropped += flooded
        return flooded

    def discard(self, connection: ClientConnection) -> None:
        """Forget a connection that is gone."""
        if connection in self._connections:
            self._leave(connection.peer.address)
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _leave(self, address: str) -> None:
        left = self._by_address[address] = self._by_address[address] - 1
        if not left:
            del self._by_address[address]

    def _tick(self) -> None:
        """Look at every connection now and then: one timer for all costs less than one for each."""
        now = self.service.time()
        self._timer = self.service.loop.call_later(self._interval(), self._tick)
        for connection in list(self._connections):
            try:
                connection.check(now)
            except Exception as bug:  # one connection's trouble must not stop the time of all the others
                self.on_bug(bug)
                connection.abort()
        for channel in (*self.service.channels.values(), *self._leaving):
            channel.sweep(now)
        self._leaving = [channel for channel in self._leaving if not channel.is_idle]

    def _interval(self) -> float:
        """A quarter of the shortest time-out, between 20 ms and half a second."""
        limits = self.service.limits
        shortest = min(limits.header_read_s, limits.body_idle_s, limits.keepalive_idle_s, limits.queue_wait_s, limits.upstream_idle_s)
        shortest = min(shortest, limits.request_s or shortest)
        for channel in self.service.channels.values():
            shortest = min(shortest, channel.timeouts.response_head_s, channel.timeouts.body_idle_s)
        return max(0.02, min(0.5, shortest / 4))

    def announce_end(self) -> None:
        """Go on as before, but say with each answer that its connection is closed after it."""
        self.ending = True
        for connection in self._connections:
            connection.ending = True

    def stop_accepting(self) -> None:
        """Close the listening socket; connections live on."""
        for server in self._servers:
            server.close()
        if self.handshakes is not None:
            self.handshakes.stop()

    async def drain(self, grace_s: float) -> bool:
        """Finish what is under way within `grace_s` seconds; drop the rest. Return whether nothing had to be dropped."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.drain()
        finished = await self._wait_until_empty(grace_s)
        self.cut_count = len(self._connections)
        for connection in list(self._connections):
            connection.cut(errors.SHUTDOWN)
        if self._timer is not None:
            self._timer.cancel()
        for channel in (*self.service.channels.values(), *self._leaving):
            for pool in channel.pools.values():
                pool.abort_all()
        await self._wait_until_empty(_GOODBYE_S)
        return finished

    async def _wait_until_empty(self, grace_s: float) -> bool:
        try:
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
