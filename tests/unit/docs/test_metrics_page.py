"""The metrics page of a running proxy, compared with the reference."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from proxy.analysis.token_life import TokenLife
from proxy.app import App
from proxy.catalogs.catalog import compile_catalog
from proxy.credentials import Secret
from proxy.evidence.scoring import Score
from proxy.evidence.usage_rows import Granted, RowKind, UsageKey, UsageRow
from proxy.grants import Knowledge
from proxy.model import NOTHING_KNOWN, OneOf, Operation, Source
from proxy.reports.grouping import VendorFacts
from proxy.reports.scope_use import ScopeUse
from proxy.settings import Loaded, parse_settings
from proxy.stores.keys import Keys
from proxy.stores.redis_wire import Endpoint, Wire
from proxy.stores.shared import SharedOptions, SharedStore
from proxy.stores.timeline import Anchor
from proxy.telemetry.labels import KnownLabels, Reading, Values, VendorLabels
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.page import render
from proxy.telemetry.spans import spans_reading
from proxy.vendors.rate_budget import RateBudget
from proxy.vendors.ringcentral import RATE_FIELDS
from proxy.wire.channel import Channel, budget_readings
from proxy.wire.limits import Limits, Timeouts
from tests.fakes.authority import Authority
from tests.fakes.issuer import Issuer
from tests.fakes.scored import Book
from tests.integration.house import HandClocks
from tests.unit.docs.pages import code, codes, read, rows
from tests.unit.telemetry.support import FORWARDED, make_metrics

CONFIGURATION = b"""
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
state: {path: scopegate.db}
tls: {cert_file: secret/tls.crt, key_file: secret/tls.key}
audit: {path: audit.jsonl}
issuers: [{issuer: "https://login.example.com/", audience: scopegate, jwks_file: keys.json}]
vendors:
  ringcentral:
    kind: ringcentral
    mount: {path: /rc}
    upstream: http://127.0.0.1:1
    discover_scopes: true
  newvoicemedia:
    kind: newvoicemedia
    mount: {path: /nvm}
    upstream: http://127.0.0.1:1
"""
"""Nobody answers at the upstream: what is denied needs no vendor, and what is forwarded ends in a transport error."""
OPERATION = "/nvm/useradmin/users/895db16f-5270-6ef8-e173-10ea365aefcc/permissions/accessPermissions"
OF_WORKERS = "scopegate_worker_"
"""Metrics that only a supervisor has; `tests/integration/workers` compares them."""
BUCKETS = ("_bucket", "_sum", "_count")


def jwt(claims: dict[str, str]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims))
    return ".".join((*parts, "c2ln"))


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[str]:
    """The page after a denial, a request that could not be forwarded, and one that is nobody's."""
    authority = Authority(tmp_path)
    authority.secret()
    tls = TCPConnector(ssl=authority.client())
    issuer = Issuer()
    issuer.add("one")
    (tmp_path / "keys.json").write_bytes(issuer.public)
    loaded = parse_settings(CONFIGURATION, {}, file=tmp_path / "scopegate.yaml")
    assert isinstance(loaded, Loaded), str(loaded)
    with (tmp_path / "log").open("wb") as log:
        app = App(loaded, log.fileno())
        await app.start()
        async with (
            ClientSession(f"https://localhost:{app.port}", connector=tls) as apps,
            ClientSession(f"http://127.0.0.1:{app.admin_port}") as operators,
        ):
            for path, scope in ((OPERATION, "stats"), (OPERATION, "users:read"), ("/nowhere", "stats")):
                await apps.get(path, headers={"Authorization": f"Bearer {jwt({'scope': scope})}"})
            answer = await operators.get("/metrics")
            yield await answer.text()
        await app.stop(0.0)


def families(page: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return type and labels by name; counters and infos as they are written on the page."""
    return {_name(family): (_type(family), _labels(family)) for family in text_string_to_metric_families(page)}


def _name(family: Metric) -> str:
    return family.name + ("_total" if family.type == "counter" else "")


def _type(family: Metric) -> str:
    return str(family.type)


def _labels(family: Metric) -> frozenset[str]:
    samples = (sample for sample in family.samples if not sample.name.endswith("_created"))
    return frozenset(label for sample in samples for label in sample.labels) - {"le"}


def unreadable() -> dict[str, tuple[str, frozenset[str]]]:
    """The one family whose series appear only when something is broken."""

    def broken() -> Values:
        raise ZeroDivisionError

    metrics = Metrics(KnownLabels(), version="0", cache_sizes=dict)
    metrics.watch(Reading("scopegate_broken", "Broken.", broken))
    found = families(render(metrics.snapshot(), (), "", False).body.decode())
    return {name: found[name] for name in ("scopegate_unreadable_metrics_total",)}


def false_denials() -> dict[str, tuple[str, frozenset[str]]]:
    """The families whose series appear only after a false denial."""
    book, metrics = Book(), Metrics(KnownLabels(), version="0", cache_sizes=dict)
    book.count(Score.FALSE_DENIAL)
    metrics.watch(*book.scores.numbers.readings(lambda: ["v"], lambda: ["app"]))
    found = families(render(metrics.snapshot(), (), "", False).body.decode())
    return {name: found[name] for name in ("scopegate_false_denials_total", "scopegate_operations_demoted")}


def of_the_shared_store() -> dict[str, tuple[str, frozenset[str]]]:
    """The families that are there only where replicas share a store; nothing is connected for them."""

    def dial() -> Wire:
        raise NotImplementedError

    link = SharedStore(SharedOptions(Endpoint()), Keys((Secret(b"k" * 32),)), lambda: Anchor(0.0, 0.0), print, dial)
    metrics = Metrics(KnownLabels(), version="0", cache_sizes=dict)
    metrics.watch(*link.readings())
    found = families(render(metrics.snapshot(), (), "", False).body.decode())
    return {name: found[name] for name in found if name.startswith("scopegate_shared_store_")}


def of_spans() -> dict[str, tuple[str, frozenset[str]]]:
    """The family that is there only where spans are exported."""
    metrics = Metrics(KnownLabels(), version="0", cache_sizes=dict)
    metrics.watch(spans_reading(lambda: dict.fromkeys((("exported",), ("failed",), ("dropped",)), 0.0)))
    found = families(render(metrics.snapshot(), (), "", False).body.decode())
    return {"scopegate_trace_spans_total": found["scopegate_trace_spans_total"]}


def of_scopes() -> dict[str, tuple[str, frozenset[str]]]:
    """The families whose series appear when a vendor has accepted something."""
    catalog = compile_catalog("v", [Operation("v", "read", "GET", "/read", OneOf((("Read",),)))])
    known = KnownLabels({"v": VendorLabels(frozenset({"read"}), frozenset({"Read"}))}, frozenset({"app"}))
    use, metrics = ScopeUse({"v": VendorFacts(catalog, {})}, known), Metrics(known, version="0", cache_sizes=dict)
    for kind, name in ((RowKind.OPERATION, "read"), (RowKind.TOKEN, "token_response")):
        use.heard(UsageRow(UsageKey("v", "app", "", kind, name, (), Granted(frozenset({("Read", "")}))), 1.0, 1.0))
    metrics.watch(*use.readings())
    found = families(render(metrics.snapshot(), (), "", False).body.decode())
    return {name: found[name] for name in ("scopegate_scope_last_used_timestamp_seconds", "scopegate_scope_granted")}


def of_tokens_and_rate_limits() -> dict[str, tuple[str, frozenset[str]]]:
    """The families whose series appear when a token whose end is known is in use, and when a vendor tells what is left."""
    clocks, known, metrics = HandClocks(), KnownLabels({"v": VendorLabels()}, frozenset({"app"})), make_metrics()
    life, budget = TokenLife(clocks, known), RateBudget(RATE_FIELDS)
    knowledge = Knowledge(NOTHING_KNOWN, Source.NONE, clocks.wall(), clocks.now() + 60)
    life.heard(FORWARDED._replace(knowledge=knowledge, vendor="v", client="app"))
    budget.heard(b"X-Rate-Limit-Group: heavy\r\nX-Rate-Limit-Limit: 10\r\nX-Rate-Limit-Remaining: 9\r\n", clocks.now())
    channel = Channel({}, Limits(), Timeouts(), budget)
    metrics.watch(*life.readings(), *budget_readings(lambda: {"v": channel}, clocks.now))
    found = families(render(metrics.snapshot(), (), "", False).body.decode())
    return {name: found[name] for name in found if name.startswith(("scopegate_token_", "scopegate_vendor_rate_limit_"))}


def described() -> dict[str, tuple[str, frozenset[str]]]:
    table = [row for row in rows(read("reference/metrics.md")) if len(row) == 4]
    return {code(row[0]): (row[1], frozenset(codes(row[2]))) for row in table}


def test_every_metric_is_described_with_its_type_and_labels(page: str) -> None:
    with_one_process = {name: found for name, found in described().items() if not name.startswith(OF_WORKERS)}
    others = of_the_shared_store() | of_spans() | of_scopes() | of_tokens_and_rate_limits()
    assert with_one_process == families(page) | unreadable() | false_denials() | others


def test_the_values_that_occur_are_among_those_described(page: str) -> None:
    values = {code(row[0]): set(codes(row[1])) for row in rows(read("reference/metrics.md")) if len(row) == 2 and row[0].startswith("`")}
    closed = set(values) - {"client", "operation", "scope", "reason"}
    assert closed
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            assert all(value in values[label] for label, value in sample.labels.items() if label in closed), sample
