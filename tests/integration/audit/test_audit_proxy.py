"""A whole proxy with an audit log: one event per request, whatever becomes of it, and traffic that never notices a failing disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from proxy.simulators import EightByEightSimulator, NewVoiceMediaSimulator
from proxy.simulators import eightbyeight as eight
from proxy.simulators import newvoicemedia as nvm
from tests.fakes.waiting import eventually
from tests.integration.audit.audit_samples import Log
from tests.integration.house import House, basic, open_house
from tests.unit.telemetry.ocsf_schema import problems

PERMISSIONS = f"/newvoicemedia/useradmin/users/{nvm.DEMO_USER}/permissions/accessPermissions"
V4 = {"Accept": "application/vnd.newvoicemedia.v4+json"}


async def log_in(house: House, scope: str) -> str:
    form = {"grant_type": "client_credentials", "scope": scope}
    answer = await house.send("POST", f"/newvoicemedia{nvm.LOGIN}", headers=basic("demo-stats", "demo-stats-secret"), form=form)
    return str(answer.json["access_token"])


async def every_way(house: House) -> list[str]:
    """Send a request of every kind; return their decision ids."""
    token = await log_in(house, "stats")
    answers = [
        await house.send("GET", PERMISSIONS, token, V4),
        await house.send("GET", "/newvoicemedia/undocumented", token),
        await house.send("GET", PERMISSIONS, "stranger", V4),
        await house.send("GET", "/newvoicemedia//twice", token),
        await house.send("GET", "/nowhere", token),
        await house.send("GET", "/closed/restapi/v1.0/account/~", token),
    ]
    return [answer.headers["Scopegate-Decision-Id"] for answer in answers]


def closed() -> dict[str, Any]:
    return {"closed": {"kind": "ringcentral", "mount": {"path": "/closed"}, "upstream": "http://127.0.0.1:1"}}


async def test_every_request_leaves_one_valid_event_and_the_chain_is_whole(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    ids = []
    for mode in ("enforce", "shadow", "off"):
        async with open_house(NewVoiceMediaSimulator(), vendors=closed(), mode=mode, audit={"path": str(log.path)}) as house:
            ids += await every_way(house)
    assert log.check().damage == []
    events = [line for line in log.lines() if line["class_uid"] == 6003]
    assert len(events) == len(ids) + 3  # and the logins
    found = {event["metadata"]["uid"]: event for event in events}
    assert found.keys() >= set(ids)
    assert [problem for event in events for problem in problems(event)] == []
    first = [found[one] for one in ids[:6]]
    assert [event["unmapped"]["decision"] for event in first][:3] == ["deny", "not-applicable", "indeterminate"]
    assert [event["disposition"] for event in first] == ["Unauthorized", "Allowed", "Allowed", "Rejected", "Rejected", "Error"]
    assert {found[one]["disposition"] for one in ids[6:]} >= {"Logged", "No Action"}
    assert first[0]["actor"]["app_name"] == "anonymous"
    assert first[0]["src_endpoint"] == {"ip": "127.0.0.1"}
    assert first[0]["unmapped"]["held"] == ["stats"]


async def test_as_many_events_as_requests(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    async with open_house(NewVoiceMediaSimulator(), audit={"path": str(log.path), "fsync": "batch"}) as house:
        token = await log_in(house, "stats")
        await asyncio.gather(*(house.send("GET", PERMISSIONS, token, V4) for _ in range(500)))
    assert log.check().decisions == 501
    assert len({line["metadata"]["uid"] for line in log.lines() if line["class_uid"] == 6003}) == 501


async def test_traffic_goes_on_while_the_log_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.mkdir()
    async with open_house(NewVoiceMediaSimulator(), audit={"path": str(path), "max_queued": 100}) as house:
        token = await log_in(house, "stats")
        for _ in range(150):
            assert (await house.send("GET", PERMISSIONS, token, V4)).status == 403

        async def degraded() -> bool:
            return bool((await house.admin("/readyz"))["status"] == "degraded")

        await eventually(degraded)
        assert "directory" in (await house.admin("/readyz"))["checks"]["audit"]["detail"]
        assert await house.count("scopegate_audit_up") == {}
        assert (await house.count("scopegate_audit_events_total", "result"))[("dropped",)] > 0
        path.rmdir()

        async def told() -> bool:
            return bool(await house.count("scopegate_audit_gaps_total"))

        await eventually(told)
        assert (await house.admin("/readyz"))["status"] != "degraded"
        counted = await house.count("scopegate_audit_events_total", "result")
        assert counted[("written",)] + counted[("dropped",)] == 151
    report = Log(path).check()
    assert report.damage == []
    assert sum(gap.missing for gap in report.gaps) == counted[("dropped",)]


async def test_the_user_is_named_unless_that_is_switched_off(tmp_path: Path) -> None:
    actors = []
    user = eight.User("reporting@example.com", "password", {"acmecorp": frozenset()})
    grants = {"8x8": {"grants": [{"user": user.username, "pbx": ["acmecorp"], "categories": ["Other"]}]}}
    for subjects in (True, False):
        log = Log(tmp_path / f"{subjects}.jsonl")
        simulator = EightByEightSimulator(users=[user], api_keys=["key"])
        async with open_house(simulator, vendors=grants, audit={"path": str(log.path), "subjects": subjects}) as house:
            form, key = {"username": user.username, "password": "password"}, {"8x8-apikey": "key"}
            token = (await house.send("POST", f"/8x8{eight.LOGIN}", headers=key, form=form)).json["access_token"]
            await house.send("GET", "/8x8/analytics/work/v2/call-records?pbxId=acmecorp", token, key)
        actors.append(log.lines()[-2]["actor"]["user"])
    assert actors[0]["name"] == user.username
    assert "name" not in actors[1]
    assert all(len(actor["uid"]) == 32 for actor in actors)
