"""Two proxies and a real Valkey between them: what one learns, the other uses; what one gives up, both forget."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.fakes.valkey import Valkey
from tests.fakes.waiting import eventually
from tests.integration.house import House, basic
from tests.integration.sharing.replicas import (
    CALL_LOG,
    DENIED,
    FORWARDED,
    KEY,
    LOGIN,
    RECORDS,
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


@dataclass
class Pair:
    one: House
    other: House


@pytest.fixture
async def pair(store: Valkey, vendors: Vendors) -> AsyncIterator[Pair]:
    async with vendors.replica(store.url) as one, vendors.replica(store.url) as other:
        await shares(one)
        await shares(other)
        yield Pair(one, other)


async def test_what_one_learns_from_a_login_the_other_uses(pair: Pair, vendors: Vendors) -> None:
    token = (await log_in(pair.one))["access_token"]
    await knows(pair.other, 1)
    answer = await pair.other.send("GET", CALL_LOG, token)
    assert answer.told == (403, DENIED, True)
    assert answer.member["evidence"]["source"] == "token_response"
    assert vendors.ringcentral.journal.to_path(CALL_LOG.removeprefix("/ringcentral")) == []


async def test_what_one_learns_from_a_refusal_the_other_uses_in_the_same_shape(pair: Pair) -> None:
    token = await log_in_at_8x8(pair.one)
    assert await decision(pair.one, token, RECORDS) == FORWARDED
    await told(pair.one)
    await knows(pair.other, 1, "8x8")
    one, other = [await house.send("GET", RECORDS, token, KEY) for house in (pair.one, pair.other)]
    assert one.told == other.told == (400, DENIED, True)
    assert one.without_member.keys() == other.without_member.keys()
    assert other.member["evidence"]["source"] == "refusal"


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_revoke_seen_by_one_is_forgotten_by_both(pair: Pair, which: str) -> None:
    issued = await log_in(pair.one)
    await knows(pair.other, 1)
    await revoke(pair.other, issued[which])
    assert await known(pair.other) == set()
    await knows(pair.one, 0)
    assert [await decision(house, issued["access_token"]) for house in (pair.one, pair.other)] == [FORWARDED, FORWARDED]


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_revoke_that_overtakes_the_login_is_not_lost(pair: Pair, which: str) -> None:
    issued = await log_in(pair.one)
    await revoke(pair.other, issued[which])  # at once, whether it has heard of the login or not
    await knows(pair.one, 0)
    await told(pair.one, pair.other)
    await knows(pair.other, 0)


async def test_a_refresh_seen_by_the_other_ends_the_old_token(pair: Pair) -> None:
    first = await log_in(pair.one)
    await knows(pair.other, 1)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = (await pair.other.send("POST", LOGIN, headers=basic("reader"), form=form)).json
    (new,) = await known(pair.other)

    async def only_the_new() -> bool:
        return await known(pair.one) == {new}

    await eventually(only_the_new)
    assert await decision(pair.one, second["access_token"]) == DENIED
    assert await decision(pair.one, first["access_token"]) == FORWARDED


async def test_what_an_operator_forgets_both_forget(pair: Pair) -> None:
    await log_in(pair.one)
    await log_in(pair.one)
    await knows(pair.other, 2)
    one, two = await known(pair.one)
    await pair.other.admin(f"/api/v1/grants/{one}", "DELETE")
    await knows(pair.one, 1)
    assert await known(pair.one) == {two}
    await pair.other.admin("/api/v1/grants?vendor=ringcentral", "DELETE")
    await knows(pair.one, 0)


async def test_one_replica_at_a_time_finds_out_whether_an_account_was_corrected(pair: Pair, vendors: Vendors) -> None:
    token = await log_in_at_8x8(pair.one)
    await decision(pair.one, token, RECORDS)
    await told(pair.one)
    await knows(pair.other, 1, "8x8")
    vendors.eight.set_access("reporting@example.com", "acmecorp", ["CDR"])
    (fingerprint,) = await known(pair.one, "8x8")
    await pair.one.admin(f"/api/v1/grants/{fingerprint}/recheck", "POST")
    assert (await pair.one.send("GET", RECORDS, token, KEY)).told == (200, FORWARDED, False)
    await told(pair.one)

    async def permitted() -> bool:
        return await decision(pair.other, token, RECORDS) == "permit"

    await eventually(permitted)


async def test_a_replica_that_comes_later_knows_what_is_known(store: Valkey, vendors: Vendors) -> None:
    async with vendors.replica(store.url) as one:
        await shares(one)
        token, other = (await log_in(one))["access_token"], await log_in_at_8x8(one)
        await decision(one, other, RECORDS)
        await told(one)
    async with vendors.replica(store.url) as two:
        await shares(two)
        assert await decision(two, token) == DENIED
        assert (await two.send("GET", RECORDS, other, KEY)).told == (400, DENIED, True)


async def test_a_replica_knows_everything_before_it_takes_its_first_request(store: Valkey, vendors: Vendors) -> None:
    async with vendors.replica(store.url) as one:
        await shares(one)
        tokens = [(await log_in(one))["access_token"] for _ in range(300)]
        await told(one)
        async with vendors.replica(store.url) as late:
            assert [await decision(late, token) for token in tokens] == [DENIED] * len(tokens)
