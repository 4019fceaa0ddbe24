"""`scopegate audit verify` as people and scripts use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.credentials import Secret
from tests.integration.audit.audit_samples import Log
from tests.integration.cli.processes import read_json, scopegate

KEY = Secret(b"k" * 32)


def test_a_whole_log_is_called_whole_and_its_end_is_told(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    log.write(1, 2)
    finished = scopegate("audit", "verify", str(log.path))
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "OK: 5 lines in 1 file, 2 decisions, numbers 1 to 5" in finished.stdout
    last = next(line for line in finished.stdout.splitlines() if line.startswith("last line: ")).split()[2]
    assert scopegate("audit", "verify", str(log.path), "--expect", last).returncode == 0
    assert scopegate("audit", "verify", str(log.path), "--expect", "5:" + "0" * 64).returncode == 3


def test_damage_is_named_with_what_to_do(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    log.write(1, 2)
    log.path.write_bytes(log.path.read_bytes().replace(b'"call-archiver"', b'"somebody-else"', 1))
    finished = scopegate("audit", "verify", str(log.path))
    assert finished.returncode == 3
    assert finished.stdout.startswith(f"{log.path}:3: changed: this line is not as the proxy wrote it (number 3)")
    assert "what to do (changed): " in finished.stdout
    assert "DAMAGED: " in finished.stdout
    report = read_json(scopegate("audit", "verify", str(log.path), "--format", "json"))
    assert (report["ok"], report["damage"][0]["line"], report["damage"][0]["damage"]) == (False, 3, "changed")


def test_a_key_is_needed_where_there_is_one(tmp_path: Path) -> None:
    log, key = Log(tmp_path / "audit.jsonl", KEY), tmp_path / "key"
    log.write(1)
    finished = scopegate("audit", "verify", str(log.path))
    assert finished.returncode == 2
    assert "--key-file" in finished.stderr
    key.write_text("# the key\n" + KEY.reveal().hex() + "\n")
    finished = scopegate("audit", "verify", str(log.path), "--key-file", str(key))
    assert finished.returncode == 0
    assert KEY.reveal().hex() not in finished.stdout + finished.stderr
    key.write_text("garbage")
    finished = scopegate("audit", "verify", str(log.path), "--key-file", str(key))
    assert finished.returncode == 2
    assert "garbage" not in finished.stderr


@pytest.mark.parametrize("arguments", [["missing.jsonl"], [".", "--partial"], [], ["x", "--expect", "5"]])
def test_what_cannot_be_checked_is_a_mistake_of_the_caller(tmp_path: Path, arguments: list[str]) -> None:
    finished = scopegate("audit", "verify", *arguments, cwd=tmp_path)
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr
    assert finished.stderr
