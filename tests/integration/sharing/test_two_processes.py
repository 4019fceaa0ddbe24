"""Two `scopegate serve` processes and a real Valkey: what operators will run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.simulators.ringcentral import JWT_GRANT
from tests.fakes.valkey import Valkey
from tests.fakes.waiting import eventually
from tests.integration.cli.processes import Running, serving
from tests.integration.house import basic
from tests.integration.sharing.replicas import CALL_LOG, LOGIN, REVOKE, SECRET, Vendors

READ = "/ringcentral/restapi/v1.0/account/~"


class Replica:
    """One process, asked over HTTP."""

    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self._running = running
        self._session = session

    async def send(self, method: str, target: str, token: str = "", **options: Any) -> tuple[int, str]:
        """Return status and decision."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.request(method, self._running.base_url + target, headers=headers, **options) as response:
            await response.read()
            return response.status, response.headers["Scopegate-Decision"]

    async def log_in(self) -> dict[str, Any]:
        form = {"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"}
        async with self._session.post(self._running.base_url + LOGIN, headers=basic("reader"), data=form) as response:
            issued: dict[str, Any] = await response.json()
            return issued

    async def revoke(self, token: str) -> None:
        async with self._session.post(self._running.base_url + REVOKE, headers=basic("reader"), data={"token": token}) as response:
            assert response.status == 200

    async def ready(self) -> str:
        async with self._session.get(self._running.admin_url + "/readyz") as response:
            return str((await response.json())["status"])

    async def is_ready(self, state: str) -> None:
        """Wait until it says that it is `ready` or `degraded`."""

        async def it_is() -> bool:
            return await self.ready() == state

        await eventually(it_is)

    async def decides(self, token: str, decision: str) -> None:
        """Wait until a request that the token may not make is decided in one way."""

        async def so() -> bool:
            return (await self.send("GET", CALL_LOG, token))[1] == decision

        await eventually(so)


@asynccontextmanager
async def two(directory: Path, vendors: Vendors, store: Valkey, *arguments: str) -> AsyncIterator[tuple[Replica, Replica]]:
    text = {
        "vendors": {"ringcentral": {"kind": "ringcentral", "mount": {"path": "/ringcentral"}, "upstream": vendors.ringcentral.base_url}},
        "shared_state": {"url": store.url, "key": SECRET},
        "log": {"decisions": False},
    }
    file = directory / "scopegate.yaml"
    file.write_text(json.dumps(text))
    async with serving(file, *arguments) as one, serving(file) as other, aiohttp.ClientSession() as session:
        pair = Replica(one, session), Replica(other, session)
        for replica in pair:
            await replica.is_ready("ready")
        yield pair


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_what_one_learns_the_other_uses_and_both_forget_what_is_revoked(
    tmp_path: Path, vendors: Vendors, store: Valkey, workers: str
) -> None:
    async with two(tmp_path, vendors, store, "--workers", workers) as (one, other):
        issued = await one.log_in()
        await other.decides(issued["access_token"], "deny")
        assert await one.send("GET", CALL_LOG, issued["access_token"]) == (403, "deny")
        back = await other.log_in()
        await one.decides(back["access_token"], "deny")
        await other.revoke(issued["access_token"])
        await one.decides(issued["access_token"], "indeterminate")
        await other.decides(issued["access_token"], "indeterminate")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_process_knows_everything_before_its_first_request(tmp_path: Path, vendors: Vendors, store: Valkey, workers: str) -> None:
    async with two(tmp_path, vendors, store) as (one, _), aiohttp.ClientSession() as session:
        tokens = [(await one.log_in())["access_token"] for _ in range(200)]
        async with serving(tmp_path / "scopegate.yaml", "--workers", workers) as running:
            late = Replica(running, session)
            assert {await late.send("GET", CALL_LOG, token) for token in tokens} == {(403, "deny")}


async def test_the_store_killed_and_restarted_under_load_loses_no_request(tmp_path: Path, vendors: Vendors, store: Valkey) -> None:
    async with two(tmp_path, vendors, store) as (one, other):
        token = (await one.log_in())["access_token"]
        await other.decides(token, "deny")
        stop, answers = asyncio.Event(), list[tuple[int, str]]()

        async def load(replica: Replica) -> None:
            while not stop.is_set():
                answers.append(await replica.send("GET", READ, token))
                answers.append(await replica.send("GET", CALL_LOG, token))
                assert (await replica.log_in())["access_token"]

        async def enough(count: int) -> None:
            target = len(answers) + count

            async def sent() -> bool:
                return len(answers) >= target

            await eventually(sent)

        tasks = [asyncio.create_task(load(replica)) for replica in (one, other, one, other)]
        for _ in range(2):
            await enough(100)
            await store.kill()
            for replica in (one, other):
                await replica.is_ready("degraded")
            await enough(100)
            await store.start()
            for replica in (one, other):
                await replica.is_ready("ready")
        await enough(100)
        stop.set()
        await asyncio.gather(*tasks)
        assert set(answers) == {(200, "permit"), (403, "deny")}
        late = (await one.log_in())["access_token"]
        await other.decides(late, "deny")
