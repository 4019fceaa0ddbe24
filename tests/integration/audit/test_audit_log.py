"""The log on a disk that works: what is written, how it goes on, and what a check finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.credentials import Secret
from proxy.telemetry.audit_files import Sync
from proxy.telemetry.audit_places import head_file
from proxy.telemetry.audit_verify import Report, VerifyError, Wanted, as_json, verify
from proxy.telemetry.chain import Tip
from tests.integration.audit.audit_samples import Log, counts, event, reading, written
from tests.unit.telemetry.ocsf_schema import problems


def told(report: Report) -> list[tuple[str, str, int, int, int]]:
    """What was found, as (damage, file, line, first number, last number)."""
    return [(str(one.damage), Path(one.file).name, one.line, one.first, one.last) for one in report.damage]


def test_every_event_is_written_once_and_in_order_and_the_chain_is_whole(log: Log) -> None:
    log.write(*range(500))
    report = log.check()
    assert (report.damage, report.notes, report.gaps) == ([], [], [])
    assert log.numbers() == list(range(500))
    assert log.records() == ["opened", "started", "stopped"]
    assert (report.lines, report.decisions, report.began, report.tip.sequence) == (503, 500, 1, 503)


def test_every_line_is_valid_ocsf_with_its_chain_in_it(log: Log) -> None:
    log.write(*range(20), max_bytes=9000, keep_files=1)
    log.write(20)
    lines = log.lines()
    assert {line["class_uid"] for line in lines} == {6003, 1008}
    assert [problem for line in lines for problem in problems(line)] == []
    assert {"deleted", "opened", "rotated", "stopped", "started"} == set(log.records())


def test_files_are_private(log: Log) -> None:
    log.write(1)
    assert [path.stat().st_mode & 0o777 for path in (log.path, head_file(log.path), log.path.parent)] == [0o600, 0o600, 0o700]


def test_a_new_start_goes_on_with_the_chain(log: Log) -> None:
    for number in range(5):
        log.write(number)
    assert log.check().damage == []
    assert log.numbers() == list(range(5))
    assert log.records() == ["opened"] + ["started", "stopped"] * 5


def test_a_full_file_is_renamed_and_the_chain_goes_on_in_the_next(log: Log) -> None:
    for number in range(30):
        log.write(number, max_bytes=20_000)
    assert len(log.files) > 4
    assert all(path.stat().st_size <= 20_000 for path in log.files)
    assert [path.name for path in log.files[:2]] == ["audit.jsonl.000001", "audit.jsonl.000002"]
    assert log.numbers() == list(range(30))
    report = log.check()
    assert (report.damage, report.decisions, len(report.files)) == ([], 30, len(log.files))
    first = json.loads(log.files[1].read_bytes().splitlines()[0])["unmapped"]
    last = json.loads(log.files[0].read_bytes().splitlines()[-1])["unmapped"]
    assert (first["record"], first["previous_file"], last["record"]) == ("opened", "audit.jsonl.000001", "rotated")
    assert first["chain"]["previous"] == last["chain"]["hash"]


def test_full_files_can_be_checked_alone(log: Log) -> None:
    log.write(*range(30), max_bytes=9000)
    keys = (log.key,) if log.key is not None else ()
    assert verify([log.files[0]], Wanted(keys)).damage == []
    assert verify([log.files[1]], Wanted(keys, partial=True)).damage == []
    assert told(verify([log.files[1]], Wanted(keys)))[0][0] == "removed"
    assert verify([log.files[1], log.files[0]], Wanted(keys)).damage == []
    assert verify([log.path.parent], Wanted(keys)).damage == []
    log.files[0].write_bytes(b"".join(log.files[0].read_bytes().splitlines(keepends=True)[:-1]))
    assert told(verify([log.files[0]], Wanted(keys))) == [("cut", "audit.jsonl.000001", 0, 0, 0)]


def test_old_files_are_deleted_and_the_log_tells(log: Log) -> None:
    for number in range(30):
        log.write(number, max_bytes=20_000, keep_files=2)
    assert len(log.files) == 3
    assert int(log.files[0].name[-6:]) > 2
    assert log.check().damage == []
    log.files[0].unlink()
    assert [found[0] for found in told(log.check())] == ["removed"]
    assert log.check(partial=True).damage == []


def test_what_is_done_to_a_line_is_found_and_named(log: Log) -> None:
    log.write(*range(10))
    whole = log.path.read_bytes().splitlines(keepends=True)

    def after(*lines: bytes) -> Any:
        log.path.write_bytes(b"".join(lines))
        return told(log.check())

    name = log.path.name
    changed = whole[4].replace(b"call-archiver", b"call-archivar")
    assert after(*whole[:4], changed, *whole[5:]) == [("changed", name, 5, 5, 5)]
    assert after(*whole[:4], *whole[5:]) == [("removed", name, 5, 5, 5)]
    assert after(*whole[:4], whole[7], *whole[4:]) == [("inserted", name, 5, 0, 0)]
    assert after(*whole[:-3]) == [("cut", name, len(whole) - 3, len(whole) - 2, len(whole))]
    assert [found[0] for found in after(*whole[1:])] == ["removed", "removed"]
    assert after(*whole) == []


def test_a_file_that_is_gone_is_missed(log: Log) -> None:
    log.write(*range(30), max_bytes=9000)
    log.files[1].unlink()
    ((damage, file, line, *_),) = told(log.check())
    assert (damage, file, line) == ("removed", "audit.jsonl.000003", 1)


def test_without_its_head_file_a_log_is_not_called_whole(log: Log) -> None:
    log.write(1)
    head_file(log.path).unlink()
    assert [found[0] for found in told(log.check())] == ["head"]
    assert log.check(partial=True).damage == []
    head_file(log.path).write_bytes(b"garbage")
    assert [found[0] for found in told(log.check())] == ["head"]


def test_a_log_that_is_gone_is_missed_as_long_as_its_head_file_is_there(log: Log) -> None:
    log.write(1)
    log.path.unlink()
    assert [found[0] for found in told(log.check())] == ["cut"]


def test_a_line_noted_elsewhere_proves_that_the_log_was_not_made_anew(log: Log) -> None:
    log.write(1)
    noted = log.check().tip
    log.write(2)
    assert log.check(expected=noted).damage == []
    for path in log.path.parent.iterdir():
        path.unlink()
    log.write(1)
    assert log.check().damage == []
    assert [found[0] for found in told(log.check(expected=noted))] == ["changed"]
    assert [found[0] for found in told(log.check(expected=Tip(99, noted.hash)))] == ["cut"]


def test_only_the_key_notices_a_chain_that_was_made_anew_with_its_head(tmp_path: Path) -> None:
    forged, real = Log(tmp_path / "forged" / "audit.jsonl"), Log(tmp_path / "real" / "audit.jsonl", Secret(b"k" * 32))
    real.write(1, 2)
    forged.write(1)
    for path in (real.path, head_file(real.path)):
        path.write_bytes((forged.path.parent / path.name).read_bytes())
    assert {found[0] for found in told(real.check())} == {"head", "key"}


def test_a_log_with_a_key_is_not_checked_without_it(tmp_path: Path) -> None:
    Log(tmp_path / "audit.jsonl", Secret(b"k" * 32)).write(1)
    with pytest.raises(VerifyError, match="--key-file"):
        Log(tmp_path / "audit.jsonl").check()
    with pytest.raises(VerifyError, match="--key-file"):
        Log(tmp_path / "audit.jsonl", Secret(b"x" * 32)).check()


def test_a_key_can_be_taken_into_use_and_replaced(tmp_path: Path) -> None:
    keys = [Secret(bytes([number]) * 32) for number in (1, 2)]
    for key in (None, *keys):
        Log(tmp_path / "audit.jsonl", key).write(1, 2)
    report = verify([tmp_path / "audit.jsonl"], Wanted(tuple(keys)))
    assert (report.damage, report.decisions, len(report.files)) == ([], 6, 3)
    assert report.algorithms == ["SHA-256", "HMAC-SHA256", "HMAC-SHA256"]


def test_a_log_given_up_its_key_is_damage(tmp_path: Path) -> None:
    Log(tmp_path / "audit.jsonl", Secret(b"k" * 32)).write(1)
    Log(tmp_path / "audit.jsonl").write(2)
    report = verify([tmp_path / "audit.jsonl"], Wanted((Secret(b"k" * 32),)))
    assert "key" in {found[0] for found in told(report)}


@pytest.mark.parametrize("sync", Sync)
def test_every_sync_policy_writes_the_same(log: Log, sync: Sync) -> None:
    log.write(*range(10), sync=sync)
    assert log.check().damage == []
    assert log.numbers() == list(range(10))


def test_a_check_of_a_log_that_grows_finds_nothing_wrong(log: Log) -> None:
    with log.writer(max_bytes=50_000) as writer:
        for number in range(2000):
            writer.put(event(number))
            if number % 100 == 0:
                report = log.check() if head_file(log.path).exists() else Report()
                assert told(report) == []
        written(writer)
    assert log.check().decisions == 2000


def test_the_report_for_programs_has_everything(log: Log) -> None:
    log.write(1, 2)
    report = as_json(log.check())
    assert json.loads(json.dumps(report)) == report
    assert report["ok"] is True
    assert report["decisions"] == 2
    log.path.write_bytes(log.path.read_bytes().replace(b"call-archiver", b"x", 1))
    report = as_json(log.check())
    assert (report["ok"], report["damage_count"]) == (False, 1)


def test_numbers_of_the_log_are_metrics(log: Log) -> None:
    with log.writer() as writer:
        writer.put(event(1))
        written(writer)
        assert counts(writer) == {"written": 1, "dropped": 0, "failed": 0}
        assert reading(writer, "scopegate_audit_up") == {(): 1}
        assert reading(writer, "scopegate_audit_gaps_total") == {(): 0}
