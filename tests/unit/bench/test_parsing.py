"""What the load generators print is counted as it is: nothing that went wrong counts as an answer."""

from __future__ import annotations

from typing import Any

import pytest

from bench.performance.parsing import Answered, h2load, latencies, quantile, wrk
from tests.unit.bench.samples import H2LOAD, WRK


def printed(**values: Any) -> str:
    return H2LOAD.format(**({"time": "4.71ms", "total": 10, "done": 10, "ok": 10, "no": 0, "errored": 0} | values))


def test_wrk_counts_what_was_answered() -> None:
    assert wrk(WRK.format(more=""), 2) == Answered(25593, 1.10, (25593, 0, 0, 0), 0)
    assert wrk(WRK.format(more=""), 2).refused(2) == ""


def test_wrk_counts_what_is_no_success() -> None:
    text = WRK.format(more="  Non-2xx or 3xx responses: 93\n")
    assert wrk(text, 2).refused(2) == "93 of 25593 answers were not 2xx, 0 broke"
    assert wrk(text, 4).refused(4) == "25500 of 25593 answers were not 4xx, 0 broke"
    assert wrk(WRK.format(more="  Non-2xx or 3xx responses: 25593\n"), 4).refused(4) == ""


def test_wrk_counts_broken_connections() -> None:
    text = WRK.format(more="  Socket errors: connect 1, read 2, write 3, timeout 4\n")
    assert wrk(text, 2).refused(2) == "0 of 25593 answers were not 2xx, 10 broke"


def test_h2load_counts_what_was_answered() -> None:
    assert h2load(printed()) == Answered(10, 0.00471, (10, 0, 0, 0), 0)
    assert h2load(printed(ok=0, no=10)).refused(4) == ""
    assert h2load(printed(ok=9, no=1)).refused(2) == "1 of 10 answers were not 2xx, 0 broke"


def test_h2load_counts_what_never_came() -> None:
    assert h2load(printed(done=8, ok=8)).refused(2) == "0 of 8 answers were not 2xx, 2 broke"
    assert h2load(printed(errored=3)).broken == 3


@pytest.mark.parametrize(("time", "seconds"), [("250us", 0.00025), ("2.03s", 2.03), ("1m", 60.0)])
def test_h2load_tells_times_in_several_units(time: str, seconds: float) -> None:
    assert h2load(printed(time=time)).seconds == pytest.approx(seconds)


def test_nothing_answered_counts_as_refused() -> None:
    assert Answered(0, 1.0, (0, 0, 0, 0), 3).refused(2) == "no answer at all, 3 broke"


@pytest.mark.parametrize("read", [h2load, lambda text: wrk(text, 2)])
def test_what_no_load_generator_prints_is_no_result(read: Any) -> None:
    with pytest.raises(ValueError, match="not what"):
        read("unable to connect")


def test_latencies_are_read_from_the_log() -> None:
    assert latencies("1795326028221748\t200\t158\n1795326028224105\t200\t119\n") == [119, 158]


@pytest.mark.parametrize(("part", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_quantile_is_the_value_that_so_many_do_not_exceed(part: float, value: int) -> None:
    assert quantile(range(1, 101), part) == value


def test_a_quantile_of_one_value_is_that_value() -> None:
    assert quantile([7], 0.99) == 7
