"""What a run was made on and with."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.performance.peers import ROOT, Peer, said_version
from bench.performance.processes import busy
from bench.performance.results import About

_WATCH_S: Final = 1.0


def about(peers: Sequence[Peer], arguments: Sequence[str]) -> About:
    """Look at the machine and at the programs; takes a second, in which it sees how busy the machine is without us."""
    return About(
        command=" ".join(["make bench", *([f"BENCH={shlex.quote(' '.join(arguments))}"] if arguments else [])]),
        began=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=f"{os.cpu_count()} cores of {_processor()}, {_memory_gib()} GiB",
        system=f"{_system()}, Linux {platform.release()}",
        python=platform.python_version() + (", the system's" if _of_the_system() else ", not the system's"),
        commit=_commit(),
        busy=round(busy(_WATCH_S), 3),
        tools={"wrk": said_version(("wrk", "--version")), "h2load": said_version(("h2load", "--version"))},
        peers={peer.key: {"title": peer.title, "does": peer.does, "version": said_version(peer.version)} for peer in peers},
    )


def _of_the_system() -> bool:
    return Path(sys.executable).resolve().is_relative_to("/usr/bin")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> int:
    return round(int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024)


def _system() -> str:
    return str(platform.freedesktop_os_release().get("PRETTY_NAME", sys.platform))


def _commit() -> str:
    ran = subprocess.run(("git", "describe", "--always", "--dirty"), capture_output=True, text=True, check=False, cwd=ROOT)
    return ran.stdout.strip() or "unknown"
