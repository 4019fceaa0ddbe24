"""What one worker learns, the next request on another knows: no wait anywhere in here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.workers.workshop import DENIED, EXTENSION, Workshop, ask, log_in, open_workshop, revoke, told

ROUNDS = 100


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    async with open_workshop(tmp_path) as shop:
        yield shop


async def test_a_login_seen_by_one_worker_is_known_to_the_next_request_on_another(shop: Workshop) -> None:
    clients = await shop.connect_to_each()
    for turn in range(ROUNDS):
        here, there = clients[turn % 2], clients[1 - turn % 2]
        token = await log_in(here)
        assert told(await ask(there, token)) == DENIED
        assert told(await ask(there, token, EXTENSION)) == (200, "permit", "vendor")


async def test_a_revocation_seen_by_one_worker_holds_for_the_next_request_on_another(shop: Workshop) -> None:
    clients = await shop.connect_to_each()
    for turn in range(ROUNDS):
        here, there = clients[turn % 2], clients[1 - turn % 2]
        token = await log_in(here)
        assert told(await ask(there, token)) == DENIED
        await revoke(there, token)
        assert told(await ask(here, token)) == (401, "indeterminate", "vendor")


async def test_a_refusal_seen_by_one_worker_is_known_to_the_others(shop: Workshop) -> None:
    one, two = await shop.connect_to_each()
    for _ in range(10):
        login = await log_in(one)
        fingerprint = (await shop.json("/api/v1/grants?limit=1"))["grants"][0]["fingerprint"]
        await shop.admin(f"/api/v1/grants/{fingerprint}", "DELETE", allowed=(204,))
        assert told(await ask(one, login)) == (403, "indeterminate", "vendor")
        assert told(await ask(two, login)) == DENIED


async def test_what_an_operator_forgets_every_worker_forgets(shop: Workshop) -> None:
    one, two = await shop.connect_to_each()
    tokens = [await log_in(one), await log_in(two)]
    for token in tokens:
        assert [told(await ask(client, token)) for client in (one, two)] == [DENIED, DENIED]
    await shop.admin("/api/v1/grants?vendor=ringcentral", "DELETE")
    assert told(await ask(one, tokens[1])) == (403, "indeterminate", "vendor")
    assert told(await ask(two, tokens[0])) == (403, "indeterminate", "vendor")


async def test_a_repeating_denial_on_a_kept_connection_ends_with_the_knowledge_it_rests_on(shop: Workshop) -> None:
    """Rulings on requests that repeat are kept with the connection: they must look around all the same."""
    one, two = await shop.connect_to_each()
    token = await log_in(one)
    assert {told(await ask(two, token)) for _ in range(5)} == {DENIED}
    await revoke(one, token)
    assert told(await ask(two, token)) == (401, "indeterminate", "vendor")


async def test_the_supervisor_knows_what_its_workers_know(shop: Workshop) -> None:
    one, two = await shop.connect_to_each()
    for client in (one, two, one):
        await log_in(client)
    grants = (await shop.json("/api/v1/grants"))["grants"]
    assert len(grants) == 3
    assert await shop.values("scopegate_grant_cache_entries", "vendor") == {("ringcentral",): 3}
