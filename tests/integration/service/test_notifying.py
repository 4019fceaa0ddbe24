"""A real `scopegate serve` and a service manager that listens to it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.service_manager import FakeManager, listening_manager
from tests.integration.cli.processes import FREE, Running, scopegate, started
from tests.integration.service.handing import GRACE_S, handing, listening, url_of

pytestmark = pytest.mark.timeout(90)


def variables(manager: FakeManager, watchdog_s: float = 0.0) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, **({"WATCHDOG_USEC": str(int(watchdog_s * 1e6))} if watchdog_s else {})}


async def accepts(url: str) -> None:
    host, _, port = url.rpartition("//")[2].rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_it_is_ready_when_both_listeners_serve_and_says_when_it_ends(tmp_path: Path, configuration: Path, workers: str) -> None:
    with listening_manager(tmp_path) as manager:
        arguments = ("serve", "--config", str(configuration), *FREE, "--workers", workers)
        async with started(*arguments, extra=variables(manager)) as running:
            ready = await manager.next()
            await running.listening()
            await accepts(running.base_url)
            await accepts(running.admin_url)
            running.send(signal.SIGTERM)
            stopping = await manager.next()
            code, _, _ = await running.end()
        assert ready["READY"] == "1"
        assert running.base_url in ready["STATUS"]
        assert stopping["STOPPING"] == "1"
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > GRACE_S * 1e6
        assert (code, manager.waiting()) == (0, [])


async def test_a_loop_that_turns_gives_signs_of_life_and_one_that_hangs_does_not(tmp_path: Path, configuration: Path) -> None:
    with listening_manager(tmp_path) as manager:
        async with started("serve", "--config", str(configuration), *FREE, extra=variables(manager, watchdog_s=0.1)) as running:
            await manager.until("READY")
            for _ in range(3):
                assert await manager.next() == {"WATCHDOG": "1"}
            await hangs(running, manager)


async def hangs(running: Running, manager: FakeManager) -> None:
    """Stop the process, as a loop that hangs would be, and let it go on: nothing is said meanwhile."""
    running.send(signal.SIGSTOP)
    await asyncio.to_thread(wait_for_state, running.process.pid, "T")
    manager.waiting()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await manager.next()
    running.send(signal.SIGCONT)
    assert await manager.next() == {"WATCHDOG": "1"}


def wait_for_state(process: int, state: str) -> None:
    stat = Path(f"/proc/{process}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != state:
        pass


async def test_workers_cannot_speak_for_the_service(tmp_path: Path, configuration: Path) -> None:
    with listening_manager(tmp_path) as manager:
        arguments = ("serve", "--config", str(configuration), *FREE, "--workers", "2")
        async with started(*arguments, extra=variables(manager, watchdog_s=0.05)) as running:
            await manager.until("READY")
            await manager.until("WATCHDOG")
            running.send(signal.SIGSTOP)  # the supervisor alone
            await asyncio.to_thread(wait_for_state, running.process.pid, "T")
            manager.waiting()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await manager.next()
            running.send(signal.SIGCONT)


def test_what_cannot_start_is_never_ready(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("vendors: {}\n")
    with listening_manager(tmp_path) as manager:
        finished = scopegate("serve", "--config", str(broken), *FREE, extra=variables(manager))
        assert (finished.returncode, manager.waiting()) == (4, [])


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_reload_begins_and_ends_and_the_sockets_stay(tmp_path: Path, configuration: Path, workers: str) -> None:
    """`listen` and `admin.listen` do not count where sockets are handed over, after a reload neither."""
    with listening_manager(tmp_path) as manager, listening() as traffic, listening() as admin:
        handed = (("traffic", traffic), ("admin", admin))
        async with handing(configuration, handed, "--workers", workers, extra=variables(manager)) as running:
            await running.listening()
            serves = (await manager.until("READY"))["STATUS"]
            add(configuration, "mode: shadow")
            other = await reloaded(running, manager, lambda status: status != serves)  # it names the revision
            add(configuration, "nonsense: 1")
            assert (
                await reloaded(running, manager, lambda status: "the last reload failed" in status)
                == f"{other}; the last reload failed, see the log"
            )
            assert url_of(traffic) in serves
            for url in (running.base_url, running.admin_url):
                await accepts(url)
            running.send(signal.SIGTERM)
            assert (await running.end())[0] == 0


def add(configuration: Path, line: str) -> None:
    configuration.write_text(f"{configuration.read_text()}{line}\n")


async def reloaded(running: Running, manager: FakeManager, wanted: Callable[[str], bool]) -> str:
    """Ask for a reload, as ExecReload= does; return what is said at the end of one that is wanted (a changed file begins one by itself)."""
    running.send(signal.SIGHUP)
    while True:
        begun = await manager.until("RELOADING")
        assert int(begun["MONOTONIC_USEC"]) > 0
        status = (await manager.until("READY"))["STATUS"]
        if wanted(status):
            return status
