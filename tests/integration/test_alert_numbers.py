"""Numbers that only alerts need: when tokens end, what is left of a vendor's rate limits, how many series there are."""

from __future__ import annotations

from proxy.settings import largest_series_count
from proxy.simulators import RingCentralSimulator
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import RateLimit
from proxy.telemetry.metrics import MAX_COMBINATIONS
from tests.fakes.waiting import eventually
from tests.integration.house import HandClocks, House, basic, open_house

LOGIN = "/ringcentral/restapi/oauth/token"
CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"


async def log_in(house: House) -> str:
    form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
    return str((await house.send("POST", LOGIN, headers=basic("demo-archiver", "demo-archiver-secret"), form=form)).json["access_token"])


async def test_the_page_tells_when_the_token_of_an_app_ends() -> None:
    clocks = HandClocks()
    async with open_house(RingCentralSimulator(), clocks=clocks) as house:
        token = await log_in(house)
        clocks.moved += 100
        await house.send("GET", CALL_LOG, token)
        labels = ("ringcentral", "anonymous")
        assert await house.count("scopegate_token_lifetime_seconds", by="vendor client") == {labels: 3600}
        assert await house.count("scopegate_token_expiry_timestamp_seconds", by="vendor client") == {labels: clocks.wall() + 3500}


async def test_the_page_tells_what_the_vendor_says_is_left_of_its_limits() -> None:
    simulator = RingCentralSimulator(rate_limit=RateLimit(10))
    async with open_house(simulator) as house:
        token = await log_in(house)
        for _ in range(7):
            await house.send("GET", CALL_LOG, token)

        async def told() -> bool:
            return 'scopegate_vendor_rate_limit_remaining{group="heavy",vendor="ringcentral"} 3.0' in await house.page()

        await eventually(told)
        assert await house.count("scopegate_vendor_rate_limit_limit", by="group") == {("heavy",): 10}


async def test_the_page_counts_its_own_series() -> None:
    async with open_house(RingCentralSimulator()) as house:
        empty = await house.count("scopegate_label_combinations")
        await house.send("GET", CALL_LOG, await log_in(house))
        page = await house.page()
        lines = sum(1 for line in page.splitlines() if line and not line.startswith("#"))
        assert f"\nscopegate_series {float(lines)}\n" in page
        assert lines < largest_series_count(house.app._loaded.settings, house.app._loaded.catalogs)
        assert await house.count("scopegate_series_limit") == {
            (): largest_series_count(house.app._loaded.settings, house.app._loaded.catalogs)
        }
        assert (empty, await house.count("scopegate_label_combinations")) == ({}, {(): 2})
        assert await house.count("scopegate_label_combinations_limit") == {(): MAX_COMBINATIONS}
