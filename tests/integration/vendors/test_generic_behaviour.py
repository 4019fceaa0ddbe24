"""A vendor that is nothing but a catalogue: the shipped example, in front of a small server that plays it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.house import House, basic, open_house

CATALOG = Path(__file__).parents[3] / "config" / "catalogs" / "example-generic.yaml"


class Telephony:
    """Example Telephony: logs in anybody with the scopes asked for, and says what a token lacks."""

    def __init__(self) -> None:
        self.scopes: dict[str, str] = {}
        self.targets: list[str] = []
        self.refusal: dict[str, str] = {"error": "insufficient_scope", "missing": "recordings:read"}
        self.status = 200

    async def login(self, request: web.Request) -> web.Response:
        form = await request.post()
        token = f"token-{len(self.scopes)}"
        self.scopes[token] = str(form.get("scope", ""))
        told = {} if request.path.startswith("/device") else {"scope": self.scopes[token]}
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 600, **told})

    async def serve(self, request: web.Request) -> web.Response:
        self.targets.append(request.path_qs)
        return web.json_response(self.refusal if self.status == 403 else {}, status=self.status)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/oauth/token", self.login), web.post("/device/token", self.login), web.route("*", "/{rest:.*}", self.serve)]


@pytest.fixture
async def vendor() -> Telephony:
    return Telephony()


@pytest.fixture
async def house(vendor: Telephony) -> AsyncIterator[House]:
    application = web.Application()
    application.add_routes(vendor.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
    acme = {"kind": "generic", "mount": {"path": "/acme"}, "upstream": upstream, "catalog": str(CATALOG)}
    async with open_house(vendors={"acme": acme}) as house:
        yield house
    await runner.cleanup()


async def log_in(house: House, scope: str, path: str = "/acme/oauth/token") -> str:
    answer = await house.send("POST", path, headers=basic("app"), form={"grant_type": "client_credentials", "scope": scope})
    return str(answer.json["access_token"])


@pytest.mark.parametrize("path", ["/acme/oauth/token", "/acme/device/token"])
async def test_denial_is_written_from_the_template(house: House, vendor: Telephony, path: str) -> None:
    token = await log_in(house, "numbers:read calls:read", path)
    assert (await house.send("GET", "/acme/v1/calls", token)).told == (200, "permit", False)
    answer = await house.send("GET", "/acme/v1/calls/7/recording", token)
    assert answer.told == (403, "deny", True)
    assert answer.without_member == {
        "error": "insufficient_scope",
        "error_description": "downloadRecording needs recordings:read",
        "missing": "recordings:read",
    }
    assert answer.headers["X-Error-Source"] == "permissions"
    assert answer.member["remediation"][0].startswith("Ask the owner of your application at Example Telephony")
    assert vendor.targets == ["/v1/calls"]


async def test_implied_scopes_and_other_names(house: House) -> None:
    for scope in ("calls:write", "call-history"):
        token = await log_in(house, scope)
        assert (await house.send("GET", "/acme/v1/calls", token)).told == (200, "permit", False)
        assert (await house.send("GET", "/acme/v1/numbers", token)).told == (403, "deny", True)


async def test_scope_that_opens_only_a_part_never_denies(house: House) -> None:
    token = await log_in(house, "numbers:own")
    assert (await house.send("GET", "/acme/v1/numbers", token)).told == (200, "indeterminate", False)


async def test_recognised_refusal_is_learned_for_its_token(house: House, vendor: Telephony) -> None:
    vendor.status = 403
    answers = [await house.send("GET", "/acme/v1/calls/7/recording", "unseen") for _ in range(2)]
    assert [answer.told for answer in answers] == [(403, "indeterminate", False), (403, "deny", True)]
    assert answers[1].member["evidence"]["source"] == "refusal"
    assert answers[1].member["missing"] == [["recordings:read"]]
    assert (await house.send("GET", "/acme/v1/calls/7/recording", "another")).told == (403, "indeterminate", False)


async def test_other_refusal_is_not_learned(house: House, vendor: Telephony) -> None:
    vendor.status, vendor.refusal = 403, {"error": "suspended"}
    for _ in range(2):
        assert (await house.send("GET", "/acme/v1/calls", "unseen")).told == (403, "indeterminate", False)


async def test_token_in_the_query_and_resources(house: House, vendor: Telephony) -> None:
    token = await log_in(house, "calls:read")
    assert (await house.send("GET", f"/acme/v1/numbers?access_token={token}")).told == (403, "deny", True)
    vendor.status, vendor.refusal = 403, {"error": "forbidden", "reason": "scope", "scope": "reports"}
    unseen = "/acme/v1/reports/1?access_token=unseen&site="
    assert (await house.send("GET", f"{unseen}berlin")).told == (403, "indeterminate", False)
    assert (await house.send("GET", f"{unseen}berlin")).told == (403, "deny", True)
    assert (await house.send("GET", "/acme/v1/sites/berlin/report", "unseen")).told == (403, "deny", True)
    assert (await house.send("GET", f"{unseen}paris")).told == (403, "indeterminate", False)
    assert (await house.send("GET", f"{unseen}paris,berlin")).told == (403, "deny", True)
    assert (await house.send("GET", f"{unseen}all")).told == (403, "indeterminate", False)


async def test_what_is_not_told_is_learned_or_left_open(house: House, vendor: Telephony) -> None:
    vendor.status, vendor.refusal = 403, {"error": "forbidden", "reason": "scope", "scope": "batch"}
    token = await log_in(house, "calls:read")
    for _ in range(2):
        assert (await house.send("POST", "/acme/v1/batch", token)).told == (403, "indeterminate", False)
    vendor.status = 200
    assert (await house.send("GET", "/acme/v1/quality", token)).told == (200, "indeterminate", False)
    assert (await house.send("GET", "/acme/v1/quality", token)).told == (200, "permit", False)
    assert (await house.send("GET", "/acme/v1/me", token)).told == (200, "permit", False)
    assert (await house.send("GET", "/acme/v1/status")).told == (200, "permit", False)
