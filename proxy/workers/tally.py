"""What all workers have counted, those that are gone included: on the supervisor's page nothing ever goes back."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.telemetry.labels import Reading
from proxy.telemetry.metrics import Snapshot
from proxy.workers.totals import NOTHING, Totals, TotalsError, decode_totals, snapshot_with, together, totals_of


class Tally:
    """The last numbers of each worker, and the sum of those that are gone."""

    def __init__(self) -> None:
        self._last: dict[int, Totals] = {}
        self._gone = NOTHING
        self.unreadable = 0
        self.resyncs = 0

    def take(self, worker: int, answer: bytes) -> None:
        """Note what a worker has counted so far."""
        try:
            self._last[worker] = decode_totals(answer)
        except TotalsError:
            self.unreadable += 1

    def retire(self, worker: int) -> None:
        """Keep what a worker that is gone has counted."""
        self._gone = self._gone.merged(self._last.pop(worker, NOTHING).retired())

    def page(self, own: Snapshot) -> Snapshot:
        """Return the supervisor's snapshot with everybody's numbers in it."""
        return snapshot_with(together(self._parts(own)), own)

    def _parts(self, own: Snapshot) -> Iterable[Totals]:
        return (totals_of(own), self._gone, *self._last.values())

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the tally itself."""
        text = "How often a process had to be told all that is known because it had fallen too far behind."
        return (Reading("scopegate_worker_resyncs_total", text, lambda: {(): self.resyncs}, counter=True),)
