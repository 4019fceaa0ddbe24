"""Several proxies in front of the same vendors, with one store between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from proxy.app import App
from proxy.simulators import EightByEightSimulator, NewVoiceMediaSimulator, RingCentralSimulator, Simulator
from proxy.simulators import eightbyeight as eight
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from tests.fakes.waiting import eventually
from tests.integration.house import CONNECTIONS, HandClocks, House, Json, basic, configuration

LOGIN, REVOKE = "/ringcentral/restapi/oauth/token", "/ringcentral/restapi/oauth/revoke"
CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
KEY = {"8x8-apikey": "demo-8x8-apikey"}
RECORDS = f"/8x8{eight.ANALYTICS}/v2/call-records?pbxId=acmecorp&startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
DENIED, FORWARDED, PERMITTED = "deny", "indeterminate", "permit"
SECRET = "ab" * 32


class Vendors:
    """The vendors, which stay while proxies come and go."""

    def __init__(self) -> None:
        self.ringcentral = RingCentralSimulator(apps=[RingCentralApp("reader", "secret", "ReadAccounts")])
        self.eight = EightByEightSimulator()
        self.newvoicemedia = NewVoiceMediaSimulator()
        self.all: list[Simulator] = [self.ringcentral, self.eight, self.newvoicemedia]

    @asynccontextmanager
    async def replica(
        self,
        url: str,
        *,
        vendors: dict[str, Json] | None = None,
        clocks: HandClocks | None = None,
        top: Json | None = None,
        key: str = SECRET,
        **shared: Any,
    ) -> AsyncIterator[House]:
        """Open one proxy."""
        settings = {"shared_state": {"url": url, "key": key} | shared} | (top or {})
        async with self._running(settings, vendors or {}, clocks) as house:
            yield house
            counted = await house.count("scopegate_bugs_total")
            assert not counted

    @asynccontextmanager
    async def _running(self, settings: Json, vendors: dict[str, Json], clocks: HandClocks | None) -> AsyncIterator[House]:
        app = App(configuration(self.all, vendors, settings), None, clocks)
        await app.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), cookie_jar=aiohttp.DummyCookieJar()) as session:
            try:
                yield House(app, {simulator.vendor: simulator for simulator in self.all}, session)
            finally:
                await app.stop(0.0)


@asynccontextmanager
async def open_vendors() -> AsyncIterator[Vendors]:
    """Start the vendors."""
    vendors = Vendors()
    async with AsyncExitStack() as stack:
        for simulator in vendors.all:
            await (simulator.start(token_port=0) if isinstance(simulator, NewVoiceMediaSimulator) else simulator.start())
            stack.push_async_callback(simulator.stop)
        yield vendors


async def shares(house: House, *, up: bool = True) -> None:
    """Wait until a proxy shares what it learns, or until it knows that it does not."""

    async def is_so() -> bool:
        return bool(await house.count("scopegate_shared_store_up")) is up

    await eventually(is_so)


async def log_in(house: House) -> Json:
    answer = await house.send("POST", LOGIN, headers=basic("reader"), form={"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"})
    assert answer.status == 200
    return answer.json


async def revoke(house: House, token: str) -> None:
    answer = await house.send("POST", REVOKE, headers=basic("reader"), form={"token": token})
    assert answer.status == 200


async def log_in_at_8x8(house: House) -> str:
    form = {"username": "reporting@example.com", "password": "demo-password-reporting"}
    return str((await house.send("POST", f"/8x8{eight.LOGIN}", headers=KEY, form=form)).json["access_token"])


async def decision(house: House, token: str, target: str = CALL_LOG) -> str:
    return (await house.send("GET", target, token, KEY if target == RECORDS else ())).decision


async def known(house: House, vendor: str = "ringcentral") -> set[str]:
    """Return the fingerprints of what a proxy knows."""
    found = await house.admin(f"/api/v1/grants?vendor={vendor}")
    return {grant["fingerprint"] for grant in found["grants"]}


async def knows(house: House, count: int, vendor: str = "ringcentral") -> None:
    """Wait until a proxy knows so many tokens."""

    async def it_does() -> bool:
        return len(await known(house, vendor)) == count

    await eventually(it_does)


async def told(*houses: House) -> None:
    """Wait until nothing more is to be told."""
    for house in houses:

        async def nothing_left(house: House = house) -> bool:
            return not await house.count("scopegate_shared_store_queue_length")

        await eventually(nothing_left)
