"""The writer thread against real pipes: nobody waits, nothing is lost silently."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.telemetry.line_writer import LineWriter

Pipe = tuple[int, int]
LINE = b"x" * 999 + b"\n"
PIPE_ROOM = 4 * 1024 * 1024
"""More than any pipe holds."""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            assert end in ends  # the test closed it


def read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return stream.read()


def test_lines_arrive_whole_and_in_order(pipe: Pipe) -> None:
    writer = LineWriter(pipe[1])
    for number in range(1000):
        writer.put(b"%d\n" % number)
    writer.close()
    os.close(pipe[1])
    assert read_all(pipe[0]).split() == [b"%d" % number for number in range(1000)]
    assert sum(writer.dropped.values()) == 0


@pytest.mark.parametrize("bounds", [{"max_lines": 100}, {"max_bytes": 100_000}])
def test_a_sink_that_blocks_costs_lines_but_no_time_and_each_is_counted(pipe: Pipe, bounds: dict[str, int]) -> None:
    writer = LineWriter(pipe[1], **bounds)
    offered = PIPE_ROOM // len(LINE)
    for _ in range(offered):
        writer.put(LINE)
    assert writer.dropped["queue_full"] > 0
    writer.close(timeout=0.05)
    dropped = sum(writer.dropped.values())
    arrived = _drain_while_blocked(pipe, writer).count(LINE)
    assert arrived + dropped == offered


def _drain_while_blocked(pipe: Pipe, writer: LineWriter) -> bytes:
    """Read what the thread had begun to write; it ends once somebody reads, and then the pipe does."""
    os.set_blocking(pipe[0], False)
    received = b""
    while not writer.wait_closed(0.01):
        received += _read_some(pipe[0])
    os.close(pipe[1])
    os.set_blocking(pipe[0], True)
    return received + read_all(pipe[0])


def _read_some(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, PIPE_ROOM)
    except BlockingIOError:
        return b""


def test_a_broken_pipe_is_counted_and_never_raised(pipe: Pipe) -> None:
    os.close(pipe[0])
    writer = LineWriter(pipe[1])
    for _ in range(3):
        writer.put(LINE)
    writer.close()
    assert writer.dropped == {"queue_full": 0, "closed": 0, "sink_error": 3}


def test_a_closed_descriptor_is_counted(pipe: Pipe) -> None:
    os.close(pipe[1])
    writer = LineWriter(pipe[1])
    writer.put(LINE)
    writer.close()
    assert writer.dropped["sink_error"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here: a full disk was not tried")
def test_a_full_disk_is_counted() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    writer = LineWriter(full)
    writer.put(LINE)
    writer.close()
    os.close(full)
    assert writer.dropped["sink_error"] == 1


def test_a_line_after_the_end_is_counted(pipe: Pipe) -> None:
    writer = LineWriter(pipe[1])
    writer.close()
    writer.put(LINE)
    assert writer.dropped == {"queue_full": 0, "closed": 1, "sink_error": 0}


def test_a_sink_made_non_blocking_by_somebody_else_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe[1], False)
    writer = LineWriter(pipe[1])
    for _ in range(500):
        writer.put(LINE)
    received = b""
    while received.count(b"\n") < 500:
        received += os.read(pipe[0], 65536)
    writer.close()
    assert received == LINE * 500
    assert sum(writer.dropped.values()) == 0


def test_the_losses_are_a_metric(pipe: Pipe) -> None:
    writer = LineWriter(pipe[1])
    writer.close()
    writer.put(LINE)
    (reading,) = writer.readings()
    assert reading.name == "scopegate_log_lines_dropped_total"
    assert reading.read() == {("queue_full",): 0, ("closed",): 1, ("sink_error",): 0}


def test_a_line_cut_by_an_error_does_not_spoil_the_next_one(pipe: Pipe, tmp_path: Path) -> None:
    writer = LineWriter(pipe[1])
    writer.put(b"first\n")
    writer.put(b"x" * 1_000_000 + b"\n")  # more than the pipe takes, so it is cut
    assert os.read(pipe[0], 7) == b"first\nx"
    os.close(pipe[0])
    while not writer.dropped["sink_error"]:
        os.sched_yield()
    with (tmp_path / "log").open("wb") as mended:
        os.dup2(mended.fileno(), pipe[1])
    writer.put(b"next\n")
    writer.close()
    assert (tmp_path / "log").read_bytes() == b"\nnext\n"
    assert writer.dropped["sink_error"] == 1


def test_what_was_written_makes_room(pipe: Pipe) -> None:
    writer = LineWriter(pipe[1], max_bytes=2 * len(LINE))
    for _ in range(20):
        writer.put(LINE)
        assert os.read(pipe[0], 65536) == LINE
    writer.close()
    assert sum(writer.dropped.values()) == 0
