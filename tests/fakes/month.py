"""A month of made-up traffic whose answer is known: four apps, 30 days, one rare job, and calls that must not count."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.grants import NEVER, Knowledge
from proxy.model import AnyToken, Auth, Grants, Named, NotKnown, OneOf, Operation, ResourceRule, ScopeInfo, Source
from proxy.reports.grouping import VendorFacts
from proxy.telemetry.exchange import Actual, CacheResult, Decision, Exchange, Outcome, Predicted, ResponseKind

DAY: Final = 86_400.0
BEGIN: Final = 1_790_812_800.0
"""2026-10-01T00:00:00Z."""
END: Final = BEGIN + 30 * DAY
PBX: Final = ResourceRule("pbx", "query", "pbxId", ",", "all")

CATALOG: Final[Catalog] = compile_catalog(
    "vendor",
    [
        Operation("vendor", "listCalls", "GET", "/calls", OneOf((("ReadCallLog",),))),
        Operation("vendor", "readRecording", "GET", "/recordings/{id}", OneOf((("ReadCallLog", "ReadCallRecording"),))),
        Operation("vendor", "sendMessage", "POST", "/messages", OneOf((("SMS",), ("Messages", "Send")))),
        Operation("vendor", "listMessages", "GET", "/messages", OneOf((("Messages",), ("SMS",)))),
        Operation("vendor", "exportYear", "POST", "/exports", OneOf((("Export",),))),
        Operation("vendor", "readAccess", "GET", "/access", OneOf((("users:read",), ("users:write",), ("self:read",)))),
        Operation("vendor", "readOwn", "GET", "/own", OneOf((("users:read",), ("self:read",))), partial=frozenset({"self:read"})),
        Operation("vendor", "records", "GET", "/records", OneOf((("CDR",),)), resource=PBX),
        Operation("vendor", "mystery", "GET", "/mystery", NotKnown()),
        Operation("vendor", "status", "GET", "/status", AnyToken()),
        Operation("vendor", "login", "POST", "/token", AnyToken(), Auth.CLIENT),
    ],
    source="made up",
    scopes={"Admin": ScopeInfo("Admin", implies=frozenset({"ReadCallLog", "Export", "Delete"}))},
)
FACTS: Final = {"vendor": VendorFacts(CATALOG, CATALOG.implied_by)}


@dataclass(frozen=True)
class Made:
    """One app's token: what it is granted, and for whom."""

    client: str
    knowledge: Knowledge | None


def token(client: str, *scopes: str, subject: str = "", bound: frozenset[tuple[str, str]] = frozenset()) -> Made:
    grants = Grants(frozenset(scopes), bound, complete=not bound, complete_for=frozenset(place for _, place in bound))
    return Made(client, Knowledge(grants, Source.CONFIGURED if bound else Source.TOKEN_RESPONSE, BEGIN, NEVER, subject))


ARCHIVER: Final = token("archiver", "ReadCallLog", "ReadCallRecording", "Export", "EditMessages", "ReadAccounts", subject="ann")
MESSENGER: Final = token("messenger", "Messages", "Send", "SMS")
DIRECTORY: Final = token("directory", "users:read", "users:write")
OWN: Final = token("own", "self:read")
REPORTER: Final = token("reporter", bound=frozenset({("CDR", "pbx:acme"), ("CDR", "pbx:other"), ("CallRecording", "pbx:acme")}))
STRANGER: Final = Made("stranger", None)

KNOWN_ANSWER: Final = {
    "archiver": ({"Export", "ReadCallLog", "ReadCallRecording"}, {"EditMessages", "ReadAccounts"}),
    "messenger": ({"SMS"}, set()),
    "directory": ({"users:read"}, set()),
    "own": ({"self:read"}, set()),
    "reporter": ({"CDR@acme"}, {"CDR@other", "CallRecording@acme"}),
    "stranger": ({"ReadCallLog"}, set()),
}
"""By app: the recommended set, and what is granted and unused."""


def call(
    made: Made,
    operation: str,
    at: float,
    status: int = 200,
    actual: Actual = Actual.ACCEPTED,
    resources: frozenset[str] = frozenset(),
    path: str = "/made-up",
) -> Exchange:
    """Return one exchange; it is refused, denied or failed where `actual` says so."""
    row = CATALOG.by_id(operation)
    return Exchange(
        decision_id=f"{at}",
        request_id="r",
        started_at=at,
        vendor="vendor",
        client=made.client,
        mode="enforce",
        method="GET" if row is None else row.method,
        operation="" if row is None else row.id,
        route="" if row is None else row.route,
        path=path,
        decision=Decision.DENY if actual is Actual.NOT_SENT else Decision.PERMIT,
        predicted=Predicted.PERMIT,
        outcome=Outcome.DENIED if actual is Actual.NOT_SENT else Outcome.FORWARDED,
        reason="",
        missing=(),
        evidence="none",
        fingerprint="",
        cache=CacheResult.NONE,
        status=status,
        answered_by="proxy" if actual is Actual.NOT_SENT else "vendor",
        actual=actual,
        response_kind=ResponseKind.OK,
        fault="",
        request_bytes=0,
        response_bytes=0,
        duration=0.1,
        vendor_duration=0.1,
        row=row,
        knowledge=made.knowledge,
        resources=Named(resources),
    )


def month(seed: int = 7) -> list[Exchange]:
    """Return thirty days of traffic in the order of time."""
    dice = random.Random(seed)
    return sorted((*_use(dice), *_no_use(dice)), key=lambda exchange: exchange.started_at)


def _use(dice: random.Random) -> Iterator[Exchange]:
    for day in range(30):
        moments = [BEGIN + day * DAY + dice.uniform(0, DAY - 1) for _ in range(9)]
        yield from (call(ARCHIVER, "listCalls", at) for at in moments[:4])
        yield call(ARCHIVER, "readRecording", moments[4], status=304 if day % 2 else 200)
        yield call(MESSENGER, "sendMessage", moments[5])
        yield call(MESSENGER, "listMessages", moments[6])
        yield call(DIRECTORY, "readAccess", moments[7])
        yield call(DIRECTORY, "readOwn", moments[7])
        yield call(OWN, "readOwn", moments[7])
        yield call(REPORTER, "records", moments[8], resources=frozenset({"pbx:acme"}))
        yield call(STRANGER, "listCalls", moments[8])
    yield call(ARCHIVER, "exportYear", BEGIN + 19.5 * DAY)
    yield call(ARCHIVER, "", BEGIN + 20 * DAY, path="/restapi/v1.0/brand-new/4711/things")
    yield call(ARCHIVER, "mystery", BEGIN + 21 * DAY)
    yield call(ARCHIVER, "status", BEGIN + 22 * DAY)


def _no_use(dice: random.Random) -> Iterator[Exchange]:
    """Yield calls of operations that would need further scopes, none of which the vendor answered with success."""
    failed = ((403, Actual.REFUSED_PERMISSION), (401, Actual.REFUSED_OTHER), (429, Actual.REFUSED_OTHER), (502, Actual.FAILED))
    endings = (*failed, (403, Actual.NOT_SENT), (302, Actual.ACCEPTED), (207, Actual.ACCEPTED))
    for status, actual in endings:
        for made, operation in ((ARCHIVER, "sendMessage"), (MESSENGER, "exportYear"), (DIRECTORY, "listCalls"), (REPORTER, "records")):
            at = BEGIN + dice.uniform(0, 30 * DAY - 1)
            yield call(made, operation, at, status, actual, frozenset({"pbx:other"}) if operation == "records" else frozenset())
