"""From settings to a working service: which objects there are and who is handed whom."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from proxy.credentials import Fingerprinter
from proxy.decision.closing import Closer
from proxy.decision.gate import Clocks, Gate
from proxy.decision.ruling import Mount
from proxy.evidence.sampling import DenialSample
from proxy.grants import GrantStore
from proxy.identity.app_tokens import AppTokens
from proxy.identity.clients import Badge, Client
from proxy.knowledge.discovering import Discoverer, Discoveries
from proxy.knowledge.learning import Learner, Moment
from proxy.knowledge.memory import VendorMemory
from proxy.policy.rules import Rules
from proxy.protocol.identifiers import IdMaker
from proxy.protocol.links import MEDIA_SEGMENT, Home, Links
from proxy.protocol.trace_context import Traces
from proxy.settings import (
    ClientSettings,
    Loaded,
    Origin,
    Settings,
    TracingSettings,
    VendorSettings,
    VerifySettings,
    allowances,
    implications,
    upstream_tls,
)
from proxy.telemetry.exchange import Exchange, Repetition
from proxy.tls.certificates import Certificates
from proxy.vendors.rate_budget import RateBudget, RateFields
from proxy.vendors.registry import make_vendor
from proxy.wire import pool
from proxy.wire.breaker import Breaker, BreakerRules
from proxy.wire.channel import Channel
from proxy.wire.limits import Limits, Timeouts
from proxy.wire.rewriting import Rewrites
from proxy.wire.service import Service


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the proxy has learned, by vendor. It outlives a change of the configuration."""

    stores: dict[str, GrantStore]
    memories: dict[str, VendorMemory]

    def of(self, vendor: str, max_tokens: int) -> tuple[GrantStore, VendorMemory]:
        """Return a vendor's store and memory, making them where they are missing."""
        return self.stores.setdefault(vendor, GrantStore(max_tokens)), self.memories.setdefault(vendor, VendorMemory())

    def drop(self, vendor: str) -> None:
        """Give up what was learned of a vendor that is not configured any more; nobody hears of it."""
        self.stores.pop(vendor, None)
        self.memories.pop(vendor, None)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is built from besides settings."""

    loop: asyncio.AbstractEventLoop
    clocks: Clocks
    fingerprinter: Fingerprinter
    make_id: IdMaker
    knowledge: Knowledge
    record: Callable[[Exchange], None]
    on_bug: Callable[[BaseException], None]
    demoted: Callable[[str], Container[str]] = lambda _: frozenset()
    """Returns a vendor's operations whose denials proved false, as a live view."""
    chance: Callable[[], float] = random.random
    """Returns a number from 0 up to but without 1."""
    random_bytes: Callable[[int], bytes] = random.randbytes
    """Returns so many random bytes, for ids that need not be secret: the system's own would cost more than all else about a trace."""
    rewrites: Rewrites = field(default_factory=Rewrites)
    gate_clocks: Clocks | None = None
    """What the gate asks for the time, where looking at the clock is also looking around (see `workers/attention.py`)."""
    make_learner: Callable[..., Learner] = Learner
    certificates: Certificates = field(default_factory=Certificates)
    discoveries: Discoveries = field(default_factory=Discoveries)
    app_tokens: AppTokens | None = None
    repeat: Callable[[Repetition], None] | None = None
    """Is told of exchanges like an earlier one, in place of `record`."""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    """Ways to vendors that exist already; what is the same in the new configuration is kept, its connections included."""
    make_sample: Callable[..., DenialSample] = lambda _, *rules: DenialSample(*rules)
    """Makes the sample of a vendor's denials: its name, then what `DenialSample` takes."""


def build_service(loaded: Loaded, parts: Parts) -> Service:
    """Return the service that a configuration describes. Raise `CertificateError` where certificate files cannot be used."""
    settings = loaded.settings
    limits = wire_limits(settings)
    mounts = [mount for name, vendor in settings.vendors.items() for mount in _mounts(name, vendor, loaded, parts)]
    parts.rewrites.limit(settings.limits.max_rewrite_bytes, settings.limits.max_rewrite_total_bytes)
    clocks, clients = parts.gate_clocks or parts.clocks, _clients(settings.clients)
    traces = _traces(settings.tracing, parts)
    gate = Gate(mounts, clients, parts.fingerprinter, clocks, parts.make_id, traces, parts.on_bug, parts.app_tokens)
    closer = Closer(gate, parts.record, parts.on_bug, settings.limits.max_learning_bytes, loaded.revision, parts.repeat)
    rates = {mount.vendor.name: mount.vendor.rate_fields for mount in mounts}
    channels = {name: _channel(name, vendor, limits, parts, rates[name]) for name, vendor in settings.vendors.items()}
    return Service(parts.loop, parts.loop.time, parts.clocks.now, gate, closer, MappingProxyType(channels), limits, parts.rewrites)


def _traces(settings: TracingSettings, parts: Parts) -> Traces:
    ratio = 0.0 if settings.otlp is None else settings.otlp.ratio
    return Traces(parts.random_bytes, ratio=ratio, spans=settings.otlp is not None, told=settings.pass_to_vendor)


def wire_limits(settings: Settings) -> Limits:
    """Return the bounds of the byte path; settings that only concern knowledge or links are left out."""
    values = settings.limits.model_dump(exclude={"max_known_tokens", "max_rewrite_bytes", "max_rewrite_total_bytes", "shutdown_delay_s"})
    return Limits(**values)


def _mounts(name: str, settings: VendorSettings, loaded: Loaded, parts: Parts) -> list[Mount]:
    """Return where a vendor is mounted: its API, and its media host below it (the API's mount comes first)."""
    mount = _mount(name, settings, loaded, parts)
    if settings.discover_scopes:
        mount = replace(mount, discover=_discoverer(mount, settings, parts).consider)
    if settings.rewrite_links:
        mount = replace(mount, links=_links(settings, loaded.settings, mount.origins or {}))
        parts.rewrites.know(name)
    if settings.media_origin is None:
        return [mount]
    path = mount.path + MEDIA_SEGMENT
    links = None if mount.links is None else mount.links.at(path)
    return [mount, replace(mount, path=path, home="media", origins=None, links=links)]


def _discoverer(mount: Mount, settings: VendorSettings, parts: Parts) -> Discoverer:
    """Return who asks the vendor about tokens, at the very origin that its API requests go to."""
    tls = wire_origin(settings.upstream, mount.vendor.name, settings, parts.certificates).tls
    clocks = parts.clocks
    return Discoverer(
        mount.vendor,
        mount.learner,
        lambda: Moment(clocks.now(), clocks.wall()),
        str(settings.upstream),
        tls,
        settings.learned_ttl_s,
        parts.discoveries,
        parts.on_bug,
    )


def _links(settings: VendorSettings, whole: Settings, token_paths: Mapping[str, str]) -> Links:
    path = settings.mount.path or ""
    homes = [_home(settings.upstream, path)]
    if settings.media_origin is not None:
        homes.append(_home(settings.media_origin, path + MEDIA_SEGMENT))
    if settings.token_upstream is not None:
        homes.append(_home(settings.token_upstream, path, frozenset(token_paths)))
    public = whole.public_url
    if public is not None and settings.mount.host:
        public = replace(public, host=settings.mount.host)
    return Links(homes, str(public or ""), path, whole.public_origin.host_and_port, "http" if whole.tls is None else "https")


def _home(origin: Origin, path: str, only: frozenset[str] = frozenset()) -> Home:
    return Home(origin.scheme, origin.host, origin.port, path, only)


def _mount(name: str, settings: VendorSettings, loaded: Loaded, parts: Parts) -> Mount:
    catalog = loaded.catalogs[name]
    store, memory = parts.knowledge.of(name, loaded.settings.limits.max_known_tokens)
    return Mount(
        vendor=make_vendor(settings.kind, name, catalog, settings.grants_as_mappings()),
        store=store,
        learner=parts.make_learner(name, store, memory, parts.fingerprinter, lifetime=settings.learned_ttl_s, recheck=settings.recheck_s),
        shapes=memory.shapes,
        mode=settings.mode or loaded.settings.mode,
        rules=Rules(settings.on_unknown_operation, settings.on_unknown_token, allowances(loaded.settings, name, catalog)),
        implied_by=implications(settings, catalog),
        path=settings.mount.path or "",
        host=settings.mount.host or "",
        demoted=parts.demoted(name),
        sample=_sample(name, settings.verify_denials, parts),
        origins=_origins(settings, [endpoint.path for endpoint in catalog.token_endpoints]),
    )


def _sample(vendor: str, settings: VerifySettings | None, parts: Parts) -> DenialSample | None:
    return None if settings is None else parts.make_sample(vendor, settings.rate, settings.per_minute, parts.clocks.now, parts.chance)


def _origins(settings: VendorSettings, token_paths: list[str]) -> Mapping[str, str] | None:
    return None if settings.token_upstream is None else dict.fromkeys(token_paths, "token")


def _clients(settings: tuple[ClientSettings, ...]) -> list[Client]:
    return [_client(client) for client in settings]


def _client(settings: ClientSettings) -> Client:
    key, claim = settings.authenticate.api_key_sha256, settings.authenticate.jwt
    return Client(
        settings.name,
        key.reveal() if key is not None else b"",
        settings.mode,
        san=settings.authenticate.mtls_san or "",
        badge=Badge(claim.issuer, claim.claim, claim.value) if claim is not None else None,
    )


def _channel(name: str, settings: VendorSettings, limits: Limits, parts: Parts, rates: RateFields | None) -> Channel:
    """Return the way to a vendor: the one that exists where nothing of it changes, else a new one with the pools that stay the same."""
    timeouts = Timeouts(**settings.timeouts.model_dump())
    upstreams = {"api": settings.upstream, "token": settings.token_upstream, "media": settings.media_origin}
    rules = BreakerRules(**settings.circuit_breaker.model_dump())
    present = parts.channels.get(name)
    before: Mapping[str, pool.Pool] = {} if present is None else present.pools

    def made(which: str, origin: pool.Origin) -> pool.Pool:
        kept = before.get(which)
        if kept is not None and (kept.origin, kept.limits, kept.timeouts, kept.breaker.rules) == (origin, limits, timeouts, rules):
            return kept
        return pool.Pool(origin, limits, timeouts, Breaker(rules, parts.clocks.now), parts.on_bug)

    origins = {which: wire_origin(origin, name, settings, parts.certificates) for which, origin in upstreams.items() if origin is not None}
    pools = {which: made(which, origin) for which, origin in origins.items()}
    budget = None if rates is None else RateBudget(rates)
    if present is None:
        return Channel(pools, limits, timeouts, budget)
    if present.budget is not None and present.budget.fields == rates:
        budget = present.budget
    same = present.pools == pools and present.budget is budget and (present.limits, present.timeouts) == (limits, timeouts)
    return present if same else Channel(pools, limits, timeouts, budget)


def wire_origin(origin: Origin, vendor: str, settings: VendorSettings, certificates: Certificates) -> pool.Origin:
    """Return where to dial; certificates are verified against the system's roots, or the vendor's private CA alone."""
    tls = certificates.follow(upstream_tls(vendor, settings)) if origin.scheme == "https" else None
    return pool.Origin(origin.host, origin.port, tls)
