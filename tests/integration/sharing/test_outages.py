"""The store is away, slow, empty or full of nonsense: no request fails or waits, and nothing that was given up comes back."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.stores.shared import HEARTBEAT_S
from tests.fakes.valkey import Valkey, line_to
from tests.fakes.waiting import PATIENCE_S, eventually
from tests.integration.house import HandClocks, House
from tests.integration.sharing.replicas import (
    DENIED,
    FORWARDED,
    SECRET,
    Vendors,
    decision,
    known,
    knows,
    log_in,
    log_in_at_8x8,
    revoke,
    shares,
    told,
)

LONG = 3600.0


async def state(house: House) -> tuple[str, bool]:
    """Return the overall state, and whether the shared store is degraded."""
    page = await house.admin("/readyz")
    check = page["checks"]["shared_state"]
    assert check["ok"]
    return page["status"], check.get("degraded", False)


async def test_without_a_store_from_the_start_the_proxy_goes_on_alone(vendors: Vendors, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "scopegate"):
        async with vendors.replica("redis://:hunter2@127.0.0.1:1/0") as house:
            await shares(house, up=False)
            token = (await log_in(house))["access_token"]
            assert await decision(house, token) == DENIED

            async def tried_again() -> bool:
                return (await house.count("scopegate_shared_store_operations_total", result="failed")).get((), 0) >= 3

            await eventually(tried_again)
            assert await state(house) == ("degraded", True)
            page = str(await house.admin("/readyz")) + await house.page()
    told_once = [record.getMessage() for record in caplog.records]
    assert len(told_once) == 1
    assert "redis://127.0.0.1:1/0" in told_once[0]
    assert "hunter2" not in told_once[0] + page


async def test_the_store_is_killed_and_comes_back_empty(store: Valkey, vendors: Vendors, caplog: pytest.LogCaptureFixture) -> None:
    async with vendors.replica(store.url, stale_s=LONG) as one, vendors.replica(store.url, stale_s=LONG) as other:
        await shares(one)
        await shares(other)
        before = (await log_in(one))["access_token"]
        await knows(other, 1)
        await store.kill()
        await shares(one, up=False)
        await shares(other, up=False)
        assert await state(one) == ("degraded", True)
        alone = (await log_in(one))["access_token"]
        assert [await decision(one, alone), await decision(other, alone)] == [DENIED, FORWARDED]
        assert [await decision(one, before), await decision(other, before)] == [DENIED, DENIED]
        await store.start()
        await shares(one)
        await shares(other)
        assert await state(one) == ("ready", False)
        await knows(other, 2)
        assert await decision(other, alone) == DENIED
        await told(one, other)
        assert len(await store.names()) >= 2
    messages = [record.getMessage() for record in caplog.records if "the shared store" in record.getMessage()]
    assert len([text for text in messages if "works again" in text]) == 2
    assert len([text for text in messages if "goes on alone" in text]) == 2


async def test_the_store_is_emptied_while_it_runs_and_is_filled_again_by_all(store: Valkey, vendors: Vendors) -> None:
    async with vendors.replica(store.url, stale_s=LONG) as one, vendors.replica(store.url, stale_s=LONG) as other:
        await shares(one)
        await shares(other)
        token = (await log_in(one))["access_token"]
        await knows(other, 1)
        await told(one, other)
        assert await store.ask("FLUSHALL") == b"+OK\r\n"

        async def is_filled() -> bool:
            return any(b":t:" in name for name in await store.names())

        await eventually(is_filled, HEARTBEAT_S + PATIENCE_S)
        async with vendors.replica(store.url) as new:
            assert await decision(new, token) == DENIED
        assert await decision(one, token) == DENIED


async def test_a_revoke_during_an_outage_is_heard_of_after_it(store: Valkey, vendors: Vendors) -> None:
    async with vendors.replica(store.url, stale_s=LONG) as one, vendors.replica(store.url, stale_s=LONG) as other:
        await shares(one)
        await shares(other)
        issued = await log_in(one)
        await knows(other, 1)
        await store.kill()
        await shares(one, up=False)
        await shares(other, up=False)
        await revoke(other, issued["access_token"])
        assert await decision(one, issued["access_token"]) == DENIED
        await store.start()
        await shares(other)
        await knows(one, 0)
        await told(one, other)
        assert await known(other) == set()


async def test_a_revoke_outlives_a_store_that_forgot_it(store: Valkey, vendors: Vendors) -> None:
    """The store is set back to a copy from before the revoke; the replicas that saw it do not believe the copy."""
    async with vendors.replica(store.url, stale_s=LONG) as one:
        await shares(one)
        issued = await log_in(one)
        await told(one)
        copies = {name: await store.ask("DUMP", name) for name in await store.names()}
        await revoke(one, issued["access_token"])
        await told(one)
        await store.kill()
        await shares(one, up=False)
        await store.start()
        for name, copy in copies.items():
            content = copy.split(b"\r\n", 1)[1][: int(copy[1 : copy.index(b"\r\n")])]
            assert await store.ask("RESTORE", name, "600000", content, "REPLACE") == b"+OK\r\n"
        await shares(one)
        assert await known(one) == set()
        await told(one)
        async with vendors.replica(store.url) as new:
            await shares(new)
            assert await known(new) == set()


async def test_what_others_know_too_is_given_up_when_the_line_stays_cut(store: Valkey, vendors: Vendors) -> None:
    async with line_to(store) as line, vendors.replica(line.url, stale_s=0.05) as one, vendors.replica(store.url) as other:
        await shares(one)
        await shares(other)
        token = (await log_in(other))["access_token"]
        await knows(one, 1)
        own = (await log_in(one))["access_token"]
        await knows(other, 2)
        await line.cut()
        await knows(one, 0)
        alone = (await log_in(one))["access_token"]
        assert [await decision(one, each) for each in (token, own, alone)] == [FORWARDED, FORWARDED, DENIED]
        assert (await one.count("scopegate_shared_store_dropped_total", reason="stale"))[()] >= 2
        await line.start()
        await shares(one)
        await told(one)
        assert [await decision(one, each) for each in (token, own, alone)] == [DENIED, DENIED, DENIED]
        await knows(other, 3)


async def test_a_store_that_does_not_answer_delays_nothing(store: Valkey, vendors: Vendors) -> None:
    async with line_to(store) as line, vendors.replica(line.url, timeout_s=0.3, stale_s=LONG) as one:
        await shares(one)
        line.hold()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        token = (await log_in(one))["access_token"]
        assert await decision(one, token) == DENIED
        assert loop.time() - begun < 0.3  # less than the store is waited for
        await shares(one, up=False)
        assert "no answer within 0.3 s" in str(await one.admin("/readyz"))
        line.release()
        await shares(one)
        await told(one)
        assert any(b":t:" in name for name in await store.names())


async def test_a_line_that_falls_silent_without_closing_is_found_out(store: Valkey, vendors: Vendors) -> None:
    async with line_to(store) as line, vendors.replica(line.url, timeout_s=0.2) as one:
        await shares(one)
        line.hold()
        await shares(one, up=False)  # nothing was to be told: the heartbeat finds out


async def test_what_somebody_else_writes_under_our_names_is_not_believed(store: Valkey, vendors: Vendors) -> None:
    async with vendors.replica(store.url) as one:
        await shares(one)
        token = (await log_in(one))["access_token"]
        await log_in(one)
        await told(one)
        names = [name for name in await store.names() if b":t:" in name]
        values = [(await store.ask("GET", name)).split(b"\r\n", 1)[1][:-2] for name in names]
        for name, value in zip(names, reversed(values), strict=True):  # sealed by us, but for another name
            assert await store.ask("SET", name, value) == b"+OK\r\n"
        assert await decision(one, token) == DENIED
    async with vendors.replica(store.url) as new:
        await shares(new)
        assert await known(new) == set()
        assert (await new.count("scopegate_shared_store_dropped_total", reason="unreadable"))[()] == len(names)


async def test_the_store_tells_nothing_of_tokens_users_and_rights(store: Valkey, vendors: Vendors) -> None:
    async with vendors.replica(store.url) as one:
        await shares(one)
        issued = await log_in(one)
        await told(one)
        dump = await store.dump()
    assert len(dump) > 500
    for secret in (issued["access_token"], issued["refresh_token"], "ReadAccounts", "amy", "secret", "complete"):
        assert secret.encode() not in dump


@pytest.mark.parametrize("difference", ["key", "grants"])
async def test_replicas_with_another_key_or_configuration_do_not_meet(store: Valkey, vendors: Vendors, difference: str) -> None:
    grants = {"8x8": {"grants": [{"user": "reporting@example.com", "pbx": ["acmecorp"], "categories": ["AGENTS"]}]}}
    async with (
        vendors.replica(store.url) as one,
        vendors.replica(store.url, key="cd" * 32 if difference == "key" else SECRET) as other,
        vendors.replica(store.url, vendors=grants if difference == "grants" else {}) as third,
    ):
        for house in (one, other, third):
            await shares(house)
        token = await log_in_at_8x8(one)
        await decision(one, token, "/8x8/nothing")
        await log_in(one)
        await told(one)
        await knows(other, 1) if difference == "grants" else await knows(third, 1)
        assert await known(other if difference == "key" else third, "8x8") == set()


async def test_what_ends_is_not_kept_longer_by_others(store: Valkey, vendors: Vendors) -> None:
    """The steady clocks of the two replicas have nothing to do with each other."""
    early, late = HandClocks(5.0), HandClocks(900_000.0)
    async with vendors.replica(store.url, clocks=early) as one, vendors.replica(store.url, clocks=late) as other:
        await shares(one)
        await shares(other)
        token = (await log_in(one))["access_token"]
        await knows(other, 1)
        late.moved += 3590
        assert await decision(other, token) == DENIED
        late.moved += 11
        assert await decision(other, token) == FORWARDED
        assert await decision(one, token) == DENIED  # for it no time has passed, and that the other's clock ran is none of its business
