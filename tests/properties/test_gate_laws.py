"""Laws of the gate: what it remembers never changes an answer, prediction never overrules policy, nothing secret is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.credentials import Secret
from proxy.decision.closing import Result
from proxy.decision.ruling import Ruling
from proxy.grants import Knowledge
from proxy.identity.clients import Client
from proxy.model import Grants, Lack, Mode, OnUnknown
from proxy.policy.rules import Rules
from proxy.protocol.headers import RequestHead
from proxy.telemetry.exchange import Exchange
from proxy.vendors.facts import Lacks
from proxy.vendors.registry import make_vendor
from tests.gates import (
    FINGERPRINTER,
    House,
    MountPlan,
    client,
    eightbyeight_catalog,
    generic_catalog,
    jwt,
    plans,
    read_head,
    refusal_of_8x8,
    refusal_of_generic,
    refusal_of_ringcentral,
    ringcentral_catalog,
)

# --- what is asked ---------------------------------------------------------------------------------------

TOKENS = ("secret-token-a", "secret-token-b", jwt({"scope": "read"}), jwt({"scope": "other"}))
METHODS = ("GET", "HEAD", "POST", "DELETE")
LOG = "/restapi/v1.0/account/~/call-log"
FAMILIES = {
    "rc": (
        (
            f"/rc{LOG}", f"/rc{LOG.replace('~', '7')}", "/rc/restapi/v1.0/account/~/recording/9", "/rc/restapi/v1.0/status",
            "/rc/restapi/v1.0/mystery", "/rc/restapi/v1.0/extension/1", "/rc/restapi/v1.0/extension/2", "/rc/restapi/oauth/token",
            f"http://proxy.test/rc{LOG}", f"HTTP://Proxy.Test/rc{LOG}",
        ),
        ("", "", "", "", "?canary-query=1", f"?access_token={TOKENS[0]}", f"?access_token={TOKENS[1]}", "?access_token=",
         "?_method=DELETE", "?page=1", "?page=2", "?page=%41", "?page=1&_method=DELETE", "?%5Fmethod=DELETE", "?+_method=DELETE",
         f"?page=1&access%5Ftoken={TOKENS[1]}", "?page=\x01"),
    ),
    "8x8": (
        ("/8x8/analytics/v2/call-records", "/8x8/products"),
        ("", "?page=1", "?pbxId=north", "?pbxId=south", "?page=2&pbxId=north", "?pbxId=north,south",
         "?pbxId=allpbxes", "?pbxId=%EE%80%80decision-id%EE%80%80"),
    ),
    "gen": (("/things", "/things/1", "/things/2", "/token", "/rc/things", "/8x8", "/gen/things"),
        ("", "?page=1", "?page=2", "?token=" + TOKENS[2])),
    "odd": (("/rc/nothing", "/rc", "/", "/rcx", "/rc//x", "/rc/%2e", "http://gen.test/things", "*"), ("", "?", "?x=1", "?x=\x01")),
}  # fmt: skip
PATHS = tuple(path for paths, _ in FAMILIES.values() for path in paths)
QUERIES = tuple(dict.fromkeys(query for _, queries in FAMILIES.values() for query in queries))


def targets_of(paths: Sequence[str], queries: Sequence[str]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda path, query: (path + query).encode(), st.sampled_from(paths), st.sampled_from(queries))


targets = targets_of(PATHS, QUERIES)


def mostly(ordinary: Sequence[Any], others: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Choose an ordinary value nine times of ten."""
    return st.integers(0, 9).flatmap(lambda number: st.sampled_from(ordinary if number < 9 else others))


BEARERS = tuple(b"Bearer " + token.encode() for token in TOKENS)
hosts = mostly((b"proxy.test",), (b"gen.test", b"GEN.Test:8080", b"other.test"))
authorizations = mostly(BEARERS[:2], (None, b"Basic YTpi", b"Bearer", *BEARERS[2:]))
keys = mostly((b"key-of-app", b"key-of-rest"), (None, b"key-of-shadow", b"key-of-off", b"key-of-nobody"))
overrides = mostly((None,), (b"DELETE", b"GET", b"HEAD", b"FETCH"))
identifiers = st.sampled_from((None, b"request-1"))


def field_list(host: bytes, token: bytes | None, key: bytes | None, override: bytes | None, request: bytes | None) -> tuple[Any, ...]:
    pairs = (
        (b"Host", host), (b"Authorization", token), (b"Scopegate-Key", key), (b"X-HTTP-Method-Override", override),
        (b"X-Request-ID", request),
    )  # fmt: skip
    return tuple((name, value) for name, value in pairs if value is not None)


field_lists = st.builds(field_list, hosts, authorizations, keys, overrides, identifiers)
bodies = st.sampled_from(
    (None, refusal_of_ringcentral("ReadCallLog"), refusal_of_8x8("north"), refusal_of_generic("read"), refusal_of_generic("write"), b"{")
)
results = st.just(Result(200, "vendor")) | st.builds(
    lambda status, body, by, fault: Result(status, by, fault, response_body=body),
    st.sampled_from((200, 201, 207, 400, 401, 403, 404, 429, 500)),
    bodies,
    mostly(("vendor",), ("proxy",)),
    mostly(("",), ("client_gone", "response_truncated")),
)
requests = st.tuples(st.just("request"), st.sampled_from(METHODS), targets, field_lists, results)

# --- what changes in between -----------------------------------------------------------------------------

SCOPES = ("ReadCallLog", "ReadCallRecording", "EditCallLog", "CDR", "Voice", "read", "write", "other")
BOUND = (("CDR", "pbx:north"), ("CDR", "pbx:south"), ("read", "thing:1"))
grants = st.builds(
    Grants,
    scopes=st.frozensets(st.sampled_from(SCOPES), max_size=3),
    bound=st.frozensets(st.sampled_from(BOUND), max_size=1),
    complete=mostly((True,), (False,)),
    complete_for=st.frozensets(st.just("pbx:north")),
)
tokens = mostly(TOKENS[:2], TOKENS)
lacks = st.builds(
    Lacks,
    st.builds(Lack, st.sampled_from(SCOPES), st.sampled_from((frozenset[str](), frozenset({"pbx:north"})))),
    st.booleans(),
)


def changes_of(vendor: str) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.one_of(
        st.tuples(st.just("know"), st.just(vendor), tokens, grants),
        st.tuples(st.just("lack"), st.just(vendor), tokens, lacks),
        st.tuples(st.just("forget"), st.just(vendor), tokens),
        st.tuples(st.just("wait"), st.sampled_from((1.0, 30.0, 60.0, 1000.0))),
        st.tuples(st.just("reload"), st.booleans()),
    )


def few(values: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[Any]:
    """Choose among a few of these values: what is remembered only matters when things come again."""
    return st.lists(values, min_size=1, max_size=most).map(st.sampled_from)


@st.composite
def scenarios(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """A conversation about a few things: what is known of two tokens, then requests that differ little, and changes in between."""
    family = draw(mostly(("rc", "rc", "8x8", "gen"), ("odd",)))
    vendor = family if family != "odd" else "rc"
    target = targets_of(*(draw(st.lists(st.sampled_from(values), min_size=1, max_size=2)) for values in FAMILIES[family]))
    home = st.just(b"gen.test") if family == "gen" else hosts
    fields = st.builds(field_list, *(draw(few(part)) for part in (home, authorizations, keys, overrides, identifiers)))
    request = st.tuples(st.just("request"), draw(few(st.sampled_from(("GET", "GET", "GET", *METHODS)))), target, fields, draw(few(results)))
    step = st.integers(0, 5).flatmap(lambda number: request if number < 5 else changes_of(vendor))
    known = [("know", vendor, token, draw(grants)) for token in TOKENS[:2]]
    return known + draw(st.lists(step, min_size=8, max_size=24))


unknowns = mostly((OnUnknown.FORWARD,), (OnUnknown.DENY,))
rules = st.builds(Rules, unknowns, unknowns)
modes = mostly((Mode.ENFORCE,), (Mode.SHADOW, Mode.OFF))
client_lists = st.sampled_from(((), (client("app"), client("rest"), client("shadow", Mode.SHADOW), client("off", Mode.OFF))))


def act(house: House, change: tuple[Any, ...]) -> House:
    """Let something change; return the house that goes on."""
    match change:
        case ("know", str(vendor), str(token), Grants() as known):
            house.know(vendor, token, known)
        case ("lack", str(vendor), str(token), Lacks() as fact):
            house.learners[vendor].apply(fact, FINGERPRINTER(vendor, Secret(token)), house.clock.moment())
        case ("forget", str(vendor), str(token)):
            house.stores[vendor].forget(FINGERPRINTER(vendor, Secret(token)))
        case ("wait", float(seconds)):
            house.clock.moved += seconds
        case ("reload", bool(other)):
            return House(
                reloaded(house.plans, other), house.clients, house.clock, house.stores, house.memories, house.bugs, house.exchanges
            )
    return house


def reloaded(before: Any, other: bool) -> list[MountPlan]:
    """Return the same mounts with catalogues read anew; `other`: with another requirement and with scopes read to the letter."""
    catalogs = {"rc": ringcentral_catalog(), "8x8": eightbyeight_catalog(), "gen": generic_catalog("read" if other else "write")}
    kinds = {"rc": "ringcentral", "8x8": "8x8", "gen": "generic"}
    return [
        replace(plan, vendor=make_vendor(kinds[plan.vendor.name], plan.vendor.name, catalogs[plan.vendor.name]), presume=not other)
        for plan in before
    ]


class Connections:
    """Heads as client connections keep them: equal fields are read once, and marked when they come again."""

    def __init__(self) -> None:
        self._heads: dict[tuple[Any, ...], RequestHead] = {}

    def head(self, fields: tuple[Any, ...]) -> RequestHead:
        known = self._heads.get(fields)
        if known is not None:
            known.repeats = True
            return known
        return self._heads.setdefault(fields, read_head(fields))


# --- what is seen ----------------------------------------------------------------------------------------


def seen(ruling: Ruling) -> dict[str, object]:
    """Return everything that a ruling says, with its id replaced."""
    plain = {name: getattr(ruling, name) for name in (*NAMES, "fault", "evidence", "client", "mode", "watch", "effective_method")}
    identifier = ruling.decision_id.encode()
    answer = ruling.answer
    told = (
        None
        if answer is None
        else (answer.status, *(part.replace(identifier, b"ID") for part in (answer.fields, answer.body)), answer.close)
    )
    return {**plain, "answer": told, "request_id": ruling.request_id.replace(ruling.decision_id, "ID"), "started_at": ruling.started_at}


NAMES = ("target", "match", "resources", "fingerprint", "cache", "prediction", "decision", "outcome", "reason", "missing")


def recorded(exchange: Exchange) -> Exchange:
    request_id = exchange.request_id.replace(exchange.decision_id, "ID")
    before = exchange.trace
    trace = replace(before, span_id="", vendor_span_id="", trace_id=before.trace_id if before.parent_id else "")
    return exchange._replace(decision_id="ID", request_id=request_id, trace=trace, memo=None)


def knowledge_of(house: House) -> Mapping[str, dict[bytes, Knowledge]]:
    return {name: dict(store.items()) for name, store in house.stores.items()}


def both_answer(house: House, connections: Connections, request: tuple[Any, ...]) -> Iterator[tuple[object, object]]:
    """Yield what the house and one without memories say about a request and its end."""
    _, method, target, fields, result = request
    fresh = house.again()
    fresh_ruling, ruling = fresh.gate.open(method, target, read_head(fields)), house.gate.open(method, target, connections.head(fields))
    yield seen(ruling), seen(fresh_ruling)
    yield ruling.mount and ruling.mount.vendor.name, fresh_ruling.mount and fresh_ruling.mount.vendor.name
    if ruling.answer is not None:
        result = Result(ruling.answer.status, "proxy")
    house.closer.close(ruling, result)
    fresh.closer.close(fresh_ruling, result)
    yield recorded(house.exchanges[-1]), recorded(fresh.exchanges[-1])
    yield knowledge_of(house), knowledge_of(fresh)


def mounted(hosted: bool, **changes: Any) -> list[MountPlan]:
    """Return the three vendors; `hosted`: one of them by its host, otherwise all by their paths."""
    *others, last = plans(**changes)
    return [*others, last if hosted else replace(last, host="", path="/gen")]


@settings(max_examples=300)
@given(scenarios(), rules, modes, client_lists, st.booleans())
def test_memory_never_changes_an_answer(
    todo: list[tuple[Any, ...]], policy: Rules, mode: Mode, clients: tuple[Client, ...], hosted: bool
) -> None:
    house, connections = House(mounted(hosted, rules=policy, mode=mode), clients), Connections()
    for step in todo:
        if step[0] != "request":
            house = act(house, step)
            continue
        for remembered, fresh in both_answer(house, connections, step):
            assert remembered == fresh
    assert house.bugs == []


WORDS = set(Exchange._fields) - {
    "decision_id", "request_id", "started_at", "path", "fingerprint", "request_bytes", "response_bytes", "duration", "vendor_duration",
    "memo", "trace",
}  # fmt: skip


@given(scenarios(), client_lists)
def test_exchanges_that_share_scratch_space_say_the_same(todo: list[tuple[Any, ...]], clients: tuple[Client, ...]) -> None:
    house, connections = House(plans(), clients), Connections()
    for step in todo:
        if step[0] != "request":
            house = act(house, step)
            continue
        _, method, target, fields, result = step
        ruling = house.gate.open(method, target, connections.head(fields))
        house.closer.close(ruling, result if ruling.answer is None else Result(ruling.answer.status, "proxy"))
    words: dict[int, dict[str, object]] = {}
    for exchange in house.exchanges:
        if exchange.memo is not None:
            said = {name: getattr(exchange, name) for name in WORDS}
            assert words.setdefault(id(exchange.memo), said) == said


@given(requests, rules, client_lists)
def test_nothing_secret_is_recorded(request: tuple[Any, ...], policy: Rules, clients: tuple[Client, ...]) -> None:
    house = House(plans(rules=policy), clients)
    _, method, target, fields, result = request
    ruling = house.gate.open(method, target, read_head(fields))
    house.closer.close(ruling, result)
    (exchange,) = house.exchanges
    answer = ruling.answer
    written = f"{exchange!r} {ruling.head!r} {answer.fields + answer.body if answer is not None else b''!r}"
    assert not any(canary in written.split("RequestHead(", maxsplit=1)[0] for canary in (*TOKENS, "canary-query", "key-of-"))
    assert "?" not in exchange.path


@given(requests, modes, client_lists)
def test_every_response_is_stamped(request: tuple[Any, ...], mode: Mode, clients: tuple[Client, ...]) -> None:
    house = House(plans(mode=mode), clients)
    _, method, target, fields, _ = request
    ruling = house.gate.open(method, target, read_head(fields))
    fields_sent = ruling.answer.fields if ruling.answer is not None else ruling.stamp(b"vendor")
    by = b"proxy" if ruling.answer is not None else b"vendor"
    stamp = (b"Scopegate-Answered-By: " + by, b"Scopegate-Decision: " + ruling.decision.value.encode())
    assert fields_sent.startswith(
        b"\r\n".join(stamp) + b"\r\nScopegate-Decision-Id: " + ruling.decision_id.encode() + b"\r\nX-Request-ID: "
    )
    assert fields_sent.endswith(b"\r\n")


@given(requests, grants, modes)
def test_an_unknown_app_never_reaches_a_vendor_that_enforces(request: tuple[Any, ...], known: Grants, mode: Mode) -> None:
    house = House(plans(mode=mode), (client("app"),))
    for vendor in house.stores:
        for token in TOKENS:
            house.know(vendor, token, known)
    _, method, target, fields, _ = request
    stranger = tuple(pair for pair in fields if pair[0] != b"Scopegate-Key")
    ruling = house.gate.open(method, target, read_head(stranger))
    assert ruling.answer is not None or mode is not Mode.ENFORCE
