"""What may be done only so often, real processes do only so often together."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.fakes.waiting import eventually
from tests.integration.workers.workshop import CALL_LOG, DENIED, EXTENSION, ask, log_in, open_workshop, told

ENFORCED = "Scopegate-Key: enforce\r\n"
CLIENTS = [{"name": "enforce", "authenticate": {"api_key_sha256": hashlib.sha256(b"enforce").hexdigest()}, "mode": "enforce"}]
SAMPLED = (403, "would-deny", "vendor")


async def test_one_denial_a_minute_is_sent_through_by_one_of_the_workers(tmp_path: Path) -> None:
    options = {"vendor": {"verify_denials": {"rate": 1.0, "per_minute": 1}}, "clients": CLIENTS}
    async with open_workshop(tmp_path, **options) as shop:  # type: ignore[arg-type]
        one, two = await shop.connect_to_each()
        token = await log_in(one, ENFORCED)
        assert told(await ask(one, token, CALL_LOG, ENFORCED)) == SAMPLED
        for client in (two, one, two):
            assert told(await ask(client, token, CALL_LOG, ENFORCED)) == DENIED
        assert await shop.total("scopegate_verified_denials_total") == 1


async def test_the_vendor_is_asked_about_a_token_by_one_of_the_workers(tmp_path: Path) -> None:
    async with open_workshop(tmp_path, vendor={"discover_scopes": True}) as shop:
        one, two = await shop.connect_to_each()

        async def asked() -> bool:
            return await shop.total("scopegate_discoveries_total") == 1

        assert (await ask(one, "made-up", EXTENSION)).status == 401
        await eventually(asked)
        for client in (two, one, two):
            assert (await ask(client, "made-up", EXTENSION)).status == 401
        assert await asked()
        assert [entry.path for entry in shop.simulator.journal].count("/restapi/oauth/session-info") == 1
