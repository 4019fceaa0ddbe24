"""What the admin listener refuses, never echoes and never waits for."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.core import Metric

from proxy.admin.api import AdminApi
from proxy.admin.decisions import OwnDecisions
from proxy.admin.guard import host_name, is_loopback
from proxy.admin.server import AdminServer, start
from proxy.telemetry.exposition import Exposition
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recent import Recent
from tests.integration.admin.admin_samples import SmallBackend

Session = aiohttp.ClientSession
CANARY = "secret-canary"


async def raw(server: AdminServer, request: bytes) -> bytes:
    """Send bytes as they are, and read until the listener closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def problem_of(answer: bytes) -> Any:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return json.loads(body)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/v1/decisions", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/livez", 405),
        ("OPTIONS", "/api/v1/explain", 405),
        ("DELETE", "/api/v1/grants/xyz", 400),
        ("DELETE", f"/api/v1/grants/{bytes(range(16)).hex()}", 204),
    ],
)
async def test_every_answer_has_the_security_headers(client: Session, method: str, path: str, status: int) -> None:
    async with client.request(method, path) as response:
        assert response.status == status
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Server"] == "scopegate"
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]
        if status >= 400:
            assert response.content_type == "application/problem+json"
            assert (await response.json(content_type=None))["status"] == status


async def test_a_405_names_the_methods(client: Session) -> None:
    async with client.post("/livez") as response:
        assert response.headers["Allow"] == "GET,HEAD"


async def test_a_large_body_is_refused(client: Session) -> None:
    async with client.post("/api/v1/explain", data=b" " * 70_000, headers={"Content-Type": "application/json"}) as response:
        assert (response.status, (await response.json(content_type=None))["reason"]) == (413, "body_too_large")


async def test_a_fault_is_told_without_its_cause(client: Session, backend: SmallBackend, caplog: pytest.LogCaptureFixture) -> None:
    backend.broken = True
    async with client.post("/api/v1/explain", json={"vendor": "ringcentral", "method": "GET", "path": "/"}) as response:
        text = await response.text()
    assert (response.status, json.loads(text)["reason"]) == (500, "internal_error")
    assert CANARY not in text
    assert [record.getMessage() for record in caplog.records] == ["an admin request failed"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nsecret-canary\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nsecret-canary: \x00\r\n\r\n",
        b"secret-canary\r\n\r\n",
        b"GET /secret-canary HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"secret-canary" * 1000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: secret-canary\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"POST /api/v1/explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nsecret-canary\r\n",
    ],
)
async def test_a_malformed_request_is_not_echoed(server: AdminServer, caplog: pytest.LogCaptureFixture, request_bytes: bytes) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await raw(server, request_bytes)
    assert problem_of(answer)["status"] == 400
    assert CANARY.encode() not in answer
    assert CANARY not in caplog.text


BODY_FOLLOWS = (
    b"POST /api/v1/explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
)


async def send_head(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a question, and wait until its body is being read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(BODY_FOLLOWS)
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer


@pytest.mark.parametrize("body", [b"", b"5\r\nsecre", b"secret-canary\r\n"])
async def test_a_body_that_does_not_come_or_is_malformed_ends_in_time_and_is_not_echoed(
    api: AdminApi, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    server = await start(api.routes(), "127.0.0.1", 0, request_timeout=0.05)
    reader, writer = await send_head(server.port)
    writer.write(body)
    answer = await reader.read()
    writer.close()
    await server.stop()
    assert problem_of(answer)["reason"] == "too_slow"
    assert b"secre" not in answer
    assert CANARY not in caplog.text


async def test_a_client_that_vanishes_is_no_fault_of_ours(server: AdminServer, caplog: pytest.LogCaptureFixture) -> None:
    _, writer = await send_head(server.port)
    writer.write(b"5\r\nsecre")
    writer.transport.abort()
    await server.stop()
    assert caplog.records == []


class _Unsendable(web.Response):
    async def prepare(self, request: web.BaseRequest) -> None:
        raise ValueError(CANARY)


async def _unreadable(request: web.Request) -> web.Response:
    raise web.RequestPayloadError(CANARY)


async def _unsendable(request: web.Request) -> web.Response:
    return _Unsendable()


async def test_what_goes_wrong_around_a_handler_is_not_echoed_either(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = await start([web.get("/unreadable", _unreadable), web.get("/unsendable", _unsendable)], "127.0.0.1", 0)
    answer = await raw(server, b"GET /unreadable HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert problem_of(answer)["reason"] == "malformed_request"
    assert await raw(server, b"GET /unsendable HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
    await server.stop()
    assert CANARY not in caplog.text
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == ["an admin connection failed"]


async def test_an_unknown_expectation_is_not_echoed(server: AdminServer) -> None:
    answer = await raw(server, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nExpect: secret-canary\r\nConnection: close\r\n\r\n")
    assert problem_of(answer)["reason"] == "expectation_failed"
    assert CANARY.encode() not in answer


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:9090", 200),
        ("LOCALHOST", 200),
        ("console.localhost", 200),
        ("[::1]:9090", 200),
        ("127.8.8.8", 200),
        ("attacker.example", 421),
        ("127.0.0.1.attacker.example", 421),
        ("localhost.attacker.example", 421),
        ("192.168.0.1", 421),
        ("[2001:db8::1]", 421),
        ("", 421),
    ],
)
async def test_only_loopback_names_reach_a_listener_on_loopback(server: AdminServer, host: str, status: int) -> None:
    answer = await raw(server, f"GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_a_listener_on_every_address_is_asked_by_any_name(api: AdminApi) -> None:
    server = await start(api.routes(), "0.0.0.0", 0)
    answer = await raw(server, b"GET /livez HTTP/1.1\r\nHost: scopegate.internal\r\nConnection: close\r\n\r\n")
    await server.stop()
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_host_names() -> None:
    assert [host_name(host) for host in ("A.b:1", "[::1]:80", "[::1", "")] == ["a.b", "::1", "::1", ""]
    assert not is_loopback("127.0.0.1.example")


async def test_a_port_in_use_is_a_clear_error(server: AdminServer) -> None:
    with pytest.raises(OSError, match=f"the admin listener cannot listen on 127.0.0.1:{server.port}: ") as caught:
        await start([], "127.0.0.1", server.port)
    assert caught.value.errno == errno.EADDRINUSE


async def test_after_stop_nobody_listens(api: AdminApi) -> None:
    server = await start(api.routes(), "127.0.0.1", 0)
    await server.stop()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", server.port)


class _Gate:
    """A collector that keeps a page from being finished until the test says so."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def collect(self) -> Iterator[Metric]:
        self.entered.set()
        assert self.leave.wait(30)
        yield from ()


async def test_traffic_goes_on_while_a_page_is_being_made(backend: SmallBackend, recent: Recent, metrics: Metrics) -> None:
    gate = _Gate()
    server = await start(AdminApi(backend, OwnDecisions(recent), Exposition(metrics, lambda: [gate])).routes(), "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
        scrape = asyncio.create_task(_status(client, "/metrics"))
        await asyncio.to_thread(gate.entered.wait, 30)
        answered = [await _status(client, "/livez") for _ in range(50)]
        assert answered == [200] * 50
        assert not scrape.done()
        gate.leave.set()
        assert await scrape == 200
    await server.stop()


async def _status(client: Session, path: str) -> int:
    async with client.get(path) as response:
        await response.read()
        return response.status
