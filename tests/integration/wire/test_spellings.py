"""A path that the vendor could read as a guarded one does not leave, whoever asks; what nobody knows does."""

from __future__ import annotations

import json

import pytest

from tests.fakes.origin import Origin
from tests.fakes.running import Running
from tests.integration.wire.conftest import StartProxy
from tests.integration.wire.samples import POWERLESS, get, post


@pytest.mark.parametrize("path", ["/Calls", "/calls/", "/CALLS/", "/calls/?page=2", "/calLs?access_token=abc"])
async def test_another_spelling_of_a_known_path_is_refused(proxy: Running, origin: Origin, path: str) -> None:
    client = await proxy.client()
    requests = (get(path), post(path, b"x"), get(path, method="HEAD"))
    for request in requests:
        await client.send(request)
        answer = await client.answer("HEAD" if request.startswith(b"HEAD") else "GET")
        assert (answer.status, answer.get("Scopegate-Reason"), answer.get("Connection")) == (400, "ambiguous_path", "")
        assert request.startswith(b"HEAD") or "/calls" in json.loads(answer.body)["detail"]
    assert origin.dials == 0
    assert {(row["fault"], row["outcome"]) for row in await proxy.exchanges(len(requests))} == {("ambiguous_path", "bad_request")}


@pytest.mark.parametrize("path", ["/thing/", "/Thing", "/calls/1", "/call", "/calls-"])
async def test_what_is_near_nothing_is_forwarded_as_it_came(proxy: Running, origin: Origin, path: str) -> None:
    assert (await proxy.ask(get(path, POWERLESS))).status == 200
    assert origin.received.startswith(b"GET " + path.encode() + b" HTTP/1.1\r\n")


async def test_another_method_than_the_guarded_ones_is_forwarded(proxy: Running, origin: Origin) -> None:
    assert (await proxy.ask(get("/calls/", POWERLESS, method="DELETE"))).status == 200


@pytest.mark.parametrize(("mode", "noted"), [("shadow", "ambiguous_path"), ("off", "")])
async def test_a_mode_that_refuses_nothing_does_not_refuse_it(start_proxy: StartProxy, origin: Origin, mode: str, noted: str) -> None:
    proxy = await start_proxy(more=f"mode: {mode}")
    assert (await proxy.ask(get("/Calls/", POWERLESS))).body == b"ok"
    assert b"GET /Calls/ HTTP/1.1" in origin.received
    row = await proxy.exchange()
    assert (row["fault"], row["outcome"]) == (noted, "forwarded")
