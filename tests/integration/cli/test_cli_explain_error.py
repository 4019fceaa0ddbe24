"""`scopegate explain-error`, as somebody uses it who found an error in a log."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.integration.cli.conftest import WriteConfiguration
from tests.integration.cli.processes import COMMAND, PATIENCE_S, ROOT, environment, read_json, scopegate

SAMPLES = ROOT / "tests/samples"
REFUSAL = (SAMPLES / "ringcentral/refusal-ReadCallLog.json").read_text(encoding="utf-8")


def piped(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "explain-error", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), input=text, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def as_json(*arguments: str) -> tuple[int, Any]:
    finished = scopegate("explain-error", *arguments, "--format", "json")
    return finished.returncode, read_json(finished)


def test_an_error_from_standard_input_is_explained_for_people() -> None:
    finished = piped(REFUSAL)
    assert finished.returncode == 0, finished.stderr
    for part in ("ringcentral said: CMN-401", "missing", "ReadCallLog", "Developer Console", "How to fix it", "Documentation"):
        assert part in finished.stdout


def test_an_error_as_an_argument_is_explained_for_programs() -> None:
    code, told = as_json("--vendor", "ringcentral", REFUSAL)
    assert code == 0
    assert (told["known"], told["said_by"], told["kind"], told["scope"]) == (True, "vendor", "app_permission", "ReadCallLog")
    assert told["remediation"]


def test_what_is_not_known_is_said_plainly() -> None:
    code, told = as_json('{"status": 403, "message": "no"}')
    assert (code, told) == (5, {"known": False})
    finished = piped('{"status": 403, "message": "no"}')
    assert finished.returncode == 5
    assert "Not known" in finished.stdout
    assert "do not take it for a missing permission" in finished.stdout


def test_a_token_in_the_text_is_not_printed() -> None:
    secret = "canary-7f3a"
    text = f'HTTP/1.1 401\n\n{{"error": "invalid_token", "error_description": "Access token expired: {secret}"}}'
    for arguments in ((), ("--format", "json")):
        finished = piped(text, *arguments)
        assert finished.returncode == 0
        assert secret not in finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--vendor", "nobody", REFUSAL), 2, "is none of ringcentral, 8x8, newvoicemedia"),
        (("  ",), 2, "there is nothing to explain"),
        (("--config", "no-such-file.yaml", REFUSAL), 4, "no-such-file.yaml"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], code: int, told: str) -> None:
    finished = scopegate("explain-error", *arguments)
    assert finished.returncode == code
    assert told in finished.stderr


def test_vendors_go_by_the_names_of_the_configuration(configured: WriteConfiguration) -> None:
    file = configured("http://127.0.0.1:1")
    finished = scopegate("explain-error", "--config", str(file), "--vendor", "nobody", REFUSAL)
    assert finished.returncode == 2
    assert "the configuration has only" in finished.stderr
    code, told = as_json("--config", str(file), REFUSAL)
    assert (code, told["scope"]) == (0, "ReadCallLog")


def test_a_line_of_the_proxys_own_log_can_be_piped_in() -> None:
    line = {"event": "decision", "decision_id": "01X", "vendor": "8x8", "fault": "upstream_dns", "reason": "", "missing": []}
    finished = piped(json.dumps(line), "--format", "json")
    told = read_json(finished)
    assert (finished.returncode, told["said_by"], told["kind"], told["error"]) == (0, "proxy", "fault", "upstream_dns")
