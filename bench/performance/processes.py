"""Processes on chosen cores: started, measured and ended by their ids."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

PEER_CORE, LOAD_CORE, BOTH = "0", "1", "0,1"
_END_S: Final = 10.0


def pinned(cores: str, command: Sequence[str]) -> list[str]:
    """Return the command that runs another one on these cores, and ends it if we die without ending it ourselves."""
    parting = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    return [*parting, "taskset", "-c", cores, *command]


@contextlib.contextmanager
def running(
    cores: str, command: Sequence[str], directory: Path, output: IO[bytes] | int, more: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process; end it, by its own id, whatever happens."""
    environment = {**os.environ, "HOME": str(directory), **(more or {})}
    with (directory / "errors").open("ab") as errors:
        process = subprocess.Popen(
            pinned(cores, command), cwd=directory, env=environment, stdout=output, stderr=errors, start_new_session=True
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    family = tree(process.pid)
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait(_END_S)


def tree(pid: int) -> list[int]:
    """Return a process and everything that it started and that still runs."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found.extend(map(int, (task / "children").read_text().split()))
    return found


def cpu_ns(pids: Sequence[int]) -> int:
    """Return nanoseconds of user plus system time that whole processes have used, ended threads included (Linux)."""
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)  # a process's clock, as clock_getcpuclockid(3) makes it


def memory(pids: Sequence[int]) -> tuple[int, int]:
    """Return resident bytes of processes, and the same with each shared page counted in parts (PSS)."""
    resident = shares = 0
    for pid in pids:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        resident += int(fields["Rss"].split()[0]) * 1024
        shares += int(fields["Pss"].split()[0]) * 1024
    return resident, shares


def busy(seconds: float) -> float:
    """Return which part of all cores is busy, from 0 to 1, watched for a while."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    used, idle = after[0] - before[0], after[1] - before[1]
    return used / max(1, used + idle)


def _ticks() -> tuple[int, int]:
    values = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = values[3] + values[4]
    return sum(values) - idle, idle
