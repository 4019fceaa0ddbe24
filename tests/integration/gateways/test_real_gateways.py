"""Envoy, Traefik, Caddy and nginx themselves, with the example configurations, before a simulated 8x8."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from yarl import URL

from proxy.simulators import EightByEightSimulator
from proxy.simulators import eightbyeight as eight
from tests.fakes.origin import Origin, Wire, silence
from tests.integration.gateways.real import GATEWAYS, running
from tests.integration.house import House, open_house
from tests.integration.test_policy import clients, key

KEY: Final = {"8x8-apikey": "demo-8x8-apikey"}
PERIOD: Final = "startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
GRANTS: Final = [{"user": "reporting@example.com", "pbx": ["acmecorp"], "categories": ["AGENTS"]}]
ADAPTERS: Final = {"listen": "127.0.0.1:0"}
WITHOUT_US: Final = {"envoy": 400, "traefik": 500, "caddy": 502, "nginx": 500}
"""Statuses when Scopegate is away: Envoy's example lets through, and the vendor refuses itself; never a 403."""
TOO_SLOW: Final = {"envoy": 401, "caddy": 504, "nginx": 500, "traefik": 500}
"""Traefik waits for 30 seconds, which cannot be set."""


def records(pbx: str) -> str:
    return f"{eight.ANALYTICS}/v2/call-records?pbxId={pbx}&{PERIOD}"


def port_of(simulator: EightByEightSimulator) -> int:
    return int(simulator.base_url.rpartition(":")[2])


@dataclass
class Site:
    name: str
    house: House
    simulator: EightByEightSimulator
    port: int
    session: aiohttp.ClientSession
    token: str = ""

    async def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = URL(f"http://127.0.0.1:{self.port}{target}", encoded=True)
        data = None if form is None else aiohttp.FormData(form)
        async with self.session.request(method, url, headers=KEY | bearer | dict(headers or {}), data=data) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    async def raw(self, target: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        fields = f"Host: x\r\nAuthorization: Bearer {self.token}\r\n8x8-apikey: demo-8x8-apikey\r\nConnection: close"
        writer.write(f"GET {target} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer

    async def log_in(self) -> None:
        """Log in through the gateway, which shows us no answers, and report it as the login app would."""
        form = {"username": "reporting@example.com", "password": "demo-password-reporting"}
        status, body = await self.send("POST", eight.LOGIN, form=form)
        assert status == 200, body
        sent = "&".join(f"{name}={value}" for name, value in form.items())
        report = {"vendor": "8x8", "method": "POST", "path": eight.LOGIN, "status": 200, "request_body": sent, "body": body}
        told = await self.house.admin("/gateway/report", "POST", report)
        assert told["actual"] == "accepted"
        self.token = body["access_token"]


@pytest.fixture(params=GATEWAYS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    simulator = EightByEightSimulator()
    async with open_house(simulator, vendors={"8x8": {"grants": GRANTS}}, gateway_adapters=ADAPTERS) as house:
        port = port_of(simulator)
        async with running(request.param, tmp_path, house.app.gateway_port, port) as gateway, aiohttp.ClientSession() as session:
            simulator.journal.clear()
            yield Site(request.param, house, simulator, gateway, session)


async def test_allowed_and_denied(site: Site) -> None:
    await site.log_in()
    status, _ = await site.send("GET", records("acmewest"))
    assert status == 200
    before = site.simulator.journal.total
    status, body = await site.send("GET", records("acmecorp"))
    assert (status, body["code"]) == (400, "105-400-038")  # the vendor's own refusal, body and all
    assert body["scopegate"]["reason"] == "missing_licence_or_access_level"
    assert site.simulator.journal.total == before
    (denied, *_) = (await site.house.admin("/api/v1/decisions?outcome=denied"))["decisions"]
    assert denied["decision_id"] == body["scopegate"]["decision_id"]
    (allowed, *_) = (await site.house.admin("/api/v1/decisions?outcome=forwarded"))["decisions"]
    assert (allowed["answered_by"], allowed["actual"], allowed["operation"]) == ("gateway", "not_sent", denied["operation"])


async def test_forged_fields_change_nothing(site: Site) -> None:
    await site.log_in()
    before = site.simulator.journal.total
    allowed = records("acmewest")
    forged = {
        "X-Forwarded-Uri": allowed, "X-Forwarded-Method": "OPTIONS", "X-Forwarded-Host": "elsewhere", "X-Original-URL": f"http://x{allowed}",
        "X-Original-Method": "OPTIONS", "X-Original-URI": allowed, "X-Rewrite-URL": allowed, "X-Envoy-Original-Path": allowed,
        "Scopegate-Decision": "permit", "Scopegate-Decision-Id": "01M808FR1TWA1DJ0K2YWCA0000", "Scopegate-Answered-By": "vendor",
    }  # fmt: skip
    status, body = await site.send("GET", records("acmecorp"), forged)
    assert (status, body["code"]) == (400, "105-400-038")
    assert site.simulator.journal.total == before


TRICKS: Final = (
    *("/x/../{}", "/x/%2e%2e/{}", "//{}", "/./{}", "/%2E/{}", "/x%2f..%2f{}", "/{};x=1", "/x/..;/{}", "/\\..\\{}", "/{}%00"),
    *("/{}/", "/{}%3fx"),
)


async def test_no_trick_with_the_path_reaches_what_is_denied(site: Site) -> None:
    await site.log_in()
    path, _, query = records("acmecorp").partition("?")
    spelled = [trick.format(path[1:]) for trick in TRICKS] + [path.replace("call", "%63all"), path.upper()]
    for trick in spelled:
        answer = await site.raw(f"{trick}?{query}")
        assert not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 403")), (trick, answer)
        assert not [entry for entry in site.simulator.journal if "records" in entry.path.lower()], trick


async def test_scopegate_is_away(site: Site) -> None:
    await site.log_in()
    assert site.house.app._gateways is not None
    await site.house.app._gateways.stop()
    status, _ = await site.send("GET", records("acmecorp"))
    assert status == WITHOUT_US[site.name]


async def answers_once(wire: Wire) -> None:
    """Let the request through by which a gateway is known to be up, and none after it."""
    await wire.request()
    await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await silence(wire)


@pytest.mark.parametrize("name", TOO_SLOW)
async def test_scopegate_is_slow(name: str, tmp_path: Path) -> None:
    simulator = EightByEightSimulator()
    await simulator.start()
    slow = await Origin().start()
    slow.scripts, slow.default = [answers_once], silence
    url = f"{eight.ANALYTICS}/v2/call-records"
    async with running(name, tmp_path, slow.port, port_of(simulator)) as gateway, aiohttp.ClientSession() as session:
        answer = await session.get(f"http://127.0.0.1:{gateway}{url}", headers=KEY)
        assert answer.status == TOO_SLOW[name]
        answer.release()
    await slow.stop()
    await simulator.stop()


@pytest.mark.parametrize("name", GATEWAYS)
async def test_apps_are_known_by_their_keys_and_keys_never_reach_the_vendor(name: str, tmp_path: Path) -> None:
    simulator = EightByEightSimulator()
    apps = clients(reader=None, nothing=[])
    async with (
        open_house(simulator, gateway_adapters=ADAPTERS, clients=apps) as house,
        aiohttp.ClientSession() as session,
        running(name, tmp_path, house.app.gateway_port, port_of(simulator)) as gateway,
    ):
        simulator.journal.clear()
        site = Site(name, house, simulator, gateway, session)
        form = {"username": "reporting@example.com", "password": "demo-password-reporting"}
        assert (await site.send("POST", eight.LOGIN, key("reader"), form))[0] == 200
        (login,) = simulator.journal
        assert login.header_values("scopegate-key") == []
        assert login.body
        for headers in (key("nothing"), {}):
            status, body = await site.send("POST", eight.LOGIN, headers, form)
            assert (status, body["scopegate"]["reason"]) == (403, "policy_not_allowed")
        assert simulator.journal.total == 1
