"""What ledgers put outlives the process, by the wall clock, sealed, whatever becomes of the knowledge beside it."""

from __future__ import annotations

from functools import partial

import pytest

from proxy.stores.pending import GRANT, SCORE, USAGE
from tests.integration.stores.store_samples import Disk, Run, entry, fingerprint

DAY = 86_400.0
SECRET = b"subject-canary-42"


def put(run: Run, text: str, *, key: str = "", days: float = 400.0, kind: str = USAGE, vendor: str = "ringcentral") -> None:
    ends = 1_795_000_000.0 + days * DAY
    run.store.evidence(kind).put(vendor, key or text, partial(text.encode, "utf-8"), ends)


def test_rows_are_taken_over_the_newest_first(disk: Disk) -> None:
    with disk.run() as run:
        for text in ("one", "two", "three"):
            put(run, text)
            run.flush()
        put(run, "score", kind=SCORE)
    with disk.run() as run:
        assert run.evidence == {USAGE: ["three", "two", "one"], SCORE: ["score"]}
        run.flush()
        assert run.reading("scopegate_store_rows") == {(USAGE,): 3, (SCORE,): 1}


def test_a_row_is_written_as_it_is_when_it_is_written(disk: Disk) -> None:
    count = ["1"]
    with disk.run() as run:
        run.store.evidence(USAGE).put("ringcentral", "row", lambda: "".join(count).encode(), 2e9)
        run.flush()
        count.append("2")
        run.store.evidence(USAGE).put("ringcentral", "row", lambda: "".join(count).encode(), 2e9)
    with disk.run() as run:
        assert run.evidence == {USAGE: ["12"]}


def test_rows_that_are_gone_do_not_come_back(disk: Disk) -> None:
    with disk.run() as run:
        put(run, "one")
        put(run, "two")
        run.flush()
        run.store.evidence(USAGE).gone("ringcentral", "one")
    with disk.run() as run:
        assert run.evidence == {USAGE: ["two"]}


@pytest.mark.parametrize("reboot", [False, True])
def test_rows_end_by_the_wall_clock(disk: Disk, reboot: bool) -> None:
    with disk.run() as run:
        put(run, "short", days=1)
        put(run, "long", days=3)
    if reboot:
        disk.clocks.reboot(2 * DAY)
    else:
        disk.clocks.pass_time(2 * DAY)
    with disk.run() as run:
        assert run.evidence == {USAGE: ["long"]}
        assert run.dropped == {"expired": 1}
        disk.clocks.pass_time(2 * DAY)
        run.flush()
        assert run.dropped == {"expired": 1, "ended": 1}
        assert run.reading("scopegate_store_rows") == {}


def test_a_clock_that_was_set_back_forgets_no_evidence(disk: Disk) -> None:
    with disk.run() as run:
        put(run, "row")
        run.grants.put(fingerprint(1), entry())
    disk.clocks.reboot(-DAY)
    with disk.run() as run:
        assert run.evidence == {USAGE: ["row"]}
        assert run.known() == {}


def test_evidence_does_not_depend_on_catalogues(disk: Disk) -> None:
    with disk.run(basis="before") as run:
        put(run, "row")
    with disk.run(basis="after") as run:
        assert run.evidence == {USAGE: ["row"]}


def test_rows_nobody_reads_and_rows_of_other_vendors_wait(disk: Disk) -> None:
    with disk.run() as run:
        put(run, "row")
        put(run, "other", vendor="other")
    with disk.run(decoders={}) as run:
        assert run.evidence == {}
    with disk.run() as run:
        assert run.evidence == {USAGE: ["row"]}
        assert run.dropped == {}


def test_a_row_that_cannot_be_read_is_counted_and_taken_away(disk: Disk) -> None:
    with disk.run() as run:
        run.store.evidence(USAGE).put("ringcentral", "row", lambda: b"\xff", 2e9)
    for dropped in ({"other_version": 1}, {}):
        with disk.run() as run:
            assert not any(run.evidence.values())
            assert run.dropped == dropped


def test_giving_up_knowledge_gives_up_no_evidence(disk: Disk) -> None:
    with disk.run() as run:
        put(run, "old")
        run.grants.put(fingerprint(1), entry())
        run.flush()
        put(run, "waiting")
        run.store.abandon()
        run.grants.clear()
    with disk.run() as run:
        assert run.evidence == {USAGE: ["waiting", "old"]}
        assert run.known() == {}


def test_beyond_the_files_size_knowledge_goes_first(disk: Disk) -> None:
    with disk.run(max_bytes=1_048_576) as run:
        put(run, "row")
        for number in range(1_000):
            run.grants.put(fingerprint(number), entry("x" * 2_000))
        run.flush()
        assert run.dropped["max_bytes"] > 0
        assert run.reading("scopegate_store_rows")[(GRANT,)] < 1_000
    with disk.run() as run:
        assert run.evidence == {USAGE: ["row"]}


def test_a_copied_file_tells_nothing(disk: Disk) -> None:
    with disk.run() as run:
        put(run, SECRET.decode(), key=SECRET.decode())
        run.flush()
        assert [name for name, content in disk.files().items() if SECRET in content] == []


def test_a_kind_that_is_no_evidence_is_refused(disk: Disk) -> None:
    with disk.run() as run, pytest.raises(ValueError, match="grant"):
        run.store.evidence(GRANT)
