"""Many requests at once: what would break, and the smallest extra grant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest

from proxy.settings import builtin_config_directory
from tests.integration.house import House, open_house
from tests.integration.test_policy import clients

EXAMPLE: Final = builtin_config_directory() / "catalogs" / "example-generic.yaml"
CALLS, RECORDING = {"method": "GET", "path": "/v1/calls"}, {"method": "GET", "path": "/v1/calls/{callId}/recording"}
QUALITY: Final = {"method": "GET", "path": "/v1/quality"}
Json = dict[str, Any]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    acme = {"kind": "generic", "mount": {"path": "/acme"}, "upstream": "http://127.0.0.1:9", "catalog": str(EXAMPLE)}
    async with open_house(vendors={"acme": acme}, clients=clients(nothing=[])) as house:
        yield house


async def plan(house: House, *operations: object, **members: object) -> Json:
    told = await house.admin("/api/v1/plan", "POST", {"vendor": "acme", "operations": operations, **members})
    assert isinstance(told, dict)
    return told


async def test_what_would_break_and_the_smallest_extra_grant(house: House) -> None:
    told = await plan(house, CALLS, RECORDING, {"method": "GET", "path": "/v1/calls/7/recording"}, scopes="calls:read")
    assert told["permitted"] == 1
    assert [row["path"] for row in told["breaks"]] == ["/v1/calls/~/recording", "/v1/calls/7/recording"]
    assert {row["operation"] for row in told["breaks"]} == {"downloadRecording"}
    extra = told["smallest_extra_grant"]
    assert extra == {"sets": [["recordings:read"]], "count": 1, "proven": True}
    mended = await plan(house, CALLS, RECORDING, scopes=["calls:read", *extra["sets"][0]])
    assert (mended["permitted"], mended["breaks"]) == (2, [])
    assert mended["smallest_extra_grant"]["sets"] == [[]]


async def test_one_grant_serves_all_and_doubt_is_no_break(house: House) -> None:
    told = await plan(house, CALLS, RECORDING, QUALITY, scopes=[])
    assert told["smallest_extra_grant"]["sets"] == [["calls:read", "recordings:read"]]
    assert [row["operation"] for row in told["undecided"]] == ["readQuality"]


async def test_what_rules_forbid_is_not_mended_by_grants(house: House) -> None:
    told = await plan(house, CALLS, scopes="calls:read", client="nothing")
    assert (told["not_mended_by_grants"], told["smallest_extra_grant"]["sets"]) == (1, [[]])


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"operations": []}, 400),
        ({"operations": [CALLS] * 1001}, 400),
        ({"operations": CALLS}, 400),
        ({"operations": [CALLS | {"scopes": "x"}]}, 400),
        ({"operations": [CALLS | {"method": "get"}]}, 400),
        ({"operations": [CALLS | {"path": 7}]}, 400),
        ({"operations": [CALLS], "more": 1}, 400),
        ({"operations": [CALLS], "vendor": "nobody"}, 400),
        ({"operations": [{"method": "GET", "path": "/v1/sites/{siteId}/report"}]}, 400),
        ({"operations": [{"method": "GET", "path": "/nothing/{id}"}]}, 422),
        ({"operations": [{"method": "GET", "path": "/a/../b"}]}, 422),
        ({"operations": [CALLS], "client": "nobody"}, 422),
    ],
)
async def test_a_bad_plan_says_what_to_do(house: House, members: Json, status: int) -> None:
    url = f"http://127.0.0.1:{house.app.admin_port}/api/v1/plan"
    async with aiohttp.ClientSession() as session, session.post(url, json={"vendor": "acme", "scopes": []} | members) as response:
        assert response.status == status
        assert (await response.json(content_type=None))["detail"]
