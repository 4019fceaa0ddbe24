"""Start, death, replacement and end of workers, in real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.client import RawClient
from tests.fakes.waiting import eventually
from tests.integration.cli.conftest import SlowVendor, WriteConfiguration, closed_port, configured, occupied, vendor
from tests.integration.cli.processes import FREE, PATIENCE_S, scopegate, serving
from tests.integration.workers.workshop import DENIED, EXTENSION, Workshop, ask, log_in, open_workshop, told

__all__ = ["closed_port", "configured", "occupied", "vendor"]
UPLOAD = b"/ringcentral/restapi/v1.0/account/~/extension/~/greeting"
HEAD = b"POST %s HTTP/1.1\r\nHost: proxy\r\nContent-Length: 10\r\n\r\n12345" % UPLOAD


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    async with open_workshop(tmp_path) as shop:
        yield shop


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def ends(*pids: int) -> None:
    """Return when none of these processes is alive."""

    async def all_ended() -> bool:
        return not any(map(is_alive, pids))

    await eventually(all_ended)


# --- death and replacement


async def test_a_killed_worker_is_replaced_by_one_that_knows_everything(shop: Workshop) -> None:
    one, two = await shop.connect_to_each()
    tokens = [await log_in(one), await log_in(two)]
    first = await shop.is_ready("1")
    os.kill(first, signal.SIGKILL)
    assert "ended: signal SIGKILL" in await shop.running.error_line("worker 1")
    del shop.pids["1"]
    assert await shop.is_ready("1") != first
    clients = await shop.connect_to_each()
    for client in clients:
        assert [told(await ask(client, token)) for token in tokens] == [DENIED, DENIED]
    assert await shop.values("scopegate_worker_restarts_total", "worker") == {("1",): 1, ("2",): 0}


async def test_nobody_else_suffers_when_a_worker_dies_under_load(shop: Workshop) -> None:
    """Requests on the other worker's connections, and every new connection, are answered throughout."""
    one, two = await shop.connect_to_each()
    token = await log_in(two)
    victim = await shop.is_ready("1")
    dead = asyncio.Event()

    async def keep_asking(client: RawClient) -> int:
        count, after = 0, 0
        while after < 20:
            assert told(await ask(client, token)) == DENIED
            count, after = count + 1, after + dead.is_set()
        return count

    async def keep_connecting() -> None:
        for _ in range(40):
            assert (await ask(await shop.connect(), token, EXTENSION)).status == 200

    asking = asyncio.create_task(keep_asking(two))
    assert (await ask(one, token, EXTENSION)).status == 200
    os.kill(victim, signal.SIGKILL)
    await one.gone()
    dead.set()
    await keep_connecting()
    assert await asking > 20
    await shop.is_ready("2")
    del shop.pids["1"]
    assert await shop.is_ready("1") != victim


async def test_readiness_is_degraded_while_a_worker_is_missing(shop: Workshop) -> None:
    assert (await shop.json("/readyz"))["status"] == "ready"
    os.kill(await shop.is_ready("2"), signal.SIGKILL)
    seen: list[str] = []

    async def back() -> bool:
        state = await shop.json("/readyz")
        seen.append(state["status"])
        return "degraded" in seen and seen[-1] == "ready"

    await eventually(back)


async def test_counts_never_go_back_when_a_worker_dies(shop: Workshop) -> None:
    one, two = await shop.connect_to_each()
    token = await log_in(one)
    for client in (one, two, one, one):
        await ask(client, token)
    name = "scopegate_requests_total"
    before = await shop.values(name, "outcome")
    assert (before["forwarded",], before["denied",]) == (1, 4)
    os.kill(await shop.is_ready("1"), signal.SIGKILL)
    await shop.running.error_line("ended")
    assert await shop.values(name, "outcome") == before
    await ask(two, token)
    assert (await shop.values(name, "outcome"))["denied",] == 5


async def test_workers_end_when_their_supervisor_is_killed(shop: Workshop) -> None:
    one, _ = await shop.connect_to_each()
    pids = [await shop.is_ready("1"), await shop.is_ready("2")]
    shop.running.process.kill()
    await one.gone()
    await ends(*pids)


# --- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_ends_idle_workers_with_0(shop: Workshop, number: signal.Signals) -> None:
    pids = [await shop.is_ready("1"), await shop.is_ready("2")]
    shop.running.send(number)
    code, _, errors = await shop.running.end()
    assert (code, errors.splitlines()[-1]) == (0, "scopegate: stopped; every request was finished")
    await ends(*pids)


async def test_a_signal_to_the_whole_group_drains_like_one_to_the_supervisor(shop: Workshop) -> None:
    """A terminal's Ctrl-C and many service managers signal every process."""
    one, two = await shop.connect_to_each()
    token = await log_in(one)
    for pid in (await shop.is_ready("1"), await shop.is_ready("2")):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert told(await ask(two, token)) == DENIED
    shop.running.send(signal.SIGTERM)
    code, _, errors = await shop.running.end()
    assert (code, "every request was finished" in errors) == (0, True)


async def begin_upload(port: int, vendor: SlowVendor) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)
    async with asyncio.timeout(PATIENCE_S):
        await vendor.head_arrived.wait()
    return reader, writer


async def test_what_is_under_way_is_finished_at_the_end(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    async with serving(configured(vendor.url, "workers: 2")) as running:
        reader, writer = await begin_upload(running.port, vendor)
        running.send(signal.SIGTERM)
        await running.error_line("stopping")

        async def refused() -> bool:
            try:
                _, late = await asyncio.open_connection("127.0.0.1", running.port)
            except OSError:
                return True
            late.close()
            return False

        await eventually(refused)
        writer.write(b"67890")
        answer = await reader.read()
        code, output, errors = await running.end()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (code, json.loads(output)["request_bytes"]) == (0, 10)
    assert "every request was finished" in errors


async def test_a_second_signal_cuts(configured: WriteConfiguration, vendor: SlowVendor) -> None:
    async with serving(configured(vendor.url, "workers: 2\nlimits: {shutdown_grace_s: 3600}")) as running:
        _, writer = await begin_upload(running.port, vendor)
        running.send(signal.SIGTERM)
        await running.error_line("stopping")
        running.send(signal.SIGTERM)
        code, output, errors = await running.end()
        writer.close()
    assert code == 0
    assert "1 connection(s) with a request under way were cut" in errors
    assert json.loads(output)["fault"] == "shutdown"


# --- the start


async def test_the_address_is_told_once(configured: WriteConfiguration) -> None:
    async with serving(configured(more="workers: 3")) as running:
        running.send(signal.SIGTERM)
        _, _, errors = await running.end()
    assert ("".join(running.told) + errors).count("listening on") == 1


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_an_address_in_use_is_one_clear_message(configured: WriteConfiguration, occupied: int, option: str) -> None:
    finished = scopegate("serve", "--config", str(configured()), *FREE, "--workers", "2", option, f"127.0.0.1:{occupied}")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.count("\n") == 1
    assert f"127.0.0.1:{occupied}" in finished.stderr
    assert option in finished.stderr


@pytest.mark.parametrize("count", ["0", "65"])
def test_a_senseless_number_of_workers_is_a_usage_error(configured: WriteConfiguration, count: str) -> None:
    finished = scopegate("serve", "--config", str(configured()), "--workers", count)
    assert (finished.returncode, "1<=x<=64" in finished.stderr) == (2, True)
