"""What others saw and the proxy did not, reported and learned from: logins, refusals, successes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest

from proxy.simulators import RingCentralSimulator
from tests.integration.house import House, open_house
from tests.integration.test_modes import log_in

CALL_LOG: Final = "/restapi/v1.0/account/~/call-log"
TOKEN: Final = "a-token-of-another-way"
LOGIN: Final = {
    "vendor": "ringcentral", "method": "POST", "path": "/restapi/oauth/token", "status": 200, "request_body": "grant_type=password",
    "body": {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600, "scope": "ReadAccounts", "owner_id": "1"},
}  # fmt: skip
WHY: Final = "In order to call this API endpoint, application needs to have [ReadCallLog] permission"
REFUSED: Final = {
    "errorCode": "InsufficientPermissions", "message": WHY, "permissionName": "ReadCallLog",
    "errors": [{"errorCode": "CMN-401", "message": WHY, "permissionName": "ReadCallLog"}],
}  # fmt: skip
Json = dict[str, Any]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house(RingCentralSimulator(), gateway_adapters={"listen": "127.0.0.1:0"}) as house:
        yield house


async def report(house: House, **members: object) -> Any:
    return await house.admin("/gateway/report", "POST", {"vendor": "ringcentral", "method": "GET", "path": CALL_LOG, **members})


async def test_a_reported_login_is_known_at_once(house: House) -> None:
    told = await report(house, **LOGIN)
    assert (told["actual"], told["response_kind"]) == ("accepted", "ok")
    assert (await house.send("GET", f"/ringcentral{CALL_LOG}", TOKEN)).told == (403, "deny", True)
    (grant,) = (await house.admin("/api/v1/grants"))["grants"]
    assert (grant["scopes"], grant["source"], grant["complete"]) == (["ReadAccounts"], "token_response", True)


async def test_a_reported_refusal_is_learned(house: House) -> None:
    told = await report(house, authorization=f"Bearer {TOKEN}", status=403, body=REFUSED)
    assert (told["operation"], told["actual"]) == ("readCompanyCallLog", "refused_permission")
    (grant,) = (await house.admin("/api/v1/grants"))["grants"]
    assert (grant["fingerprint"], grant["lacks"][0]["scope"]) == (told["fingerprint"], "ReadCallLog")
    assert (await house.send("GET", f"/ringcentral{CALL_LOG}", TOKEN)).told == (403, "deny", True)


async def test_a_line_of_an_access_log_names_the_token_by_its_fingerprint(house: House) -> None:
    token = await log_in(house, "demo-reader")
    (grant,) = (await house.admin("/api/v1/grants"))["grants"]
    told = await report(house, fingerprint=grant["fingerprint"], status=200)
    assert (told["actual"], told["fingerprint"]) == ("accepted", grant["fingerprint"])
    assert (await house.send("GET", f"/ringcentral{CALL_LOG}", token)).headers["Scopegate-Decision"] != "deny"  # the success speaks


async def test_a_report_is_no_request(house: House) -> None:
    await report(house, **LOGIN)
    assert await house.count("scopegate_requests_total") == {}


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"vendor": "nobody"}, 400, "unknown_vendor"),
        ({"status": 99}, 400, "bad_member"),
        ({"status": True}, 400, "bad_member"),
        ({"status": None}, 400, "bad_member"),
        ({"method": "get"}, 400, "bad_member"),
        ({"path": ""}, 400, "bad_member"),
        ({"path": 7}, 400, "bad_member"),
        ({"path": "/ä"}, 400, "bad_member"),
        ({"body": 7}, 400, "bad_member"),
        ({"authorization": "Bearer a\r\nx: y"}, 400, "bad_member"),
        ({"authorization": "Bearer a", "fingerprint": "0" * 32}, 400, "two_subjects"),
        ({"fingerprint": "x"}, 400, "bad_fingerprint"),
        ({"tokens": []}, 400, "unknown_member"),
        ({"path": "/a/../b"}, 422, "unanswerable"),
        ({"authorization": "Bearer a,b"}, 422, "unanswerable"),
    ],
)
async def test_a_report_is_read_strictly_and_never_repeated(house: House, changed: Json, status: int, reason: str) -> None:
    members = {"vendor": "ringcentral", "method": "GET", "path": CALL_LOG, "status": 200} | changed
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{house.app.admin_port}/gateway/report", json=members) as response,
    ):
        problem = await response.json(content_type=None)
    assert (response.status, problem["reason"]) == (status, reason)
    assert "Bearer a" not in str(problem)


@pytest.mark.parametrize(
    ("body", "content_type", "status"), [(b"[]", "application/json", 400), (b"{", "application/json", 400), (b"{}", "text/plain", 415)]
)
async def test_a_report_is_a_json_object(house: House, body: bytes, content_type: str, status: int) -> None:
    url = f"http://127.0.0.1:{house.app.admin_port}/gateway/report"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers={"Content-Type": content_type}) as response:
        assert response.status == status
