"""The metrics recorder: one dictionary look-up per request finds the cell to count in and its histograms.

Every counter of the page is expanded from the one combined counter when somebody scrapes (`families.py`), never before.
Not thread-safe by design: `record` and `snapshot` belong to the event loop; a snapshot may travel anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from typing import Final, NamedTuple

from proxy.telemetry.exchange import Exchange, Outcome, Repetition, ResponseKind
from proxy.telemetry.histogram import OVERHEAD_BOUNDS, REQUEST_BOUNDS, VENDOR_BOUNDS, Histogram
from proxy.telemetry.labels import NO_VENDOR, ROW_INDEXES, UNKNOWN, KnownLabels, Reading, Row, Together, Values

MAX_COMBINATIONS: Final = 20_000
"""Distinct rows of the combined counter (about 8 MB); beyond it, new rows are counted without operation and scope."""

_Key = tuple[object, ...]
_row_of: Callable[[Exchange], _Key] = itemgetter(*ROW_INDEXES)


class CacheSize(NamedTuple):
    """How many tokens' knowledge a vendor's cache holds now, and how many entries it had to push out so far."""

    entries: int
    evictions: int


class ConfigState(NamedTuple):
    """The configuration in force and how the last reload went. `loaded_at`: seconds since the epoch."""

    revision: str = ""
    loaded_at: float = 0.0
    last_reload_ok: bool = True


class _Cell:
    """Where the exchanges of one combination are counted: the position in the list of counts, and the histograms."""

    def __init__(self, position: int, requests: Histogram, vendor: Histogram | None) -> None:
        self.position = position
        self.requests = requests
        self.vendor = vendor


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the page is made of, as of one moment; nothing changes it afterwards."""

    keys: tuple[_Key, ...]
    counts: tuple[int, ...]
    requests: Mapping[tuple[str, str], Histogram]
    overhead: Histogram
    vendors: Mapping[str, Histogram]
    known: KnownLabels
    caches: Mapping[str, CacheSize]
    config: ConfigState
    version: str
    readings: tuple[tuple[Reading, Values], ...]
    failed_readings: Mapping[str, int]


class Metrics:
    """Counts exchanges; `snapshot` is what a scrape renders."""

    def __init__(
        self,
        known: KnownLabels,
        *,
        version: str,
        cache_sizes: Callable[[], Mapping[str, CacheSize]],
        max_combinations: int = MAX_COMBINATIONS,
    ) -> None:
        self._known = known
        self._version = version
        self._cache_sizes = cache_sizes
        self._max = max_combinations
        self._cells: dict[_Key, _Cell] = {}
        self._counts: list[int] = []
        self._requests: dict[tuple[str, str], Histogram] = {}
        self._vendors: dict[str, Histogram] = {}
        self._overhead = Histogram(OVERHEAD_BOUNDS)
        self._config = ConfigState()
        self._readings: list[Reading] = []
        self._failed_readings: dict[str, int] = {}
        self._add_histograms()

    def record(self, exchange: Exchange) -> None:
        """Count one exchange."""
        memo = exchange.memo
        cell: _Cell | None = memo.get(self) if memo is not None else None
        if cell is None:
            key = _row_of(exchange)
            cell = self._cells.get(key) or self._cell(key)
            if memo is not None:
                memo[self] = cell
        self._count(cell, exchange.duration, exchange.vendor_duration)

    def repeat(self, repetition: Repetition) -> None:
        """Count one more exchange like an earlier one."""
        cell: _Cell | None = repetition.memo.get(self)
        if cell is None:
            self.record(repetition.exchange())
        else:
            self._count(cell, repetition.duration, repetition.vendor_duration)

    def _count(self, cell: _Cell, duration: float, vendor_duration: float) -> None:
        self._counts[cell.position] += 1
        cell.requests.observe(duration)
        if cell.vendor is not None:
            cell.vendor.observe(vendor_duration)
        own = duration - vendor_duration
        self._overhead.observe(own if own > 0.0 else 0.0)  # noqa: FURB136 - calling max() costs more

    def _cell(self, key: _Key) -> _Cell:
        """Return the cell of a combination not seen before; past the limit, that of the same one without operation and scope."""
        row = Row._make(key)
        if len(self._cells) >= self._max:
            row = row._replace(operation=UNKNOWN, missing=())
            key = tuple(row)
        return self._cells.get(key) or self._open(key, row)

    def _open(self, key: _Key, row: Row) -> _Cell:
        label = self._known.vendor(row.vendor)
        vendor = None if row.response_kind is ResponseKind.NONE else self._vendors.get(label)
        cell = self._cells[key] = _Cell(len(self._counts), self._requests[label, row.outcome], vendor)
        self._counts.append(0)
        return cell

    def know(self, known: KnownLabels) -> None:
        """Add the label values of a new configuration to those already known; their series start at 0."""
        self._known = self._known.union(known)
        self._add_histograms()

    def config_loaded(self, revision: str, at: float) -> None:
        """Note that the configuration `revision` came into force `at` (seconds since the epoch)."""
        self._config = ConfigState(revision, at)

    def config_rejected(self) -> None:
        """Note that a reload failed and the last good configuration stays."""
        self._config = self._config._replace(last_reload_ok=False)

    def watch(self, *readings: Reading) -> None:
        """Put numbers that somebody else keeps on the page."""
        self._readings.extend(readings)

    def readings(self) -> tuple[Reading, ...]:
        """Return how full the combined counter is."""
        used = "Combinations of label values that one process counts apart."
        limit = "The largest number of them; beyond it, new ones are counted without operation and scope."
        return (
            Reading("scopegate_label_combinations", used, self._combinations, together=Together.MAX),
            Reading("scopegate_label_combinations_limit", limit, self._most_combinations, together=Together.MAX),
        )

    def _combinations(self) -> Values:
        return {(): len(self._cells)}

    def _most_combinations(self) -> Values:
        return {(): self._max}

    def snapshot(self) -> Snapshot:
        """Copy everything the page needs. A reading that raises leaves its series out and is counted."""
        return Snapshot(
            keys=tuple(self._cells),
            counts=tuple(self._counts),
            requests={labels: histogram.copy() for labels, histogram in self._requests.items()},
            overhead=self._overhead.copy(),
            vendors={vendor: histogram.copy() for vendor, histogram in self._vendors.items()},
            known=self._known,
            caches=self._cache_sizes(),
            config=self._config,
            version=self._version,
            readings=tuple((reading, self._read(reading)) for reading in self._readings),
            failed_readings=self._failed_readings.copy(),
        )

    def _read(self, reading: Reading) -> Values:
        try:
            return dict(reading.read())
        except Exception:  # one broken number must not hide all the others
            self._failed_readings[reading.name] = self._failed_readings.get(reading.name, 0) + 1
            return {}

    def _add_histograms(self) -> None:
        for vendor, outcome in product((*self._known.vendors, NO_VENDOR), Outcome):
            self._requests.setdefault((vendor, outcome), Histogram(REQUEST_BOUNDS))
        for vendor in self._known.vendors:
            self._vendors.setdefault(vendor, Histogram(VENDOR_BOUNDS))
