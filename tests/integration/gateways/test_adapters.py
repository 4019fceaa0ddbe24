"""The adapters over sockets, asked as the gateways ask: statuses, what is recorded, and faults that look like faults."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from proxy.app import App, StartError
from proxy.decision.ruling import LocalAnswer, Ruling
from proxy.gateways.deciding import Denials
from proxy.settings import Problems, parse_settings, with_overrides
from proxy.simulators import RingCentralSimulator
from tests.integration.house import House, configuration, open_house
from tests.integration.test_modes import log_in

ADAPTERS: Final = {"listen": "127.0.0.1:0"}
CALL_LOG: Final = "/restapi/v1.0/account/~/call-log"
ACCOUNT: Final = "/restapi/v1.0/account/~"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house(RingCentralSimulator(), gateway_adapters=ADAPTERS) as house:
        yield house


async def ask(house: House, target: str, *fields: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.app.gateway_port)
    writer.write("\r\n".join([f"{method} {target} HTTP/1.1", "Host: gateway", *fields, "Connection: close", "", ""]).encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def asked(family: str, path: str, prefix: str = "/gateway", method: str = "GET") -> tuple[str, ...]:
    """Return target and fields of a gateway's question."""
    match family:
        case "envoy":
            return (f"{prefix}/envoy{path}",)
        case "nginx":
            return f"{prefix}/nginx", f"X-Original-Method: {method}", f"X-Original-URL: http://app.example.com{path}"
        case _:
            return f"{prefix}/{family}", f"X-Forwarded-Method: {method}", f"X-Forwarded-Uri: {path}", "X-Forwarded-Host: app.example.com"


FAMILIES: Final = ("envoy", "traefik", "caddy", "nginx")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("prefix", "mount"), [("/gateway", "/ringcentral"), ("/gateway/vendor/ringcentral", "")])
async def test_exactly_200_allows_and_a_denial_is_the_vendors(house: House, family: str, prefix: str, mount: str) -> None:
    bearer = f"Authorization: Bearer {await log_in(house, 'demo-reader')}"
    status, headers, body = await ask(house, *asked(family, mount + ACCOUNT, prefix), bearer)
    assert (status, body, headers["Scopegate-Decision"]) == (200, b"", "permit")
    status, headers, body = await ask(house, *asked(family, mount + CALL_LOG, prefix), bearer)
    assert (status, headers["Scopegate-Decision"]) == (403, "deny")
    assert (b"CMN-401" in body) is (family != "nginx")
    if family == "nginx":
        endpoint, *fields = asked(family, mount + CALL_LOG, prefix)
        identifier = f"Scopegate-Decision-Id: {headers['Scopegate-Decision-Id']}"
        status, _, body = await ask(house, f"{endpoint}/deny", *fields, bearer, identifier)
        assert status == 403
        assert headers["Scopegate-Decision-Id"].encode() in body
    assert await house.count("scopegate_requests_total", "outcome", vendor="ringcentral") == {("forwarded",): 2, ("denied",): 1}


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_bad_target_is_a_bad_request_and_recorded(house: House, family: str) -> None:
    status, headers, body = await ask(house, *asked(family, "/ringcentral/a/%2e%2e/b"))
    if family == "nginx":
        assert (status, body) == (403, b"")
        endpoint, *fields = asked(family, "/ringcentral/a/%2e%2e/b")
        status, headers, body = await ask(house, f"{endpoint}/deny", *fields, f"Scopegate-Decision-Id: {headers['Scopegate-Decision-Id']}")
    assert (status, headers["Content-Type"]) == (400, "application/problem+json")
    assert await house.count("scopegate_requests_total", "outcome") == {("bad_request",): 1}


@pytest.mark.parametrize("family", FAMILIES)
async def test_the_trace_of_the_original_request_is_taken_over(house: House, family: str) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    fields = (f"traceparent: 00-{trace}-{span}-01", "X-Request-ID: mine")
    _, headers, _ = await ask(house, *asked(family, "/ringcentral" + ACCOUNT), *fields)
    (row,) = (await house.admin("/api/v1/decisions"))["decisions"]
    assert (row["trace_id"], row["parent_span_id"], row["request_id"], headers["X-Request-ID"]) == (trace, span, "mine", "mine")


async def test_a_denial_that_is_not_kept_is_decided_again(house: House) -> None:
    bearer = f"Authorization: Bearer {await log_in(house, 'demo-reader')}"
    endpoint, *fields = asked("nginx", "/ringcentral" + CALL_LOG)
    assert (await ask(house, f"{endpoint}/deny", *fields, bearer))[0] == 403
    endpoint, *fields = asked("nginx", "/ringcentral" + ACCOUNT)
    status, headers, _ = await ask(house, f"{endpoint}/deny", *fields, bearer)  # allowed by now: no refusal may be made up
    assert (status, headers["Scopegate-Reason"], headers["Retry-After"]) == (503, "decision_changed", "1")


async def test_a_method_override_counts_and_two_credentials_are_refused(house: House) -> None:
    bearer = f"Authorization: Bearer {await log_in(house, 'demo-reader')}"
    status, *_ = await ask(house, *asked("caddy", "/ringcentral" + CALL_LOG, method="POST"), bearer, "X-HTTP-Method-Override: GET")
    assert status == 403
    status, _, body = await ask(house, *asked("caddy", "/ringcentral" + ACCOUNT), bearer, bearer)
    assert (status, b"two_credentials" in body) == (400, True)


@pytest.mark.parametrize(
    ("target", "fields", "status", "reason"),
    [
        ("/gateway/nginx", [], 500, b"gateway_not_told"),
        ("/gateway/nginx", ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /x", "X-Forwarded-Host: x"], 500, b"gateway_not_told"),
        ("/gateway/traefik", ["X-Original-Method: GET", "X-Original-URL: http://x/y"], 500, b"gateway_not_told"),
        ("/gateway/vendor/nobody/envoy/x", [], 404, b"not_found"),
        ("/api/v1/grants", [], 404, b"not_found"),
        ("/gateway/report", [], 404, b"not_found"),
        ("/gateway/envoy/nowhere", [], 404, b"no_such_mount"),
        ("/gateway/envoy/../../api/v1/grants", [], 400, b"dot_segment"),
    ],
)
async def test_what_is_wrong_is_never_a_403(house: House, target: str, fields: list[str], status: int, reason: bytes) -> None:
    found, _, body = await ask(house, target, *fields)
    assert (found, reason in body) == (status, True)


async def test_there_are_no_adapters_unless_they_are_asked_for() -> None:
    async with open_house(RingCentralSimulator()) as house:
        assert house.app.gateway_port == 0
        with pytest.raises(AssertionError, match="not_found"):
            await house.admin("/gateway/report", "POST", {})


def test_kept_denials_are_taken_once_and_the_oldest_given_up() -> None:
    denials = Denials(most=2)
    for name in ("one", "two", "three"):
        denials.keep(Ruling(name, 0.0, "GET", None), LocalAnswer(400, b"", name.encode()))
    assert denials.take("one") is None
    kept = denials.take("three")
    assert kept is not None
    assert (kept.status, kept.fields, kept.body) == (400, b"", b"three")
    assert denials.take("three") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("listen: 127.0.0.1:9\ngateway_adapters: {listen: '127.0.0.1:9'}", "must differ"),
        ("admin: {listen: '127.0.0.1:9'}\ngateway_adapters: {listen: '127.0.0.1:9'}", "must differ"),
        ("workers: 2\ngateway_adapters: {listen: '127.0.0.1:9'}", "single process"),
        ("gateway_adapters: {}", "listen"),
    ],
)
def test_settings_that_contradict_each_other(text: str, told: str) -> None:
    vendors = "vendors: {r: {kind: ringcentral, mount: {path: /r}, upstream: 'http://x'}}"
    found = parse_settings(f"{text}\n{vendors}".encode(), {}, file=Path("scopegate.yaml"))
    assert isinstance(found, Problems)
    assert told in str(found)


async def test_more_workers_on_the_command_line_are_refused() -> None:
    simulator = RingCentralSimulator()
    await simulator.start(media_port=0)
    loaded = configuration([simulator], {}, {"gateway_adapters": ADAPTERS})
    app = App(replace(loaded, settings=with_overrides(loaded.settings, workers=2)))
    with pytest.raises(StartError, match="single process"):
        await app.start()
    await app.stop(0.0)
    await simulator.stop()


async def test_as_many_connections_as_the_traffic_listener_may_have() -> None:
    async with open_house(RingCentralSimulator(), gateway_adapters=ADAPTERS, limits={"max_connections": 300}) as house:
        target, *_ = asked("envoy", f"/ringcentral{ACCOUNT}")
        lines = [await asyncio.open_connection("127.0.0.1", house.app.gateway_port) for _ in range(300)]
        for reader, writer in lines:
            writer.write(f"GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        reader, writer = await asyncio.open_connection("127.0.0.1", house.app.gateway_port)
        with contextlib.suppress(ConnectionError):  # one too many is hung up on, one way or the other
            assert await reader.read() == b""
        for _, each in [*lines, (reader, writer)]:
            each.close()
