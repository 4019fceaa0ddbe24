"""A whole proxy that is stopped and started again: it decides as before, until what it knows ends."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.app import App, StartError
from proxy.composition.compose import Knowledge
from proxy.composition.keeping import make_store, take_over
from proxy.simulators import EightByEightSimulator, RingCentralSimulator
from proxy.simulators import eightbyeight as eight
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from proxy.stores.embedded import EmbeddedStore
from tests.integration.house import HandClocks, House, Json, basic, configuration, open_house

LOGIN, REVOKE = "/ringcentral/restapi/oauth/token", "/ringcentral/restapi/oauth/revoke"
CALL_LOG = "/ringcentral/restapi/v1.0/account/~/call-log"
KEY = {"8x8-apikey": "demo-8x8-apikey"}
RECORDS = f"/8x8{eight.ANALYTICS}/v2/call-records?pbxId=acmecorp&startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
DENIED, FORWARDED = "deny", "indeterminate"


class Site:
    """Vendors that stay, and a proxy that comes and goes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clocks = HandClocks()
        self.ringcentral = RingCentralSimulator(apps=[RingCentralApp("reader", "secret", "ReadAccounts")])
        self.eight = EightByEightSimulator()

    def open(self, vendors: dict[str, Json] | None = None, **state: Any) -> AbstractAsyncContextManager[House]:
        path = {"path": str(self.directory / "scopegate.db")}
        return open_house(self.ringcentral, self.eight, clocks=self.clocks, vendors=vendors or {}, state=path | state)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "state")


async def log_in(house: House) -> Json:
    answer = await house.send("POST", LOGIN, headers=basic("reader"), form={"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"})
    assert answer.status == 200
    return answer.json


async def log_in_at_8x8(house: House) -> str:
    form = {"username": "reporting@example.com", "password": "demo-password-reporting"}
    return str((await house.send("POST", f"/8x8{eight.LOGIN}", headers=KEY, form=form)).json["access_token"])


async def decision(house: House, token: str, target: str = CALL_LOG) -> str:
    return (await house.send("GET", target, token, KEY if target == RECORDS else ())).decision


async def test_what_was_learned_before_a_restart_is_used_after_it(site: Site) -> None:
    async with site.open() as house:
        token, other = (await log_in(house))["access_token"], await log_in_at_8x8(house)
        assert await decision(house, other, RECORDS) == FORWARDED  # 8x8 refuses, and that teaches
        before = await house.send("GET", RECORDS, other, KEY)
        fingerprints = {grant["fingerprint"] for grant in (await house.admin("/api/v1/grants"))["grants"]}
    site.clocks.moved += 10
    async with site.open() as house:
        assert await decision(house, token) == DENIED
        after = await house.send("GET", RECORDS, other, KEY)
        assert after.told == before.told == (400, "deny", True)
        assert after.without_member.keys() == before.without_member.keys()  # in the shape that the refusal had
        assert after.member["evidence"] == before.member["evidence"]
        assert {grant["fingerprint"] for grant in (await house.admin("/api/v1/grants"))["grants"]} == fingerprints
    assert site.ringcentral.journal.to_path(CALL_LOG.removeprefix("/ringcentral")) == []


async def test_without_a_store_a_restart_forgets(site: Site) -> None:
    async with open_house(site.ringcentral, clocks=site.clocks) as house:
        token = (await log_in(house))["access_token"]
        assert await decision(house, token) == DENIED
    async with open_house(site.ringcentral, clocks=site.clocks) as house:
        assert await decision(house, token) == FORWARDED


async def test_what_ended_in_between_is_not_used(site: Site) -> None:
    async with site.open() as house:
        token = (await log_in(house))["access_token"]
    site.clocks.moved += 3599
    async with site.open() as house:
        assert await decision(house, token) == DENIED
    site.clocks.moved += 1
    async with site.open() as house:
        assert await decision(house, token) == FORWARDED


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_session_that_is_revoked_after_a_restart_ends_whole(site: Site, which: str) -> None:
    async with site.open() as house:
        first = await log_in(house)
    async with site.open() as house:
        await house.send("POST", REVOKE, headers=basic("reader"), form={"token": first[which]})
        assert await decision(house, first["access_token"]) == FORWARDED
    async with site.open() as house:
        assert await decision(house, first["access_token"]) == FORWARDED


async def test_a_refresh_after_a_restart_ends_the_old_token(site: Site) -> None:
    async with site.open() as house:
        first = await log_in(house)
    async with site.open() as house:
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        second = (await house.send("POST", LOGIN, headers=basic("reader"), form=form)).json
        assert await decision(house, second["access_token"]) == DENIED
    async with site.open() as house:
        assert await decision(house, second["access_token"]) == DENIED
        assert await decision(house, first["access_token"]) == FORWARDED


async def test_the_interval_of_rechecks_goes_on_over_a_restart(site: Site) -> None:
    async with site.open() as house:
        token = await log_in_at_8x8(house)
        await decision(house, token, RECORDS)
        site.clocks.moved += 50
        assert await decision(house, token, RECORDS) == DENIED
    site.clocks.moved += 9
    async with site.open() as house:
        assert await decision(house, token, RECORDS) == DENIED
        site.clocks.moved += 1
        assert [await decision(house, token, RECORDS) for _ in range(2)] == [FORWARDED, DENIED]


async def test_corrected_grants_count_at_once(site: Site) -> None:
    def granted(*categories: str) -> dict[str, Json]:
        return {"8x8": {"grants": [{"user": "reporting@example.com", "pbx": ["acmecorp"], "categories": list(categories)}]}}

    async with site.open(granted("AGENTS")) as house:
        token, other = await log_in_at_8x8(house), (await log_in(house))["access_token"]
        assert await decision(house, token, RECORDS) == DENIED
    async with site.open(granted("AGENTS", "CDR")) as house:
        assert await decision(house, token, RECORDS) == FORWARDED
        assert await decision(house, other) == DENIED  # the other vendor's configuration is the same


async def test_what_an_operator_forgets_stays_forgotten(site: Site) -> None:
    async with site.open() as house:
        one, two = [(await log_in(house))["access_token"] for _ in range(2)]
        newest = (await house.admin("/api/v1/grants?vendor=ringcentral"))["grants"][0]["fingerprint"]
        await house.admin(f"/api/v1/grants/{newest}", "DELETE")
    async with site.open() as house:
        assert await decision(house, one) == DENIED
        assert await decision(house, two) == FORWARDED  # the vendor refuses, so something is known of it again
        assert await house.admin("/api/v1/grants?vendor=ringcentral", "DELETE") == {"vendor": "ringcentral", "forgotten": 2}
    async with site.open() as house:
        assert await decision(house, one) == FORWARDED


async def test_an_operator_may_ask_for_a_recheck_at_once(site: Site) -> None:
    async with site.open() as house:
        token = await log_in_at_8x8(house)
        await decision(house, token, RECORDS)
        site.eight.set_access("reporting@example.com", "acmecorp", ["CDR"])
        assert await decision(house, token, RECORDS) == DENIED
        (grant,) = (await house.admin("/api/v1/grants"))["grants"]
        assert await house.admin(f"/api/v1/grants/{grant['fingerprint']}/recheck", "POST") == {"due": 1}
        assert [(await house.send("GET", RECORDS, token, KEY)).told for _ in range(2)] == [(200, FORWARDED, False), (200, "permit", False)]


# --- the key --------------------------------------------------------------------------------------------------


async def test_the_key_is_kept_beside_the_database(site: Site) -> None:
    async with site.open():
        pass
    names = {path.name: path.stat().st_mode & 0o777 for path in site.directory.iterdir()}
    assert names == {"scopegate.db": 0o600, "scopegate.db.key": 0o600}


async def test_a_key_that_is_given_needs_no_file(site: Site) -> None:
    async with site.open(key="ab" * 32) as house:
        token = (await log_in(house))["access_token"]
    assert [path.name for path in site.directory.iterdir()] == ["scopegate.db"]
    async with site.open(key="ab" * 32) as house:
        assert await decision(house, token) == DENIED
    async with site.open(key="cd" * 32) as house:
        assert await decision(house, token) == FORWARDED


async def test_a_key_that_others_can_use_is_refused_at_the_start(site: Site) -> None:
    async with site.open():
        pass
    (site.directory / "scopegate.db.key").chmod(0o644)
    loaded = configuration([], {"rc": rc_settings()}, {"state": {"path": str(site.directory / "scopegate.db")}})
    with pytest.raises(StartError, match="chmod 600"):
        await App(loaded, None).start()


def rc_settings() -> Json:
    return {"kind": "ringcentral", "mount": {"path": "/rc"}, "upstream": "http://127.0.0.1:1"}


async def test_the_files_tell_nothing_of_tokens_users_and_rights(site: Site) -> None:
    async with site.open() as house:
        issued, other = await log_in(house), await log_in_at_8x8(house)
        await decision(house, other, RECORDS)
        grants = (await house.admin("/api/v1/grants"))["grants"]
        secrets = [issued["access_token"], issued["refresh_token"], other, "ReadAccounts", "reporting@example.com", "acmecorp", "CDR"]
        assert any(grant["subject"] == "reporting@example.com" for grant in grants)
    written = b"".join(path.read_bytes() for path in site.directory.iterdir())
    assert len(written) > 4096
    assert [secret for secret in secrets if secret.encode() in written] == []


# --- trouble --------------------------------------------------------------------------------------------------


async def test_a_store_that_cannot_be_opened_harms_no_request(site: Site) -> None:
    site.directory.touch()  # a file where the directory should be
    async with site.open() as house:
        ready = await house.admin("/readyz")
        assert (ready["status"], ready["checks"]["state"]["ok"], ready["checks"]["state"]["degraded"]) == ("degraded", True, True)
        assert "Not a directory" in ready["checks"]["state"]["detail"] or "File exists" in ready["checks"]["state"]["detail"]
        token = (await log_in(house))["access_token"]
        assert await decision(house, token) == DENIED
        assert await house.count("scopegate_store_up") == {}
        assert (await house.count("scopegate_store_writes_total", result="failed"))[()] > 0


class Unanswering:
    """A store whose answer to the start never comes; all else is the store's own."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.abandon = store.abandon
        self.watcher = store.watcher
        self._store = store

    def start(self) -> Future[object]:
        self._store.start()
        return Future()


async def test_a_store_that_is_too_slow_at_the_start_is_not_waited_for(site: Site) -> None:
    """What it holds is then never taken over: meanwhile it may have become untrue."""
    async with site.open() as house:
        await log_in(house)
    loaded = configuration([], {"ringcentral": rc_settings()}, {"state": {"path": str(site.directory / "scopegate.db")}})
    knowledge = Knowledge({}, {})
    store = make_store(loaded, site.clocks)
    assert store is not None
    await take_over(cast("EmbeddedStore", Unanswering(store)), knowledge, loaded, patience_s=0.0)
    assert len(knowledge.stores["ringcentral"]) == 0
    store.close()
    async with site.open() as house:
        assert (await house.admin("/api/v1/grants"))["grants"] == []


async def test_a_store_that_works_is_ready(site: Site) -> None:
    async with site.open() as house:
        assert (await house.admin("/readyz"))["checks"]["state"] == {"ok": True, "detail": ""}
        assert await house.count("scopegate_store_up") == {(): 1.0}
