"""The image, built and run without a container engine: every instruction of the Dockerfile is carried out (tests/fakes/container.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import dockerfile
import pytest
import yaml

from tests.integration.service.confining import ROOT, program

CONTAINER: Final = ROOT / "deploy" / "container"
DOCKERFILE: Final = CONTAINER / "Dockerfile"
BUILD_S: Final = 900
"""How long building may take on a machine that does much else: it compiles."""
LARGEST: Final = 120 * 1024 * 1024
RULES: Final = """\
vendors:
  ringcentral: {kind: ringcentral, mount: {path: /ringcentral}, upstream: "https://vendor.example", on_unknown_token: deny}
listen: 0.0.0.0:8080
"""


def hadolint(file: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("hadolint")
    return subprocess.run([tool, "--no-color", str(file)], capture_output=True, text=True, check=False)


def test_the_linter_finds_nothing() -> None:
    finished = hadolint(DOCKERFILE)
    assert (finished.returncode, finished.stdout + finished.stderr) == (0, "")


def test_the_linter_would_tell(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text().replace('ENTRYPOINT ["scopegate"]', "ENTRYPOINT scopegate"))
    assert "DL3025" in hadolint(worse).stdout


def commands() -> list[tuple[str, bool, tuple[str, ...]]]:
    return [(command.cmd, command.json, command.value) for command in dockerfile.parse_file(str(DOCKERFILE))]


def test_the_last_stage_needs_no_shell_and_no_root() -> None:
    found = commands()
    last = found[max(place for place, (name, _, _) in enumerate(found) if name == "FROM") :]
    assert all(is_exec for name, is_exec, _ in last if name in ("RUN", "ENTRYPOINT", "CMD", "HEALTHCHECK"))
    (user,) = [value[0] for name, _, value in last if name == "USER"]
    assert all(int(number) > 0 for number in user.split(":"))


def test_both_bases_have_to_be_chosen() -> None:
    found = commands()
    assert [value[0] for name, _, value in found if name == "FROM"] == ["${BUILDER:?}", "${BASE:?}"]
    assert {value for name, _, value in found if name == "ARG"} >= {("BUILDER",), ("BASE",)}


@pytest.mark.parametrize("base", ["", "python:3.11", "python@sha256:", "python@sha256:0123456789abcdef", f"python@md5:{'0' * 64}"])
def test_a_base_without_a_digest_ends_the_build_with_a_message(base: str) -> None:
    check = next(value[0] for name, _, value in commands() if name == "RUN")
    finished = subprocess.run(
        ["sh", "-c", check], env={"BUILDER": f"python@sha256:{'0' * 64}", "BASE": base}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert f"must be images with a digest, NAME@sha256:…, not '{base}'" in finished.stderr


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build and run it once; what was seen."""
    unshare = program("unshare", "util-linux")
    program("gcc", "gcc")
    if os.geteuid() != 0:
        assert not os.environ.get("SCOPEGATE_CI"), "only root can build the image without an engine"
        pytest.skip("only root can build the image without an engine")
    rules = tmp_path_factory.mktemp("container") / "scopegate.yaml"
    rules.write_text(RULES)
    builder = ROOT / "tests" / "fakes" / "container.py"
    command = [unshare, "--mount", sys.executable, str(builder), str(ROOT), str(DOCKERFILE), str(rules)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_S)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.timeout(BUILD_S + 60)
def test_it_is_built_and_serves_without_a_shell_as_nobody_on_a_read_only_root(seen: Any) -> None:
    with_defaults, with_rules = seen["default"], seen["mounted"]
    assert with_defaults["livez"]["status"] == with_rules["livez"]["status"] == 200
    assert (with_defaults["request"]["status"], with_defaults["request"]["by"]) == (502, "proxy")  # there is no network in there
    denied = with_rules["request"]
    assert (denied["status"], denied["by"], denied["reason"]) == (403, "proxy", "unknown_token")
    assert with_defaults["user"] == [str(seen["user"])] * 4
    assert with_defaults["compiled"]
    assert "scopegate.db" in with_defaults["written"]
    for run in (with_defaults, with_rules):
        assert (run["code"], run["lines"]) == (0, 1)
        assert "every request was finished" in run["errors"]
    assert seen["size"] < LARGEST


def test_its_own_configuration_keeps_the_admin_listener_to_itself_and_denies_nothing_yet() -> None:
    own = yaml.safe_load((CONTAINER / "scopegate.yaml").read_text())
    assert own["admin"]["listen"].startswith("127.0.0.1:")
    assert own["mode"] == "shadow"
    (volume,) = [value[0] for name, _, value in commands() if name == "VOLUME"]
    assert Path(own["state"]["path"]).is_relative_to(volume)
