from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import pytest

from proxy.process.service_manager import ServiceManager, notification, take_service_manager
from tests.fakes.service_manager import listening_manager


def test_a_message_is_one_line_per_member() -> None:
    assert notification(ready=1, status="serves 3 vendors") == b"READY=1\nSTATUS=serves 3 vendors"


@pytest.mark.parametrize("text", ["up\nWATCHDOG=trigger", "up\r\nSTOPPING=1", "up\x85ERRNO=5", "up\u2028ERRNO=5"])
def test_a_text_cannot_say_anything_of_its_own(text: str) -> None:
    assert notification(status=text).count(b"\n") == 0
    assert len(notification(status=text).decode().splitlines()) == 1


def test_a_text_has_a_bound() -> None:
    assert len(notification(status="x" * 100_000)) < 1000


@pytest.mark.parametrize("abstract", [False, pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only"))])
def test_both_kinds_of_sockets_are_reached(tmp_path: Path, abstract: bool) -> None:
    with listening_manager(tmp_path, abstract=abstract) as manager:
        told = take_service_manager({"NOTIFY_SOCKET": manager.address}, 7)
        told.ready("serves")
        told.stopping(30, "stops")
        assert manager.waiting() == [b"READY=1\nSTATUS=serves", b"STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=stops"]


def test_a_reload_tells_when_it_began(tmp_path: Path) -> None:
    with listening_manager(tmp_path) as manager:
        ServiceManager(manager.address, now=lambda: 12.5).reloading("reads anew")
        assert manager.waiting() == [b"RELOADING=1\nMONOTONIC_USEC=12500000\nSTATUS=reads anew"]


def test_the_variables_are_taken_so_that_no_child_speaks_for_us() -> None:
    environment = {"NOTIFY_SOCKET": "@somewhere", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7", "HOME": "/"}
    take_service_manager(environment, 7)
    assert environment == {"HOME": "/"}


@pytest.mark.parametrize("address", ["", "@", "/", "relative", "vsock:2:1234"])
def test_where_nobody_listens_nothing_is_said(address: str, caplog: pytest.LogCaptureFixture) -> None:
    take_service_manager({"NOTIFY_SOCKET": address}, 7).ready("serves")
    assert not caplog.records


async def signs_of_life(tmp_path: Path, **variables: str) -> list[bytes]:
    with listening_manager(tmp_path) as manager:
        told = take_service_manager({"NOTIFY_SOCKET": manager.address, **variables}, 7)
        told.watch(asyncio.get_running_loop())
        told.close()
        return manager.waiting()


async def test_a_watchdog_of_this_process_hears_from_it(tmp_path: Path) -> None:
    assert await signs_of_life(tmp_path, WATCHDOG_USEC="30000000", WATCHDOG_PID="7") == [b"WATCHDOG=1"]
    (tmp_path / "notify").unlink()
    assert await signs_of_life(tmp_path, WATCHDOG_USEC="30000000") == [b"WATCHDOG=1"]


@pytest.mark.parametrize(
    "variables", [{"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "8"}, {"WATCHDOG_USEC": "soon"}, {}, {"WATCHDOG_USEC": "0"}]
)
async def test_a_watchdog_of_another_process_hears_nothing(tmp_path: Path, variables: dict[str, str]) -> None:
    assert await signs_of_life(tmp_path, **variables) == []


async def test_signs_of_life_go_on_until_it_is_closed(tmp_path: Path) -> None:
    with listening_manager(tmp_path) as manager:
        told = ServiceManager(manager.address, watchdog_s=0.01)
        told.watch(asyncio.get_running_loop())
        assert [await manager.next() for _ in range(4)] == [{"WATCHDOG": "1"}] * 4
        told.close()


def test_a_manager_that_is_gone_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = ServiceManager(str(tmp_path / "nobody"))
    with caplog.at_level(logging.WARNING, "scopegate"):
        told.status("one")
        told.status("two")
    (record,) = caplog.records
    assert "does not hear" in record.getMessage()
    assert str(tmp_path) not in record.getMessage()
