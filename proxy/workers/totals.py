"""The numbers of one process, or of several together: sums that never fall, whoever comes and goes. Pure.

Merging is associative and commutative, so it does not matter in which order workers answer or which of them died when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any, Final, TypeVar

import orjson

from proxy.telemetry.exchange import Actual, CacheResult, Decision, Outcome, Predicted, ResponseKind
from proxy.telemetry.histogram import OVERHEAD_BOUNDS, REQUEST_BOUNDS, VENDOR_BOUNDS, Histogram, restored
from proxy.telemetry.labels import Reading, Row, Together
from proxy.telemetry.metrics import Snapshot

_Key = tuple[Any, ...]
_T = TypeVar("_T")
_K = TypeVar("_K")
_MERGE: Final[Mapping[Together, Callable[[Any, Any], Any]]] = {Together.SUM: add, Together.MAX: max, Together.MIN: min}


class TotalsError(ValueError):
    """The bytes are not the numbers of a process of this version."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The series of one reading, by label values."""

    help: str
    labels: tuple[str, ...]
    counter: bool
    together: Together
    values: Mapping[_Key, float]

    def merged(self, other: Figures) -> Figures:
        """Return both together."""
        return replace(self, values=_merged(self.values, other.values, _MERGE[self.together]))


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram as a value."""

    counts: tuple[int, ...]
    total: float

    def merged(self, other: Spread) -> Spread:
        """Return both together."""
        return Spread(tuple(map(add, self.counts, other.counts)), self.total + other.total)


@dataclass(frozen=True, slots=True)
class Totals:
    """What one process has counted so far; histograms by their labels, `overhead` under ()."""

    rows: Mapping[_Key, int] = field(default_factory=dict)
    requests: Mapping[_Key, Spread] = field(default_factory=dict)
    overhead: Mapping[_Key, Spread] = field(default_factory=dict)
    vendors: Mapping[_Key, Spread] = field(default_factory=dict)
    readings: Mapping[str, Figures] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)

    def merged(self, other: Totals) -> Totals:
        """Return both together."""
        return Totals(
            _merged(self.rows, other.rows, add),
            _merged(self.requests, other.requests, Spread.merged),
            _merged(self.overhead, other.overhead, Spread.merged),
            _merged(self.vendors, other.vendors, Spread.merged),
            _merged(self.readings, other.readings, Figures.merged),
            _merged(self.failed, other.failed, add),
        )

    def retired(self) -> Totals:
        """Return what still counts when the process has ended: what it counted, not how it stood."""
        lasting = {name: figures for name, figures in self.readings.items() if figures.counter or figures.together is Together.MAX}
        return replace(self, readings=lasting)


NOTHING: Final = Totals()


def together(parts: Iterable[Totals]) -> Totals:
    """Return the sum of several processes."""
    return reduce(Totals.merged, parts, NOTHING)


def _merged(left: Mapping[_K, _T], right: Mapping[_K, _T], merge: Callable[[_T, _T], _T]) -> dict[_K, _T]:
    result = dict(left)
    for key, value in right.items():
        result[key] = merge(result[key], value) if key in result else value
    return result


# --- to and from a snapshot -------------------------------------------------------------------------------


def totals_of(snapshot: Snapshot) -> Totals:
    """Return the numbers of a snapshot."""
    return Totals(
        dict(zip(snapshot.keys, snapshot.counts, strict=True)),
        {key: _spread(histogram) for key, histogram in snapshot.requests.items()},
        {(): _spread(snapshot.overhead)},
        {(vendor,): _spread(histogram) for vendor, histogram in snapshot.vendors.items()},
        {reading.name: _figures(reading, values) for reading, values in snapshot.readings},
        snapshot.failed_readings,
    )


def _spread(histogram: Histogram) -> Spread:
    return Spread(tuple(histogram.counts), histogram.total)


def _figures(reading: Reading, values: Mapping[_Key, float]) -> Figures:
    return Figures(reading.help, reading.labels, reading.counter, reading.together, values)


def snapshot_with(totals: Totals, own: Snapshot) -> Snapshot:
    """Return `own` with these numbers in place of its own; what is not counted (configuration, version) is `own`'s."""
    return replace(
        own,
        keys=tuple(totals.rows),
        counts=tuple(totals.rows.values()),
        requests={(key[0], key[1]): _histogram(REQUEST_BOUNDS, spread) for key, spread in totals.requests.items()},
        overhead=_histogram(OVERHEAD_BOUNDS, totals.overhead.get((), _spread(Histogram(OVERHEAD_BOUNDS)))),
        vendors={key[0]: _histogram(VENDOR_BOUNDS, spread) for key, spread in totals.vendors.items()},
        readings=tuple((_reading(name, figures), figures.values) for name, figures in totals.readings.items()),
        failed_readings=totals.failed,
    )


def _histogram(bounds: tuple[float, ...], spread: Spread) -> Histogram:
    return restored(bounds, list(spread.counts), spread.total)


def _reading(name: str, figures: Figures) -> Reading:
    return Reading(name, figures.help, dict, figures.labels, figures.counter, figures.together)


# --- to and from bytes ------------------------------------------------------------------------------------


def encode_totals(totals: Totals) -> bytes:
    """Return numbers as bytes."""
    spreads = (totals.requests, totals.overhead, totals.vendors)
    return orjson.dumps(
        [
            list(totals.rows.items()),
            *([[key, spread.counts, spread.total] for key, spread in each.items()] for each in spreads),
            [
                [name, each.help, each.labels, each.counter, each.together, list(each.values.items())]
                for name, each in totals.readings.items()
            ],
            totals.failed,
        ]
    )


def decode_totals(data: bytes) -> Totals:
    """Return the numbers that bytes tell; raise `TotalsError`."""
    try:
        rows, requests, overhead, vendors, readings, failed = orjson.loads(data)
        return Totals(
            {_row(key): int(count) for key, count in rows},
            _spreads(requests, len(REQUEST_BOUNDS)),
            _spreads(overhead, len(OVERHEAD_BOUNDS)),
            _spreads(vendors, len(VENDOR_BOUNDS)),
            {name: _read_figures(*rest) for name, *rest in readings},
            {str(name): int(count) for name, count in failed.items()},
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise TotalsError(type(error).__name__) from None


def _spreads(rows: Iterable[Any], bounds: int) -> dict[_Key, Spread]:
    found = {tuple(key): Spread(tuple(map(int, counts)), float(total)) for key, counts, total in rows}
    if any(len(spread.counts) != bounds + 1 for spread in found.values()):
        raise TotalsError("another histogram")
    return found


def _read_figures(text: str, labels: list[str], counter: bool, merge: str, values: list[Any]) -> Figures:
    read = {tuple(key): float("nan") if value is None else float(value) for key, value in values}
    return Figures(text, tuple(labels), bool(counter), Together(merge), read)


def _same(value: Any) -> Any:
    return value


def _missing(value: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(scopes) for scopes in value)


_READ: Final[tuple[Callable[[Any], Any], ...]] = tuple(
    {
        "decision": Decision, "predicted": Predicted, "outcome": Outcome, "cache": CacheResult, "actual": Actual,
        "response_kind": ResponseKind, "missing": _missing,
    }.get(name, _same)
    for name in Row._fields
)  # fmt: skip
"""How each field of a row is read: closed lists come back as what they were, because the page compares by identity."""


def _row(key: list[Any]) -> _Key:
    if len(key) != len(_READ):
        raise TotalsError("another row")
    return tuple(read(value) for read, value in zip(_READ, key, strict=True))
