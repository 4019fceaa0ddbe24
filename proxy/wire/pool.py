"""Connections to one origin of a vendor: idle ones are reused, the youngest first; new ones are dialled."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from proxy import errors
from proxy.errors import Fault
from proxy.protocol.response_headers import ResponseReader
from proxy.tls.certificates import LiveContext
from proxy.tls.secure_transport import SecureTransport, handshake_done
from proxy.wire.breaker import Breaker
from proxy.wire.dialling import Resolver, connect_first, is_address
from proxy.wire.limits import Limits, Timeouts
from proxy.wire.upstream import UpstreamConnection


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a vendor's API is served. `tls` is None for plain HTTP; else it has the context for the next connection."""

    host: str
    port: int
    tls: LiveContext | None = None

    @property
    def authority(self) -> bytes:
        """The value of the Host field: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}").encode("ascii")


class Pool:
    """The connections to one origin. `on_bug` is told of exceptions that are ours."""

    def __init__(
        self, origin: Origin, limits: Limits, timeouts: Timeouts, breaker: Breaker, on_bug: Callable[[BaseException], None]
    ) -> None:
        self.origin = origin
        self.breaker = breaker
        self.authority = origin.authority
        self.reader = ResponseReader()
        self.limits = limits
        self.on_bug = on_bug
        self.timeouts = timeouts
        self._idle: deque[UpstreamConnection] = deque()
        self._open: set[UpstreamConnection] = set()
        self._closed = False
        self._resolver = None if is_address(origin.host) else Resolver(origin.host, origin.port)
        self.dials = 0
        self.splices = 0
        self.spliced_bytes = 0

    @property
    def idle_count(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    @property
    def open_count(self) -> int:
        """How many connections there are in all."""
        return len(self._open)

    def take(self) -> UpstreamConnection | None:
        """Return an idle connection that is still open, or None."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing() and connection.probe.is_silent():
                connection.reused = True
                return connection
            connection.abandon()
        return None

    def opened(self, connection: UpstreamConnection) -> None:
        """Count a connection that has just been made."""
        self._open.add(connection)

    def put(self, connection: UpstreamConnection, now: float) -> None:
        """Take back a connection whose answer is complete. `now`: the loop's time."""
        if len(self._idle) >= self.limits.max_idle_upstream:
            connection.transport.close()
            return
        if not connection.transport.is_reading():  # a back-pressure pause must not follow the connection into the pool
            connection.transport.resume_reading()
        connection.idle_since = now
        self._idle.append(connection)

    def answers_since(self, moment: float, most: int) -> list[bytes]:
        """Return the header lines of the newest answers on idle connections: at most so many, none older than `moment`."""
        found: list[bytes] = []
        for connection in reversed(self._idle):
            if connection.idle_since < moment or len(found) == most:
                break
            found.append(connection.last_block)
        return found

    def discard(self, connection: UpstreamConnection) -> None:
        """Forget a connection that is gone."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def dial(self) -> UpstreamConnection | Fault:
        """Open a new connection; every failure is one of our faults."""
        self.dials += 1
        try:
            async with asyncio.timeout(self.timeouts.connect_s):
                connection = await self._connect()
        except (OSError, TimeoutError) as error:
            return _connect_fault(error)
        except Exception as bug:
            self.on_bug(bug)
            return errors.UNREACHABLE
        if self._closed or connection.transport.is_closing():
            connection.abandon()
            return errors.SHUTDOWN if self._closed else errors.NO_RESPONSE
        return connection

    def _protocol(self) -> Any:
        """Return a new connection; asyncio wants a `Protocol`, whose methods it has (a compiled class cannot inherit from one)."""
        return UpstreamConnection(self)

    async def _connect(self) -> UpstreamConnection:
        origin = self.origin
        loop = asyncio.get_running_loop()
        connection: UpstreamConnection
        options: dict[str, Any] = {"host": origin.host, "port": origin.port}
        if self._resolver is not None:
            options = {"sock": await connect_first(await self._resolver.addresses())}
        if origin.tls is None:
            _, connection = await loop.create_connection(self._protocol, **options)
            return connection
        make_protocol, context = self._protocol, origin.tls.context
        transport = SecureTransport(make_protocol, context, loop, server_hostname=origin.host)
        await loop.create_connection(lambda: cast("asyncio.Protocol", transport), **options)
        connection = await handshake_done(transport)
        return connection

    def sweep(self, now: float) -> None:
        """Close connections that have idled too long; the oldest stand at the left."""
        while self._idle and now - self._idle[0].idle_since > self.limits.upstream_idle_s:
            self._idle.popleft().transport.close()

    def close_idle(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().transport.close()

    def retire(self) -> None:
        """Keep no connection from now on: each one is closed as soon as it is idle."""
        self.limits = replace(self.limits, max_idle_upstream=0)
        self.close_idle()

    def abort_all(self) -> None:
        """Drop every connection at once, and those that are being dialled as soon as they are made."""
        self._closed = True
        for connection in list(self._open):
            connection.abandon()


def _connect_fault(error: OSError) -> Fault:
    """Translate what dialling raised (also `ssl.SSLError`, an OSError) into one of our faults."""
    match error:
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return errors.NO_DESCRIPTORS
        case TimeoutError():
            return errors.CONNECT_TIMEOUT
        case ssl.SSLCertVerificationError():
            return errors.CERTIFICATE
        case ssl.SSLError():
            return errors.TLS
        case socket.gaierror():
            return errors.DNS
        case ConnectionRefusedError():
            return errors.REFUSED
        case _:
            return errors.UNREACHABLE
