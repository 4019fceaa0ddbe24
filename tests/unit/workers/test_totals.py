from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.histogram import OVERHEAD_BOUNDS, REQUEST_BOUNDS, VENDOR_BOUNDS
from proxy.telemetry.labels import Reading, Together
from proxy.telemetry.metrics import CacheSize, Metrics, Snapshot
from proxy.workers.tally import Tally
from proxy.workers.totals import (
    NOTHING,
    Figures,
    Spread,
    Totals,
    TotalsError,
    decode_totals,
    encode_totals,
    snapshot_with,
    together,
    totals_of,
)
from tests.unit.telemetry.support import DENIED, KNOWN, but

numbers = st.integers(0, 1000)
labels = st.sampled_from([("a",), ("b",)])


def spreads(bounds: tuple[float, ...]) -> st.SearchStrategy[Spread]:
    cells = st.lists(numbers, min_size=len(bounds) + 1, max_size=len(bounds) + 1).map(tuple)
    return st.builds(Spread, cells, numbers.map(float))


def figures(kind: Together, *, counter: bool) -> st.SearchStrategy[Figures]:
    return st.dictionaries(labels, numbers.map(float)).map(lambda values: Figures("Text.", ("label",), counter, kind, values))


readings = st.fixed_dictionaries(
    {},
    optional={
        "gauge": figures(Together.SUM, counter=False),
        "latest": figures(Together.MAX, counter=False),
        "least": figures(Together.MIN, counter=False),
        "counted_total": figures(Together.SUM, counter=True),
    },
)
totals = st.builds(
    Totals,
    st.dictionaries(labels, numbers),
    st.dictionaries(st.tuples(st.just("acme"), st.sampled_from(["denied", "forwarded"])), spreads(REQUEST_BOUNDS)),
    st.dictionaries(st.just(()), spreads(OVERHEAD_BOUNDS)),
    st.dictionaries(st.just(("acme",)), spreads(VENDOR_BOUNDS)),
    readings,
    st.dictionaries(st.just("broken"), numbers),
)


@given(totals, totals, totals)
def test_merging_is_associative_and_commutative_and_nothing_is_neutral(one: Totals, two: Totals, three: Totals) -> None:
    assert one.merged(two).merged(three) == one.merged(two.merged(three))
    assert one.merged(two) == two.merged(one)
    assert one.merged(NOTHING) == one == NOTHING.merged(one)


@given(totals, totals)
def test_a_sum_is_never_below_its_parts(one: Totals, two: Totals) -> None:
    both = together([one, two])
    for part in (one, two):
        assert all(both.rows[key] >= count for key, count in part.rows.items())
        for name, found in part.readings.items():
            assert name == "least" or all(both.readings[name].values[key] >= value for key, value in found.values.items())


@given(totals, totals)
def test_of_what_is_least_the_smallest_counts(one: Totals, two: Totals) -> None:
    least = [part.readings["least"].values for part in (one, two) if "least" in part.readings]
    both = together([one, two]).readings
    for label in {label for values in least for label in values}:
        assert both["least"].values[label] == min(values[label] for values in least if label in values)


@given(totals)
def test_who_retires_leaves_counters_and_latest_moments(given_totals: Totals) -> None:
    retired = given_totals.retired()
    assert retired.rows == given_totals.rows
    assert set(retired.readings) == set(given_totals.readings) - {"gauge", "least"}
    assert retired.retired() == retired


# --- of a real process ------------------------------------------------------------------------------------


def metrics_of(count: int, entries: int = 0) -> Metrics:
    metrics = Metrics(KNOWN, version="1", cache_sizes=lambda: {"ringcentral": CacheSize(entries, 0)})
    metrics.watch(Reading("scopegate_connections", "Open.", lambda: {(): 2.0}))
    for number in range(count):
        metrics.record(but(DENIED, duration=0.001 * number))
    return metrics


def counted(snapshot: Snapshot) -> tuple[int, int, float]:
    return sum(snapshot.counts), sum(snapshot.overhead.counts), sum(value for _, values in snapshot.readings for value in values.values())


@pytest.mark.parametrize("count", [0, 1, 7])
def test_numbers_come_back_as_they_were(count: int) -> None:
    found = totals_of(metrics_of(count).snapshot())
    assert decode_totals(encode_totals(found)) == found


def test_a_row_comes_back_with_members_of_its_closed_lists() -> None:
    """The page compares some of them by identity."""
    (row,) = decode_totals(encode_totals(totals_of(metrics_of(1).snapshot()))).rows
    (original,) = metrics_of(1).snapshot().keys
    assert [type(value) for value in row] == [type(value) for value in original]


def test_the_page_has_the_sum_and_the_supervisors_own_configuration() -> None:
    own = metrics_of(0, entries=5).snapshot()
    page = snapshot_with(together([totals_of(own), totals_of(metrics_of(3).snapshot()), totals_of(metrics_of(4).snapshot())]), own)
    assert counted(page) == (7, 7, 6.0)
    assert (page.caches, page.known, page.version) == (own.caches, own.known, own.version)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"[[],[],[],[],[],[]]", b'[[[["x"],1]],[],[],[],[],{}]', b'[[],[[["a","b"],[1],0]],[],[],[],{}]']
)
def test_other_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(TotalsError):
        decode_totals(data)


def told(count: int) -> bytes:
    return encode_totals(totals_of(metrics_of(count).snapshot()))


def test_a_tally_never_goes_back_when_a_worker_is_replaced() -> None:
    own, tally = metrics_of(0).snapshot(), Tally()
    tally.take(1, told(3))
    tally.take(2, told(4))
    assert counted(tally.page(own)) == (7, 7, 6.0)
    tally.retire(1)
    assert counted(tally.page(own)) == (7, 7, 4.0)
    tally.take(1, told(1))
    assert counted(tally.page(own)) == (8, 8, 6.0)
    tally.retire(1)
    tally.retire(1)
    assert counted(tally.page(own)) == (8, 8, 4.0)


def test_an_unreadable_answer_leaves_the_last_one() -> None:
    own, tally = metrics_of(0).snapshot(), Tally()
    tally.take(1, told(3))
    tally.take(1, b"nonsense")
    assert counted(tally.page(own))[0] == 3
