"""The units in deploy/systemd: systemd's own judgement on them, and a real proxy that runs under what they restrict."""

from __future__ import annotations

import base64
import configparser
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import yaml

from proxy.process.activation import ADMIN, TRAFFIC
from tests.fakes.authority import Authority
from tests.fakes.service_manager import listening_manager
from tests.integration.cli.conftest import SlowVendor
from tests.integration.cli.processes import environment, scopegate
from tests.integration.service.confining import ROOT, confined, program
from tests.integration.service.handing import CONFIGURATION, handing, listening

UNITS: Final = ROOT / "deploy" / "systemd"
SERVICE: Final = UNITS / "scopegate.service"
SOCKETS: Final = ("scopegate.socket", "scopegate-admin.socket")
INSTALLED: Final = "/opt/scopegate/bin/scopegate"
EXPOSURE: Final = 11
"""The most that `systemd-analyze security` may find, in tenths: 0 is locked up, 100 is open."""
pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with the command that is here, and with the keys."""
    for name in (SERVICE.name, *SOCKETS):
        command = Path(sys.executable).with_name("scopegate")
        (tmp_path / name).write_text((UNITS / name).read_text().replace(INSTALLED, str(command)))
    (tmp_path / "scopegate.service.d").mkdir()
    (tmp_path / "scopegate.service.d" / "keys.conf").write_bytes((UNITS / "keys.conf").read_bytes())
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    tool = program("systemd-analyze", "systemd")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False, timeout=30)


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    return analyze("verify", "--man=no", "--recursive-errors=no", *(str(folder / name) for name in (SERVICE.name, *SOCKETS)))


def test_systemd_finds_nothing_wrong_with_the_units(installed: Path) -> None:
    finished = verify(installed)
    assert (finished.returncode, finished.stdout + finished.stderr) == (0, "")


@pytest.mark.parametrize("wrong", ["WatchdogSeconds=30", "SystemCallFilter=@no-such-group", "ExecStart=/no/such/command"])
def test_systemd_would_tell_of_a_mistake(installed: Path, wrong: str) -> None:
    file = installed / SERVICE.name
    file.write_text(file.read_text().replace("[Install]", f"{wrong}\n\n[Install]"))
    finished = verify(installed)
    assert (finished.returncode, finished.stdout + finished.stderr) != (0, "")


def test_the_service_is_hardened(installed: Path) -> None:
    finished = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", str(installed / SERVICE.name))
    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("line", ["PrivateDevices=yes\n", "CapabilityBoundingSet=\n", "RestrictNamespaces=yes\n"])
def test_hardening_that_is_taken_away_is_noticed(installed: Path, line: str) -> None:
    file = installed / SERVICE.name
    assert line in file.read_text()
    file.write_text(file.read_text().replace(line, ""))
    assert analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", str(file)).returncode != 0


def socket_unit(name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((UNITS / name).read_text())
    return parser["Socket"]


def test_the_sockets_have_the_names_and_addresses_the_proxy_knows() -> None:
    traffic, admin = (socket_unit(name) for name in SOCKETS)
    assert (traffic["FileDescriptorName"], admin["FileDescriptorName"]) == (TRAFFIC, ADMIN)
    shipped = yaml.safe_load((ROOT / "config" / "scopegate.yaml").read_text())
    assert (traffic["ListenStream"], admin["ListenStream"]) == (shipped["listen"], shipped["admin"]["listen"])
    assert admin["Service"] == SERVICE.name


def test_the_configuration_of_the_service_is_valid_and_writes_only_where_it_may() -> None:
    file = UNITS / "scopegate.yaml"
    finished = scopegate("check-config", str(file))
    assert finished.returncode == 0, finished.stderr
    data = yaml.safe_load(file.read_text())
    unit = SERVICE.read_text()
    assert Path(data["state"]["path"]).parent == Path("/var/lib") / "".join(re.findall("^StateDirectory=(.+)$", unit, re.MULTILINE))
    assert Path(data["audit"]["path"]).parent == Path("/var/log") / "".join(re.findall("^LogsDirectory=(.+)$", unit, re.MULTILINE))


def test_every_key_that_systemd_hands_over_is_named_in_the_configuration_that_is_shown(tmp_path: Path) -> None:
    names = re.findall(r"^LoadCredential=([^:]+):", (UNITS / "keys.conf").read_text(), re.MULTILINE)
    page = (ROOT / "docs" / "how-to" / "run-as-a-service.md").read_text()
    (shown,) = re.findall(r"```yml\n(.*?)```", page, re.DOTALL)
    assert sorted(re.findall("/run/credentials/scopegate.service/([a-z.-]+)", shown)) == sorted(names)
    leaf = Authority(tmp_path).secret()
    (tmp_path / "secret" / "tls.key").rename(tmp_path / "tls.key")
    assert leaf is not None
    for name in ("state-key", "audit-key"):
        (tmp_path / name).write_text(base64.b64encode(bytes(32)).decode())
    moved = shown.replace("/run/credentials/scopegate.service", str(tmp_path)).replace("/etc/scopegate", str(tmp_path / "secret"))
    file = tmp_path / "scopegate.yaml"
    file.write_text(CONFIGURATION + moved)
    finished = scopegate("check-config", str(file))
    assert finished.returncode == 0, finished.stderr


# --- behaviour


def confined_configuration(folder: Path, vendor: SlowVendor) -> Path:
    """The service's configuration with folders of the test, and a vendor that has to be looked up by its name."""
    folder.mkdir()
    (folder / "state").mkdir()
    text = (
        (UNITS / "scopegate.yaml")
        .read_text()
        .replace("/var/lib/scopegate", f"{folder}/state")
        .replace("/var/log/scopegate", f"{folder}/state")
    )
    text = text.replace("https://platform.ringcentral.com", vendor.url.replace("127.0.0.1", "localhost"))
    file = folder / "scopegate.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_it_serves_under_the_restrictions_of_its_unit(tmp_path: Path, vendor: SlowVendor, workers: str) -> None:
    file = confined_configuration(tmp_path / "service", vendor)
    prefix = confined(visible=[file.parent], writable=[file.parent / "state"], unit=SERVICE)
    path = "/ringcentral/restapi/v1.0/account/~/call-log"
    with listening() as traffic, listening() as admin, listening_manager(tmp_path, abstract=True) as manager:
        handed = (("traffic", traffic), ("admin", admin))
        variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000", "PYTHONDONTWRITEBYTECODE": "1"}
        async with (
            handing(file, handed, "--workers", workers, extra=variables, before=prefix) as running,
            aiohttp.ClientSession() as session,
        ):
            assert "READY" in await manager.until("READY")
            await running.listening()
            async with session.get(running.base_url + path, headers={"Authorization": "Bearer token"}) as answer:
                assert (answer.status, answer.headers["Scopegate-Answered-By"]) == (200, "vendor")
            async with session.get(running.admin_url + "/readyz") as answer:
                told = await answer.json()
                assert (answer.status, told["status"]) == (200, "ready"), told
            running.send(signal.SIGTERM)
            code, _, errors = await running.end()
    assert code == 0, errors
    assert (file.parent / "state" / "scopegate.db").stat().st_uid != 0
    assert (file.parent / "state" / "audit.jsonl").stat().st_size > 0


TRIES: Final = """
import json, mmap, os, resource, socket
def tried(what):
    try:
        what()
    except OSError as error:
        return error.errno
tries = {
    "write to the tree": lambda: open(FILE, "a"),
    "write to its folder": lambda: open(STATE + "/x", "a"),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "internet": lambda: socket.socket(),
    "writable code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 5),
    "another user": lambda: os.setuid(0),
}
print(json.dumps({name: tried(what) is None for name, what in tries.items()}))
"""


def test_the_confinement_confines(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    state = tmp_path / "state"
    state.mkdir()
    prefix = confined(writable=[state], unit=SERVICE)
    program_text = f"FILE, STATE = {str(ROOT / 'README.md')!r}, {str(state)!r}\n{TRIES}"
    finished = subprocess.run([*prefix, sys.executable, "-c", program_text], capture_output=True, text=True, env=environment(), check=False)
    assert finished.returncode == 0, finished.stderr
    allowed = {name for name, could in json.loads(finished.stdout).items() if could}
    assert allowed == {"write to its folder", "internet"}
