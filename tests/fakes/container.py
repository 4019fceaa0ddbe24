"""Does what a Dockerfile says, where there is no container engine: overlays instead of layers, this machine instead of the base images.

`unshare -m PYTHON container.py CONTEXT DOCKERFILE CONFIGURATION`, as root, on Linux. Builds, runs the image without a shell, as its user
and on a read-only root, in a network of its own; prints what it saw as JSON. What it does not know in a Dockerfile is an error.
"""

from __future__ import annotations

import ctypes
import fcntl
import fnmatch
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dockerfile

CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1
PR_SET_NO_NEW_PRIVS = 38
DIGEST = "@sha256:" + "0" * 64
SHELLS = ("sh", "dash", "bash", "env")
PATIENCE_S = 60.0


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


@dataclass
class Stage:
    """One stage: a tree that begins as this machine's, and what is set for processes in it."""

    root: Path
    environment: dict[str, str]
    folder: str = "/"
    user: int = 0
    group: int = 0
    arguments: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def begin(cls, base: Path) -> Stage:
        layers = [base / name for name in ("upper", "work", "root")]
        for layer in layers:
            layer.mkdir(parents=True)
        upper, work, root = layers
        mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", str(root))
        for name in ("proc", "dev"):
            mount("--rbind", f"/{name}", str(root / name))
        (root / "root").chmod(0o755)  # Python itself may be there
        path = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin"
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "SSL_", "no_proxy"))}
        return cls(root, {**kept, "PATH": path, "HOME": "/root", "LANG": "C.UTF-8"})

    def inside(self, path: str) -> Path:
        """Return where a path of the image is on this machine."""
        return self.root / (path if path.startswith("/") else f"{self.folder}/{path}").lstrip("/")

    def enter(self) -> None:
        """Make this process one of the image's; called between fork and exec."""
        os.chroot(self.root)
        os.chdir(self.folder)
        if self.user:
            os.setgroups([])
            os.setgid(self.group)
            os.setuid(self.user)
            ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

    def start(self, command: list[str], **more: Any) -> subprocess.Popen[str]:
        found = self.find(command[0])
        variables = self.environment | self.arguments
        return subprocess.Popen([found, *command[1:]], env=variables, preexec_fn=self.enter, text=True, **more)  # noqa: PLW1509 - one thread

    def find(self, name: str) -> str:
        """Look a program up, as execvp(3) does."""
        if "/" in name:
            return name
        return next(f"{folder}/{name}" for folder in self.environment["PATH"].split(":") if self.inside(f"{folder}/{name}").exists())

    def run(self, command: list[str]) -> str:
        process = self.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        told, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)[:200]}: exit code {process.returncode}\n{told[-4000:]}")
        return told


class Ignored:
    """What a .dockerignore keeps from the build: the last pattern that matches a file, or a folder above it, counts."""

    def __init__(self, file: Path) -> None:
        lines = [line.strip() for line in file.read_text().splitlines()]
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: Path) -> bool:
        names = [str(path), *(str(each) for each in path.parents if each != Path())]
        ignored = False
        for pattern in self._patterns:
            wanted = pattern.removeprefix("!")
            if any(
                fnmatch.fnmatch(name, wanted) or fnmatch.fnmatch(f"/{name}", f"*/{wanted[3:]}" if wanted[:3] == "**/" else "")
                for name in names
            ):
                ignored = not pattern.startswith("!")
        return ignored


class Build:
    """Carries out a Dockerfile, instruction by instruction."""

    def __init__(self, context: Path, file: Path, arguments: dict[str, str]) -> None:
        self._context = context
        self._given = arguments
        self._ignored = Ignored(file.with_name(f"{file.name}.dockerignore"))
        self._commands = dockerfile.parse_file(str(file))
        self._base = Path(tempfile.mkdtemp())
        self._stages: dict[str, Stage] = {}
        self.stage: Stage | None = None
        mount("-t", "tmpfs", "tmpfs", str(self._base))

    def carry_out(self) -> Stage:
        for command in self._commands:
            getattr(self, f"do_{command.cmd.lower()}")(command)
        assert self.stage is not None
        return self.stage

    @property
    def now(self) -> Stage:
        assert self.stage is not None
        return self.stage

    def do_from(self, command: dockerfile.Command) -> None:
        base, *name = command.value
        wanted = base.strip("${:?}")
        assert base == f"${{{wanted}:?}}", f"{base}: a base without a digest of the builder's own choice"
        assert self._given.get(wanted), f"{wanted} is not allowed to be unset"
        self.stage = Stage.begin(self._base / str(len(self._stages)))
        self._stages[name[1] if name else ""] = self.stage

    def do_arg(self, command: dockerfile.Command) -> None:
        name, _, default = command.value[0].partition("=")
        if self.stage is not None:
            self.stage.arguments[name] = self._given.get(name, default)

    def do_run(self, command: dockerfile.Command) -> None:
        self.now.run(list(command.value) if command.json else ["/bin/sh", "-c", command.value[0]])

    def do_workdir(self, command: dockerfile.Command) -> None:
        self.now.folder = command.value[0]
        self.now.inside(self.now.folder).mkdir(parents=True, exist_ok=True)

    def do_env(self, command: dockerfile.Command) -> None:
        self.now.environment |= dict(zip(command.value[::2], command.value[1::2], strict=True))

    def do_user(self, command: dockerfile.Command) -> None:
        self.now.user, self.now.group = map(int, command.value[0].split(":"))

    def do_copy(self, command: dockerfile.Command) -> None:
        flags = dict(flag.removeprefix("--").split("=") for flag in command.flags)
        *sources, target = command.value
        for source in sources:
            self._copy(source, self.now.inside(target), target.endswith("/"), self._stages.get(flags.get("from", "-")))
        if "chown" in flags:
            user, group = map(int, flags["chown"].split(":"))
            os.chown(self.now.inside(target), user, group)

    def _copy(self, source: str, target: Path, into: bool, other: Stage | None) -> None:
        found = self._context / source if other is None else other.inside(source)
        assert other is not None or not self._ignored(Path(source)), f"{source} is ignored"
        if found.is_dir():
            shutil.copytree(found, target, dirs_exist_ok=True, ignore=self._ignore if other is None else None)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if into:
            target.mkdir(exist_ok=True)
        shutil.copy2(found, target)

    def _ignore(self, folder: str, names: list[str]) -> list[str]:
        return [name for name in names if self._ignored((Path(folder) / name).relative_to(self._context))]

    def _note(self, command: dockerfile.Command) -> None:
        self.now.settings[command.cmd.lower()] = {"json": command.json, "value": list(command.value)}

    do_label = do_volume = do_expose = do_stopsignal = do_healthcheck = do_entrypoint = do_cmd = _note


# --- running what was built


def own_network() -> None:
    """Leave the machine's network; what listens here has all ports to itself."""
    assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def seal(stage: Stage) -> None:
    """Take away every shell, and the right to write anywhere but in the volume."""
    for folder in ("usr/local/bin", "usr/bin", "bin"):
        for shell in SHELLS:
            (stage.root / folder / shell).unlink(missing_ok=True)
    (volume,) = stage.settings["volume"]["value"]
    owner = stage.inside(volume).stat()
    assert owner.st_uid == stage.user, "the volume belongs to somebody else"
    mount("-t", "tmpfs", "-o", f"uid={owner.st_uid},gid={owner.st_gid},mode=755", "tmpfs", str(stage.inside(volume)))
    mount("-o", "remount,ro", str(stage.root))


def ask(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Authorization": "Bearer token"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return {
        "status": answer.status,
        "by": answer.getheader("Scopegate-Answered-By"),
        "reason": answer.getheader("Scopegate-Reason"),
        "body": body,
    }


def healthy(stage: Stage) -> bool:
    kind, *command = stage.settings["healthcheck"]["value"]
    assert kind == "CMD"
    process = stage.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process.wait() == 0


def look(stage: Stage) -> dict[str, Any]:
    """Start the entry point with the default arguments; ask; end it as an engine does."""
    command = [*stage.settings["entrypoint"]["value"], *stage.settings["cmd"]["value"]]
    process = stage.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + PATIENCE_S
    while not healthy(stage):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise SystemExit(f"it does not become healthy: {process.communicate()}")
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    status = Path(f"/proc/{process.pid}/status").read_text()
    seen = {
        "livez": ask(9090, "/livez"),
        "request": ask(8080, "/ringcentral/restapi/v1.0/account/~/call-log"),
        "compiled": "__mypyc." in maps and "/opt/scopegate/lib/proxy/" in maps,
        "user": next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")),
        "written": sorted(each.name for each in stage.inside(stage.settings["volume"]["value"][0]).iterdir()),
    }
    process.send_signal(getattr(signal, stage.settings["stopsignal"]["value"][0]))
    output, errors = process.communicate(timeout=PATIENCE_S)
    return seen | {"code": process.returncode, "errors": errors, "lines": len(output.splitlines())}


def main() -> None:
    context, file = Path(sys.argv[1]), Path(sys.argv[2])
    python = str(Path(sys.base_prefix) / "bin" / "python3")
    arguments = {"BUILDER": f"builder{DIGEST}", "BASE": f"base{DIGEST}", "PYTHON": python}
    begun = time.monotonic()
    stage = Build(context, file, arguments).carry_out()
    built_s = time.monotonic() - begun
    size = sum(each.stat().st_size for each in stage.inside("/opt/scopegate").rglob("*") if each.is_file())
    own_network()
    seal(stage)
    seen = {"built_s": round(built_s), "size": size, "settings": stage.settings, "user": stage.user, "default": look(stage)}
    mount("--bind", sys.argv[3], str(stage.inside("/etc/scopegate/scopegate.yaml")))
    print(json.dumps(seen | {"mounted": look(stage)}))


if __name__ == "__main__":
    main()
