"""An ordinary exchange, to be changed where a test needs it, and a page as numbers."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from proxy.grants import NEVER, Knowledge
from proxy.model import Grants, Lack, Named, Source
from proxy.protocol.trace_context import Trace
from proxy.telemetry.exchange import Actual, CacheResult, Decision, Exchange, Outcome, Predicted, ResponseKind
from proxy.telemetry.labels import KnownLabels, VendorLabels
from proxy.telemetry.metrics import CacheSize, Metrics
from proxy.telemetry.page import render

FORWARDED = Exchange(
    decision_id="01JD0000000000000000000001",
    request_id="request-1",
    started_at=1795291200.25,
    vendor="ringcentral",
    client="call-archiver",
    mode="enforce",
    method="GET",
    operation="readCompanyCallLog",
    route="/restapi/v1.0/account/{accountId}/call-log",
    path="/restapi/v1.0/account/~/call-log",
    decision=Decision.PERMIT,
    predicted=Predicted.PERMIT,
    outcome=Outcome.FORWARDED,
    reason="",
    missing=(),
    evidence="token_response",
    fingerprint="0123456789abcdef0123456789abcdef",
    cache=CacheResult.HIT,
    status=200,
    answered_by="vendor",
    actual=Actual.ACCEPTED,
    response_kind=ResponseKind.OK,
    fault="",
    request_bytes=0,
    response_bytes=512,
    duration=0.125,
    vendor_duration=0.1245,
    revision="3f2a91c04d7e",
    trace=Trace("4bf92f3577b34da6a3ce929d0e0e4736", "e26b5d41903c7f08", "00f067aa0ba902b7", 1, b"", "e26b5d41903c7f08", True),
)

INFORMED = FORWARDED._replace(
    knowledge=Knowledge(
        Grants(
            scopes=frozenset({"ReadAccounts", "ReadCallLog"}),
            bound=frozenset({("CDR", "pbx:acmecorp"), ("CDR", "pbx:")}),
            complete=True,
            complete_for=frozenset({"pbx:acmecorp"}),
            lacking=frozenset({Lack("CDR", frozenset({"pbx:branch"}))}),
        ),
        Source.TOKEN_RESPONSE,
        1795291100.0,
        NEVER,
        "reporting@example.com",
    ),
    resources=Named(frozenset({"pbx:acmecorp", "pbx:branch"})),
)
"""An exchange of a token of which much is known, on resources."""

DENIED = FORWARDED._replace(
    decision_id="01JD0000000000000000000002",
    decision=Decision.DENY,
    predicted=Predicted.DENY,
    outcome=Outcome.DENIED,
    reason="missing_scope",
    missing=(("ReadCallLog",), ("ReadCallLog", "ReadAccounts")),
    status=403,
    answered_by="proxy",
    actual=Actual.NOT_SENT,
    response_kind=ResponseKind.NONE,
    duration=0.0002,
    vendor_duration=0.0,
)

BAD_REQUEST = FORWARDED._replace(
    decision_id="01JD0000000000000000000003",
    vendor="none",
    client="anonymous",
    operation="",
    route="",
    path="/\x1b[31m\r\nlevel=error \x9b\x7f",
    decision=Decision.NOT_APPLICABLE,
    predicted=Predicted.NONE,
    outcome=Outcome.BAD_REQUEST,
    evidence="",
    fingerprint="",
    cache=CacheResult.NONE,
    status=400,
    answered_by="proxy",
    actual=Actual.NOT_SENT,
    response_kind=ResponseKind.NONE,
    fault="backslash",
    duration=0.0001,
    vendor_duration=0.0,
)

KNOWN = KnownLabels(
    vendors={
        "ringcentral": VendorLabels(frozenset({"readCompanyCallLog"}), frozenset({"ReadCallLog", "ReadAccounts"})),
        "8x8": VendorLabels(),
    },
    clients=frozenset({"call-archiver", "anonymous"}),
    faults=frozenset({"backslash", "upstream_unreachable"}),
)


def but(exchange: Exchange, **changes: Any) -> Exchange:
    """The same exchange with other fields."""
    return exchange._replace(**changes)


Series = dict[tuple[tuple[str, str], ...], float]


def make_metrics(known: KnownLabels = KNOWN, max_combinations: int = 1000) -> Metrics:
    return Metrics(
        known,
        version="1.2.3",
        cache_sizes=lambda: {"ringcentral": CacheSize(7, 2), "8x8": CacheSize(0, 0)},
        max_combinations=max_combinations,
    )


def page_of(metrics: Metrics) -> str:
    return render(metrics.snapshot(), (), "", compress=False).body.decode()


def series(metrics: Metrics, name: str) -> Series:
    """All series called `name`, by their sorted labels."""
    samples = (sample for family in text_string_to_metric_families(page_of(metrics)) for sample in family.samples)
    return {tuple(sorted(sample.labels.items())): sample.value for sample in samples if sample.name == name}


def labels(**values: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))


def counted(metrics: Metrics, name: str) -> Series:
    """The series called `name` that are not 0."""
    return {key: value for key, value in series(metrics, name).items() if value}
