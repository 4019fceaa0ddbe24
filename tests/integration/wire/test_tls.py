"""HTTPS towards the apps: handshakes, client certificates, rotation under load, and bodies over TLS in both directions."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.fakes.authority import OPTIONAL, REQUIRED, TLS, Authority
from tests.fakes.messages import Cut
from tests.fakes.origin import Origin, Wire, echo
from tests.fakes.running import Running
from tests.fakes.waiting import eventually
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import get, post

APP = "spiffe://example.com/app"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path)
    authority.secret()
    authority.trust()
    return authority


def ended(result: str) -> str:
    return f'scopegate_tls_handshakes_total{{listener="traffic",result="{result}"}}'


def reloads(result: str) -> str:
    return f'scopegate_tls_reloads_total{{result="{result}",which="traffic"}}'


async def served_end(proxy: Running, tls: ssl.SSLContext) -> str:
    """Return when the certificate that is served ends."""
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.app.port, ssl=tls, server_hostname="localhost")
    certificate = writer.get_extra_info("peercert")
    writer.close()
    return str(certificate["notAfter"])


async def refused(proxy: Running, tls: ssl.SSLContext) -> None:
    """See that a client gets no answer; under TLS 1.3 it learns of a refusal only when it reads."""
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await proxy.ask(get(), tls=tls)


# --- serving


async def test_requests_are_served_over_tls_as_without(start_proxy: StartProxy, authority: Authority, origin: Origin) -> None:
    proxy = await start_proxy(top=TLS)
    client = await proxy.client(tls=authority.client())
    for _ in range(3):
        await client.send(get("/x", "Authorization: Bearer token"))
        assert (await client.answer()).body == b"ok"
    await client.send(get("/one") + get("/two"))
    assert [(await client.answer()).status for _ in range(2)] == [200, 200]
    assert b"GET /one HTTP/1.1\r\n" in origin.received
    await proxy.metric_is(ended("ok"), 1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_are_spoken_and_http_1_1_is_agreed_on(
    start_proxy: StartProxy, authority: Authority, version: ssl.TLSVersion
) -> None:
    proxy = await start_proxy(top=TLS)
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.app.port, ssl=context, server_hostname="localhost")
    tls = writer.get_extra_info("ssl_object")
    assert (tls.version().replace("v1.", "v1_"), tls.selected_alpn_protocol()) == (version.name, "http/1.1")
    cipher = tls.cipher()[0]
    assert cipher.startswith(("TLS_AES", "TLS_CHACHA20", "ECDHE-"))
    writer.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_older_versions_are_not(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=TLS)
    context = authority.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    await refused(proxy, context)
    await proxy.metric_is(ended("no_common_version"), 1)


async def test_large_bodies_pass_both_ways_over_tls_on_both_sides(start_proxy: StartProxy, authority: Authority) -> None:
    vendor = await Origin().start(authority.server())
    vendor.default = echo
    proxy = await start_proxy(f"https://localhost:{vendor.port}", more="ca_file: clients.pem", top=TLS)
    body = bytes(range(256)) * 16_384
    client = await proxy.client(tls=authority.client())
    for _ in range(2):
        sending = asyncio.ensure_future(client.send(post("/x", body)))
        assert (await client.answer()).body == body
        await sending
    await proxy.finish()
    await vendor.stop()


async def test_an_encrypted_key_is_opened_with_its_password(start_proxy: StartProxy, authority: Authority, tmp_path: Path) -> None:
    authority.secret(password=b"open sesame")
    (tmp_path / "password").write_text("open sesame\n")
    proxy = await start_proxy(top=TLS[:-1] + f", key_password: '${{file:{tmp_path}/password}}'}}")
    assert (await proxy.ask(get(), tls=authority.client())).status == 200


# --- those who do not speak TLS, or slowly


@pytest.mark.parametrize("request_", [get(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n"])
async def test_plain_http_on_the_tls_port_is_told_so(
    start_proxy: StartProxy, authority: Authority, origin: Origin, request_: bytes
) -> None:
    proxy = await start_proxy(top=TLS)
    answer = await proxy.ask(request_)
    assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (400, "plain_http", "close")
    await proxy.metric_is(ended("plain_http"), 1)
    assert origin.dials == 0


async def test_what_is_no_tls_is_hung_up_on(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=TLS)
    for first, result in ((b"\x00\x01\x02", "not_tls"), (b"\x16garbage", "no_common_version"), (b"", "closed")):
        client = await proxy.client()
        await client.send(first)
        if first:
            await client.gone()
        client.close()
        await proxy.metric_is(ended(result), 1)


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01"])
async def test_a_handshake_has_a_deadline(start_proxy: StartProxy, authority: Authority, begun: bytes) -> None:
    proxy = await start_proxy(top=TLS[:-1] + ", handshake_s: 0.05}")
    client = await proxy.client()
    await client.send(begun)
    await client.gone()
    await proxy.metric_is(ended("timeout"), 1)


async def test_handshakes_count_as_connections(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=TLS, limits="{max_connections: 1}")
    slow = await proxy.client()
    await slow.send(b"\x16")
    await refused(proxy, authority.client())
    await proxy.metric_is(ended("no_room"), 1)
    slow.close()
    await proxy.metric_is(ended("closed"), 1)
    assert (await proxy.ask(get(), tls=authority.client())).status == 200


async def test_a_failed_handshake_is_not_logged(
    start_proxy: StartProxy, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy = await start_proxy(top=REQUIRED)
    await refused(proxy, authority.client())
    await refused(proxy, ssl.create_default_context())
    await proxy.metric_is(ended("no_certificate"), 1)
    await proxy.metric_is(ended("closed"), 1)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_stopping_gives_up_handshakes(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=TLS)
    silent, half = await proxy.client(), await proxy.client()
    await half.send(b"\x16\x03")
    assert await proxy.stop(1.0)
    await silent.gone()
    await half.gone()


# --- client certificates


async def test_a_required_certificate_must_be_shown(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=REQUIRED)
    assert (await proxy.ask(get(), tls=authority.client(authority.issue(APP)))).status == 200
    await refused(proxy, authority.client())
    await proxy.metric_is(ended("no_certificate"), 1)


async def test_an_optional_certificate_may_be_missing_but_not_wrong(start_proxy: StartProxy, authority: Authority, tmp_path: Path) -> None:
    proxy = await start_proxy(top=OPTIONAL)
    assert (await proxy.ask(get(), tls=authority.client())).status == 200
    assert (await proxy.ask(get(), tls=authority.client(authority.issue(APP)))).status == 200
    await refused(proxy, authority.client(authority.issue(APP, valid_s=-60)))
    await proxy.metric_is(ended("expired_certificate"), 1)
    await refused(proxy, authority.client(Authority(tmp_path).issue(APP)))
    await proxy.metric_is(ended("untrusted_certificate"), 1)


APPS = """
clients:
  - {{name: by-uri, authenticate: {{mtls_san: "spiffe://example.com/app"}}}}
  - {{name: by-dns, authenticate: {{mtls_san: "DNS:app.example.com"}}}}
  - {{name: by-key, authenticate: {{api_key_sha256: "{}"}}}}
""".format(hashlib.sha256(b"the key").hexdigest())
KEY = "Scopegate-Key: the key"


async def test_apps_are_known_by_their_certificates_and_keys(start_proxy: StartProxy, authority: Authority, origin: Origin) -> None:
    proxy = await start_proxy(top=OPTIONAL + APPS)
    uri, dns, other, several = (
        authority.client(authority.issue(*names)) for names in ((APP,), ("app.example.com", "x"), ("other",), (APP, "app.example.com"))
    )
    asked = [
        (uri, ""),
        (dns, ""),
        (authority.client(), KEY),
        (other, KEY),
        (other, ""),
        (uri, KEY),
        (uri, "Scopegate-Key: no"),
        (several, ""),
    ]
    for tls, field in asked:
        await proxy.ask(get("/x", *([field] if field else [])), tls=tls)
    rows = await proxy.exchanges(len(asked))
    assert [row["client"] for row in rows] == ["by-uri", "by-dns", "by-key", "by-key", *["unidentified"] * 4]
    assert [row["status"] for row in rows] == [200] * 4 + [403] * 4
    assert b"the key" not in origin.received
    assert len(origin.received.split(b"GET /x")) == 5


async def test_equal_requests_on_different_connections_are_different_apps(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=OPTIONAL + APPS)
    clients = [await proxy.client(tls=authority.client(authority.issue(name))) for name in (APP, "app.example.com", "nobody")]
    for _ in range(3):  # so often that rulings are remembered
        for client, status in zip(clients, (200, 200, 403), strict=True):
            await client.send(get("/x", "Authorization: Bearer token"))
            assert (await client.answer()).status == status
    names = [row["client"] for row in await proxy.exchanges(9)]
    assert names == ["by-uri", "by-dns", "unidentified"] * 3


# --- rotation


async def test_a_new_pair_is_served_to_new_connections_and_old_ones_go_on(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=TLS)
    old = await proxy.client(tls=authority.client())
    before = await served_end(proxy, authority.client())
    authority.secret("localhost", valid_s=500_000)

    async def changed() -> bool:
        return await served_end(proxy, authority.client()) != before

    await eventually(changed)
    await old.send(get())
    assert (await old.answer()).status == 200
    await proxy.metric_is(reloads("loaded"), 1)
    in_a_week = time.time() + 500_000
    assert abs(await proxy.metric('scopegate_tls_certificate_expiry_timestamp_seconds{which="traffic"}') - in_a_week) < 60


async def test_no_request_is_lost_while_certificates_are_swapped(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=TLS)
    tls, stop, answered = authority.client(), asyncio.Event(), 0

    async def load() -> None:
        nonlocal answered
        while not stop.is_set():
            client = await proxy.client(tls=tls)
            for _ in range(3):
                await client.send(post("/x", b"y" * 1000))
                assert (await client.answer()).body == b"ok"
                answered += 1
            client.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(load())
        for number in (1, 2):
            authority.secret()
            await proxy.metric_is(reloads("loaded"), number)
        stop.set()
    assert answered > 20


async def test_a_broken_pair_keeps_the_last_good_one_until_a_good_one_comes(
    start_proxy: StartProxy, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = await start_proxy(top=TLS)
    before = await served_end(proxy, authority.client())
    key = tmp_path / "secret/tls.key"
    key.write_bytes(authority.issue("localhost").key)  # of another certificate
    await proxy.metric_is(reloads("failed"), 1)
    assert await served_end(proxy, authority.client()) == before
    assert await proxy.metric('scopegate_tls_files_usable{which="traffic"}') == 0
    assert "the certificate and the key do not belong together" in caplog.text
    assert str(tmp_path) not in caplog.text
    authority.secret("localhost", valid_s=500_000)
    await proxy.metric_is('scopegate_tls_files_usable{which="traffic"}', 1)
    assert await served_end(proxy, authority.client()) != before


async def test_an_expired_pair_does_not_replace_a_good_one(start_proxy: StartProxy, authority: Authority) -> None:
    proxy = await start_proxy(top=TLS)
    authority.secret("localhost", valid_s=-60)
    await proxy.metric_is(reloads("failed"), 1)
    assert (await proxy.ask(get(), tls=authority.client())).status == 200


async def test_an_authority_that_is_taken_away_counts_no_more(start_proxy: StartProxy, authority: Authority, tmp_path: Path) -> None:
    second = Authority(tmp_path)
    proxy = await start_proxy(top=REQUIRED)
    context = authority.client(authority.issue(APP))
    old = await proxy.client(tls=context)
    await old.send(get())
    assert (await old.answer()).status == 200
    second.trust()
    await proxy.metric_is(reloads("loaded"), 1)
    await refused(proxy, context)  # also where it would resume its session
    replaced = authority.client(second.issue(APP))
    assert (await proxy.ask(get(), tls=replaced)).status == 200


# --- ends


async def test_a_request_that_is_cut_short_below_tls_never_looks_whole(
    start_proxy: StartProxy, authority: Authority, origin: Origin
) -> None:
    proxy = await start_proxy(top=TLS)
    client = await proxy.client(tls=authority.client())
    await client.send(get("/x", "Content-Length: 100", method="POST") + b"half")
    wire = await origin.wire()
    await wire.until(b"half")
    client.reset()
    assert await wire.ended() == "reset"


async def test_a_vendor_that_ends_below_tls_without_goodbye_never_looks_whole(start_proxy: StartProxy, authority: Authority) -> None:
    async def truncated(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        wire.half_close_now()

    vendor = await Origin().start(authority.server())
    vendor.default = truncated
    proxy = await start_proxy(f"https://localhost:{vendor.port}", more="ca_file: clients.pem", top=TLS)
    client = await proxy.client(tls=authority.client())
    await client.send(get())
    with pytest.raises((Cut, EOFError, ConnectionError, ssl.SSLError)):
        await client.answer()
    assert (await proxy.exchange())["fault"] == "response_truncated"
    await proxy.finish()
    await vendor.stop()


async def test_an_answer_without_length_that_ends_with_a_goodbye_is_whole(start_proxy: StartProxy, authority: Authority) -> None:
    async def whole(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\nwhole")
        wire.end()

    vendor = await Origin().start(authority.server())
    vendor.default = whole
    proxy = await start_proxy(f"https://localhost:{vendor.port}", more="ca_file: clients.pem", top=TLS)
    assert (await proxy.ask(get(), tls=authority.client())).body == b"whole"
    client = await proxy.client(tls=authority.client())
    await client.send(get(version="1.0"))
    assert (await client.rest()).endswith(b"whole")
    await proxy.finish()
    await vendor.stop()


# --- the proxy's own certificate at a vendor

SHOWN = "ca_file: clients.pem\n    client_cert_file: client.crt\n    client_key_file: client.key"


async def test_the_proxy_shows_its_certificate_and_the_next_one_after_it_changed(
    start_proxy: StartProxy, authority: Authority, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def look(wire: Wire) -> None:
        seen.append(wire._writer.get_extra_info("peercert")["subjectAltName"][0][1])
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        wire.end()

    vendor = await Origin().start(authority.server(clients=authority.ca))
    vendor.default = look
    authority.write_client(authority.issue("first.example"))
    proxy = await start_proxy(f"https://localhost:{vendor.port}", more=SHOWN)
    assert (await proxy.ask(get())).status == 200
    authority.write_client(authority.issue("second.example"))
    await proxy.metric_is('scopegate_tls_reloads_total{result="loaded",which="vendor/acme"}', 1)
    assert (await proxy.ask(get())).status == 200
    assert seen == ["first.example", "second.example"]
    await proxy.finish()
    await vendor.stop()


async def test_a_vendor_that_refuses_the_certificate_is_502(start_proxy: StartProxy, authority: Authority) -> None:
    def refuse() -> None:  # not on the loops, whose servers hang up without saying why
        plain, _ = listening.accept()
        secured = authority.server(clients=authority.ca).wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLError):
            secured.do_handshake()
        with socket.socket(fileno=secured.detach()) as bare:  # what is not read would turn the end into a reset, which eats the alert
            bare.shutdown(socket.SHUT_WR)
            while bare.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = await start_proxy(f"https://localhost:{listening.getsockname()[1]}", more="ca_file: clients.pem")
        _, answer = await asyncio.gather(asyncio.to_thread(refuse), proxy.ask(get()))
    assert (answer.status, answer.get("Scopegate-Reason")) == (502, "upstream_tls")
