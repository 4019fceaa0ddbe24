"""Puts load on a proxy with wrk and h2load, from the other core, and sees what its processes used meanwhile."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.performance import parsing
from bench.performance.parsing import Answered
from bench.performance.peers import WITH
from bench.performance.processes import LOAD_CORE, pinned
from bench.performance.world import Running

_BESIDES_S: Final = 40.0
"""A load generator that takes so much longer than it was told to is ended, and its round refused."""
_FIELDS: Final = ("User-Agent: bench/1", "Accept: application/json", "Accept-Encoding: gzip, deflate")


class BrokenRoundError(Exception):
    """A load generator did not do what it was told."""


@dataclass(slots=True)
class Used:
    """What a peer's processes used while something was done; `resident` is the most that was seen."""

    cpu_ns: int = 0
    seconds: float = 0.0
    resident: int = 0
    watched: list[int] = field(default_factory=list)


@contextlib.contextmanager
def using(it: Running, watch: bool = False) -> Iterator[Used]:
    """Measure what a peer uses while the body runs; with `watch`, look at its memory ten times a second."""
    used, done = Used(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(it, used, done)) if watch else None
    pids = it.pids()
    before, began = it.cpu_ns(), time.monotonic()
    if watcher:
        watcher.start()
    try:
        yield used
    finally:
        used.seconds = time.monotonic() - began
        done.set()
        if watcher:
            watcher.join()
    if it.pids() != pids:
        raise BrokenRoundError("a process of the peer ended or was started meanwhile")
    used.cpu_ns = it.cpu_ns() - before


def _watch(it: Running, used: Used, done: threading.Event) -> None:
    while not done.wait(0.1):
        used.resident = max(used.resident, it.memory()[0])


def _headers(it: Running, token: str) -> list[str]:
    rows = (f"Authorization: Bearer {token}", *_FIELDS, *it.peer.headers)
    return [part for row in rows for part in ("-H", row)]


def _run(command: list[str], cores: str, patience_s: float) -> str:
    try:
        ran = subprocess.run(pinned(cores, command), capture_output=True, text=True, check=False, timeout=patience_s)
    except subprocess.TimeoutExpired:
        raise BrokenRoundError(f"took more than {patience_s:.0f} s") from None
    if ran.returncode:
        raise BrokenRoundError(f"{command[0]} ended with {ran.returncode}: {(ran.stderr or ran.stdout)[-200:]}")
    return ran.stdout


def wrk(it: Running, url: str, connections: int, seconds: int, wanted: int = 2, token: str = WITH, cores: str = LOAD_CORE) -> Answered:
    """Ask as fast as answers come."""
    threads = len(cores.split(","))
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", *_headers(it, token), url]
    return parsing.wrk(_run(command, cores, seconds + _BESIDES_S), wanted)


def h2load(it: Running, url: str, *options: str, token: str = WITH) -> Answered:
    """Ask so many times, over HTTP/1.1."""
    return parsing.h2load(_run(["h2load", "--h1", *options, *_headers(it, token), url], LOAD_CORE, _BESIDES_S))


def at_a_rate(it: Running, url: str, per_second: int, requests: int, connections: int = 25) -> tuple[Answered, list[int]]:
    """Ask at a constant rate, the connections one after the other; return how long each answer took, in microseconds, sorted."""
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        spread = ("-r", "1", f"--rate-period={1000 // per_second}ms", "--rps", str(per_second // connections))
        got = h2load(it, url, "-c", str(connections), "-n", str(requests), *spread, f"--log-file={log}")
        return got, parsing.latencies(log.read_text())
