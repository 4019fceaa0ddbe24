from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from proxy.workers.relay import Relay


@pytest.fixture
def output() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def dropped(relay: Relay) -> dict[tuple[str, ...], float]:
    return dict(relay.readings()[0].read())


def test_lines_that_come_in_pieces_are_written_whole(output: tuple[int, int]) -> None:
    relay = Relay(output[1])
    one, two = relay.open(), relay.open()
    os.write(one, b"one be")
    os.write(two, b"two\n")
    assert os.read(output[0], 100) == b"two\n"
    os.write(one, b"gins\none goes on")
    assert os.read(output[0], 100) == b"one begins\n"
    os.write(one, b"\n")
    os.close(one)
    os.close(two)
    assert relay.close()
    assert os.read(output[0], 100) == b"one goes on\n"
    assert dropped(relay) == {("torn",): 0, ("sink_error",): 0}


def test_the_torn_line_of_a_worker_that_died_is_dropped_and_counted(output: tuple[int, int]) -> None:
    relay = Relay(output[1])
    line = relay.open()
    os.write(line, b"whole\ntorn")
    os.close(line)
    assert relay.close()
    assert os.read(output[0], 100) == b"whole\n"
    assert dropped(relay) == {("torn",): 1, ("sink_error",): 0}


def test_an_output_that_is_gone_is_counted_and_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    relay = Relay(writing)
    line = relay.open()
    os.write(line, b"one\ntwo\n")
    os.close(line)
    assert relay.close()
    os.close(writing)
    assert dropped(relay) == {("torn",): 0, ("sink_error",): 2}
