"""The admin listener: what it answers, and from what."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp.web import RouteDef

from proxy.admin.access import Access
from proxy.admin.api import AdminApi
from proxy.admin.backend import ReadyCheck
from proxy.admin.config_api import ConfigApi
from proxy.admin.decisions import Decisions
from proxy.admin.late import authzen_routes, plan_routes
from proxy.admin.proposals_api import ProposalsApi
from proxy.admin.readiness_api import ReadinessApi
from proxy.admin.reporting_api import ReportingApi
from proxy.admin.reports import LiveReport, ReportApi
from proxy.admin.server import AdminServer, start
from proxy.composition.admin_backend import ProxyBackend, listening
from proxy.composition.auditing import audit_readiness
from proxy.composition.joining import link_readiness
from proxy.composition.keeping import store_readiness
from proxy.composition.ledgers import Ledgers
from proxy.composition.recording import Recording
from proxy.composition.reloading import Configuration
from proxy.composition.scorekeeping import Readiness
from proxy.composition.stores import Stores
from proxy.decision.gate import Clocks
from proxy.reports.catalogue import FORMS, OF_USAGE
from proxy.reports.grouping import Question
from proxy.settings import Loaded, implications
from proxy.telemetry.exposition import Exposition
from proxy.telemetry.labels import Reading
from proxy.tls.handshakes import Handshakes, Secured
from proxy.wire.service import Service

if TYPE_CHECKING:
    from proxy.reports.documents import Document

_REFUSED: Final = "Requests to the admin listener without a token that is known."


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked for an answer. `gather` is awaited before what other processes have counted is told."""

    backend: ProxyBackend
    decisions: Decisions
    readiness: Readiness
    exposition: Exposition
    ledgers: Ledgers
    configuration: Configuration
    loaded: Callable[[], Loaded]
    service: Callable[[], Service]
    clocks: Clocks
    gather: Callable[[], Awaitable[None]]

    def vendors(self) -> tuple[str, ...]:
        """Return the names of the configured vendors."""
        return tuple(self.loaded().settings.vendors)

    def clients(self) -> tuple[str, ...]:
        """Return the names of the configured clients."""
        return tuple(client.name for client in self.loaded().settings.clients)

    def implied_by(self, vendor: str) -> Mapping[str, frozenset[str]]:
        """Return which scopes of a vendor count as given with others."""
        loaded = self.loaded()
        return implications(loaded.settings.vendors[vendor], loaded.catalogs[vendor])


def admin_routes(asked: Sources) -> list[RouteDef]:
    """Return everything that can be asked on the admin listener."""
    wall, ledgers = asked.clocks.wall, asked.ledgers
    routes = AdminApi(asked.backend, asked.decisions, asked.exposition).routes()
    routes += authzen_routes(asked.backend, asked.clients)
    routes += plan_routes(asked.backend, asked.implied_by)
    if asked.loaded().settings.gateway_adapters is not None:
        from proxy.gateways.reporting import Reports  # noqa: PLC0415 - for whoever has a gateway in front

        routes += ReportingApi(Reports(asked.service)).routes()
    routes += ReadinessApi(asked.readiness).routes()
    routes += ReportApi(_reports(asked), asked.vendors, wall, asked.gather).routes()
    routes += ConfigApi(asked.configuration.members).routes()
    routes += ProposalsApi(ledgers.proposals, asked.vendors, wall, asked.gather).routes()
    return routes


def _reports(asked: Sources) -> Mapping[str, LiveReport]:
    return {name: LiveReport(FORMS[name], partial(_usage_report, asked, name)) for name in OF_USAGE}


def _usage_report(asked: Sources, name: str, question: Question, now: float) -> Document:
    from proxy.reports.documents import DOCUMENTS  # noqa: PLC0415 - for whoever asks for a report

    return asked.ledgers.usage_report(asked.loaded(), DOCUMENTS[name], question, now)


def ready_checks(
    accepting: Callable[[], bool], configuration: Configuration, stores: Stores, recording: Recording
) -> Mapping[str, ReadyCheck]:
    """Return what must be well for the proxy to be ready, by name."""
    checks: dict[str, ReadyCheck] = {"traffic_listener": listening(accepting), "configuration": configuration.readiness}
    if stores.kept is not None:
        checks["state"] = partial(store_readiness, stores.kept)
    if recording.audit is not None:
        checks["audit"] = partial(audit_readiness, recording.audit)
    if stores.shared is not None:
        checks["shared_state"] = partial(link_readiness, stores.shared)
    return checks


class AdminDoor:
    """The admin listener of one proxy: closed until `open`. `port` is its own by then."""

    def __init__(self, loaded: Loaded) -> None:
        self.port = 0
        self._access = Access(_token_hashes(loaded))
        self._server: AdminServer | None = None

    async def open(self, asked: Sources, tls: Secured | None, sockets: Sequence[socket.socket]) -> None:
        """Listen, or accept from `sockets`. Raise `OSError` where the address cannot be had."""
        address = asked.loaded().settings.admin.listen
        self._server = await start(admin_routes(asked), *address, tls=tls, access=self._access, sockets=sockets)
        self.port = self._server.port

    def know(self, loaded: Loaded) -> None:
        """Let the tokens of another configuration count from now on."""
        self._access.know(_token_hashes(loaded))

    @property
    def handshakes(self) -> Handshakes | None:
        """Who does its TLS handshakes; None while it is closed, or speaks plain HTTP."""
        return None if self._server is None else self._server.handshakes

    def readings(self) -> tuple[Reading, ...]:
        """Return how many were turned away."""
        return (Reading("scopegate_admin_refused_total", _REFUSED, lambda: {(): self._access.refused}, counter=True),)

    async def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            await self._server.stop()


def _token_hashes(loaded: Loaded) -> list[bytes]:
    return [token.reveal() for token in loaded.settings.admin.token_sha256 or ()]
