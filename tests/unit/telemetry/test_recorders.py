from __future__ import annotations

from proxy.telemetry.exchange import Exchange
from proxy.telemetry.recent import Recent
from proxy.telemetry.recorders import Recorders
from tests.unit.telemetry.support import DENIED, FORWARDED


class Broken:
    def record(self, exchange: Exchange) -> None:
        raise OSError(28, "no space left")


def test_every_recorder_is_called_once() -> None:
    first, second = Recent(), Recent()
    Recorders({"first": first, "second": second}).record(FORWARDED)
    assert first.find() == second.find() == (FORWARDED,)


def test_a_broken_recorder_is_counted_reported_once_and_harms_nobody() -> None:
    recent, reports = Recent(), list[tuple[str, str]]()
    recorders = Recorders({"broken": Broken(), "recent": recent}, lambda name, error: reports.append((name, str(error))))
    recorders.record(FORWARDED)
    recorders.record(DENIED)
    assert recent.find() == (DENIED, FORWARDED)
    assert reports == [("broken", "[Errno 28] no space left")]
    (reading,) = recorders.readings()
    assert reading.name == "scopegate_recorder_errors_total"
    assert reading.read() == {("broken",): 2, ("recent",): 0}


def test_a_report_that_fails_harms_nobody_either() -> None:
    def report(name: str, error: Exception) -> None:
        raise error

    recent = Recent()
    Recorders({"broken": Broken(), "recent": recent}, report).record(FORWARDED)
    assert recent.find() == (FORWARDED,)
