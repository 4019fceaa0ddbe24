"""Starts and stops the admin listener."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiohttp import web

from proxy.admin.access import Access
from proxy.admin.guard import MAX_CONNECTIONS, Guard, Handler, QuietServer
from proxy.tls.handshakes import Handshakes, Secured

MAX_BODY_BYTES: Final = 64 * 1024
REQUEST_TIMEOUT_S: Final = 30.0
"""How long one admin request may take, its body included."""
_KEEPALIVE_S: Final = 30.0
_SHUTDOWN_S: Final = 2.0
_BACKLOG: Final = 128
_LINGER_S: Final = 1.0
"""How long the rest of an unwanted body is read, so that its sender sees the answer instead of a reset."""


class _Runner(web.AppRunner):
    """Puts the guard before the application, and handlers that echo nothing under it."""

    def __init__(self, app: web.Application, guarded: Callable[[Handler], Guard], linger: float, log: logging.Logger) -> None:
        super().__init__(app, shutdown_timeout=_SHUTDOWN_S)
        self._guarded = guarded
        self._linger = linger
        self._log = log

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return QuietServer(
            self._guarded(plain.request_handler).handle,
            request_factory=plain.request_factory,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            lingering_time=self._linger,
            logger=self._log,
            keepalive_timeout=_KEEPALIVE_S,
        )


class AdminServer:
    """A running admin listener."""

    def __init__(self, runner: web.AppRunner, port: int, handshakes: Handshakes | None = None) -> None:
        self._runner = runner
        self.port = port
        self.handshakes = handshakes

    async def stop(self) -> None:
        """Close the listener and its connections; requests under way get two seconds."""
        if self.handshakes is not None:
            self.handshakes.stop()
        await self._runner.cleanup()


async def start(
    routes: Iterable[web.AbstractRouteDef],
    host: str,
    port: int,
    *,
    tls: Secured | None = None,
    access: Access | None = None,
    request_timeout: float = REQUEST_TIMEOUT_S,
    log: logging.Logger | None = None,
    sockets: Sequence[socket.socket] = (),
) -> AdminServer:
    """Listen on `host`:`port` (0: any free port) and serve `routes`; raise `OSError` where the address cannot be had.

    `sockets`: that listen already, at `host`; they are used instead.
    """
    logger = log or logging.getLogger("proxy.admin")
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(routes)
    runner = _Runner(
        app, lambda handler: Guard(handler, host, request_timeout, logger, access or Access()), min(_LINGER_S, request_timeout), logger
    )
    await runner.setup()
    try:
        if tls is not None:
            return await _start_tls(runner, host, port, tls, logger, sockets)
        await start_sites(runner, host, port, _BACKLOG, sockets)
    except OSError as error:
        await runner.cleanup()
        raise OSError(error.errno, f"the admin listener cannot listen on {host}:{port}: {error.strerror or error}") from error
    return AdminServer(runner, int(runner.addresses[0][1]))


async def start_sites(runner: web.BaseRunner, host: str, port: int, backlog: int, sockets: Sequence[socket.socket]) -> None:
    """Serve from `sockets`, which listen already, or else from an address of our own; raise `OSError` where it cannot be had."""
    for each in sockets:
        await web.SockSite(runner, each, backlog=backlog).start()
    if not sockets:
        await web.TCPSite(runner, host, port, backlog=backlog).start()


async def _start_tls(
    runner: web.AppRunner, host: str, port: int, tls: Secured, log: logging.Logger, sockets: Sequence[socket.socket]
) -> AdminServer:
    def note(bug: BaseException) -> None:
        log.error("a TLS handshake failed: %s", type(bug).__name__)

    assert runner.server is not None
    handshakes = Handshakes(tls, runner.server, lambda under_way: under_way < MAX_CONNECTIONS, note)
    number = handshakes.start_on(sockets) if sockets else await handshakes.start(host, port, _BACKLOG)
    return AdminServer(runner, number, handshakes)
