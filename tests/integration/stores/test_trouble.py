"""What the disk does to the store, and what the store then does: nothing that traffic could feel, and never a broken file."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.stores.keys import KeyFile
from proxy.stores.sqlite import MIGRATIONS, CorruptError, Database, NewerSchemaError
from tests.integration.stores.store_samples import WAIT_S, Disk, entry, fingerprint
from tests.integration.stores.writing_process import is_forgotten

ROOT = Path(__file__).resolve().parents[3]
ONE, TWO = fingerprint(1), fingerprint(2)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def check(path: Path) -> str:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return str(found)


# --- killed -------------------------------------------------------------------------------------------------


@contextmanager
def process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", f"tests.integration.stores.{module}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def killed_after(disk: Disk, start: int, batches: int) -> int:
    """Let a process write, kill it in the middle of the batch that follows; return how far the disk had come for certain."""
    with process("writing_process", str(disk.path), str(start)) as running:
        assert running.stdout is not None
        lines = [int(running.stdout.readline()) for _ in range(batches)]
        running.kill()
        running.wait()
        rest = running.stdout.read().split()
    return max(lines + [int(line) for line in rest])


def test_a_killed_process_leaves_a_whole_file_with_everything_but_the_last_batch(disk: Disk) -> None:
    written = 0
    for batches in (1, 3, 7, 2, 12):
        written = killed_after(disk, written, batches)
        with disk.run() as run:
            known = run.known()
            assert {number for number in range(written) if fingerprint(number) not in known} == set(filter(is_forgotten, range(written)))
            assert run.dropped == {}
        assert check(disk.path) == "ok"
    assert written >= 25 * 50
    assert not list(disk.path.parent.glob("*.corrupt-*"))


def test_a_process_killed_at_its_very_start_leaves_nothing_broken(tmp_path: Path) -> None:
    """The files are made step by step; whichever step is the last, the next start finds nothing to complain of."""
    for number in range(6):
        path = tmp_path / str(number) / "scopegate.db"
        path.parent.mkdir()
        with process("writing_process", str(path), "0") as running:
            wait_until(lambda path=path: path.exists())  # type: ignore[misc]
            time.sleep(number * 0.002)
            running.kill()
        with Disk(path).run() as run:
            run.grants.put(ONE, entry())
            run.flush()
        assert check(path) == "ok"


# --- full, read-only, locked ----------------------------------------------------------------------------------


def test_on_a_full_disk_knowledge_waits_in_memory_and_is_written_later(disk: Disk) -> None:
    with process("full_disk_process", str(disk.path)) as running:
        output, _ = running.communicate(timeout=WAIT_S)
    steps = {line["step"]: line for line in map(json.loads, output.splitlines())}
    assert running.returncode == 0
    assert steps["before"]["trouble"] == ""
    assert steps["full"]["trouble"]
    assert steps["full"]["writes"]["failed"] > 0
    assert (steps["full"]["queue"], steps["full"]["known"]) == (1_001, 999)  # the ties of `gone` are among the changes
    assert (steps["after"]["trouble"], steps["after"]["queue"], steps["after"]["rows"]) == ("", 0, 999)
    with disk.run() as run:
        assert set(run.known()) == {fingerprint(number) for number in range(1, 1_000)}
    assert check(disk.path) == "ok"


def test_a_directory_that_cannot_be_used_is_used_when_it_can_be(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    disk.path.parent.touch()
    keys = KeyFile(disk.path.with_name("key"))
    with disk.run(keys) as run:
        assert run.known() == {}
        wait_until(lambda: bool(run.reading("scopegate_store_writes_total")))
        run.grants.put(ONE, entry())
        assert "exists" in run.store.trouble
        assert run.reading("scopegate_store_up") == {}
        disk.path.parent.unlink()
        run.flush()
        assert run.store.trouble == ""
        assert run.reading("scopegate_store_up") == {(): 1.0}
    with disk.run(KeyFile(keys.path)) as run:
        assert ONE in run.known()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]  # once each, however often it was tried


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_trouble_and_nothing_more(disk: Disk) -> None:
    disk.path.parent.mkdir(0o500)
    with disk.run() as run:
        run.grants.put(ONE, entry())
        assert not run.store.flush(0.2)
        assert run.store.trouble
        disk.path.parent.chmod(0o700)
        run.flush()


def test_a_locked_file_is_written_when_the_lock_is_gone(disk: Disk) -> None:
    with disk.run() as run:
        run.flush()
        with disk.other_hand() as hand:
            hand.execute("BEGIN IMMEDIATE")
            run.grants.put(ONE, entry())
            wait_until(lambda: run.store.trouble != "")
            assert "locked" in run.store.trouble
            began = time.monotonic()
            run.grants.put(TWO, entry())
            assert time.monotonic() - began < 0.5  # whoever learns does not wait for it
            hand.execute("ROLLBACK")
        run.flush()
    with disk.run() as run:
        assert set(run.known()) == {ONE, TWO}


def test_what_could_not_be_read_at_the_start_never_comes_back(disk: Disk) -> None:
    """Meanwhile a token may have been revoked of which this run knows nothing."""
    with disk.run() as run:
        run.grants.put(ONE, entry())
    with disk.other_hand() as hand:
        hand.execute("PRAGMA locking_mode = EXCLUSIVE")
        hand.execute("BEGIN EXCLUSIVE")
        hand.execute("CREATE TABLE whatever (a)")
        with disk.run() as run:
            assert run.known() == {}
            run.grants.put(TWO, entry())
            hand.execute("ROLLBACK")
            hand.close()
            run.flush()
    with disk.run() as run:
        assert set(run.known()) == {TWO}


def test_two_processes_with_one_file_do_not_disturb_each_other(disk: Disk) -> None:
    """As while an old process still ends its requests and the new one is at work."""
    with disk.run() as old, disk.run() as new:
        for number in range(100):
            (old if number % 2 else new).grants.put(fingerprint(number), entry())
        old.flush()
        new.flush()
        assert (old.store.trouble, new.store.trouble) == ("", "")
    with disk.run() as run:
        assert len(run.known()) == 100


# --- damaged --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["text", "middle", "cut"])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(disk: Disk, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    with disk.run() as run:
        for number in range(200):
            run.grants.put(fingerprint(number), entry("x" * 1_000))
    whole = disk.path.read_bytes()
    broken = {
        "text": b"this is no database " * 100,
        "middle": whole[:8192] + b"\xff" * 16384 + whole[24576:],
        "cut": whole[: len(whole) // 2],
    }[damage]
    disk.path.write_bytes(broken)
    with caplog.at_level(logging.ERROR), disk.run() as run:
        run.grants.put(ONE, entry())
        run.flush()
        assert run.store.trouble == ""
    (aside,) = disk.path.parent.glob("scopegate.db.corrupt-*")
    assert aside.read_bytes() == broken
    assert aside.stat().st_mode & 0o777 == 0o600
    assert [record.getMessage() for record in caplog.records if "damaged" in record.getMessage()] == [
        f"the store {disk.path} is damaged; it is now {aside.name}, and a new one begins"
    ]
    with disk.run() as run:
        assert set(run.known()) == {ONE}


def test_a_file_that_is_damaged_while_it_is_used(disk: Disk) -> None:
    with disk.run() as run:
        for number in range(200):
            run.grants.put(fingerprint(number), entry("x" * 1_000))
        run.flush()
        with disk.other_hand() as hand:
            hand.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damaged = bytearray(disk.path.read_bytes())
        damaged[4096:] = b"\xff" * (len(damaged) - 4096)
        disk.path.write_bytes(damaged)
        run.grants.put(fingerprint(5_000), entry())
        run.flush()
        run.grants.put(ONE, entry())
        run.flush()
        assert run.store.trouble == ""
    assert list(disk.path.parent.glob("scopegate.db.corrupt-*"))
    with disk.run() as run:
        assert ONE in run.known()
    assert check(disk.path) == "ok"


def test_damage_that_shows_only_in_use(disk: Disk) -> None:
    """An index that lacks a row is no damage to a quick look at the file."""
    with disk.run() as run:
        run.grants.put(ONE, entry())
    with disk.other_hand() as hand:
        (version,) = hand.execute("PRAGMA schema_version").fetchone()
        index = hand.execute("SELECT * FROM sqlite_schema WHERE name = 'rows_by_end'").fetchone()
        hand.execute("PRAGMA writable_schema = ON")
        hand.execute("DELETE FROM sqlite_schema WHERE name = 'rows_by_end'")
        hand.execute(f"PRAGMA schema_version = {version + 1}")
    with disk.other_hand() as hand:
        hand.execute("UPDATE rows SET ends = ends + 1")
        hand.execute("PRAGMA writable_schema = ON")
        hand.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", index)
        hand.execute(f"PRAGMA schema_version = {version + 2}")
    with disk.run() as run:
        assert set(run.known()) == {ONE}
        run.grants.forget(ONE)
        run.grants.put(TWO, entry())
        run.flush()
        run.grants.put(TWO, entry("New"))
        run.flush()
        assert run.store.trouble == ""
    assert list(disk.path.parent.glob("scopegate.db.corrupt-*"))
    with disk.run() as run:
        assert {token: known.grants.scopes for token, known in run.known().items()} == {TWO: {"New"}}


# --- schema ---------------------------------------------------------------------------------------------------


def test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
    Database(disk.path, 1, 2**28, (*MIGRATIONS, "CREATE TABLE extra (a)")).close()
    with disk.other_hand() as hand:
        assert hand.execute("SELECT count(*) FROM rows, (SELECT count(*) FROM extra)").fetchone() == (1,)
        assert hand.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)


def test_a_migration_that_fails_changes_nothing(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
    with pytest.raises(sqlite3.OperationalError):
        Database(disk.path, 1, 2**28, (*MIGRATIONS, "DROP TABLE rows; CREATE nonsense"))
    with disk.run() as run:
        assert ONE in run.known()


def test_a_file_of_a_newer_version_is_left_alone(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
    Database(disk.path, 1, 2**28, (*MIGRATIONS, "CREATE TABLE extra (a)")).close()
    before = disk.path.read_bytes()
    with pytest.raises(NewerSchemaError):
        Database(disk.path, 1, 2**28)
    with disk.run() as run:
        run.grants.put(TWO, entry())
        assert not run.store.flush(0.1)
        assert "schema 2" in run.store.trouble
    assert disk.path.read_bytes() == before


def test_a_file_that_is_no_database_is_called_so(disk: Disk) -> None:
    disk.path.parent.mkdir()
    disk.path.write_bytes(b"text" * 1_000)
    with pytest.raises(CorruptError):
        Database(disk.path, 1, 2**28)


# --- the end --------------------------------------------------------------------------------------------------


def test_closing_writes_what_is_waiting(disk: Disk) -> None:
    with disk.run() as run:
        run.grants.put(ONE, entry())
    assert not disk.path.with_name("scopegate.db-wal").exists()
    with disk.run() as run:
        assert ONE in run.known()
