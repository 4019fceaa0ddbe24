from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from proxy import __version__
from proxy.cli.commands import SIMULATED_VENDORS
from proxy.cli.main import scopegate as group
from proxy.simulators import SIMULATORS
from tests.integration.cli.processes import COMMAND, PATIENCE_S, ROOT, environment, scopegate

ESCAPE = "\x1b["


def command_paths() -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (name,)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


def on_a_terminal(*arguments: str, **extra: str) -> str:
    """Run a command whose standard output is a terminal; return what the terminal got."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run([*COMMAND, *arguments], cwd=ROOT, env=environment(extra), stdout=theirs, timeout=PATIENCE_S, check=False)
    finally:
        os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        return terminal.read(65536).decode()


@pytest.mark.parametrize("path", list(command_paths()), ids=" ".join)
def test_every_help_text_has_an_example_of_its_command(path: tuple[str, ...]) -> None:
    finished = scopegate(*path, "--help")
    _, found, example = finished.stdout.partition("Example:\n")
    assert (finished.returncode, bool(found)) == (0, True)
    assert example.lstrip().startswith(f"scopegate {' '.join(path)}")


def test_the_overview_names_every_command_of_this_version_and_cuts_no_sentence() -> None:
    finished = scopegate("--help")
    assert finished.returncode == 0
    listed = [line.split()[0] for line in finished.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == [
        "audit",
        "catalog",
        "check-config",
        "demo",
        "explain",
        "explain-error",
        "health",
        "replay",
        "report",
        "schema",
        "serve",
        "simulate",
    ]
    assert "..." not in finished.stdout.partition("Commands:\n")[2]


def test_help_imports_nothing_slow() -> None:
    script = (
        "import sys; from proxy.cli.main import main; main(['serve', '--help']); print(*sorted({'aiohttp', 'pydantic'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert finished.stdout.splitlines()[-1] == ""


def test_version() -> None:
    assert scopegate("--version").stdout == f"scopegate {__version__}\n"


@pytest.mark.parametrize("arguments", [("nonsense",), ("serve", "--nonsense"), ("explain", "GET", "/"), ("explain-error",)])
def test_what_is_no_command_line_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    finished = scopegate(*arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "Usage: scopegate" in finished.stderr


def test_the_simulated_vendors_are_those_there_are() -> None:
    assert set(SIMULATED_VENDORS) == set(SIMULATORS)


def test_the_schema_is_printed() -> None:
    schema = json.loads(scopegate("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "vendors" in schema["properties"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(("debug", "traceback"), [("", False), ("1", True)])
def test_an_unexpected_error_is_one_line_and_a_traceback_on_request(debug: str, traceback: bool) -> None:
    with Path("/dev/full").open("wb") as full:
        finished = subprocess.run(
            [*COMMAND, "schema"],
            cwd=ROOT,
            env=environment({"SCOPEGATE_DEBUG": debug}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("scopegate: unexpected error: OSError (No space left on device) in proxy.cli.")
    assert ("Traceback" in finished.stderr) is traceback
    assert traceback or finished.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error_message() -> None:
    with subprocess.Popen(
        [*COMMAND, "catalog", "list"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_terminal_without_the_characters_gets_escapes() -> None:
    finished = scopegate("check-config", "\u4e2d.yaml", extra={"PYTHONIOENCODING": "latin-1"})
    assert (finished.returncode, finished.stdout.partition(":")[0]) == (4, "\\u4e2d.yaml")


EXPLAIN = ("explain", "--vendor", "ringcentral", "GET", "/restapi/v1.0/account/~/call-log", "--scopes", "")


def test_a_terminal_gets_colours() -> None:
    assert f"{ESCAPE}31m" in on_a_terminal(*EXPLAIN, TERM="xterm")


def test_no_color_and_pipes_get_none() -> None:
    plain = on_a_terminal(*EXPLAIN, TERM="xterm", NO_COLOR="1")
    assert plain.startswith("DENY")
    assert ESCAPE not in plain
    assert ESCAPE not in scopegate(*EXPLAIN).stdout
