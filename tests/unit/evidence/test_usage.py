"""The ledger counts use, keeps rows elsewhere, and stays bounded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.evidence.usage import MAX_ROUTES, UsageLedger, granted_rights, path_shape
from proxy.evidence.usage_rows import Granted, RowKind, UsageRow, decode_row
from proxy.grants import NEVER, Knowledge
from proxy.model import Grants, Source
from proxy.telemetry.exchange import Actual
from proxy.workers.gathering import UsageTeller
from tests.fakes.month import ARCHIVER, BEGIN, DAY, REPORTER, STRANGER, Made, call, token


class Kept:
    """Keeps what a ledger puts, as the store does."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Callable[[], bytes]] = {}
        self.puts = 0
        self.ends: list[float] = []

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:
        self.rows[vendor, key] = encode
        self.ends.append(ends)
        self.puts += 1

    def gone(self, vendor: str, key: str) -> None:
        del self.rows[vendor, key]

    def decoded(self) -> list[UsageRow]:
        return [decode_row(encode()) for encode in self.rows.values()]


def of(ledger: UsageLedger, kind: RowKind = RowKind.OPERATION) -> list[UsageRow]:
    return [row for row in ledger.rows() if row.key.kind is kind]


@pytest.mark.parametrize(
    ("status", "actual", "counts"),
    [
        (200, Actual.ACCEPTED, 1),
        (201, Actual.ACCEPTED, 1),
        (204, Actual.ACCEPTED, 1),
        (304, Actual.ACCEPTED, 1),
        (207, Actual.ACCEPTED, 0),
        (301, Actual.ACCEPTED, 0),
        (100, Actual.ACCEPTED, 0),
        (400, Actual.REFUSED_OTHER, 0),
        (403, Actual.REFUSED_PERMISSION, 0),
        (200, Actual.REFUSED_PERMISSION, 0),
        (200, Actual.FAILED, 0),
        (502, Actual.FAILED, 0),
        (403, Actual.NOT_SENT, 0),
    ],
)
def test_only_success_of_the_vendor_counts(status: int, actual: Actual, counts: int) -> None:
    ledger = UsageLedger(DAY)
    ledger.record(call(ARCHIVER, "listCalls", BEGIN, status, actual))
    assert len(of(ledger)) == counts


def test_a_repeated_request_is_counted_each_time_and_only_in_its_row() -> None:
    ledger, memo = UsageLedger(DAY), dict[object, object]()
    for second in range(10):
        ledger.record(call(ARCHIVER, "listCalls", BEGIN + second)._replace(memo=memo))
    ledger.record(call(ARCHIVER, "readRecording", BEGIN + 99))
    assert {row.key.name: (row.count, row.first - BEGIN, row.last - BEGIN) for row in of(ledger)} == {
        "listCalls": (10, 0, 9),
        "readRecording": (1, 99, 99),
    }


def test_rows_are_kept_at_once_then_once_a_minute_and_at_the_end() -> None:
    ledger, kept = UsageLedger(400 * DAY), Kept()
    ledger.sink = kept
    ledger.record(call(STRANGER, "listCalls", BEGIN))
    assert kept.puts == 2  # the row, and the window
    for second in range(1, 60):
        ledger.record(call(STRANGER, "listCalls", BEGIN + second))
    assert kept.puts == 2
    ledger.record(call(STRANGER, "listCalls", BEGIN + 61))
    assert kept.puts == 4
    ledger.record(call(STRANGER, "listCalls", BEGIN + 62))
    ledger.save()
    assert kept.puts == 5
    assert kept.ends[-1] == BEGIN + 62 + 400 * DAY


def test_what_was_kept_is_taken_over() -> None:
    first, second, kept = UsageLedger(400 * DAY), UsageLedger(400 * DAY), Kept()
    first.sink = kept
    for made in (ARCHIVER, REPORTER):
        for day in (0, 1, 5):
            first.record(call(made, "listCalls", BEGIN + day * DAY, resources=frozenset({"pbx:acme"})))
    first.save()
    second.restore(kept.decoded())
    seen = [{row.key: (row.count, row.first, row.last, row.active_days()) for row in ledger.rows()} for ledger in (first, second)]
    assert seen[0] == seen[1]
    assert len(of(first)[0].active_days()) == 3
    second.record(call(ARCHIVER, "listCalls", BEGIN + 9 * DAY, resources=frozenset({"pbx:acme"})))
    assert {row.key.client: row.count for row in of(second)} == {"archiver": 4, "reporter": 3}


def test_the_window_begins_once() -> None:
    ledger, kept = UsageLedger(400 * DAY), Kept()
    ledger.sink = kept
    ledger.watch(["vendor"], BEGIN)
    later = UsageLedger(400 * DAY)
    later.restore(kept.decoded())
    later.watch(["vendor"], BEGIN + DAY)
    assert [row.first for row in of(later, RowKind.WINDOW)] == [BEGIN]


def test_beyond_the_bound_the_longest_unused_rows_go_and_are_counted() -> None:
    ledger, kept = UsageLedger(DAY, max_rows=32), Kept()
    ledger.sink = kept
    for number in range(100):
        ledger.record(call(token(f"app{number}", "A"), "listCalls", BEGIN + number))
    assert len(ledger) <= 32
    assert len(kept.rows) <= 32
    (window,) = of(ledger, RowKind.WINDOW)
    assert window.lost == 201 - len(ledger)
    assert "app99" in {row.key.client for row in of(ledger)}
    assert "app0" not in {row.key.client for row in of(ledger)}


def test_a_row_that_was_given_up_is_begun_anew() -> None:
    ledger, memo = UsageLedger(DAY, max_rows=16), dict[object, object]()
    ledger.record(call(ARCHIVER, "listCalls", BEGIN)._replace(memo=memo))
    for number in range(50):
        ledger.record(call(token(f"app{number}", "A"), "listCalls", BEGIN + 1 + number))
    ledger.record(call(ARCHIVER, "listCalls", BEGIN + 99)._replace(memo=memo))
    assert {row.key.client: row.count for row in of(ledger)}["archiver"] == 1


def test_uncatalogued_routes_are_bounded() -> None:
    ledger = UsageLedger(DAY)
    for number in range(MAX_ROUTES + 50):
        letters = "".join("abcdefghij"[int(digit)] for digit in str(number))
        ledger.record(call(STRANGER, "", BEGIN + number, path=f"/{letters}"))
    counts = {row.key.name: row.count for row in of(ledger, RowKind.ROUTE)}
    assert len(counts) == MAX_ROUTES + 1
    assert counts[""] == 50


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/restapi/v1.0/account/~/call-log/ABC123", "/restapi/v1.0/account/~/call-log/{}"),
        ("/users/ann@example.com", "/users/{}"),
        ("/a/895db16f-5270-6ef8-e173-10ea365aefcc", "/a/{}"),
        ("/" + "x" * 41, "/{}"),
        ("/a/%41", "/a/{}"),
        ("/", "/{}"),
        ("/" + "/".join("a" * 30), "/" + "/".join("a" * 12) + "/…"),
    ],
)
def test_paths_are_kept_without_values(path: str, shape: str) -> None:
    assert path_shape(path) == shape


@pytest.mark.parametrize(
    ("grants", "granted"),
    [
        (Grants(frozenset({"A"})), None),
        (Grants(frozenset({"A", "operation:x"}), complete=True), Granted(frozenset({("A", "")}))),
        (
            Grants(frozenset({"L"}), frozenset({("C", "p"), ("D", "q")}), complete_for=frozenset({"p"})),
            Granted(frozenset({("C", "p")}), False, frozenset({"p"})),
        ),
    ],
)
def test_only_what_is_completely_known_is_granted(grants: Grants, granted: Granted | None) -> None:
    assert granted_rights(grants) == granted


def test_claims_of_a_token_that_no_vendor_accepted_count_for_nothing() -> None:
    claims = Knowledge(Grants(frozenset({"Everything"}), complete=True), Source.TOKEN_CLAIM, BEGIN, NEVER)
    ledger = UsageLedger(DAY)
    ledger.record(call(Made("app", claims), "listCalls", BEGIN, 401, Actual.REFUSED_OTHER))
    assert of(ledger, RowKind.TOKEN) == []
    ledger.record(call(Made("app", claims), "listCalls", BEGIN))
    assert len(of(ledger, RowKind.TOKEN)) == 1


@pytest.mark.parametrize("data", [b"", b"[]", b'[2,[],0,0,0,"0",0,0]', b'[1,[],0,0,0,"0",0,0]', b"{}", b"\xff"])
def test_bytes_of_another_kind_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode_row(data)


def test_what_another_process_counted_is_added() -> None:
    here, there = UsageLedger(400 * DAY), UsageLedger(400 * DAY)
    here.record(call(ARCHIVER, "listCalls", BEGIN + 2 * DAY))
    for day in (0, 5):
        there.record(call(ARCHIVER, "listCalls", BEGIN + day * DAY))
    for row in there.rows():
        here.add(decode_row(row.encode()))
    (row,) = of(here)
    assert (row.count, row.first, row.last) == (3, BEGIN, BEGIN + 5 * DAY)
    assert row.active_days() == [BEGIN // DAY + day for day in (0, 2, 5)]


def test_a_worker_tells_what_came_since_it_was_heard_last() -> None:
    home, line = UsageLedger(400 * DAY), [True]

    def send(_: str, data: bytes) -> bool:
        if line[0]:
            home.add(decode_row(data))
        return line[0]

    worker = UsageLedger(400 * DAY)
    worker.sink = teller = UsageTeller(worker, send)
    for heard in (True, False):
        line[0] = heard
        for second in range(5):
            worker.record(call(ARCHIVER, "listCalls", BEGIN + second))
        teller.tell()
    assert [row.count for row in of(home)] == [5]
    line[0] = True
    teller.tell()
    teller.tell()
    assert [row.count for row in of(home)] == [row.count for row in of(worker)] == [10]
