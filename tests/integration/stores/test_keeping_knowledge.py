"""What one run wrote, the next one knows; what it gave up, nobody does."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.credentials import Secret
from proxy.grants import NEVER
from proxy.stores.keys import Keys
from proxy.stores.pending import GRANT, SHAPE, TIE, USER
from tests.integration.stores.store_samples import ACCESS, KEY, SECRETS, Disk, entry, fingerprint
from tests.integration.stores.store_samples import SHAPE as SEEN_SHAPE

ONE, TWO, REFRESH = (fingerprint(number) for number in (1, 2, 3))


def test_the_next_run_knows_what_the_last_one_did(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
        run.grants.put(TWO, replace(entry(), expires=NEVER, chain=""))
        run.grants.tie("chain-canary", REFRESH)
        run.memory.remember_shape(SEEN_SHAPE)
        run.memory.remember_access(ACCESS, 7.0)
        before = run.known()
    disk.clocks.pass_time(100)
    with disk.run() as run:
        assert run.known() == before
        assert run.grants.chain_of(REFRESH) == run.grants.chain_of(ONE) == "chain-canary"
        assert run.memory.shapes == {"variant": SEEN_SHAPE.template}
        ((user, record),) = run.memory.users()
        assert (user, record.permissions(), record.page_count, record.observed_at) == (ACCESS.user_id, ACCESS.permissions, 2, 7.0)
        run.flush()
        assert run.reading("scopegate_store_rows") == {(GRANT,): 2, (TIE,): 1, (SHAPE,): 1, (USER,): 1}


def test_revoking_after_a_restart_ends_the_whole_chain_for_good(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
        run.grants.tie("chain-canary", REFRESH)
    with disk.run() as run:
        chain = run.grants.chain_of(REFRESH)
        assert chain is not None
        assert run.grants.forget_chain(chain) == 1
    with disk.run() as run:
        assert run.known() == {}
        assert run.grants.chain_of(REFRESH) is None


@pytest.mark.parametrize("how", ["forgotten", "cleared", "ended", "evicted"])
def test_what_memory_gives_up_leaves_the_disk(disk: Disk, how: str) -> None:
    with disk.run(max_tokens=1) as run:
        run.grants.put(ONE, entry())
        run.flush()
        if how == "forgotten":
            run.grants.forget(ONE)
        elif how == "cleared":
            run.grants.clear()
        elif how == "ended":
            run.grants.get(ONE, entry().expires)
        else:
            run.grants.put(TWO, entry(chain="other"))
    with disk.run() as run:
        assert ONE not in run.known()


def test_being_used_writes_nothing(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
        run.flush()
        written = run.reading("scopegate_store_writes_total")
        for _ in range(10):
            assert run.grants.get(ONE, 1_001.0) is not None
        run.flush()
        assert run.reading("scopegate_store_writes_total") == written == {("written",): 1.0}


def test_what_is_learned_again_replaces_what_was_known(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry("Old"))
        run.flush()
        run.grants.put(ONE, entry("New"))
    with disk.run() as run:
        assert run.known()[ONE].grants.scopes == {"New"}
        run.flush()
        assert run.reading("scopegate_store_rows") == {(GRANT,): 1}


def test_the_newest_are_taken_over_where_there_is_room_for_some(disk: Disk) -> None:
    with disk.run() as run:
        for number in range(10):
            run.grants.put(fingerprint(number), entry())
            run.flush()
    with disk.run(max_tokens=3) as run:
        assert list(run.known()) == [fingerprint(number) for number in (7, 8, 9)]  # the last is the last to be evicted
        assert run.dropped == {"too_many": 7}
    with disk.run() as run:
        assert len(run.known()) == 3


def test_what_was_learned_under_another_catalogue_or_configuration_is_dropped(disk: Disk) -> None:
    with disk.run(basis="before") as run:
        run.grants.put(ONE, entry())
        run.memory.remember_shape(SEEN_SHAPE)
    with disk.run(basis="after") as run:
        assert run.known() == {}
        assert run.memory.shapes
        assert run.dropped == {"other_configuration": 1}
    with disk.run(basis="before") as run:
        assert run.known() == {}


def test_text_that_cannot_be_written_is_counted_and_spoils_nothing_else(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry("Old"))
        run.flush()
        run.grants.put(ONE, entry("\ud800"))
        run.grants.put(TWO, entry("x" * 2_000_000))
        run.grants.put(REFRESH, entry())
        run.flush()
        assert run.dropped == {"unencodable": 1, "too_large": 1}
    with disk.run() as run:
        assert list(run.known()) == [REFRESH]  # nor does the older entry of ONE come back


# --- bounds -------------------------------------------------------------------------------------------------


def test_ended_rows_are_taken_away_while_nobody_asks_for_them(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry(expires=1_500.0))
        run.flush()
    with disk.run() as run:
        run.grants.put(TWO, entry(expires=1_600.0))
        run.grants.put(REFRESH, entry(expires=9_000.0))
        run.flush()
        disk.clocks.pass_time(700)
        run.flush()
        assert run.dropped == {"ended": 2}
        assert run.reading("scopegate_store_rows") == {(GRANT,): 1}


def test_beyond_its_size_the_oldest_rows_go(disk: Disk) -> None:
    with disk.run(max_bytes=1_048_576) as run:
        for number in range(1_500):
            run.grants.put(fingerprint(number), entry("x" * 2_000))
            if number % 100 == 0:
                run.flush()
        run.flush()
        assert 0 < run.reading("scopegate_store_bytes")[()] <= 1_048_576
        lost = run.dropped["max_bytes"]
    assert 0 < lost < 1_500
    assert disk.path.stat().st_size < 8 * 1_048_576
    with disk.run() as run:
        assert len(run.known()) == 1_500 - lost
        assert set(run.known()) == {fingerprint(number) for number in range(int(lost), 1_500)}


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("down", "known"), [(3_999.0, True), (4_000.0, False)])
@pytest.mark.parametrize("reboot", [False, True])
def test_an_entry_ends_when_its_token_does_whoever_restarts(disk: Disk, down: float, known: bool, reboot: bool) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry(expires=5_000.0))
    if reboot:
        disk.clocks.reboot(down)
    else:
        disk.clocks.pass_time(down)
    with disk.run() as run:
        assert (ONE in run.known()) is known
        assert run.dropped == ({} if known else {"expired": 1})
        if known:
            assert run.known()[ONE].expires == pytest.approx(disk.clocks.now + 1.0)


def test_a_clock_that_was_set_back_resurrects_nothing(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry(expires=1_100.0))
    disk.clocks.now += 200.0
    disk.clocks.wall += 10.0
    with disk.run() as run:
        assert run.known() == {}
        assert run.dropped == {"expired": 1}


def test_a_clock_behind_the_newest_writing_means_that_nothing_is_taken_over(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
        run.grants.tie("chain-canary", REFRESH)
    disk.clocks.reboot(-1.0)
    with disk.run() as run:
        assert run.known() == {}
        assert run.dropped == {"clock_went_back": 1}
        assert run.grants.chain_of(REFRESH) == "chain-canary"  # which tells no time
    disk.clocks.pass_time(10.0)
    with disk.run() as run:
        assert run.known() == {}


def test_the_clocks_are_written_down_even_when_nothing_is_learned(disk: Disk, tmp_path: Path) -> None:
    """Else a crash after a quiet hour would leave a writing so old that a clock set back in the meantime seems to be ahead of it."""
    with disk.run() as run:
        run.grants.put(ONE, entry(expires=5_000.0))
        run.flush()
        disk.clocks.pass_time(3_600.0)
        run.flush()
        crashed = Disk(Path(shutil.copytree(disk.path.parent, tmp_path / "crashed")) / disk.path.name, disk.clocks)
    disk.clocks.reboot(-600.0)
    with crashed.run() as run:
        assert run.dropped == {"clock_went_back": 1}


def test_a_clock_that_is_set_right_while_running_moves_no_end(disk: Disk) -> None:
    disk.clocks.wall += 86_400.0
    with disk.run() as run:
        run.grants.put(ONE, entry(expires=1_100.0))
        run.flush()
        disk.clocks.wall -= 86_400.0
        run.grants.put(TWO, entry(expires=1_100.0))
    disk.clocks.reboot(99.0)
    with disk.run() as run:
        assert {token: known.expires for token, known in run.known().items()} == {ONE: pytest.approx(6.0), TWO: pytest.approx(6.0)}


def test_an_entry_that_outlives_several_runs_ends_on_time(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry(expires=1_300.0))
    for _ in range(2):
        disk.clocks.reboot(100.0)
        with disk.run() as run:
            assert ONE in run.known()
    disk.clocks.reboot(100.0)
    with disk.run() as run:
        assert run.known() == {}


# --- secrecy ------------------------------------------------------------------------------------------------


def test_a_copied_file_tells_nothing(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
        run.grants.tie("chain-canary", REFRESH)
        run.memory.remember_shape(SEEN_SHAPE)
        run.memory.remember_access(ACCESS, 7.0)
        run.flush()
        files = disk.files()
    assert set(files) == {"scopegate.db", "scopegate.db-wal", "scopegate.db-shm"}
    for content in (*files.values(), *disk.files().values()):
        assert [secret for secret in SECRETS if secret in content] == []
        assert KEY.reveal() not in content


def test_only_the_owner_can_open_the_files(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
        run.flush()
        modes = {path.name: path.stat().st_mode & 0o777 for path in disk.path.parent.iterdir()}
        assert modes == {"scopegate.db": 0o600, "scopegate.db-wal": 0o600, "scopegate.db-shm": 0o600}
        assert disk.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_open_is_closed_to_them(disk: Disk) -> None:
    disk.path.parent.mkdir()
    disk.path.touch(0o644)
    with disk.run() as run:
        run.flush()
        assert disk.path.stat().st_mode & 0o777 == 0o600


def test_without_the_key_nothing_is_taken_over(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
    with disk.run(Keys((Secret(b"o" * 32),))) as run:
        assert run.known() == {}
        assert run.dropped == {"unreadable": 1}


@pytest.mark.parametrize(
    "change",
    [
        "WITH old AS MATERIALIZED (SELECT * FROM rows) UPDATE rows SET value = (SELECT value FROM old WHERE old.key <> rows.key)",
        "UPDATE rows SET run = run + 1",
        "UPDATE rows SET kind = 'tie'",
        "UPDATE rows SET value = substr(value, 1, 30)",
    ],
)
def test_a_row_counts_only_where_it_was_written(disk: Disk, change: str) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry("ForOne"))
        run.grants.put(TWO, entry("ForTwo"))
    with disk.other_hand() as hand:
        hand.execute(change)
        assert hand.execute("SELECT changes()").fetchone() == (2,)
    with disk.run() as run:
        assert run.known() == {}
        assert run.dropped == {"unreadable": 2}


def test_a_new_key_takes_over_and_the_old_one_can_go(disk: Disk) -> None:
    first, second, third = KEY, Secret(b"2" * 32), Secret(b"3" * 32)
    with disk.run(Keys((first, second))) as run:
        run.grants.put(ONE, entry(expires=5_000.0))
        run.grants.tie("chain-canary", REFRESH)
        run.memory.remember_shape(SEEN_SHAPE)
        run.memory.remember_access(ACCESS, 7.0)
        before = run.known()
    disk.clocks.reboot(10.0)
    with disk.run(Keys((first, second, third))) as run:
        run.flush()
    disk.clocks.reboot(10.0)
    with disk.run(Keys((first, third))) as run:
        assert run.known()[ONE].grants == before[ONE].grants
        assert run.known()[ONE].expires == pytest.approx(disk.clocks.now + 5_000.0 - 1_000.0 - 20.0)
        assert run.grants.chain_of(REFRESH) == "chain-canary"
        assert run.memory.shapes
        assert list(run.memory.users())
        assert run.dropped == {}


def test_rows_of_a_vendor_that_is_not_configured_wait_for_it(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
    with disk.run(vendor="another") as run:
        assert run.known() == {}
    with disk.run() as run:
        assert ONE in run.known()
