"""Hands each exchange to every recorder once; a recorder that fails is counted and harms nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from proxy.telemetry.exchange import Exchange, Repetition
from proxy.telemetry.labels import Reading, Values


class Recorder(Protocol):
    """Whoever wants to know about every request."""

    def record(self, exchange: Exchange) -> None:
        """Take note of one exchange: quickly, without waiting for anything."""


class Repeating(Recorder, Protocol):
    """A recorder that need not see a repeated exchange whole, because it remembers in the scratch space what to do."""

    def repeat(self, repetition: Repetition) -> None:
        """Take note of one more exchange like one that was recorded with this scratch space."""


class Recorders:
    """Recorders by name. `report` is told of the first error of each (for one line in the program's log)."""

    def __init__(self, recorders: Mapping[str, Recorder], report: Callable[[str, Exception], None] | None = None) -> None:
        self._calls = tuple((name, recorder.record) for name, recorder in recorders.items())
        self._repeats = tuple((name, _repeat_of(recorder)) for name, recorder in recorders.items())
        self._report = report
        self.errors = dict.fromkeys(recorders, 0)

    def record(self, exchange: Exchange) -> None:
        """Call every recorder once, in order. Never raises."""
        for name, call in self._calls:
            try:
                call(exchange)
            except Exception as error:  # whatever a recorder does wrong, the request has been answered
                self._failed(name, error)

    def repeat(self, repetition: Repetition) -> None:
        """Call every recorder once for an exchange like an earlier one. Never raises."""
        for name, call in self._repeats:
            try:
                call(repetition)
            except Exception as error:  # as above
                self._failed(name, error)

    def _failed(self, name: str, error: Exception) -> None:
        self.errors[name] += 1
        if self.errors[name] > 1 or self._report is None:
            return
        try:
            self._report(name, error)
        except Exception:
            self.errors[name] += 1

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the recorders themselves."""
        text = "Exchanges that a recorder could not take note of."
        return (Reading("scopegate_recorder_errors_total", text, self._error_values, ("recorder",), counter=True),)

    def _error_values(self) -> Values:
        return {(name,): count for name, count in self.errors.items()}


def _repeat_of(recorder: Recorder) -> Callable[[Repetition], None]:
    """Return how a recorder hears of a repeated exchange: as such, or written out."""
    own: Callable[[Repetition], None] | None = getattr(recorder, "repeat", None)
    return own or _WrittenOut(recorder).repeat


class _WrittenOut:
    def __init__(self, recorder: Recorder) -> None:
        self._record = recorder.record

    def repeat(self, repetition: Repetition) -> None:
        self._record(repetition.exchange())
