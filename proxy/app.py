"""The composition root: settings become objects, objects become listeners; start, reload, drain, stop.

What the objects are is told by `proxy/composition`: here they begin, change and end together.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.admin.backend import ReadyCheck
from proxy.admin.decisions import Decisions, OwnDecisions
from proxy.composition.admin_backend import ProxyBackend
from proxy.composition.admin_side import AdminDoor, Sources, ready_checks
from proxy.composition.app_identity import CurrentIdentity
from proxy.composition.bugs import Bugs
from proxy.composition.carrying import Carried, keep_again
from proxy.composition.compose import Knowledge, Parts, build_service
from proxy.composition.encryption import Encryption
from proxy.composition.labelling import known_labels, series_reading
from proxy.composition.ledgers import Ledgers
from proxy.composition.preparing import Prepared, prepare
from proxy.composition.recording import OWN_OUTLETS, Outlets, Recording, tell_of_recorder
from proxy.composition.reloading import Configuration, Result
from proxy.composition.scorekeeping import Readiness, tell_still_in_shadow
from proxy.composition.stores import Stores
from proxy.credentials import Fingerprinter, Secret
from proxy.decision.gate import Clocks
from proxy.identity.issuer_keys import KeySetError
from proxy.knowledge.discovering import Discoveries
from proxy.process.activation import NOTHING, Inherited
from proxy.process.clocks import SystemClocks
from proxy.protocol.identifiers import IdMaker
from proxy.settings import ADMIN, GATEWAYS_NEED_ONE_PROCESS, TRAFFIC, Disk, Loaded, Problems, Settings
from proxy.stores.keys import KeyFileError
from proxy.stores.redis_wire import NotInstalledError
from proxy.telemetry.exposition import Exposition, process_collectors
from proxy.telemetry.labels import Reading
from proxy.telemetry.metrics import CacheSize
from proxy.telemetry.recorders import Recorder, Recorders
from proxy.tls.certificates import CertificateError
from proxy.tls.handshakes import Handshakes, handshakes_reading
from proxy.wire.listener import Listener
from proxy.wire.readings import listener_readings
from proxy.wire.rewriting import Rewrites
from proxy.wire.service import Service

if TYPE_CHECKING:
    from proxy.gateways.server import GatewayServer

log = logging.getLogger("scopegate")


class StartError(Exception):
    """The proxy cannot start; the message says why and what to do."""


class App:
    """One running proxy: `start`, then `stop`. `log_descriptor` is where decision lines go (None: nowhere).

    `inherited`: sockets to accept from, at the addresses in `loaded`. `outlets`: where records go, where it is not alone.
    """

    def __init__(
        self,
        loaded: Loaded,
        log_descriptor: int | None = None,
        clocks: Clocks | None = None,
        inherited: Inherited = NOTHING,
        outlets: Outlets = OWN_OUTLETS,
    ) -> None:
        self._loaded = loaded
        self._inherited = inherited
        self._clocks = clocks or SystemClocks()
        self._knowledge = Knowledge({}, {})
        self._bugs = Bugs()
        self._ledgers = Ledgers(loaded, self._clocks)
        self._configuration = Configuration(loaded.revision, self._clocks.wall())
        self._recording = Recording(lambda: self._loaded, self._clocks, log_descriptor, outlets, self._cache_sizes)
        self._metrics = self._recording.metrics
        self._metrics.config_loaded(loaded.revision, self._configuration.loaded_at)
        self._recorders = Recorders(self._all_recorders(), tell_of_recorder)
        self._rewrites = Rewrites()
        self._discoveries = Discoveries()
        self._stores = Stores()
        self._encryption = Encryption(self._clocks.wall)
        self._identity = CurrentIdentity()
        self._admin = AdminDoor(loaded)
        self._accepting = False
        self._listener: Listener | None = None
        self._gateways: GatewayServer | None = None
        self._fingerprinter: Fingerprinter | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self.port = 0
        self.admin_port = 0
        self.gateway_port = 0

    def _all_recorders(self) -> Mapping[str, Recorder]:
        return self._recording.recorders(self._ledgers.recorders())

    def _cache_sizes(self) -> Mapping[str, CacheSize]:
        return {name: CacheSize(len(store), store.evictions) for name, store in self._knowledge.stores.items()}

    def _worker_name(self) -> str:
        return ""

    def note_bug(self, bug: BaseException) -> None:
        """Count an exception that is ours, and log where it happened: its place, never its text, which may quote a request."""
        self._bugs.note(bug)

    # --- it starts

    async def start(self) -> None:
        """Open both listeners. Raise `StartError` where an address cannot be had, or a CA or key file cannot be used."""
        await self._open_stores()
        self._ledgers.usage.watch(self._loaded.settings.vendors, self._clocks.wall())
        await self._learn_issuers()
        try:
            service = build_service(self._loaded, self._parts())
            self._encryption.begin(self._loaded)
        except CertificateError as error:
            await self._stores.close(self._ledgers)
            raise StartError(f"certificate files cannot be used: {error}") from error
        self._listener = self._make_listener(service)
        self._metrics.watch(*self._readings(self._listener))
        self._recording.start(self._worker_name())
        await self._open_listeners(self._loaded.settings, self._listener)
        self._encryption.watch()

    async def _open_stores(self) -> None:
        try:
            await self._stores.open(self._loaded, self._clocks, self._knowledge, self._ledgers, self.note_bug)
        except (KeyFileError, NotInstalledError) as error:
            raise StartError(str(error)) from error
        tell_still_in_shadow(self._ledgers.scores)

    async def _learn_issuers(self) -> None:
        try:
            await self._identity.start(self._loaded.settings)
        except (OSError, KeySetError) as error:
            await self._stores.close(self._ledgers)
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
            self._ledgers.scores.demoted,
            rewrites=self._rewrites,
            certificates=self._encryption.certificates,
            discoveries=self._discoveries,
            repeat=self._recorders.repeat,
            app_tokens=self._identity.tokens,
        )

    def _fingerprint_key(self) -> Secret:
        return self._stores.fingerprint_key()

    def _make_listener(self, service: Service) -> Listener:
        return Listener(service, self.note_bug)

    async def _open_listeners(self, settings: Settings, listener: Listener) -> None:
        if settings.gateway_adapters is not None and settings.workers > 1:
            raise StartError(f"gateway_adapters {GATEWAYS_NEED_ONE_PROCESS}")
        try:
            await self._admin.open(self._sources(listener), self._encryption.admin, self._inherited.admin)
            self.admin_port = self._admin.port
            await self._stores.compared()
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
            return await listener.start_on(self._inherited.traffic, self._encryption.traffic)
        return await listener.start(*self._loaded.settings.listen, self._encryption.traffic)

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
        return await prepare(new, self._loaded, self._identity.now, self._encryption.certificates)

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
        self._encryption.renew(prepared.traffic, prepared.admin, self._doors)
        self._admin.know(new)
        former = self._identity.replace(prepared.identity)
        if former is not None:
            self._beside(former.keys.stop())
        self._know(new)
        self._keep_again(carried)

    def _carry_over(self, old: Loaded, new: Loaded) -> Carried:
        return self._stores.carry_over(self._knowledge, old, new)

    def _keep_again(self, carried: Carried) -> None:
        if self._stores.kept is not None:
            for rows in carried.rows:
                self._beside(keep_again(rows, self._stores.kept))

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        """Do something beside the requests."""
        task = asyncio.get_running_loop().create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _know(self, new: Loaded) -> None:
        """Count, score and tell by another configuration."""
        now, labels = self._clocks.wall(), known_labels(new)
        self._ledgers.know(new, labels, now)
        self._metrics.know(labels)
        self._metrics.config_loaded(new.revision, now)
        self._configuration.adopted(new.revision, now)

    def note_reload(self, result: Result, problems: tuple[str, ...], changes: tuple[str, ...]) -> None:
        """Hear how an attempt to take over the files ended."""
        now = self._clocks.wall()
        self._configuration.tried(result, problems, changes, now)
        if problems:
            self._metrics.config_rejected()
        else:
            self._metrics.config_loaded(self._configuration.revision, now)

    # --- it ends

    async def stop(self, grace_s: float | None = None) -> bool:
        """Stop accepting, finish what is in flight within `grace_s`, close. Return whether all finished.

        By default there is the grace of the settings, and before it the delay of the settings in which everything is still accepted.
        """
        self._accepting = False
        if grace_s is None:
            await self._take_leave()
        finished = True
        self._encryption.stop()
        if self._listener is not None:
            finished = await self._listener.drain(self._loaded.settings.limits.shutdown_grace_s if grace_s is None else grace_s)
        await self._discoveries.stop()
        await self._identity.stop()
        if self._gateways is not None:
            await self._gateways.stop()
        await self._admin.close()
        await self._recording.close()
        await self._stores.close(self._ledgers)
        return finished

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

    # --- what the admin listener asks

    def _sources(self, listener: Listener) -> Sources:
        objects = (self._backend(listener), self._decisions(), self._readiness(), self._exposition())
        return Sources(
            *objects, self._ledgers, self._configuration, lambda: self._loaded, lambda: listener.service, self._clocks, self._gather
        )

    def _backend(self, listener: Listener) -> ProxyBackend:
        return ProxyBackend(lambda: listener.service, self._knowledge, self._clocks, self._checks())

    def _checks(self) -> Mapping[str, ReadyCheck]:
        return ready_checks(lambda: self._accepting, self._configuration, self._stores, self._recording)

    def _decisions(self) -> Decisions:
        return OwnDecisions(self._recording.recent)

    def _readiness(self) -> Readiness:
        return Readiness(self._ledgers.scores, lambda: self._loaded, self._clocks)

    def _exposition(self) -> Exposition:
        return Exposition(self._metrics, process_collectors)

    async def _gather(self) -> None:
        """Get what other processes have counted, before a report is made."""

    # --- what is told about the proxy itself

    def _readings(self, listener: Listener) -> tuple[Reading, ...]:
        """Return every number that is told beside those about requests, in the order of the metrics page."""
        recording, stores = self._recording, self._stores
        others = (recording.writer, stores.kept, stores.shared, self._rewrites, self._discoveries, recording.audit, recording.spans)
        return (
            *self._admin.readings(),
            *self._bugs.readings(),
            *listener_readings(listener),
            *self._ledgers.score_readings(lambda: self._loaded),
            handshakes_reading(self._doors),
            *self._readings_of_all(),
            *self._ledgers.token_readings(),
            series_reading(lambda: self._loaded),
            *self._metrics.readings(),
            *self._identity.readings(),
            *self._recorders.readings(),
            *(reading for other in others if other is not None for reading in other.readings()),
        )

    def _readings_of_all(self) -> tuple[Reading, ...]:
        """Return what one process tells for all that serve together: certificates, rows, the configuration's files."""
        rows = self._ledgers.row_readings(lambda: self._loaded)
        return (*self._encryption.certificates.readings(), *rows, *self._configuration.readings())

    def _doors(self) -> Mapping[str, Handshakes | None]:
        return {TRAFFIC: None if self._listener is None else self._listener.handshakes, ADMIN: self._admin.handshakes}


def listen_message(settings: Settings, error: OSError) -> str:
    """Say why an address cannot be had, and what to do."""
    if "admin listener" in str(error.strerror):
        return f"{error.strerror}. Choose another address with admin.listen or --admin, or stop what uses it."
    address = settings.listen
    return f"cannot listen on {address}: {error.strerror or error}. Choose another address with listen or --listen, or stop what uses it."
