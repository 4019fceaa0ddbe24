"""Shadow that is scored, end to end: wrong catalogues are found out, told, and put back to shadow until somebody corrects them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from proxy.settings import builtin_config_directory
from proxy.simulators import RingCentralSimulator
from proxy.simulators.messages import json_reply
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App
from tests.integration.house import HandClocks, House, Json, basic, open_house

CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
OPERATION = "readCompanyCallLog"
LIFT = f"/api/v1/readiness/ringcentral/{OPERATION}"
APPS = [App("reader", "secret", "ReadAccounts"), App("lister", "secret", "ReadCallLog")]
DENIED, IN_SHADOW, PERMITTED, REFUSED = (
    (403, "deny", True),
    (200, "would-deny", False),
    (200, "permit", False),
    (403, "would-deny", False),
)


class Site:
    """A vendor that stays, a catalogue that may be wrong, and a proxy that comes and goes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clocks = HandClocks()
        self.vendor = RingCentralSimulator(apps=APPS)

    def open(self, *, wrong: bool = False, keep: bool = True, vendor: Json | None = None, **top: Any) -> AbstractAsyncContextManager[House]:
        state: Json = {"state": {"path": str(self.directory / "scopegate.db")}} if keep else {}
        settings = {"catalog": str(self.catalog(wrong=wrong)), **(vendor or {})}
        return open_house(self.vendor, clocks=self.clocks, vendors={"ringcentral": settings}, **state, **top)

    def catalog(self, *, wrong: bool) -> Path:
        """Write the shipped catalogue, or one that wants the wrong scope for the call log."""
        rows = yaml.safe_load((builtin_config_directory() / "catalogs" / "ringcentral.yaml").read_text())
        for row in rows["operations"]:
            if wrong and row["id"] == OPERATION:
                row["requires"] = [["ReadMessages"]]
        file = self.directory / ("wrong.yaml" if wrong else "right.yaml")
        file.write_text(yaml.safe_dump(rows))
        return file


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged as an error, as it comes."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    listener = Listener(logging.ERROR)
    logging.getLogger("scopegate").addHandler(listener)
    yield found
    logging.getLogger("scopegate").removeHandler(listener)


async def log_in(house: House, app: str = "lister", headers: dict[str, str] | None = None) -> str:
    form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
    answer = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=basic(app) | (headers or {}), form=form)
    assert answer.status == 200
    return str(answer.json["access_token"])


async def call(house: House, app: str = "lister") -> tuple[int, str, bool]:
    """Read the call log with a token of its own."""
    return (await house.send("GET", CALL_LOG, await log_in(house, app))).told


async def report(house: House, query: str = "") -> Json:
    told = await house.admin(f"/api/v1/reports/readiness{query}")
    assert isinstance(told, dict)
    return told


async def scores(house: House) -> dict[str, float]:
    return {score: count for (score,), count in (await house.count("scopegate_scores_total", "score")).items()}


# --- a wrong catalogue ----------------------------------------------------------------------------------


async def test_shadow_finds_a_wrong_row_and_says_so_loudly(site: Site, errors: list[str]) -> None:
    async with site.open(wrong=True, mode="shadow") as house:
        answer = await house.send("GET", CALL_LOG, await log_in(house))
        assert answer.told == IN_SHADOW
        told = await report(house)
        (found,) = told["back_in_shadow"]
        assert (found["operation"], found["decision_id"]) == (OPERATION, answer.headers["Scopegate-Decision-Id"])
        assert (found["missing"], found["evidence"], found["status"]) == ([["ReadMessages"]], "token_response", 200)
        (operation,) = told["operations"]
        assert (operation["verdict"], operation["false_denial"]) == ("not_ready", 1)
        assert operation["last_false_denial"] == found
        assert told["vendors"][0]["not_ready"] == [
            {"operation": OPERATION, "why": ["false_denial", "back_in_shadow", "too_few_calls"]},
        ]
        assert await house.count("scopegate_operations_demoted", "vendor operation") == {("ringcentral", OPERATION): 1}
        assert await house.count("scopegate_false_denials_total", "vendor operation") == {("ringcentral", OPERATION): 1}
    (line,) = errors
    assert line.startswith(f"FALSE DENIAL: ringcentral accepted {OPERATION} (status 200)")
    assert "ReadMessages" in line
    assert f"DELETE {LIFT}" in line


async def test_what_shadow_found_stays_in_shadow_when_enforcing_begins(site: Site) -> None:
    async with site.open(wrong=True, mode="shadow") as house:
        assert await call(house) == IN_SHADOW
    async with site.open(wrong=True) as house:
        assert await call(house) == IN_SHADOW
        (decision,) = (await house.admin(f"/api/v1/decisions?operation={OPERATION}"))["decisions"]
        assert (decision["mode"], decision["level"]) == ("shadow", "warning")
        assert (await report(house))["operations"][0]["false_denial"] == 2


async def test_an_operator_ends_the_shadow(site: Site) -> None:
    async with site.open(wrong=True, mode="shadow") as house:
        assert await call(house) == IN_SHADOW
    async with site.open(wrong=True) as house:
        assert await call(house) == IN_SHADOW
        await house.admin(LIFT, "DELETE")
        assert await call(house) == (403, "deny", True)
        assert (await report(house))["back_in_shadow"] == []
        assert await house.count("scopegate_operations_demoted") == {}  # on the page, with 0
    async with site.open(wrong=True) as house:
        assert await call(house) == DENIED
        assert (await report(house))["operations"] == []


async def test_a_corrected_catalogue_ends_the_shadow(site: Site) -> None:
    async with site.open(wrong=True, mode="shadow") as house:
        assert await call(house) == IN_SHADOW
    async with site.open() as house:
        assert await call(house) == PERMITTED
        assert await call(house, "reader") == DENIED
        told = await report(house)
        assert told["back_in_shadow"] == []
        assert [(row["correct_permit"], row["false_denial"]) for row in told["operations"]] == [(1, 0)]


async def test_other_operations_go_on_being_enforced(site: Site) -> None:
    async with site.open(wrong=True, mode="shadow") as house:
        assert await call(house) == IN_SHADOW
    async with site.open(wrong=True) as house:
        other = "/ringcentral/restapi/v1.0/account/~/extension/~/message-store"
        assert (await house.send("GET", other, await log_in(house))).told == DENIED


async def test_explain_says_that_an_operation_is_in_shadow(site: Site) -> None:
    question = {"vendor": "ringcentral", "method": "GET", "path": CALL_LOG.removeprefix("/ringcentral"), "scopes": "ReadCallLog"}
    async with site.open(wrong=True, keep=False, mode="shadow") as house:
        before = await house.admin("/api/v1/explain", "POST", question)
        await call(house)
        after = await house.admin("/api/v1/explain", "POST", question)
    assert "back_in_shadow" not in before
    assert after == before | {"back_in_shadow": True}


async def test_a_client_in_shadow_proves_it_for_those_that_enforce(site: Site) -> None:
    keys = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("tester", "app")}
    modes = {"tester": "shadow", "app": "enforce"}
    clients = [{"name": name, "authenticate": {"api_key_sha256": digest}, "mode": modes[name]} for name, digest in keys.items()]

    async def call_as(house: House, name: str) -> tuple[int, str, bool]:
        key = {"Scopegate-Key": name}
        return (await house.send("GET", CALL_LOG, await log_in(house, headers=key), key)).told

    async with site.open(wrong=True, keep=False, clients=clients) as house:
        told = [await call_as(house, name) for name in ("app", "tester", "app")]
        assert told == [DENIED, IN_SHADOW, IN_SHADOW]
        assert [row["client"] for row in (await report(house))["clients"]] == ["app", "tester"]
        assert [row["client"] for row in (await report(house, "?client=tester"))["operations"]] == ["tester"]


# --- samples --------------------------------------------------------------------------------------------

ALWAYS = {"verify_denials": {"rate": 1, "per_minute": 1}}


async def test_a_sample_finds_a_wrong_row_although_the_mode_is_enforce(site: Site, errors: list[str]) -> None:
    async with site.open(wrong=True, keep=False, vendor=ALWAYS) as house:
        assert [await call(house) for _ in range(3)] == [IN_SHADOW] * 3
        assert len(errors) == 1
        decisions = (await house.admin(f"/api/v1/decisions?operation={OPERATION}"))["decisions"]
        assert [decision["mode"] for decision in decisions] == ["shadow", "shadow", "enforce"]
        assert await house.count("scopegate_verified_denials_total", "vendor") == {("ringcentral",): 1}


async def test_a_sample_confirms_a_right_row_and_is_bounded(site: Site, errors: list[str]) -> None:
    async with site.open(keep=False, vendor=ALWAYS) as house:
        token = await log_in(house, "reader")
        told = [(await house.send("GET", CALL_LOG, token)).told for _ in range(3)]
        assert told == [REFUSED, DENIED, DENIED]
        site.clocks.moved += 61
        assert (await house.send("GET", CALL_LOG, token)).told == REFUSED
        assert await scores(house) == {"correct_denial": 2}
        assert await house.count("scopegate_verified_denials_total", "vendor") == {("ringcentral",): 2}
    assert errors == []


async def test_without_the_setting_no_denial_is_sent(site: Site) -> None:
    async with site.open(keep=False) as house:
        assert [await call(house, "reader") for _ in range(3)] == [DENIED] * 3
        assert await scores(house) == {}


# --- the score ------------------------------------------------------------------------------------------


async def test_what_enforcing_forwards_goes_on_being_scored(site: Site) -> None:
    async with site.open(keep=False) as house:
        token = await log_in(house)
        assert (await house.send("GET", CALL_LOG, token)).told == PERMITTED
        site.vendor.reply_next(json_reply(429, {"errorCode": "CMN-301", "message": "Request rate exceeded"}))
        await house.send("GET", CALL_LOG, token)
        assert await scores(house) == {"correct_permit": 1, "not_comparable": 1}
        (operation,) = (await report(house))["operations"]
        assert operation["causes"] == {"rate_limit": 1}


async def test_enough_calls_make_ready_and_outlive_a_restart(site: Site) -> None:
    settings: Json = {"mode": "shadow", "readiness": {"min_scored_calls": 4}}
    for verdict in ("not_ready", "ready"):
        async with site.open(**settings) as house:
            assert [await call(house), await call(house, "reader")] == [PERMITTED, REFUSED]
            told = await report(house)
            assert told["verdict"] == told["vendors"][0]["verdict"] == told["operations"][0]["verdict"] == verdict
    assert (told["operations"][0]["correct_permit"], told["operations"][0]["correct_denial"]) == (2, 2)
    assert told["vendors"][0]["false_denials_below"] == pytest.approx(0.5271)


async def test_policy_and_prediction_are_scored_apart(site: Site) -> None:
    async with site.open(keep=False, mode="shadow", vendor={"on_unknown_token": "deny"}) as house:
        answer = await house.send("GET", CALL_LOG, "unknown")
        assert answer.decision == "would-deny"
        assert await scores(house) == {}


async def test_the_admin_api_says_what_it_does_not_know(site: Site) -> None:
    async with site.open(keep=False) as house, aiohttp.ClientSession(f"http://127.0.0.1:{house.app.admin_port}") as session:
        asked = []
        for method, path in (
            ("DELETE", LIFT),
            ("DELETE", "/api/v1/readiness/nobody/x"),
            ("GET", "/api/v1/reports/readiness?vendor=nobody"),
        ):
            async with session.request(method, path) as response:
                asked.append((response.status, (await response.json())["reason"]))
        assert asked == [(404, "not_in_shadow"), (404, "unknown_vendor"), (400, "bad_parameter")]
