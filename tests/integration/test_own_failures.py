"""What fails inside the proxy, seen from outside: traffic goes on, it is counted, `/readyz` tells of it, and it ends by itself."""

from __future__ import annotations

import asyncio
import base64
import os
import resource
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from proxy.app import App
from proxy.simulators import RingCentralSimulator
from proxy.simulators.ringcentral import JWT_GRANT
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from proxy.telemetry.exchange import Exchange
from proxy.telemetry.recorders import Recorder
from tests.fakes.waiting import eventually
from tests.integration.house import House, basic, open_house

LOGIN, ACCOUNT = "/ringcentral/restapi/oauth/token", "/ringcentral/restapi/v1.0/account/~"
CALL_LOG = f"{ACCOUNT}/call-log"
DENIED, FORWARDED = (403, "deny", True), (403, "indeterminate", False)
KNOWN, LOGINS, AT_ONCE = 20, 300, 12
OPEN, MOST = "process_open_fds", "process_max_fds"


class Clumsy:
    """A recorder that raises for every request."""

    def record(self, exchange: Exchange) -> None:
        raise OSError(28, "no space left")


class ClumsyApp(App):
    """A proxy whose first recorder is clumsy."""

    def _all_recorders(self) -> Mapping[str, Recorder]:
        return {"clumsy": Clumsy(), **super()._all_recorders()}


@pytest.fixture
def ringcentral() -> RingCentralSimulator:
    return RingCentralSimulator(apps=[RingCentralApp("reader", "secret", "ReadAccounts")])


async def log_in(house: House) -> str:
    answer = await house.send("POST", LOGIN, headers=basic("reader"), form={"grant_type": JWT_GRANT, "assertion": "demo-jwt-amy"})
    assert answer.status == 200
    return str(answer.json["access_token"])


async def number(house: House, name: str, **where: str) -> float:
    return (await house.count(name, **where)).get((), 0)


# --- memory


async def test_a_flood_of_logins_is_answered_counted_and_forgets_the_oldest_only(ringcentral: RingCentralSimulator) -> None:
    async with open_house(ringcentral, limits={"max_known_tokens": KNOWN}) as house:
        first = await log_in(house)
        left = iter(range(LOGINS))

        async def one_after_the_other() -> None:
            for _ in left:
                token = await log_in(house)
                assert (await house.send("GET", CALL_LOG, token)).told == DENIED

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_the_other())
        newest = [await log_in(house) for _ in range(KNOWN)]
        assert await number(house, "scopegate_grant_cache_entries") == KNOWN
        assert await number(house, "scopegate_grant_cache_evictions_total") == 1 + LOGINS
        assert [(await house.send("GET", CALL_LOG, token)).told for token in newest] == [DENIED] * KNOWN
        assert (await house.send("GET", CALL_LOG, first)).told == FORWARDED
        assert (await house.admin("/readyz"))["status"] == "ready"


# --- everything at once


async def test_traffic_goes_on_while_store_audit_log_and_a_recorder_fail_and_both_files_come_back(
    ringcentral: RingCentralSimulator, tmp_path: Path
) -> None:
    state, audit = tmp_path / "state", tmp_path / "audit.jsonl"
    state.touch()  # a file where the folder should be: as useless as a read-only disk, also to a test that runs as root
    audit.mkdir()
    kept = {"path": str(state / "scopegate.db"), "key": base64.b64encode(b"k" * 32).decode()}
    async with open_house(ringcentral, make=ClumsyApp, state=kept, audit={"path": str(audit)}) as house:
        token = await log_in(house)
        assert (await house.send("GET", ACCOUNT, token)).status == 200
        assert (await house.send("GET", CALL_LOG, token)).told == DENIED

        async def works(name: str, up: float) -> bool:
            return await number(house, name) == up

        for name in ("scopegate_store_up", "scopegate_audit_up"):
            await eventually(lambda name=name: works(name, 0))  # type: ignore[misc]
        assert await number(house, "scopegate_store_writes_total", result="failed") > 0
        assert await number(house, "scopegate_audit_queue_length") == 3
        assert await house.count("scopegate_recorder_errors_total", "recorder") == {("clumsy",): 3}
        assert await number(house, "scopegate_requests_total") == 3  # the other recorders heard of all
        ready = await house.admin("/readyz")
        assert ready["status"] == "degraded"
        assert {name for name, check in ready["checks"].items() if check.get("degraded")} == {"state", "audit"}

        state.unlink()
        audit.rmdir()
        for name in ("scopegate_store_up", "scopegate_audit_up"):
            await eventually(lambda name=name: works(name, 1))  # type: ignore[misc]
        await eventually(lambda: works("scopegate_audit_queue_length", 0))
        assert (await house.admin("/readyz"))["status"] == "ready"
        assert (await house.send("GET", CALL_LOG, token)).told == DENIED
        assert await number(house, "scopegate_audit_events_total", result="dropped") == 0


# --- descriptors


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
async def test_how_near_the_process_is_to_its_last_descriptor_is_on_the_page(ringcentral: RingCentralSimulator) -> None:
    """Without one nothing can be accepted, and what is not accepted cannot be counted: so the alert must come before."""
    async with open_house(ringcentral) as house:
        before = await number(house, OPEN)
        assert await number(house, MOST) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        with ExitStack() as taken:
            for _ in range(40):
                taken.callback(os.close, os.dup(0))
            assert await number(house, OPEN) > before + 30  # others in this process may close theirs meanwhile
        assert await number(house, OPEN) < before + 10
