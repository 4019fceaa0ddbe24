"""What passes, passes unchanged, apart from what RFC 9110 tells an intermediary to change and what the contract names."""

from __future__ import annotations

import pytest

from tests.fakes.messages import Message
from tests.fakes.origin import Origin, Wire, answers, echo, serve
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import POWERLESS, STAMPS, chunked, get, post

TRACE = (b"traceparent", b"X-Request-ID")


async def sent(proxy: Running, origin: Origin, request: bytes, method: str = "GET") -> Message:
    """Send a request and return what the origin got of it."""
    seen: list[Message] = []

    async def script(wire: Wire) -> None:
        seen.append(await wire.request())
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if method == "HEAD" else b"ok"))

    origin.scripts.append(script)
    assert (await proxy.ask(request, method)).status == 200
    return seen[0]


async def test_a_request_and_its_answer_pass(proxy: Running) -> None:
    answer = await proxy.ask(get())
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.get("Scopegate-Answered-By") == "vendor"
    row = await proxy.exchange()
    assert (row["status"], row["outcome"], row["fault"], row["answered_by"]) == (200, "forwarded", "", "vendor")
    assert row["decision_id"] == answer.get("Scopegate-Decision-Id")


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a/b", "/a/b/", "/caf%C3%A9/%7Ejohn", "/a?", "/a?x=1&y=%2F%2e&x=2&z", "/a?q=a+b?c/d", "/a:b@c,d"],
)
async def test_path_and_query_pass_byte_for_byte_without_the_mount(proxy: Running, origin: Origin, path: str) -> None:
    seen = await sent(proxy, origin, get(path))
    assert seen.target.decode() == (path if path.startswith("/") else "/" + path)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_the_method_passes(proxy: Running, origin: Origin, method: str) -> None:
    seen = await sent(proxy, origin, get("/x", method=method), method)
    assert seen.start == method.encode() + b" /x HTTP/1.1"
    assert (await proxy.exchange())["method"] == method


async def test_fields_pass_in_order_case_and_repetition(proxy: Running, origin: Origin) -> None:
    fields = [
        "x-b: 1",
        "X-A: two  words",
        "X-b: 3",
        "Accept:",
        "Cookie: a=b; c",
        "User-Agent: t/1",
        "x_under: kept",
        "Via: 1.0 other",
        "Range: bytes=0-",
    ]
    seen = await sent(proxy, origin, get("/x", *fields))
    expected = [tuple(field.encode().split(b":", 1)) for field in fields]
    assert seen.fields == [
        (b"Host", b"127.0.0.1:%d" % origin.port),
        *((name, value.strip(b" ")) for name, value in expected),
        (b"Via", b"1.1 scopegate"),
        *((name, value) for name, value in seen.fields if name in TRACE),
    ]


async def test_white_space_around_a_value_is_not_part_of_it(proxy: Running, origin: Origin) -> None:
    seen = await sent(proxy, origin, get("/x", "Content-Length:  3 \t", "X-A: \t v \t", method="POST") + b"abc")
    assert (seen.get("X-A"), seen.body) == ("v", b"abc")


async def test_answer_fields_pass_in_order_case_and_repetition(proxy: Running, origin: Origin) -> None:
    fields = [
        b"set-cookie: a=1",
        b"Content-Type: text/x",
        b"X-One: caf\xe9",
        b"Set-Cookie: b=2",
        b"Location: https://elsewhere.example/",
        b"Retry-After: 5",
    ]
    fields += [b"WWW-Authenticate: Basic", b"WWW-Authenticate: Bearer", b'ETag: "x"', b"Via: 1.1 vendor"]
    origin.default = answers(b"HTTP/1.1 302 Found  here\r\n" + b"\r\n".join(fields) + b"\r\nContent-Length: 2\r\n\r\nno")
    answer = await proxy.ask(get())
    assert answer.start == b"HTTP/1.1 302 Found  here"
    others = [(name, value) for name, value in answer.fields if name.decode() not in (*STAMPS, "Content-Length")]
    assert others == [tuple(field.split(b": ", 1)) for field in fields]
    assert len(origin.wires) == 1, "redirects are not followed"


@pytest.mark.parametrize("body", [b"x", bytes(range(256)) * 300, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"], ids=["one", "all", "request-like"])
async def test_bodies_pass_byte_for_byte(proxy: Running, origin: Origin, body: bytes) -> None:
    origin.default = echo
    for method in ("POST", "GET", "DELETE"):
        assert (await proxy.ask(post("/x", body, method=method))).body == body
    rows = await proxy.exchanges(3)
    assert {(row["request_bytes"], row["response_bytes"]) for row in rows} == {(len(body), len(body))}


async def test_chunked_bodies_pass_without_extensions_and_trailers(proxy: Running, origin: Origin) -> None:
    coded = b'3;name=value\r\nabc\r\n00A;q="x"\r\n0123456789\r\n0\r\nX-Trailer: t\r\nHost: evil\r\n\r\n'
    seen = await sent(proxy, origin, chunked("/x", coded, "Trailer: X-Trailer", "TE: trailers"))
    assert (seen.chunked, seen.body, seen.trailers) == (True, b"abc0123456789", [])
    assert not seen.get("Trailer")
    assert not seen.get("TE")


async def test_an_absolute_form_for_this_host_is_served(proxy: Running, origin: Origin) -> None:
    seen = await sent(proxy, origin, b"GET http://Proxy.example/acme/x?y HTTP/1.1\r\nHost: proxy.example\r\n\r\n")
    assert seen.target == b"/x?y"


# --- what is removed


async def test_hop_by_hop_fields_and_inside_information_end_here(proxy: Running, origin: Origin) -> None:
    fields = ["Connection: close, X-Gone , keep-alive", "connection: x-too", "X-Gone: 1", "x-Too: 2", "X-Stays: 3", "Keep-Alive: timeout=5"]
    fields += [
        "Proxy-Connection: x",
        "Proxy-Authorization: Basic eA==",
        "X-Forwarded-For: 10.0.0.1",
        "Forwarded: for=x",
        "X-Real-IP: 10.0.0.1",
    ]
    fields += ["Scopegate-Key: secret", "Scopegate-Decision: permit", "Scopegate-Answered-By: vendor", "X-Original-URL: /admin"]
    seen = await sent(proxy, origin, get("/x", *fields))
    assert [name for name, _ in seen.fields] == [b"Host", b"X-Stays", b"Via", *TRACE]


async def test_hops_are_counted(proxy: Running, origin: Origin) -> None:
    seen = await sent(proxy, origin, get("/x", "X-A: max-forwards", "MAX-Forwards: 010", "X-B: 1", method="OPTIONS"))
    assert (seen.get("Max-Forwards"), seen.get("X-A"), seen.get("X-B")) == ("9", "max-forwards", "1")


async def test_other_methods_count_no_hops(proxy: Running, origin: Origin) -> None:
    assert (await sent(proxy, origin, get("/x", "Max-Forwards: 0"))).get("Max-Forwards") == "0"


async def test_the_last_hop_is_here(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    for _ in range(2):  # the second time the fields are known
        await client.send(get("/x", "Max-Forwards: 0", "Authorization: Bearer secret", method="OPTIONS"))
        answer = await client.answer()
        assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (501, "max_forwards", "")
        assert b"secret" not in answer.body
    await client.send(get("/x", "Max-Forwards: 0", "Authorization: Bearer secret"))
    assert (await client.answer()).status == 200
    assert origin.received.startswith(b"GET /x ")


@pytest.mark.parametrize(
    "fields", [("Max-Forwards: -1",), ("Max-Forwards: 1", "Max-Forwards: 0"), ("Max-Forwards: ",), ("Max-Forwards: 1,0",)]
)
async def test_hops_that_are_no_number_are_refused(proxy: Running, origin: Origin, fields: list[str]) -> None:
    answer = await proxy.ask(get("/x", *fields, method="OPTIONS"))
    assert (answer.status, answer.get("Scopegate-Reason")) == (400, "header_characters")
    assert origin.dials == 0


@pytest.mark.parametrize("name", ["X-Original-URL", "X-Rewrite-URL", "x-original-url", "X-Forwarded-Uri", "X-Original-Method"])
async def test_a_field_that_names_another_path_neither_decides_nor_reaches_the_vendor(proxy: Running, origin: Origin, name: str) -> None:
    assert (await proxy.ask(get("/calls", f"{name}: /thing", POWERLESS))).status == 403
    seen = await sent(proxy, origin, get("/thing", f"{name}: /calls", POWERLESS))
    assert (seen.target, seen.get(name)) == (b"/thing", "")


async def test_a_vendor_cannot_forge_our_fields_or_leak_its_hop(proxy: Running, origin: Origin) -> None:
    forged = b"Scopegate-Decision: deny\r\nscopegate-anything: x\r\nX-Request-Id: theirs\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
    forged += b"Keep-Alive: 5\r\nX-Ours: 2\r\n"
    origin.default = answers(b"HTTP/1.1 200 OK\r\n" + forged + b"Content-Length: 0\r\n\r\n")
    answer = await proxy.ask(get("/x", "X-Request-ID: mine-1"))
    assert answer.get("Scopegate-Decision") == "not-applicable"
    assert answer.get("X-Request-ID") == "mine-1"
    assert (await proxy.exchange())["request_id"] == "mine-1"
    assert {name for name, _ in answer.fields} == {b"X-Ours", b"Content-Length", *(name.encode() for name in STAMPS)}


@pytest.mark.parametrize("field", ["Authorization", "HOST", "content-length", "Cookie"])
async def test_a_nomination_cannot_remove_what_matters(proxy: Running, origin: Origin, field: str) -> None:
    answer = await proxy.ask(get("/x", f"Connection: close, {field}", "Authorization: Bearer abc"))
    assert (answer.status, answer.get("Scopegate-Reason")) == (400, "connection_nomination")
    assert origin.dials == 0
    assert (await proxy.exchange())["outcome"] == "bad_request"


@pytest.mark.parametrize("field", ["Scopegate_Key: x", "X_HTTP_Method_Override: GET", "Content_Length: 5", "SCOPEGATE_DECISION: x"])
async def test_underscore_spellings_of_sensitive_fields_are_refused(proxy: Running, origin: Origin, field: str) -> None:
    answer = await proxy.ask(get("/x", field))
    assert (answer.status, answer.get("Scopegate-Reason")) == (400, "underscore_header")
    assert origin.dials == 0


# --- credentials


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (get("/x", "Authorization: Bearer a", "Authorization: Bearer a"), "two_credentials"),
        (get("/x?access_token=b", "Authorization: Bearer a"), "two_credentials"),
        (get("/x?access_token=a&access_token=a"), "two_credentials"),
        (get("/x", "Scopegate-Key: a", "Scopegate-Key: a"), "two_credentials"),
        (get("/x", "Authorization: Bearer "), "credential"),
        (get("/x", "Authorization: Bearer a b"), "credential"),
        (get("/x", "Authorization: Bearer\ta"), "credential"),
        (get("/x?access_token="), "credential"),
        (get("/x", "Authorization: Bearer a\xa0"), "header_characters"),
    ],
)
async def test_a_doubtful_credential_is_refused(proxy: Running, origin: Origin, request_bytes: bytes, reason: str) -> None:
    answer = await proxy.ask(request_bytes)
    assert (answer.status, answer.get("Scopegate-Reason")) == (400, reason)
    assert origin.dials == 0
    assert (await proxy.exchange())["fault"] == reason


async def test_the_same_token_in_both_places_passes(proxy: Running, origin: Origin) -> None:
    seen = await sent(proxy, origin, get("/x?access_token=abc", "Authorization: bearer abc"))
    assert seen.target == b"/x?access_token=abc"
    assert seen.get("Authorization") == "bearer abc"


# --- answers made here


async def test_a_denial_is_answered_here_and_recorded_once(proxy: Running, origin: Origin) -> None:
    answer = await proxy.ask(get("/calls", POWERLESS))
    assert (answer.status, answer.get("Scopegate-Answered-By"), answer.get("Scopegate-Decision")) == (403, "proxy", "deny")
    assert all(answer.get(name) for name in STAMPS)
    assert origin.dials == 0
    row = await proxy.exchange()
    assert (row["outcome"], row["reason"], row["status"], row["operation"]) == ("denied", "missing_scope", 403, "readCalls")


async def test_a_denied_head_request_has_no_body(proxy: Running, origin: Origin) -> None:
    client = await proxy.client()
    await client.send(get("/calls", POWERLESS, method="HEAD") + get())
    denied = await client.answer("HEAD")
    assert denied.status in (200, 403)
    assert (await client.answer()).body == b"ok"


async def test_an_unknown_mount_is_a_problem_document(proxy: Running, origin: Origin) -> None:
    answer = await proxy.ask(b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer.status, answer.get("Content-Type")) == (404, "application/problem+json")
    assert b'"reason":"no_such_mount"' in answer.body
    assert all(answer.get(name) for name in STAMPS)
    assert origin.dials == 0


async def test_a_mount_ends_at_a_segment(proxy: Running, origin: Origin) -> None:
    assert (await proxy.ask(b"GET /acmes/x HTTP/1.1\r\nHost: a\r\n\r\n")).status == 404
    assert origin.dials == 0


async def test_the_whole_target_passes_where_a_host_is_the_mount(start_proxy: StartProxy, origin: Origin) -> None:
    top = f"  other: {{kind: generic, mount: {{host: other.example}}, upstream: 'http://127.0.0.1:{origin.port}', catalog: catalog.yaml}}"
    proxy = await start_proxy(top=top)
    seen = await sent(proxy, origin, b"GET /acmes/x HTTP/1.1\r\nHost: Other.example:8080\r\n\r\n")
    assert seen.target == b"/acmes/x"
    assert (await proxy.exchange())["vendor"] == "other"


async def test_shadow_forwards_what_it_would_deny(start_proxy: StartProxy, origin: Origin) -> None:
    origin.default = serve
    proxy = await start_proxy(more="mode: shadow")
    answer = await proxy.ask(get("/calls", POWERLESS))
    assert (answer.status, answer.get("Scopegate-Decision")) == (200, "would-deny")
    assert (await proxy.exchange())["outcome"] == "would_deny"
