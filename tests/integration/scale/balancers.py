"""The real load balancers, started from the examples in deploy/scale with other addresses, on loopback."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

EXAMPLES: Final = Path(__file__).parents[3] / "deploy" / "scale"
BALANCERS: Final = ("envoy", "haproxy")
_ADDRESSES: Final = ("10.0.0.11", "10.0.0.12")
_UNUSED_BY_CLIENTS: Final = range(20_000, 32_000)
"""Below what kernels give to outgoing connections: a replica must find its port free when it comes back."""


class Ports(NamedTuple):
    """Where a replica listens."""

    traffic: int
    admin: int


def free_port() -> int:
    """Return a port that is free, and that no outgoing connection takes."""
    while True:
        port = random.choice(_UNUSED_BY_CLIENTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def program(name: str) -> str:
    """Return where a load balancer is: beside this Python, where its wheel put it, or on the path; HAProxy may be missing outside CI."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None and name == "haproxy" and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip("haproxy is missing (Debian: haproxy): its example was not tested")
    assert found is not None, f"{name} is missing"
    return found


def envoy(port: int, replicas: Sequence[Ports]) -> str:
    """Return deploy/scale/envoy.yaml with other addresses."""
    rows: Any = yaml.safe_load((EXAMPLES / "envoy.yaml").read_text(encoding="utf-8"))
    (listener,), (cluster,) = rows["static_resources"]["listeners"], rows["static_resources"]["clusters"]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    (group,) = cluster["load_assignment"]["endpoints"]
    for row, replica, address in zip(group["lb_endpoints"], replicas, _ADDRESSES, strict=True):
        place = row["endpoint"]["address"]["socket_address"]
        assert place == {"address": address, "port_value": 8080}
        place |= {"address": "127.0.0.1", "port_value": replica.traffic}
        row["endpoint"]["health_check_config"] = {"port_value": replica.admin}
    return str(yaml.safe_dump(rows))


def haproxy(port: int, replicas: Sequence[Ports]) -> str:
    """Return deploy/scale/haproxy.cfg with other addresses; the check's port is the same in the file, and differs here."""
    text = (EXAMPLES / "haproxy.cfg").read_text(encoding="utf-8")
    pairs = [("0.0.0.0:8000", f"127.0.0.1:{port}")]
    for address, replica in zip(_ADDRESSES, replicas, strict=True):
        pairs.append((f"{address}:8080", f"127.0.0.1:{replica.traffic} port {replica.admin}"))
    for there, here in pairs:
        assert there in text
        text = text.replace(there, here)
    return text


@asynccontextmanager
async def balancing(name: str, directory: Path, replicas: Sequence[Ports]) -> AsyncIterator[int]:
    """Run a load balancer before the replicas; yield its port."""
    port, where = free_port(), program(name)
    file = directory / {"envoy": "envoy.yaml", "haproxy": "haproxy.cfg"}[name]
    file.write_text((envoy if name == "envoy" else haproxy)(port, replicas), encoding="utf-8")
    quiet = ("--base-id", str(port), "--concurrency", "1", "-l", "error", "--disable-hot-restart")
    command = [where, "-c", str(file), *quiet] if name == "envoy" else [where, "-db", "-f", str(file)]
    with (directory / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            yield port
            assert process.returncode is None, (directory / f"{name}.log").read_text(encoding="utf-8")
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
