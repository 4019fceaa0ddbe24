"""The listener that gateways ask. It has no router: targets are read as they were sent, and never normalised."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from proxy.admin.answers import Problem, problem_response
from proxy.admin.guard import QuietServer
from proxy.admin.server import start_sites
from proxy.decision.closing import Closer
from proxy.decision.gate import Gate
from proxy.decision.ruling import LocalAnswer
from proxy.gateways.deciding import Deciding, Denials, decide
from proxy.gateways.reading import Endpoint, NotTold, find_endpoint, read_told
from proxy.identity.clients import Peer
from proxy.wire.service import Service

_KEEPALIVE_S: Final = 75.0
_SHUTDOWN_S: Final = 2.0
_BACKLOG: Final = 512
_NO_ENDPOINT: Final = Problem(404, "not_found", "there is no such gateway endpoint; docs/reference/gateways.md lists them")
_INTERNAL: Final = Problem(500, "internal_error", "the decision failed; the log has more")


class GatewayServer:
    """Answers gateways from the service in force; `service` is asked each time, because it may be swapped."""

    def __init__(self, service: Callable[[], Service], on_bug: Callable[[BaseException], None], log: logging.Logger) -> None:
        self._service = service
        self._on_bug = on_bug
        self._log = log
        self._denials = Denials()
        self._gates: dict[str, Gate | None] = {}
        self._gates_of: Service | None = None
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen on `host`:`port` (0: any free port), or accept from `sockets`; raise `OSError` where the address cannot be had."""
        limits = self._service().limits
        server = QuietServer(
            self._handle,
            most=limits.max_connections,
            access_log=None,
            logger=self._log,
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_S,
            max_line_size=limits.max_url_bytes + 256,
            max_field_size=limits.max_header_bytes,
        )
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await start_sites(runner, host, port, _BACKLOG, sockets)
        except OSError as error:
            await runner.cleanup()
            raise OSError(error.errno, f"the gateways' listener cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._runner, self.port = runner, int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def forget(self) -> None:
        """Let go of what another configuration was decided with."""
        self._gates_of, self._gates = None, {}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return self._answer(request)
        except Problem as problem:
            return problem_response(problem)
        except asyncio.CancelledError:
            raise
        except Exception as bug:
            self._on_bug(bug)
            return problem_response(_INTERNAL)

    def _answer(self, request: web.BaseRequest) -> web.Response:
        endpoint = find_endpoint(request.raw_path.encode("utf-8", "surrogateescape"))
        by = None if endpoint is None else self._deciding(endpoint)
        if endpoint is None or by is None:
            raise _NO_ENDPOINT
        told = read_told(endpoint, request.method, request.raw_headers)
        if isinstance(told, NotTold):
            self._log.error("the %s gateway is configured wrongly: %s", endpoint.family.decode(), told.detail)
            raise Problem(500, "gateway_not_told", told.detail)
        return _response(decide(by, endpoint, told, Peer(request.remote or ""), self._denials))

    def _deciding(self, endpoint: Endpoint) -> Deciding | None:
        service = self._service()
        gate = self._alone(service, endpoint.vendor) if endpoint.vendor else service.gate
        closer: Closer = service.closer
        return None if gate is None else Deciding(gate, closer, service.now)

    def _alone(self, service: Service, vendor: str) -> Gate | None:
        """Return the gate of one vendor; each is made once per service."""
        if self._gates_of is not service:
            self._gates_of = service
            self._gates = {name: service.gate.alone(name) for name in service.channels}
        return self._gates.get(vendor)


def _response(answer: LocalAnswer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body)
    response.headers.popall("Content-Type", None)
    for line in answer.fields.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(": ")
        if colon:
            response.headers.add(name, value)
    response.headers["Server"] = "scopegate"
    return response
