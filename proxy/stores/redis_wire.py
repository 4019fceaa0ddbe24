"""One connection to Redis or Valkey, through the low level of redis-py: nothing is repeated or reconnected behind our back.

Every wait is bounded by `timeout_s`. What goes wrong is a `StoreError`, whose text names the place and the trouble, never a password.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proxy.credentials import Secret

MAX_TEXT: Final = 200
Command = tuple[bytes | str | int, ...]
Reply = Any
"""Whatever the protocol can carry: the caller knows what it asked for."""


class StoreError(Exception):
    """The store cannot be used; the text says why."""


class NotInstalledError(Exception):
    """The client library is not installed."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a store is. Either `host` and `port`, or the path of a Unix `socket`; `tls` with the system's CAs or those of `ca_file`."""

    host: str = "localhost"
    port: int = 6379
    socket: str = ""
    database: int = 0
    username: str = ""
    password: Secret | None = None
    tls: bool = False
    ca_file: Path | None = None

    def __str__(self) -> str:
        if self.socket:
            return f"unix://{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def make_dialler(endpoint: Endpoint, timeout_s: float) -> Callable[[], Wire]:
    """Return what makes connections, not open yet. Raise `NotInstalledError` without the library."""
    try:
        from redis.asyncio import connection  # noqa: PLC0415 - an optional extra
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.asyncio.retry import Retry  # noqa: PLC0415  # isort: skip
    except ImportError:
        raise NotInstalledError("the shared store needs the package redis: pip install 'scopegate[shared]'") from None
    options: dict[str, Any] = {
        "db": endpoint.database,
        "username": endpoint.username or None,
        "password": endpoint.password.reveal().decode() if endpoint.password is not None else None,
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if endpoint.socket:
        return lambda: Wire(connection.UnixDomainSocketConnection(path=endpoint.socket, **options), timeout_s)
    options |= {"host": endpoint.host, "port": endpoint.port}
    if not endpoint.tls:
        return lambda: Wire(connection.Connection(**options), timeout_s)
    options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    options |= {"ssl_ca_certs": str(endpoint.ca_file)} if endpoint.ca_file else {}
    return lambda: Wire(connection.SSLConnection(**options), timeout_s)


class Wire:
    """A connection that is used by one task."""

    def __init__(self, connection: Any, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    async def open(self) -> None:
        """Connect, log in and choose the database."""
        async with _translated(self._timeout_s):
            await self._connection.connect()

    async def close(self) -> None:
        """Hang up, whatever state it is in."""
        with suppress(Exception):
            await self._connection.disconnect(nowait=True)

    async def call(self, *commands: Command) -> list[Reply]:
        """Send commands together and return their replies in order; the first one that is refused fails them all."""
        async with _translated(self._timeout_s):
            await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
            replies = []
            for _ in commands:
                replies.append(await self._connection.read_response())  # noqa: PERF401 - in the order in which they come
            return replies

    async def next(self) -> Reply:
        """Wait for the next message, however long it takes."""
        async with _translated(None):
            return await self._connection.read_response()


class _translated:  # noqa: N801 - reads like a function, as `asyncio.timeout` does
    """Bounds a wait, and turns the library's errors into ours."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        from redis.exceptions import RedisError  # noqa: PLC0415 - an optional extra

        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise StoreError(f"no answer within {self._seconds:g} s") from None
        if isinstance(error, RedisError | OSError | EOFError | UnicodeError):
            raise StoreError(str(error)[:MAX_TEXT] or type(error).__name__) from None
