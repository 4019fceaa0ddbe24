"""A vendor that does not work is left alone, one request at a time finds out, and no single caller can bring that about."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from tests.fakes.messages import Message
from tests.fakes.origin import OK, Origin, Wire, answers_and_ends, silence
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import POWERLESS, STAMPS, get

TWO_APPS = "clients:\n" + "".join(
    f"  - {{name: {name}, authenticate: {{api_key_sha256: {sha256(name.encode()).hexdigest()}}}}}\n" for name in ("one", "two")
)


def key(app: str) -> str:
    return f"Scopegate-Key: {app}"


def told(answer: Message) -> tuple[int, str]:
    return answer.status, answer.get("Scopegate-Reason")


OPEN = (503, "circuit_open")


async def test_a_vendor_that_refuses_is_left_alone(start_proxy: StartProxy, origin: Origin) -> None:
    origin.stop_accepting()
    proxy = await start_proxy(more="circuit_breaker: {failures: 3, open_s: 30}")
    for _ in range(3):
        assert told(await proxy.ask(get())) == (502, "upstream_refused")
    answer = await proxy.ask(get("/x", "Authorization: Bearer abc"))
    assert told(answer) == OPEN
    assert 1 <= int(answer.get("Retry-After")) <= 30
    assert answer.get("Scopegate-Answered-By") == "proxy"
    assert all(answer.get(name) for name in STAMPS)
    row = (await proxy.exchanges(4))[-1]
    assert (row["fault"], row["outcome"], row["actual"]) == ("circuit_open", "upstream_error", "not_sent")
    assert await proxy.metric("scopegate_circuit_state") == 2
    assert await proxy.metric("scopegate_circuit_opened_total") == 1


async def test_one_success_closes_it_at_once(start_proxy: StartProxy, origin: Origin) -> None:
    origin.scripts = [answers_and_ends(b"")] * 2
    proxy = await start_proxy(more="circuit_breaker: {failures: 2, open_s: 0.3}", top=TWO_APPS)
    for app in ("one", "two"):
        assert told(await proxy.ask(get("/x", key(app)))) == (502, "connection_lost")
    assert told(await proxy.ask(get("/x", key("one")))) == OPEN
    assert origin.dials == 2
    await proxy.metric_is("scopegate_circuit_state", 1)
    assert (await proxy.ask(get("/x", key("one")))).body == b"ok"
    assert await proxy.metric("scopegate_circuit_state") == 0


async def test_one_probe_at_a_time_and_a_failed_one_opens_again(start_proxy: StartProxy, origin: Origin) -> None:
    release = asyncio.Event()

    async def nonsense_when_told(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(b"nonsense\r\n\r\n")

    origin.scripts = [answers_and_ends(b""), answers_and_ends(b""), nonsense_when_told]
    proxy = await start_proxy(more="circuit_breaker: {failures: 2, open_s: 0.3}", top=TWO_APPS)
    for app in ("one", "two"):
        await proxy.ask(get("/x", key(app)))
    await proxy.metric_is("scopegate_circuit_state", 1)
    probe = asyncio.create_task(proxy.ask(get("/probe", key("one"))))
    await (await origin.wire(2)).until(b"/probe")
    assert [told(await proxy.ask(get("/other", key("two")))) for _ in range(3)] == [OPEN] * 3
    release.set()
    assert told(await probe) == (502, "bad_response")
    assert told(await proxy.ask(get("/other", key("two")))) == OPEN
    assert b"/other" not in origin.received
    assert await proxy.metric("scopegate_circuit_opened_total") == 2


async def test_a_probe_whose_client_leaves_makes_room(start_proxy: StartProxy, origin: Origin) -> None:
    origin.scripts = [answers_and_ends(b""), answers_and_ends(b""), silence]
    proxy = await start_proxy(more="circuit_breaker: {failures: 2, open_s: 0.3}", top=TWO_APPS)
    for app in ("one", "two"):
        await proxy.ask(get("/x", key(app)))
    await proxy.metric_is("scopegate_circuit_state", 1)
    client = await proxy.client()
    await client.send(get("/probe", key("one")))
    await (await origin.wire(2)).until(b"/probe")
    client.reset()
    await proxy.exchanges(3)
    assert (await proxy.ask(get("/next", key("two")))).body == b"ok"


@pytest.mark.parametrize("rules", ["failures: 2", "failures: 2, server_errors: true"])
async def test_one_caller_alone_opens_nothing(start_proxy: StartProxy, origin: Origin, rules: str) -> None:
    origin.scripts = [answers_and_ends(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), answers_and_ends(b"nonsense\r\n\r\n")] * 5
    proxy = await start_proxy(more=f"circuit_breaker: {{{rules}}}", top=TWO_APPS)
    statuses = [(await proxy.ask(get("/bad", key("one")))).status for _ in range(10)]
    assert statuses == [500, 502] * 5
    assert (await proxy.ask(get("/good", key("two")))).body == b"ok"


@pytest.mark.parametrize(("server_errors", "expected"), [("true", [500, 500, 503]), ("false", [500, 500, 200])])
async def test_server_errors_count_if_they_should(start_proxy: StartProxy, origin: Origin, server_errors: str, expected: list[int]) -> None:
    origin.scripts = [answers_and_ends(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")] * 2
    proxy = await start_proxy(more=f"circuit_breaker: {{failures: 2, server_errors: {server_errors}}}", top=TWO_APPS)
    assert [(await proxy.ask(get("/x", key(app)))).status for app in ("one", "two", "one")] == expected


async def test_idle_connections_that_the_vendor_closed_are_no_failures(start_proxy: StartProxy, origin: Origin) -> None:
    """Two callers meet one each, with no success in between."""
    release = asyncio.Event()

    async def once_then_dead(wire: Wire) -> None:
        await wire.request()
        await release.wait()
        await wire.send(OK)
        await wire.request()
        wire.reset()

    origin.scripts = [once_then_dead] * 2
    proxy = await start_proxy(more="circuit_breaker: {failures: 1}", top=TWO_APPS)
    asked = [asyncio.create_task(proxy.ask(get("/x", key(app)))) for app in ("one", "two")]
    await origin.wire(1)
    release.set()
    assert [(await answer).status for answer in asked] == [200, 200]
    for app in ("one", "two"):
        assert told(await proxy.ask(get("/x", key(app), method="PATCH"))) == (502, "connection_lost")
    assert await proxy.metric("scopegate_circuit_opened_total") == 0


async def test_other_answers_go_on_while_it_is_open_and_local_denials_too(start_proxy: StartProxy, origin: Origin) -> None:
    """What is answered here needs no vendor; a download under way goes on."""
    release = asyncio.Event()

    async def slow(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await release.wait()
        await wire.send(b"cd")

    origin.scripts = [slow]
    proxy = await start_proxy(more="circuit_breaker: {failures: 1, open_s: 30}")
    download = await proxy.client()
    await download.send(get("/download"))
    await download.at_least(10)
    origin.stop_accepting()
    assert told(await proxy.ask(get())) == (502, "upstream_refused")
    assert told(await proxy.ask(get())) == OPEN
    assert (await proxy.ask(get("/calls", POWERLESS))).status == 403
    release.set()
    assert (await download.answer()).body == b"abcd"


async def test_it_can_be_switched_off(start_proxy: StartProxy, origin: Origin) -> None:
    origin.stop_accepting()
    proxy = await start_proxy(more="circuit_breaker: {failures: 0}")
    assert {told(await proxy.ask(get())) for _ in range(30)} == {(502, "upstream_refused")}
