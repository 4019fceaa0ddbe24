"""Runs a container of a pod on this machine as its manifest says: root, user, capabilities, mounts, and a network of its own.

Linux and root only. The file system is this machine's programs, not an image; the seccomp profile of a runtime is not applied.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.fakes.waiting import PATIENCE_S, eventually

Manifest = Mapping[str, Any]

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAMS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64", sys.base_prefix, sys.prefix, str(ROOT))
SETTINGS: Final = ("/etc/ssl", "/etc/ld.so.cache")
DEVICES: Final = ("null", "zero", "random", "urandom")
LOOPBACK_UP: Final = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x41))"
NAMESPACES: Final = ("--mount", "--net", "--pid", "--fork", "--kill-child")


def missing() -> str:
    """Say what is missing to run containers here; empty if nothing is."""
    tools = [tool for tool in ("unshare", "nsenter", "setpriv", "chroot", "mount", "curl") if shutil.which(tool) is None]
    if sys.platform != "linux" or os.geteuid() != 0 or tools:
        return f"needs Linux, root and {', '.join(tools) or 'nothing else'}"
    return ""


@dataclass
class Container:
    """A process that runs in namespaces of its own. `pid` is its number on this machine."""

    process: asyncio.subprocess.Process
    pid: int
    errors: Path

    async def curl(self, *options: str, given: str = "") -> tuple[int, str]:
        """Ask something from within the pod's network; return the status (0: no HTTP answer) and the body. `given` is standard input."""
        command = ("nsenter", "-t", str(self.pid), "-n", "curl", "-sk", "-m", "5", "-w", "\n%{http_code}", *options)
        asking = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        said, _ = await asking.communicate(given.encode())
        body, _, status = said.decode().rpartition("\n")
        return int(status), body

    def status(self) -> dict[str, str]:
        """Return what the kernel says of the process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def command_line(self) -> str:
        """Return what everybody on the machine can see of it."""
        return Path(f"/proc/{self.pid}/cmdline").read_text()

    def writable(self) -> set[str]:
        """Return every place that it can write to, as far as mounts decide; what every container has is left out."""
        rows = [line.split() for line in Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()]
        return {row[4] for row in rows if "rw" in row[5].split(",")} - {"/proc", *(f"/dev/{device}" for device in DEVICES)}

    async def told(self, part: str) -> str:
        """Wait for a line of its standard error that has `part` in it."""
        async with asyncio.timeout(PATIENCE_S * 3):
            while True:
                ended = self.process.returncode is not None
                for line in _read(self.errors).splitlines():
                    if part in line:
                        return line
                assert not ended, _read(self.errors)
                await asyncio.sleep(0.01)  # its standard error is a file, for what it says must outlive it


@asynccontextmanager
async def running(
    directory: Path, pod: Manifest, container: Manifest, mounts: Mapping[str, Path], *, beside: int = 0, hosts: Sequence[str] = ()
) -> AsyncIterator[Container]:
    """Run a container until the end of the block. `beside`: use the network of that process; `hosts` are names for loopback."""
    script = "\n".join(_script(directory, pod, container, mounts, hosts, own_network=not beside))
    namespaces = [option for option in NAMESPACES if not (beside and option == "--net")]
    prefix = ("nsenter", "-t", str(beside), "-n") if beside else ()
    errors, quiet = directory / "errors", asyncio.subprocess.DEVNULL
    command = (*prefix, "unshare", *namespaces, "sh", "-euc", script)
    with errors.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=stderr)
    try:
        yield Container(process, await _inner(process, errors), errors)
    finally:
        _kill(process)
        await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the first process of the namespace, and with it everything in there.

    It would outlive `unshare`: whoever changes its user, as `setpriv` does, is not told of its parent's death any more.
    """
    for child in _read(Path(f"/proc/{process.pid}/task/{process.pid}/children")).split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()


async def _inner(process: asyncio.subprocess.Process, errors: Path) -> int:
    """Return the number of the process that `unshare` has forked, once it is the container's."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    found: list[int] = []

    async def is_there() -> bool:
        assert process.returncode is None, _read(errors)
        found[:] = [int(child) for child in _read(children).split()]
        return bool(found) and _root_of(found[0]) != "/"

    await eventually(is_there)
    return found[0]


def _read(file: Path) -> str:
    with suppress(OSError):
        return file.read_text()
    return ""


def _root_of(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/root").readlink())
    return "/"


def _script(
    directory: Path, pod: Manifest, container: Manifest, mounts: Mapping[str, Path], hosts: Sequence[str], *, own_network: bool
) -> list[str]:
    """Return shell lines that build the root, go there, give up every right and become the container's command."""
    directory.mkdir()
    root, context = str(directory / "root"), {**pod["securityContext"], **container["securityContext"]}
    read_only = {mount["mountPath"] for mount in container["volumeMounts"] if mount.get("readOnly")}
    lines = ["mount --make-rprivate /", f"mkdir {root}", f"mount -t tmpfs -o mode=755 none {root}"]
    for place in (*PROGRAMS, *SETTINGS):
        lines += _bound(place, f"{root}{place}", read_only=True)
    for device in DEVICES:
        lines += [f"mkdir -p {root}/dev", f": > {root}/dev/{device}", f"mount --bind /dev/{device} {root}/dev/{device}"]
    lines += [f"echo 127.0.0.1 localhost {' '.join(hosts)} > {root}/etc/hosts", f"mkdir {root}/proc", f"mount -t proc none {root}/proc"]
    for path, volume in mounts.items():
        lines += _bound(str(volume), f"{root}{path}", read_only=path in read_only)
    if own_network:
        lines.append(shlex.join([sys.executable, "-c", LOOPBACK_UP]))
    if context["readOnlyRootFilesystem"]:
        lines.append(f"mount -o remount,ro {root}")
    return [*lines, "exec " + shlex.join(_entered(root, pod, container, context))]


def _bound(place: str, target: str, *, read_only: bool) -> list[str]:
    if not Path(place).exists():
        return []
    made = f"mkdir -p {target}" if Path(place).is_dir() else f"mkdir -p {Path(target).parent}; : > {target}"
    lines = [made, f"mount --bind {place} {target}"]
    return [*lines, f"mount -o remount,bind,ro {target}"] if read_only else lines


def _entered(root: str, pod: Manifest, container: Manifest, context: Manifest) -> list[str]:
    programs = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    environment = [f"PATH={':'.join(programs)}", *(f"{entry['name']}={entry['value']}" for entry in container.get("env", ()))]
    rights = [
        "--reuid",
        str(context["runAsUser"]),
        "--regid",
        str(context["runAsGroup"]),
        "--groups",
        str(pod["securityContext"]["fsGroup"]),
    ]
    if not context["allowPrivilegeEscalation"]:
        rights.append("--no-new-privs")
    if context.get("capabilities") == {"drop": ["ALL"]}:
        rights += ["--bounding-set=-all", "--inh-caps=-all"]
    return ["chroot", root, "env", "-i", *environment, "setpriv", *rights, "--", *container["command"], *container["args"]]
