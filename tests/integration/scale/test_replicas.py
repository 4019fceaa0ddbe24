"""Replicas are killed, drained and replaced under load, and so is the store between them: what the load balancer can retry is not lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.scale.balancers import BALANCERS
from tests.integration.scale.load import APPS, BY_VENDOR, LOST, Load
from tests.integration.scale.site import Site, open_site

pytestmark = pytest.mark.timeout(300)  # a dozen processes start and end in each of these, if need be on a crowded machine


@pytest.fixture(params=BALANCERS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, request.param) as site:
        site.load.start()
        for replica in site.replicas:
            await replica.gets_requests()
        await site.load.more()
        yield site


async def settle(load: Load) -> None:
    """Stop the load, tell what happened, and check what must hold whatever happened."""
    await load.stop()
    print(f"\n{load.story()}")
    assert load.wrong == []
    assert load.count(LOST, safe=True) == 0, "the load balancer retries these"
    received = load.received_posts()
    assert max(received.values()) == 1, "a message was sent twice"
    assert set(load.answered_posts) <= set(received)


async def test_killed_replicas_are_replaced_by_ones_that_know_everything(site: Site) -> None:
    load = site.load
    for replica in site.replicas:
        load.phase = "killed"
        await replica.kill()
        await load.more()
        await replica.start()
        load.phase = "replaced"
        await replica.denies_at_once(load.tokens)
        await replica.gets_requests()
        await load.more()
    await settle(load)
    assert load.count(BY_VENDOR) == sum(number for key, number in load.results.items() if key[1:] == ("fresh", BY_VENDOR))
    assert load.count(LOST, "steady", "replaced") == 0
    assert load.count(LOST, "killed", safe=False) <= APPS * len(site.replicas), "only what was under way"
    await site.same_knowledge()


async def test_drained_replicas_lose_nothing(site: Site) -> None:
    load = site.load
    for replica in site.replicas:
        load.phase = "drained"
        assert await replica.drain() == "scopegate: stopped; every request was finished"
        await load.more()
        await replica.start()
        load.phase = "replaced"
        await replica.denies_at_once(load.tokens)
        await replica.gets_requests()
    await settle(load)
    assert load.count(LOST) == 0
    assert load.count(BY_VENDOR) == sum(number for key, number in load.results.items() if key[1:] == ("fresh", BY_VENDOR))
    await site.same_knowledge()


async def test_the_store_is_killed_and_replaced_and_a_replica_meanwhile(site: Site) -> None:
    load, (one, other) = site.load, site.replicas
    load.phase = "without the store"
    await site.store.kill()
    await one.says("degraded")
    await other.says("degraded")
    await load.more()
    await one.denies_at_once(load.tokens)
    load.phase = "killed without the store"
    await one.kill()
    await load.more()
    await one.start()
    load.phase = "alone without the store"
    assert (await one.ask(load.tokens[0])).get("Scopegate-Answered-By") == "vendor"
    await one.gets_requests()
    await load.more()
    load.phase = "with the store again"
    await site.store.start()
    await one.says("ready")
    await other.says("ready")
    await load.more()
    await settle(load)
    assert load.count(LOST, "steady", "without the store", "alone without the store", "with the store again") == 0
    await site.same_knowledge()
    await one.denies_at_once(load.tokens)
