"""What is fuzzed: for each name what one input goes through, and inputs to begin with. Whatever raises is a finding."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from proxy.analysis.pasting import read_pasted
from proxy.analysis.recordings import Recording
from proxy.catalogs.importing import NotOpenApiError, import_openapi
from proxy.model import NO_RESOURCES
from proxy.protocol.links import Home, Links
from proxy.protocol.targets import BadTarget, Target, parse_target
from proxy.settings import builtin_config_directory, load_catalog
from proxy.settings.catalog_build import CatalogSource
from proxy.vendors.base import Vendor
from proxy.vendors.registry import make_vendor
from proxy.vendors.seen import Seen
from tests.fakes.unplugged import Unplugged, talk

SAMPLES: Final = tuple(path.read_bytes() for path in sorted((Path(__file__).parents[1] / "tests/samples").rglob("*.json")))


class Fuzzed(NamedTuple):
    """One target. `words` are pieces of its language that an input of random bytes would hardly ever hit."""

    take: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()


LOOP: Final = asyncio.new_event_loop()
"""Only tells the time, which it also does closed."""
LOOP.close()


# --- the request target


def target(data: bytes) -> None:
    """An accepted target is sent on byte for byte, and is read the same when it comes again."""
    parsed = parse_target(data)
    if isinstance(parsed, BadTarget):
        return
    assert parsed.raw().encode("ascii") == data, "what is sent is not what was judged"
    assert parse_target(parsed.raw().encode("ascii")) == parsed
    assert not {"", ".", ".."} & set(parsed.path[1:].split("/")[:-1]), "a segment that servers read differently"
    parsed.parameters("access_token")


# --- a whole request: head, chunks, what follows on the connection


def request(data: bytes) -> None:
    """Nothing raises, each request is recorded once, vendors read whole requests, and cuts into pieces change nothing."""
    at, data = data[:1], data[1:]
    whole = talk(LOOP, [data])
    step = 1 + at[0] % 64 if at else 1
    cut = talk(LOOP, [data[start : start + step] for start in range(0, len(data), step)])
    for sent in (*whole.sent, *cut.sent):
        assert sent.target in data, "the target was changed on its way"
    if b"xpect" not in data.lower():  # an expectation is refused or met before the body comes: this is about time
        assert told(cut) == told(whole), f"in pieces of {step}: {told(cut)}, at once: {told(whole)}"


def told(proxy: Unplugged) -> tuple[object, object]:
    """What became of each request, and what vendors were sent."""
    rows = [(row.method, row.path, row.status, row.fault, row.decision) for row in proxy.exchanges]
    return rows, [(sent.target, sent.fields, sent.body) for sent in proxy.sent]


# --- a vendor's answer: head, chunks, what follows


def answer(data: bytes) -> None:
    """Whatever a vendor answers, nothing raises and the request is recorded once."""
    if not data:
        return
    method, step, data = (b"GET", b"HEAD", b"POST")[data[0] % 3], 1 + data[0] % 50, data[1:]
    proxy = Unplugged(LOOP)
    proxy.send([b"%b /rc/restapi/v1.0/status HTTP/1.1\r\nHost: proxy.test\r\nContent-Length: 0\r\n\r\n" % method])
    proxy.answer(*(data[at : at + step] for at in range(0, len(data), step)))
    proxy.vendor_ends()
    proxy.hang_up()
    assert len(proxy.exchanges) == 1


# --- bodies of vendors


def shipped(kind: str) -> Vendor:
    """Return a vendor with the catalogue it comes with."""
    source = load_catalog(builtin_config_directory() / "catalogs" / f"{kind}.yaml")
    assert isinstance(source, CatalogSource), source
    return make_vendor("generic" if kind.startswith("example") else kind, kind, source.catalog)


VENDORS: Final = tuple(shipped(kind) for kind in ("ringcentral", "8x8", "newvoicemedia", "example-generic"))
STATUSES: Final = (200, 400, 401, 403, 404, 429, 500)
FORMS: Final = (None, b"grant_type=password&username=ann&scope=a", b"grant_type=refresh_token&refresh_token=r", b"token=t", b"\xff=%")


def requests_of(vendor: Vendor) -> list[tuple[str, Target]]:
    """Return one request for each of some operations, those that log in among them."""
    rows = [(row.method, str(row.route)) for row in vendor.catalog.operations]
    paths = [(method, "/".join("x1" if part[:1] == "{" else part for part in path.split("/"))) for method, path in rows]
    ordered = sorted(paths, key=lambda pair: ("token" not in pair[1] and "revoke" not in pair[1], pair))
    return [(method, Target(path, "pbxId=acmecorp")) for method, path in ordered[:64]]


REQUESTS: Final = tuple(requests_of(vendor) for vendor in VENDORS)


def body(data: bytes) -> None:
    """Whatever body a vendor answers to whatever request, it is read without a fault."""
    if len(data) < 4:
        return
    vendor, requests = VENDORS[data[0] % len(VENDORS)], REQUESTS[data[0] % len(VENDORS)]
    method, where = requests[data[1] % len(requests)]
    status, form = STATUSES[data[2] % len(STATUSES)], FORMS[data[3] % len(FORMS)]
    match = vendor.catalog.find(method, where.path)
    resources = vendor.resources(match, where) if match is not None else NO_RESOURCES
    fields = {"content-type": b"application/x-www-form-urlencoded", "authorization": b"Basic YTpi"}
    seen = Seen(method, where, match, fields, form, status, data[4:], resources, "ann")
    vendor.classify(seen)
    for fact in vendor.learn(seen):
        repr(fact)


# --- links


LINKS: Final = Links([Home("https", "vendor.test", 443, "/v"), Home("http", "media.test", 81, "/v/media")], "https://proxy.test", "/v")


def links(data: bytes) -> None:
    """What is JSON stays JSON of the same form; what was exchanged is not exchanged again; header lines stay as many as they are."""
    new = LINKS.rewrite_json(data, b"proxy.test")
    assert LINKS.rewrite_fields(data, b"proxy.test").count(b"\r\n") == data.count(b"\r\n")
    if new is None:
        return
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    assert form(json.loads(new)) == form(value)
    assert LINKS.rewrite_json(new, b"proxy.test") is None, "a link was left, or the new one is taken for the vendor's"


def form(value: object) -> object:
    """Return a JSON value without its texts."""
    if isinstance(value, dict):
        return {name: form(member) for name, member in value.items()}
    if isinstance(value, list):
        return [form(member) for member in value]
    return "" if isinstance(value, str) else str(value)


# --- what people paste, and files of theirs


def pasted(data: bytes) -> None:
    """Whatever is pasted is taken apart, within bounds."""
    read = read_pasted(data.decode("utf-8", "replace"))
    assert len(read.objects) <= 64
    assert read.status is None or 100 <= read.status <= 599


def recording(data: bytes) -> None:
    """Whatever a decision log holds, each line is read or skipped."""
    reader = Recording()
    for line in data.decode("utf-8", "replace").split("\n"):
        reader.read(line)


def openapi(data: bytes) -> None:
    """Whatever JSON is imported, it is read or refused; ids are unique."""
    try:
        found = import_openapi(json.loads(data))
    except (NotOpenApiError, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return
    except ValueError as error:
        if "integer string conversion" not in str(error):  # json's own bound on digits
            raise
        return
    assert len({row.id for row in found.rows}) == len(found.rows)


# --- all of them


POST: Final = b"POST /gen/things?a=%2F HTTP/1.1\r\nHost: gen.test\r\n"
GET: Final = b"GET /rc/restapi/v1.0/status HTTP/1.1\r\nHost: proxy.test\r\nAuthorization: Bearer t\r\n\r\n"
REQUEST_SEEDS: Final = (
    b"\x00" + POST + b"Transfer-Encoding: chunked\r\n\r\n4;note=x\r\nabcd\r\n0\r\nX-T: t\r\n\r\n" + GET,
    b"\x05" + POST + b"Content-Length: 4\r\n\r\nabcd" + GET,
    b"\x07" + GET + GET.replace(b"1.1", b"1.0"),
    b"\x09" + GET.replace(b"\r\n\r\n", b"\r\nConnection: close, x-a\r\nX-A: b\r\nMax-Forwards: 3\r\n\r\n"),
)
FINE: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLocation: /x\r\n"
ANSWER_SEEDS: Final = (
    b"\x00" + FINE + b'Content-Length: 8\r\n\r\n{"a": 1}',
    b"\x03" + FINE + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: t\r\n\r\n",
    b"\x06" + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + FINE + b"\r\nuntil the end",
    b"\x01" + FINE + b"Content-Length: 8\r\n\r\n",
)
TARGET_SEEDS: Final = (
    b"/restapi/v1.0/account/~/call-log?view=Simple&x=%2F",
    b"/a%20b/c%C3%A9",
    b"/a;b",
    b"/..%2f",
    b"//x",
    b"/a?access_token=b",
)
LINK_SEEDS: Final = (
    b'{"uri": "https://vendor.test/a?b=c", "n": ["http:\\/\\/media.test:81\\/x", "HTTPS://VENDOR.test#f"]}',
    b'Location: https://vendor.test/x\r\nLink: <//vendor.test/a>; rel="next", </b>\r\nX: y',
)
GRANTS: Final = {"event": "grants", "grants": "g", "lacking": [["a", ["b"]]], "scopes": ["a"], "bound": [["a", "b"]], "complete": True}
DECISION: Final = {
    "event": "decision", "outcome": "denied", "vendor": "rc", "grants": "g", "decision_id": "d", "ts": "t", "client": "c", "method": "GET",
    "path": "/x", "operation": "o", "decision": "deny", "missing": [["a"]], "resources": ["r"],
}  # fmt: skip
OPENAPI: Final = {
    "openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "servers": [{"url": "https://a.test/{b}", "variables": {"b": {"default": "v1"}}}],
    "paths": {"/a/{id}": {"get": {"operationId": "a", "security": [{"o": ["s"]}], "tags": ["x"]}, "post": {"x-scopes": "a b"}}, "/r": {"$ref": "#/paths/~1a~1{id}"}},
    "components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {"f": {"scopes": {"s": "text"}}}}}},
}  # fmt: skip
BODY_SEEDS: Final = tuple(
    bytes((vendor, row, status, 1)) + sample for vendor in range(4) for row, status in ((0, 0), (9, 3)) for sample in SAMPLES
)

TARGETS: Final = {
    "target": Fuzzed(target, TARGET_SEEDS, (b"%2F", b"%C3%A9", b"..", b"?")),
    "request": Fuzzed(request, REQUEST_SEEDS, (b"Transfer-Encoding: chunked", b"Content-Length: ", b"Host: gen.test", b"\r\n\r\n", b"0\r\n\r\n")),
    "answer": Fuzzed(answer, ANSWER_SEEDS, (b"Transfer-Encoding: chunked", b"Content-Length: ", b"HTTP/1.1 100 C\r\n\r\n", b"\r\n\r\n")),
    "body": Fuzzed(body, BODY_SEEDS, (b'"scope"', b'"access_token"', b'"errorCode"', b'"message"', b"1e999", b"null")),
    "links": Fuzzed(links, LINK_SEEDS, (b'"https://vendor.test/', b"\\u002f", b"//media.test:81", b"Link: <", b"Location: ")),
    "pasted": Fuzzed(pasted, (*SAMPLES, b"HTTP/1.1 403 Forbidden\r\n\r\n{'a': None}", b'{"a": "{\\"b\\": 1}"}'), (b"{", b'\\"', b"status")),
    "recording": Fuzzed(
        recording, (json.dumps(GRANTS | {"complete_for": [], "source": "claims"}).encode() + b"\n" + json.dumps(DECISION).encode(),), (b"null", b"[]")
    ),
    "openapi": Fuzzed(openapi, (json.dumps(OPENAPI).encode(), *SAMPLES), (b'"security"', b'"$ref"', b'"#/paths"', b"null", b"{}", b"[]")),
}  # fmt: skip
