"""A vendor that fails: each way has its reason and status, frees what it held, and never looks like a missing permission."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from tests.fakes.origin import OK, Origin, Wire, answers, answers_and_ends, serve
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import STAMPS, get, post

H = b"HTTP/1.1 200 OK\r\n"
SWALLOW = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"

BAD_ANSWERS = {
    "garbage": b"\x16\x03\x01 nonsense\r\n\r\n",
    "text": b"hello there\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 99": b"HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"HTTP/1.1 600 High\r\nContent-Length: 2\r\n\r\nok",
    "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status words": b"HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok",
    "two lengths": H + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "equal lengths": H + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "length list": H + b"Content-Length: 2, 2\r\n\r\nok",
    "negative length": H + b"Content-Length: -2\r\n\r\nok",
    "length and coding": H + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding and length": H + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "unknown coding": H + b"Transfer-Encoding: gzip\r\n\r\nok",
    "two codings": H + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "folded field": H + b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "control byte": H + b"X-A: a\x01\r\nContent-Length: 2\r\n\r\nok",
    "NUL": H + b"X-A: a\x00\r\nContent-Length: 2\r\n\r\nok",
    "bare CR": H + b"X-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\nok",
    "blank before colon": H + b"X-A : a\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "unasked upgrade": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "101 without upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK,
    "1xx flood": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + OK,
    "interim answer with a length": b"HTTP/1.1 199 X\r\nContent-Length: 47\r\n\r\n" + SWALLOW + OK,
    "interim answer with chunks": b"HTTP/1.1 199 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + OK,
    "too long a head": H + b"X-Long: " + b"x" * 300_000 + b"\r\n\r\n",
    "too many fields": H + b"X: y\r\n" * 201 + b"\r\n",
}  # fmt: skip


@pytest.mark.parametrize("answer_bytes", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_an_answer_in_doubt_is_502_and_its_connection_is_not_used_again(proxy: Running, origin: Origin, answer_bytes: bytes) -> None:
    origin.scripts = [answers(answer_bytes), serve]
    client = await proxy.client()
    await client.send(get("/x"))
    answer = await client.answer()
    while answer.status < 200:
        answer = await client.answer()
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Scopegate-Answered-By")) == (502, "bad_response", "proxy")
    assert json.loads(answer.body)["reason"] == "bad_response"
    assert all(answer.get(name) for name in STAMPS)
    await client.send(get("/next"))
    assert (await client.answer()).body == b"ok"
    assert origin.dials == 2
    rows = await proxy.exchanges(2)
    assert [(row["outcome"], row["fault"], row["actual"]) for row in rows] == [
        ("upstream_error", "bad_response", "failed"),
        ("forwarded", "", "accepted"),
    ]


@pytest.mark.parametrize(
    "first",
    [
        OK + b"extra",
        OK + SWALLOW,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 64\r\n\r\n" + SWALLOW,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 64\r\n\r\n" + SWALLOW,
        H + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + SWALLOW,
        H + b"Content-Length: 0\r\n\r\n" + SWALLOW,
    ],
)
@pytest.mark.parametrize("when", ["at once", "later"])
async def test_bytes_after_an_answer_never_answer_another_request(proxy: Running, origin: Origin, first: bytes, when: str) -> None:
    head, mark, rest = (first, b"", b"") if when == "at once" else first.partition(b"HTTP/1.1 200 OK\r\nContent-Length: 8")
    late = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(head or first)
        await late.wait()
        await wire.send(mark + rest or b"late")

    origin.scripts = [script, serve]
    client = await proxy.client()
    await client.send(get("/x"))
    assert (await client.answer()).body in (b"", b"ok")
    late.set()
    if when == "later":
        await (await origin.wire()).ended()
    await client.send(get("/next"))
    assert (await client.answer()).body == b"ok"
    assert (await (await origin.wire()).ended()) in ("end", "reset")
    assert b"/next" not in origin.wires[0].received
    assert [row["fault"] for row in await proxy.exchanges(2)] == ["", ""]


async def test_bytes_that_arrive_together_with_the_next_request_do_not_answer_it(proxy: Running, origin: Origin) -> None:
    """The loop has not read them yet when the connection is taken from the pool."""
    client = await proxy.client()
    await client.send(get("/x"))
    assert (await client.answer()).body == b"ok"
    client.send_now(get("/next"))
    origin.wires[0].send_now(SWALLOW)
    assert (await client.answer()).body == b"ok"
    assert b"/next" not in origin.wires[0].received
    assert origin.dials == 2


async def test_a_post_is_not_lost_to_an_end_that_arrives_together_with_it(proxy: Running, origin: Origin) -> None:
    origin.scripts = [answers(OK), serve]
    client = await proxy.client()
    await client.send(get("/x"))
    assert (await client.answer()).body == b"ok"
    client.send_now(post("/next", b"body"))
    origin.wires[0].half_close_now()
    assert (await client.answer()).body == b"ok"
    assert origin.received.count(b"/next") == 1


async def test_a_head_request_is_not_answered_with_a_body(proxy: Running, origin: Origin) -> None:
    origin.scripts = [answers(H + b"Content-Length: 38\r\n\r\n" + OK), serve]
    client = await proxy.client()
    await client.send(get("/x", method="HEAD"))
    assert (await client.answer("HEAD")).get("Content-Length") == "38"
    await client.send(get("/next"))
    assert (await client.answer()).body == b"ok"
    assert origin.dials == 2


@pytest.mark.parametrize("script_name", ["reset", "end", "half close"])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 O", H + b"X: y\r\n"], ids=["nothing", "half a line", "half a head"])
async def test_a_vendor_that_leaves_before_its_head_is_done(proxy: Running, origin: Origin, script_name: str, said: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        if said:
            await wire.send(said)
        {"end": wire.end, "reset": wire.reset, "half close": wire.half_close}[script_name]()

    origin.scripts = [script]
    answer = await proxy.ask(post("/x", b"body"))
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "connection_lost")
    assert origin.dials == 1
    row = await proxy.exchange()
    assert (row["outcome"], row["fault"], row["answered_by"], row["actual"]) == ("upstream_error", "connection_lost", "proxy", "failed")


async def test_a_vendor_that_hangs_up_at_once(proxy: Running, origin: Origin) -> None:
    async def script(wire: Wire) -> None:
        wire.reset()

    origin.default = script
    answer = await proxy.ask(post("/x", b"body"))
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "connection_lost")
    await proxy.exchange()


async def test_a_refused_connection(proxy: Running, origin: Origin) -> None:
    origin.stop_accepting()
    for request in (get(), post("/x", b"body")):
        answer = await proxy.ask(request)
        assert (answer.status, answer.get("Scopegate-Reason")) == (502, "upstream_refused")
    assert [row["fault"] for row in await proxy.exchanges(2)] == ["upstream_refused"] * 2


async def test_a_name_that_does_not_resolve(start_proxy: StartProxy) -> None:
    proxy = await start_proxy("http://nowhere.invalid:1")
    answer = await proxy.ask(get())
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "upstream_dns")
    assert b"nowhere" not in answer.body


async def test_a_vendor_that_never_accepts(start_proxy: StartProxy) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        proxy = await start_proxy(f"http://127.0.0.1:{full.getsockname()[1]}", timeouts="{connect_s: 0.2}")
        answer = await proxy.ask(get())
        assert (answer.status, answer.get("Scopegate-Reason")) == (504, "connect_timeout")
        assert (await proxy.exchange())["outcome"] == "upstream_error"
        for one in waiting:
            one.close()


async def test_recovery_is_immediate(proxy: Running, origin: Origin) -> None:
    origin.scripts = [answers_and_ends(b"garbage\r\n\r\n"), serve]
    assert (await proxy.ask(get())).status == 502
    assert (await proxy.ask(get())).status == 200


# --- TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


async def start_tls_origin(authority: trustme.CA, name: str) -> Origin:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return await Origin().start(context)


async def test_https_with_a_private_authority(start_proxy: StartProxy, authority: trustme.CA, tmp_path: Path) -> None:
    origin = await start_tls_origin(authority, "localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    proxy = await start_proxy(f"https://localhost:{origin.port}", more="ca_file: ca.pem")
    for _ in range(2):
        assert (await proxy.ask(post("/x", b"y" * 100_000))).body == b"ok"
    assert origin.dials == 1
    assert b"Host: localhost:%d\r\n" % origin.port in origin.received
    await proxy.finish()
    await origin.stop()


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_wrong_certificate_is_502(start_proxy: StartProxy, authority: trustme.CA, tmp_path: Path, wrong: str) -> None:
    origin = await start_tls_origin(authority, "localhost" if wrong == "authority" else "other.example")
    trusted = trustme.CA() if wrong == "authority" else authority
    trusted.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    proxy = await start_proxy(f"https://localhost:{origin.port}", more="ca_file: ca.pem")
    answer = await proxy.ask(get("/x", "Authorization: Bearer secret"))
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "upstream_certificate")
    assert origin.received == b""
    row = await proxy.exchange()
    assert (row["fault"], row["outcome"]) == ("upstream_certificate", "upstream_error")
    await origin.stop()


async def test_plain_text_where_tls_is_expected(start_proxy: StartProxy, origin: Origin) -> None:
    async def talk(wire: Wire) -> None:
        await wire.send(b"SSH-2.0-x\r\n")

    origin.default = talk
    proxy = await start_proxy(f"https://127.0.0.1:{origin.port}")
    answer = await proxy.ask(get("/x", "Authorization: Bearer secret"))
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "upstream_tls")
    assert b"secret" not in origin.received


async def test_a_tls_answer_without_length_that_ends_without_goodbye_is_cut(
    start_proxy: StartProxy, authority: trustme.CA, tmp_path: Path
) -> None:
    origin = await start_tls_origin(authority, "localhost")

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(H + b"\r\nabc")
        wire.reset()

    origin.default = script
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    proxy = await start_proxy(f"https://localhost:{origin.port}", more="ca_file: ca.pem")
    client = await proxy.client()
    await client.send(get())
    await client.gone()
    assert (await proxy.exchange())["fault"] in ("response_truncated", "connection_lost")
    await origin.stop()
