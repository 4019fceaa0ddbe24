"""The composition root: settings become objects, objects become listeners; start, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from proxy import __version__
from proxy.admin.access import Access
from proxy.admin.api import AdminApi
from proxy.admin.authzen_api import AuthZenApi
from proxy.admin.backend import ReadyCheck
from proxy.admin.config_api import ConfigApi
from proxy.admin.decisions import Decisions, OwnDecisions
from proxy.admin.plan_api import PlanApi
from proxy.admin.proposals_api import ProposalsApi
from proxy.admin.readiness_api import ReadinessApi
from proxy.admin.reporting_api import ReportingApi
from proxy.admin.reports import LiveReport, ReportApi
from proxy.admin.server import AdminServer
from proxy.admin.server import start as start_admin
from proxy.analysis.token_life import TokenLife
from proxy.composition.admin_backend import ProxyBackend, listening
from proxy.composition.app_identity import AppIdentity, identity_readings
from proxy.composition.auditing import audit_readiness, make_recorder, make_writer
from proxy.composition.carrying import Carried, carry_over, keep_again
from proxy.composition.compose import Knowledge, Parts, build_service
from proxy.composition.joining import join, link_readiness, make_link
from proxy.composition.keeping import LOAD_PATIENCE_S, make_store, retention_s, store_readiness, take_over, vendor_facts
from proxy.composition.labelling import known_labels
from proxy.composition.preparing import Prepared, prepare
from proxy.composition.reloading import Configuration, Result
from proxy.composition.scorekeeping import Readiness, adopt_rules, make_scores, prediction_rules, tell_still_in_shadow
from proxy.composition.tracing import make_spans
from proxy.credentials import Fingerprinter, Secret
from proxy.decision.gate import Clocks
from proxy.evidence.ledger import Ledger
from proxy.evidence.proposals import Proposals
from proxy.evidence.usage import UsageLedger
from proxy.identity.issuer_keys import KeySetError
from proxy.knowledge.discovering import Discoveries
from proxy.process.activation import NOTHING, Inherited
from proxy.process.clocks import SystemClocks
from proxy.protocol.identifiers import IdMaker
from proxy.reports.catalogue import FORMS
from proxy.reports.documents import DOCUMENTS, Document, MakeDocument
from proxy.reports.grouping import Question
from proxy.reports.scope_use import ScopeUse
from proxy.settings import (
    ADMIN,
    GATEWAYS_NEED_ONE_PROCESS,
    TRAFFIC,
    Disk,
    Loaded,
    Problems,
    Settings,
    TlsSettings,
    implications,
    largest_series_count,
    server_tls,
)
from proxy.stores.keys import KeyFileError
from proxy.stores.redis_wire import NotInstalledError
from proxy.telemetry.decision_log import decision_log
from proxy.telemetry.exposition import Exposition, process_collectors
from proxy.telemetry.labels import Reading, Together, Values
from proxy.telemetry.line_writer import LineWriter
from proxy.telemetry.metrics import CacheSize, Metrics
from proxy.telemetry.recent import Recent
from proxy.telemetry.recorders import Recorder, Recorders
from proxy.tls.certificates import CertificateError, Certificates
from proxy.tls.handshakes import Handshakes, Secured, handshakes_reading
from proxy.wire.listener import Listener
from proxy.wire.readings import listener_readings
from proxy.wire.rewriting import Rewrites
from proxy.wire.service import Service

if TYPE_CHECKING:
    from proxy.gateways.server import GatewayServer
    from proxy.stores.embedded import EmbeddedStore
    from proxy.stores.shared import SharedStore
    from proxy.telemetry.audit_writer import AuditWriter
    from proxy.telemetry.otlp import SpanExport

_REFUSED_ADMIN: Final = "Requests to the admin listener without a token that is known."

log = logging.getLogger("scopegate")


class StartError(Exception):
    """The proxy cannot start; the message says why and what to do."""


class App:
    """One running proxy: `start`, then `stop`. `log_descriptor` is where decision lines go (None: nowhere).

    `inherited`: sockets to accept from, at the addresses in `loaded`.
    """

    def __init__(
        self, loaded: Loaded, log_descriptor: int | None = None, clocks: Clocks | None = None, inherited: Inherited = NOTHING
    ) -> None:
        self._loaded = loaded
        self._inherited = inherited
        self._clocks = clocks or SystemClocks()
        self._knowledge = Knowledge({}, {})
        self._recent = Recent()
        self._scores = make_scores(loaded)
        self._proposals = Proposals()
        self._proposals.adopt(prediction_rules(loaded))
        self._configuration = Configuration(loaded.revision, self._clocks.wall())
        self._usage = UsageLedger(retention_s(loaded))
        self._scope_use = ScopeUse(vendor_facts(loaded), known_labels(loaded))
        self._usage.on_change = self._scope_use.heard
        self._token_life = TokenLife(self._clocks, known_labels(loaded))
        self._usage.on_use = self._token_life.heard
        self._ledgers: tuple[Ledger, ...] = (self._usage, self._scores, self._proposals)
        self._writer = LineWriter(log_descriptor) if log_descriptor is not None and loaded.settings.log.decisions else None
        self._audit = self._make_audit()
        self._spans = self._make_spans()
        self._metrics = Metrics(known_labels(loaded), version=__version__, cache_sizes=self._cache_sizes)
        self._metrics.config_loaded(loaded.revision, self._configuration.loaded_at)
        self._recorders = Recorders(self._all_recorders(log_descriptor), self._recorder_failed)
        self._rewrites = Rewrites()
        self._discoveries = Discoveries()
        self._bugs = 0
        self._accepting = False
        self._listener: Listener | None = None
        self._admin: AdminServer | None = None
        self._identity: AppIdentity | None = None
        self._gateways: GatewayServer | None = None
        self._access = Access(_token_hashes(loaded))
        self._store: EmbeddedStore | None = None
        self._certificates = Certificates(self._clocks.wall)
        self._watching: asyncio.Task[None] | None = None
        self._traffic_tls: Secured | None = None
        self._admin_tls: Secured | None = None
        self._shared_store: SharedStore | None = None
        self._fingerprinter: Fingerprinter | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self.port = 0
        self.admin_port = 0
        self.gateway_port = 0

    def _all_recorders(self, descriptor: int | None) -> Mapping[str, Recorder]:
        recorders: dict[str, Recorder] = {
            "metrics": self._metrics,
            "recent": self._recent,
            "usage": self._usage,
            "scores": self._scores,
            "proposals": self._proposals,
        }
        if self._writer is not None and descriptor is not None:
            text = wants_text(self._loaded.settings, descriptor)
            recorders["decision_log"] = decision_log(text=text, put=self._writer.put, key=self._log_key())
        if self._loaded.settings.audit is not None:
            recorders["audit"] = make_recorder(self._put_event, self._loaded)
        if self._spans is not None:
            recorders["spans"] = self._spans
        return recorders

    def _log_key(self) -> Secret:
        return Secret(secrets.token_bytes(32))

    def _make_audit(self) -> AuditWriter | None:
        return make_writer(self._loaded, self._clocks)

    def _make_spans(self) -> SpanExport | None:
        return make_spans(lambda: self._loaded)

    def _worker_name(self) -> str:
        return ""

    def _put_event(self, event: bytes) -> None:
        assert self._audit is not None
        self._audit.put(event)

    # --- life

    async def start(self) -> None:
        """Open both listeners. Raise `StartError` where an address cannot be had, or a CA or key file cannot be used."""
        await self._open_store()
        self._usage.watch(self._loaded.settings.vendors, self._clocks.wall())
        await self._learn_issuers()
        try:
            service = build_service(self._loaded, self._parts())
            self._traffic_tls = self._secured(TRAFFIC, self._loaded.settings.tls)
            self._admin_tls = self._secured(ADMIN, self._loaded.settings.admin.tls)
        except CertificateError as error:
            await self._close_stores()
            raise StartError(f"certificate files cannot be used: {error}") from error
        self._listener = self._make_listener(service)
        self._metrics.watch(*self._readings(self._listener))
        if self._audit is not None:
            self._audit.start()
        if self._spans is not None:
            self._spans.start(self._worker_name())
        await self._open_listeners(self._loaded.settings, self._listener)
        self._watching = asyncio.create_task(self._certificates.watch())

    async def _learn_issuers(self) -> None:
        try:
            self._identity = AppIdentity(self._loaded.settings)
            await self._identity.keys.start()
        except (OSError, KeySetError) as error:
            await self._close_stores()
            raise StartError(f"the keys of an issuer cannot be used: {error}") from error

    def _parts(self) -> Parts:
        self._fingerprinter = self._fingerprinter or Fingerprinter(self._fingerprint_key())
        return Parts(
            asyncio.get_running_loop(),
            self._clocks,
            self._fingerprinter,
            IdMaker(secrets.randbits),
            self._knowledge,
            self._recorders.record,
            self.note_bug,
            self._scores.demoted,
            rewrites=self._rewrites,
            certificates=self._certificates,
            discoveries=self._discoveries,
            repeat=self._recorders.repeat,
            app_tokens=None if self._identity is None else self._identity.tokens,
        )

    def _make_listener(self, service: Service) -> Listener:
        return Listener(service, self.note_bug)

    def _secured(self, name: str, tls: TlsSettings | None) -> Secured | None:
        return None if tls is None else Secured(self._certificates.follow(server_tls(name, tls)), tls.handshake_s)

    async def _open_store(self) -> None:
        try:
            self._store = make_store(self._loaded, self._clocks, self._ledgers)
            self._shared_store = make_link(self._loaded, self._clocks, self.note_bug)
        except (KeyFileError, NotInstalledError) as error:
            raise StartError(str(error)) from error
        if self._store is not None:
            await take_over(self._store, self._knowledge, self._loaded, self._ledgers)
        tell_still_in_shadow(self._scores)
        if self._shared_store is not None:
            join(self._shared_store, self._knowledge, self._loaded)

    def _fingerprint_key(self) -> Secret:
        owner = self._shared_store or self._store
        return owner.keys.fingerprint_key if owner is not None else Secret(secrets.token_bytes(32))

    async def _close_stores(self) -> None:
        if self._shared_store is not None:
            await self._shared_store.close()
        if self._store is not None:
            for ledger in self._ledgers:
                ledger.save()
            self._store.close()

    def _vendor_names(self) -> tuple[str, ...]:
        return tuple(self._loaded.settings.vendors)

    def _implied_by(self, vendor: str) -> Mapping[str, frozenset[str]]:
        return implications(self._loaded.settings.vendors[vendor], self._loaded.catalogs[vendor])

    def _client_names(self) -> tuple[str, ...]:
        return tuple(client.name for client in self._loaded.settings.clients)

    def _checks(self) -> Mapping[str, ReadyCheck]:
        checks: dict[str, ReadyCheck] = {
            "traffic_listener": listening(lambda: self._accepting),
            "configuration": self._configuration.readiness,
        }
        if self._store is not None:
            checks["state"] = partial(store_readiness, self._store)
        if self._audit is not None:
            checks["audit"] = partial(audit_readiness, self._audit)
        if self._shared_store is not None:
            checks["shared_state"] = partial(link_readiness, self._shared_store)
        return checks

    async def _open_listeners(self, settings: Settings, listener: Listener) -> None:
        if settings.gateway_adapters is not None and settings.workers > 1:
            raise StartError(f"gateway_adapters {GATEWAYS_NEED_ONE_PROCESS}")
        backend = self._backend(listener)
        routes = AdminApi(backend, self._decisions(), self._exposition()).routes()
        routes += AuthZenApi(backend, self._client_names).routes()
        routes += PlanApi(backend, self._implied_by).routes()
        if settings.gateway_adapters is not None:
            from proxy.gateways.reporting import Reports  # noqa: PLC0415 - for whoever has a gateway in front

            routes += ReportingApi(Reports(lambda: listener.service)).routes()
        routes += ReadinessApi(self._readiness()).routes()
        routes += ReportApi(self._reports(), self._vendor_names, self._clocks.wall, self._gather).routes()
        routes += ConfigApi(self._configuration.members).routes()
        routes += ProposalsApi(self._proposals, self._vendor_names, self._clocks.wall, self._gather).routes()
        try:
            address = settings.admin.listen
            handed = self._inherited.admin
            self._admin = await start_admin(routes, *address, tls=self._admin_tls, access=self._access, sockets=handed)
            self.admin_port = self._admin.port
            if self._shared_store is not None:
                await self._shared_store.compared(LOAD_PATIENCE_S)
            await self._open_to_gateways(settings, listener)
            self.port = await self._accept(listener)
        except OSError as error:
            await self.stop(0.0)
            raise StartError(listen_message(settings, error)) from error
        self._accepting = True

    async def _open_to_gateways(self, settings: Settings, listener: Listener) -> None:
        if settings.gateway_adapters is not None:
            from proxy.gateways.server import GatewayServer  # noqa: PLC0415 - for whoever has a gateway in front

            self._gateways = GatewayServer(lambda: listener.service, self.note_bug, log)
            await self._gateways.start(*settings.gateway_adapters.listen, self._inherited.gateways)
            self.gateway_port = self._gateways.port

    async def _accept(self, listener: Listener) -> int:
        if self._inherited.traffic:
            return await listener.start_on(self._inherited.traffic, self._traffic_tls)
        return await listener.start(*self._loaded.settings.listen, self._traffic_tls)

    # --- another configuration

    @property
    def loaded(self) -> Loaded:
        """The configuration in force."""
        return self._loaded

    async def take_over(self, new: Loaded, disk: Disk) -> Problems | None:  # noqa: ARG002 - where there are other processes it is read there
        """Put another configuration in force, whole, or say why not. Requests under way end in the one they began in."""
        prepared = await self._prepare(new)
        if isinstance(prepared, Problems):
            return prepared
        self._adopt(prepared)
        return None

    async def _prepare(self, new: Loaded) -> Prepared | Problems:
        return await prepare(new, self._loaded, self._identity, self._certificates)

    def _adopt(self, prepared: Prepared) -> None:
        """Swap at once: nothing is awaited in here. What can fail comes first."""
        listener, old, new = self._listener, self._loaded, prepared.loaded
        assert listener is not None
        before = listener.service
        parts = replace(self._parts(), channels=before.channels, app_tokens=prepared.identity.tokens)
        service = build_service(new, parts)
        carried = self._carry_over(old, new)
        for mount in before.gate.mounts:
            if mount.vendor.name in carried.changed:
                mount.learner.retire()
        self._loaded = new
        listener.swap(service)
        if self._gateways is not None:
            self._gateways.forget()
        self._secure(listener, prepared)
        self._replace_identity(prepared.identity)
        self._know(new)
        if self._store is not None:
            for rows in carried.rows:
                self._beside(keep_again(rows, self._store))

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        """Do something beside the requests."""
        task = asyncio.get_running_loop().create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _carry_over(self, old: Loaded, new: Loaded) -> Carried:
        return carry_over(self._knowledge, old, new, self._store, self._shared_store)

    def _secure(self, listener: Listener, prepared: Prepared) -> None:
        """Begin handshakes with other certificates, and let other admin tokens count."""
        self._traffic_tls, self._admin_tls = prepared.traffic, prepared.admin
        if listener.handshakes is not None and prepared.traffic is not None:
            listener.handshakes.secure(prepared.traffic)
        if self._admin is not None and self._admin.handshakes is not None and prepared.admin is not None:
            self._admin.handshakes.secure(prepared.admin)
        self._access.know(_token_hashes(prepared.loaded))

    def _replace_identity(self, identity: AppIdentity) -> None:
        before, self._identity = self._identity, identity
        if before is not None and before is not identity:
            self._beside(before.keys.stop())

    def _know(self, new: Loaded) -> None:
        """Count, score and tell by another configuration."""
        now, labels = self._clocks.wall(), known_labels(new)
        adopt_rules(self._scores, new)
        self._proposals.adopt(prediction_rules(new))
        self._usage.retention_s = retention_s(new)
        self._usage.watch(new.settings.vendors, now)
        self._scope_use.know(vendor_facts(new), labels)
        self._token_life.know(labels)
        self._metrics.know(labels)
        self._metrics.config_loaded(new.revision, now)
        self._configuration.revision, self._configuration.loaded_at = new.revision, now

    def note_reload(self, result: Result, problems: tuple[str, ...], changes: tuple[str, ...]) -> None:
        """Hear how an attempt to take over the files ended."""
        told = self._configuration
        told.problems, told.tried_at = problems, self._clocks.wall()
        told.changes = changes or told.changes
        told.counts[result] += 1
        if problems:
            self._metrics.config_rejected()
        else:
            self._metrics.config_loaded(told.revision, told.tried_at)

    # --- what the admin listener asks

    def _backend(self, listener: Listener) -> ProxyBackend:
        return ProxyBackend(lambda: listener.service, self._knowledge, self._clocks, self._checks())

    def _decisions(self) -> Decisions:
        return OwnDecisions(self._recent)

    def _readiness(self) -> Readiness:
        return Readiness(self._scores, lambda: self._loaded, self._clocks)

    def _exposition(self) -> Exposition:
        return Exposition(self._metrics, process_collectors)

    def _reports(self) -> Mapping[str, LiveReport]:
        return {name: LiveReport(FORMS[name], partial(self._usage_report, make)) for name, make in DOCUMENTS.items()}

    async def _gather(self) -> None:
        """Get what other processes have counted, before a report is made."""

    def _usage_report(self, make: MakeDocument, question: Question, now: float) -> Document:
        facts = vendor_facts(self._loaded)
        return make((row for row in self._usage.kept(now) if row.key.vendor in facts), facts, question, now)

    async def stop(self, grace_s: float | None = None) -> bool:
        """Stop accepting, finish what is in flight within `grace_s`, close. Return whether all finished.

        By default there is the grace of the settings, and before it the delay of the settings in which everything is still accepted.
        """
        self._accepting = False
        if grace_s is None:
            await self._take_leave()
        finished = True
        if self._watching is not None:
            self._watching.cancel()
        if self._listener is not None:
            finished = await self._listener.drain(self._loaded.settings.limits.shutdown_grace_s if grace_s is None else grace_s)
        await self._discoveries.stop()
        if self._identity is not None:
            await self._identity.keys.stop()
        if self._gateways is not None:
            await self._gateways.stop()
        if self._admin is not None:
            await self._admin.stop()
        await self._close_logs()
        await self._close_stores()
        return finished

    async def _close_logs(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._audit is not None:
            self._audit.close()
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)

    async def _take_leave(self) -> None:
        """Go on serving for a while, so that whoever sends requests here notices that this proxy is not ready any more."""
        delay_s = self._loaded.settings.limits.shutdown_delay_s
        if delay_s and self._listener is not None:
            self._announce_end(self._listener)
            await asyncio.sleep(delay_s)

    def _announce_end(self, listener: Listener) -> None:
        listener.announce_end()

    @property
    def cut_connections(self) -> int:
        """How many connections `stop` cut because their requests did not end in time."""
        return 0 if self._listener is None else self._listener.cut_count

    # --- what is told about the proxy itself

    def note_bug(self, bug: BaseException) -> None:
        """Count an exception that is ours, and log where it happened: its place, never its text, which may quote a request."""
        self._bugs += 1
        origin = bug.__context__ or bug
        place = origin.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else "unknown place"
        log.error("internal error: %s in %s", type(origin).__name__, where)

    def _recorder_failed(self, name: str, error: Exception) -> None:
        log.error("recorder %s fails: %s", name, type(error).__name__)

    def _cache_sizes(self) -> Mapping[str, CacheSize]:
        return {name: CacheSize(len(store), store.evictions) for name, store in self._knowledge.stores.items()}

    def _readings(self, listener: Listener) -> tuple[Reading, ...]:
        own = (
            Reading("scopegate_admin_refused_total", _REFUSED_ADMIN, lambda: {(): self._access.refused}, counter=True),
            Reading("scopegate_bugs_total", "Exceptions that are the proxy's own fault.", lambda: {(): self._bugs}, counter=True),
        )
        scores = self._scores.numbers.readings(self._vendor_names, lambda: sorted(known_labels(self._loaded).clients))
        others = (self._writer, self._store, self._shared_store, self._rewrites, self._discoveries, self._audit, self._spans)
        return (
            *own,
            *listener_readings(listener),
            *scores,
            handshakes_reading(lambda: self._doors(listener)),
            *self._certificate_readings(),
            *self._ledger_readings(),
            *self._token_life.readings(),
            *self._series_readings(),
            *identity_readings(lambda: self._identity),
            *self._config_readings(),
            *self._recorders.readings(),
            *(reading for other in others if other is not None for reading in other.readings()),
        )

    def _series_readings(self) -> tuple[Reading, ...]:
        text = "The largest number of series that the configuration can make, as check-config prints it."
        largest = Reading("scopegate_series_limit", text, self._largest_series_count, together=Together.MAX)
        return (largest, *self._metrics.readings())

    def _largest_series_count(self) -> Values:
        return {(): largest_series_count(self._loaded.settings, self._loaded.catalogs)}

    def _doors(self, listener: Listener) -> Mapping[str, Handshakes | None]:
        return {TRAFFIC: listener.handshakes, ADMIN: self._admin.handshakes if self._admin is not None else None}

    def _certificate_readings(self) -> tuple[Reading, ...]:
        return self._certificates.readings()

    def _config_readings(self) -> tuple[Reading, ...]:
        return self._configuration.readings()

    def _ledger_readings(self) -> tuple[Reading, ...]:
        return (*self._proposals.readings(self._vendor_names), *self._scope_use.readings())


def _token_hashes(loaded: Loaded) -> list[bytes]:
    return [token.reveal() for token in loaded.settings.admin.token_sha256 or ()]


def wants_text(settings: Settings, descriptor: int) -> bool:
    """Say whether decision lines are written for people: by setting, or because `descriptor` is a terminal."""
    return settings.log.format == "text" or (settings.log.format == "auto" and os.isatty(descriptor))


def listen_message(settings: Settings, error: OSError) -> str:
    """Say why an address cannot be had, and what to do."""
    if "admin listener" in str(error.strerror):
        return f"{error.strerror}. Choose another address with admin.listen or --admin, or stop what uses it."
    address = settings.listen
    return f"cannot listen on {address}: {error.strerror or error}. Choose another address with listen or --listen, or stop what uses it."
