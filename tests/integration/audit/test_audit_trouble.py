"""What the disk does to the log, and what the log then does: nothing that traffic could feel, and never a broken chain."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proxy.telemetry.audit_places import head_file
from tests.integration.audit.audit_samples import WAIT_S, Log, counts, event, reading, wait_until, written

ROOT = Path(__file__).resolve().parents[3]


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tests.integration.audit.{module}", *arguments]


# --- killed -------------------------------------------------------------------------------------------------


def killed_after(path: Path, first: int, lines: int, delay: float) -> int:
    """Let a process write, and kill it a moment after it told that so much was written; return the last number it told."""
    with subprocess.Popen(command("writing_process", str(path), str(first)), cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = [int(running.stdout.readline()) for _ in range(lines)]
        time.sleep(delay)
        running.kill()
        rest = running.stdout.read().split("\n")
    return max([*told, *(int(line) for line in rest[:-1] if line)])


def test_after_every_kill_the_chain_is_whole_and_only_the_tail_is_missing(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    certain: list[tuple[int, int]] = []
    for round_number in range(20):
        first = round_number * 1_000_000 + 1
        certain.append((first, killed_after(log.path, first, 1 + round_number % 3, round_number * 0.0007)))
        assert log.check().damage == []  # before any mending
    log.write(0)
    report = log.check()
    assert report.damage == []
    assert len(report.notes) == 20
    numbers = log.numbers()
    assert numbers[-1] == 0
    assert sorted(numbers[:-1]) == numbers[:-1]
    for first, last in certain:
        mine = [number for number in numbers if first <= number < first + 1_000_000]
        assert mine == list(range(first, mine[-1] + 1))
        assert mine[-1] >= last - 50
    assert len(log.files) > 2


def test_a_line_left_unfinished_is_cut_off_and_the_log_tells(log: Log) -> None:
    with log.writer(close=False) as writer:
        writer.put(event(1))
        written(writer)
        whole = log.path.read_bytes()
        writer.close()
    log.path.write_bytes(whole + b'{"class_uid":6003,"unfin')
    head_file(log.path).unlink()
    assert "unfinished" in "".join(log.check(partial=True).notes)
    log.write(2)
    report = log.check()
    assert report.damage == []
    assert log.numbers() == [1, 2]
    started = [line["unmapped"] for line in log.lines() if line["unmapped"].get("record") == "started"][-1]
    assert (started["unfinished_bytes"], started["after_stop"]) == (24, False)
    assert any("without stopping in good order" in note for note in report.notes)


@pytest.mark.parametrize("size", [0, 10, -1, -100, -3000])
def test_a_log_cut_at_any_place_is_gone_on_with_and_found(log: Log, size: int) -> None:
    log.write(*range(10))
    data = log.path.read_bytes()
    log.path.write_bytes(data[:size])
    log.write(10)
    found = log.check().damage
    assert found
    assert {one.damage for one in found} <= {"removed", "changed", "inserted"}
    assert log.numbers()[-1] == 10
    log.write(11)
    assert log.numbers()[-2:] == [10, 11]


def test_a_garbled_end_is_set_aside_and_found(log: Log) -> None:
    log.write(*range(10))
    log.path.write_bytes(log.path.read_bytes() + b"garbage\n")
    log.write(10)
    found = log.check().damage
    assert [(one.damage, Path(one.file).name) for one in found] == [("inserted", "audit.jsonl.000001")]
    assert log.numbers_of(log.path) == [10]


# --- full, read-only, in the way ----------------------------------------------------------------------------


def test_on_a_full_disk_events_wait_and_what_does_not_fit_is_told(log: Log) -> None:
    path = log.path if log.key is None else log.path.with_name("other.jsonl")
    path.parent.mkdir(exist_ok=True)
    output = subprocess.run(
        command("full_disk_process", str(path)), cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=WAIT_S, check=True
    ).stdout
    steps = {line["step"]: line for line in map(json.loads, output.splitlines())}
    assert (steps["before"]["up"], steps["before"]["counts"]["written"]) == (1, 20)
    assert (steps["full"]["up"], steps["full"]["trouble"]) == (0, "File too large")
    assert steps["full"]["waiting"] >= 200
    dropped = steps["full"]["counts"]["dropped"]
    assert dropped > 0
    assert steps["after"]["counts"] == {"written": 2021 - dropped, "dropped": dropped, "failed": 0}
    assert (steps["after"]["up"], steps["after"]["trouble"], steps["after"]["waiting"]) == (1, "", 0)
    report = Log(path).check()
    assert report.damage == []
    assert sum(gap.missing for gap in report.gaps) == dropped
    assert all(0 < gap.since <= gap.until for gap in report.gaps)
    assert len(set(Log(path).numbers())) == 2021 - dropped


def test_a_folder_in_the_way_is_waited_out_and_nothing_is_lost(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.path.mkdir(parents=True)
    with log.writer() as writer:
        writer.put(event(1))
        wait_until(lambda: bool(writer.trouble))
        assert writer.trouble == "Is a directory"
        assert reading(writer, "scopegate_audit_up") == {(): 0}
        writer.put(event(2))
        log.path.rmdir()
        written(writer)
        assert counts(writer) == {"written": 2, "dropped": 0, "failed": 0}
    assert log.numbers() == [1, 2]
    assert log.check().damage == []
    told = [record.getMessage() for record in caplog.records if record.name == "scopegate"]
    assert [("cannot be written" in line, "is written again" in line) for line in told] == [(True, False), (False, True)]


def test_a_log_taken_away_while_it_is_written_is_begun_again_with_the_chain(log: Log) -> None:
    with log.writer() as writer:
        writer.put(event(1))
        written(writer)
        log.path.rename(log.path.with_name("taken.jsonl"))
        writer.put(event(2))
        written(writer)
    taken = log.path.with_name("taken.jsonl")
    assert [found.damage for found in log.check().damage] == ["removed"]
    assert log.check(more=[taken]).damage == []


def test_a_log_emptied_while_it_is_written_is_damage(log: Log) -> None:
    with log.writer() as writer:
        writer.put(event(1))
        written(writer)
        log.path.write_bytes(b"")
        writer.put(event(2))
        written(writer)
    assert [found.damage for found in log.check().damage] == ["removed"]
    assert log.numbers() == [2]


def test_two_processes_never_write_to_one_log(log: Log) -> None:
    with log.writer() as first:
        first.put(event(1))
        written(first)
        with log.writer() as second:
            second.put(event(2))
            wait_until(lambda: bool(second.trouble))
            assert "another process" in second.trouble
            first.close()
            written(second)
    assert log.numbers() == [1, 2]
    assert log.check().damage == []


def test_something_that_is_no_file_is_refused(log: Log) -> None:
    log.path.parent.mkdir()
    os.mkfifo(log.path)
    with log.writer() as writer:
        wait_until(lambda: bool(writer.trouble))
        assert writer.trouble == "audit.jsonl is not a regular file; choose another audit.path"


def test_a_disk_that_never_comes_back_costs_no_time_at_the_end(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.path.mkdir(parents=True)
    with log.writer() as writer:
        writer.put(event(1))
        wait_until(lambda: bool(writer.trouble))
    assert counts(writer)["failed"] == 1
    assert "1 events of the audit log" in caplog.text


def test_nobody_who_hands_over_ever_waits(log: Log) -> None:
    log.path.mkdir(parents=True)
    with log.writer(max_events=100, wall=lambda: 7.0) as writer:
        wait_until(lambda: bool(writer.trouble))
        for number in range(10_000):
            writer.put(event(1) if number else event(0))
        assert counts(writer)["dropped"] >= 9_000
        log.path.rmdir()
        wait_until(lambda: reading(writer, "scopegate_audit_gaps_total")[()] == 1)
    report = log.check()
    assert report.damage == []
    assert [(gap.missing, gap.since, gap.until) for gap in report.gaps] == [(counts(writer)["dropped"], 7000, 7000)]


def test_an_event_too_large_for_a_line_is_told_as_missing(log: Log) -> None:
    with log.writer() as writer:
        writer.put(b'{"x":"' + b"x" * 600_000 + b'","unmapped":{"a":1}}')
        writer.put(event(1))
        wait_until(lambda: reading(writer, "scopegate_audit_gaps_total")[()] == 1)
    assert [gap.missing for gap in log.check().gaps] == [1]


def test_a_folder_that_cannot_be_written_is_trouble(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """A file where the folder should be: as useless as a read-only disk, also to a test that runs as root."""
    log.path.parent.touch()
    with caplog.at_level(logging.WARNING), log.writer() as writer:
        writer.put(event(1))
        wait_until(lambda: bool(writer.trouble))
        log.path.parent.unlink()
        written(writer)
    assert log.numbers() == [1]
