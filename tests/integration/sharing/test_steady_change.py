"""Changes come as fast as they are written: the link must still notice that it works, or it gives up what it has just learned."""

from __future__ import annotations

import asyncio
from itertools import count

from proxy.composition.compose import Knowledge
from proxy.composition.joining import join, make_link
from proxy.grants import Knowledge as TokenKnowledge
from proxy.model import Grants, Source
from proxy.process.clocks import SystemClocks
from proxy.simulators import RingCentralSimulator
from tests.fakes.valkey import Valkey
from tests.fakes.waiting import eventually
from tests.integration.house import configuration
from tests.integration.sharing.replicas import SECRET


async def test_a_link_that_never_runs_out_of_changes_works(store: Valkey) -> None:
    clocks, knowledge, bugs = SystemClocks(), Knowledge({}, {}), list[BaseException]()
    async with RingCentralSimulator() as simulator:
        loaded = configuration([simulator], {}, {"shared_state": {"url": store.url, "key": SECRET, "stale_s": 0.5}})
    link = make_link(loaded, clocks, bugs.append)
    assert link is not None
    join(link, knowledge, loaded)
    grants, _ = knowledge.of("ringcentral", 1_000_000)

    async def learn() -> None:
        for number in count():
            now = clocks.now()
            known = TokenKnowledge(Grants(frozenset({"ReadAccounts"}), complete=True), Source.TOKEN_RESPONSE, now, now + 60)
            grants.put(number.to_bytes(16, "big"), known)
            await asyncio.sleep(0)

    learning = asyncio.create_task(learn())

    async def works() -> bool:
        return not link.trouble

    await eventually(works)
    learning.cancel()
    written = {labels: number for reading in link.readings() for labels, number in reading.read().items() if reading.name.endswith("_up")}
    await link.close()
    assert set(written.values()) == {1.0}
    assert bugs == []
