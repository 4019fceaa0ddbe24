"""What is measured: each scenario is a small function from a running peer to its figures."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bench.performance.load import BrokenRoundError, Used, at_a_rate, h2load, using, wrk
from bench.performance.parsing import Answered, quantile
from bench.performance.peers import CALL_LOG, DIRECT, FAX, RECORDING, SLOW, WITH, WITHOUT, Peer
from bench.performance.processes import BOTH, LOAD_CORE
from bench.performance.world import BODY_BYTES, MIB, Running, World, ask

RATE: Final = 500
CONNECTIONS: Final = 1000
WAITING: Final = 256
Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done in one round."""

    seconds: int
    latency_requests: int
    bodies: int


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario has at hand."""

    world: World
    it: Running
    effort: Effort


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is measured: for whom, how often in a whole run, and whether each round needs a process of its own."""

    key: str
    rounds: int
    takes: Callable[[Peer], bool]
    run: Callable[[Stage], Figures]
    fresh: bool = False


def _must(refused: str) -> None:
    if refused:
        raise BrokenRoundError(refused)


def _status(url: str, wanted: int, it: Running, token: str = WITH) -> None:
    status, _ = ask(url, token, it.peer.headers)
    _must(f"answers {status} where it should answer {wanted}" if status != wanted else "")


def _cost(used: Used, got: Answered) -> dict[str, float]:
    cost = used.cpu_ns / got.requests / 1000
    return {"cpu_us": cost, "per_second": got.requests / got.seconds, "per_core_second": 1e6 / cost, "requests": got.requests}


def forward(connections: int, secure: bool = False, cores: str = LOAD_CORE) -> Callable[[Stage], Figures]:
    """Requests that are passed on, answers of 1 KB."""

    def run(stage: Stage) -> Figures:
        url = (stage.it.secure if secure else stage.it.base) + CALL_LOG
        _status(url, 200, stage.it)
        with using(stage.it) as used:
            got = wrk(stage.it, url, connections, stage.effort.seconds, cores=cores)
        _must(got.refused(2))
        return _cost(used, got)

    return run


def deny(connections: int, cores: str = LOAD_CORE) -> Callable[[Stage], Figures]:
    """Requests that are answered with 403 without the origin."""

    def run(stage: Stage) -> Figures:
        url = stage.it.base + stage.it.peer.denial
        _status(url, 403, stage.it, WITHOUT)
        with using(stage.it) as used:
            got = wrk(stage.it, url, connections, stage.effort.seconds, 4, WITHOUT, cores)
        _must(got.refused(4))
        _status(url, 403, stage.it, WITHOUT)
        return _cost(used, got)

    return run


def latency(stage: Stage) -> Figures:
    """How long an answer takes at a constant rate."""
    got, times = at_a_rate(stage.it, stage.it.base + CALL_LOG, RATE, stage.effort.latency_requests)
    _must(got.refused(2))
    rate = got.requests / got.seconds
    _must(f"did not keep {RATE} requests per second: {rate:.0f}" if rate < 0.95 * RATE else "")
    return {"p50_us": quantile(times, 0.5), "p99_us": quantile(times, 0.99), "per_second": rate, "requests": got.requests}


def _streaming(stage: Stage, path: str, *options: str) -> Figures:
    with using(stage.it) as used:
        got = h2load(stage.it, stage.it.base + path, "-c", "1", "-n", str(stage.effort.bodies), *options)
    _must(got.refused(2))
    megabytes = got.requests * BODY_BYTES / 1e6
    return {"mb_per_second": megabytes / got.seconds, "mb_per_core_second": megabytes / (used.cpu_ns / 1e9), "requests": got.requests}


def download(stage: Stage) -> Figures:
    """Bodies of 50 MiB towards the app."""
    return _streaming(stage, RECORDING)


def upload(stage: Stage) -> Figures:
    """Bodies of 50 MiB towards the vendor."""
    return _streaming(stage, FAX, "-d", str(stage.world.upload))


def slow(stage: Stage) -> Figures:
    """An origin that answers after a second, and 256 requests that wait for it at once, twice."""
    before, _ = stage.it.memory()
    with using(stage.it, watch=True) as used:
        got = h2load(stage.it, stage.it.base + SLOW, "-c", str(WAITING), "-n", str(2 * WAITING))
    _must(got.refused(2))
    grown = max(0, used.resident - before) / MIB
    return {"seconds": got.seconds, "cpu_us": used.cpu_ns / got.requests / 1000, "grown_mib": grown, "requests": got.requests}


def memory(stage: Stage) -> Figures:
    """A process just started; after 2,000 requests; and with 1,000 open connections that had one request each."""
    url, it = stage.it.base + CALL_LOG, stage.it
    idle, shares = it.memory()
    _must(h2load(it, url, "-c", "1", "-n", "2000").refused(2))
    warm, _ = it.memory()
    with _open(it, url) as count:
        full, _ = it.memory()
    ready = {"ready_s": it.ready_s, "ready_cpu_s": it.ready_cpu_s}
    figures = ready | {"idle_mib": idle / MIB, "idle_pss_mib": shares / MIB, "warm_mib": warm / MIB, "full_mib": full / MIB}
    return figures | {"per_connection_kib": (full - warm) / count / 1024}


@contextmanager
def _open(it: Running, url: str) -> Iterator[int]:
    parts = urlsplit(url)
    more = "".join(f"{header}\r\n" for header in it.peer.headers)
    sent = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {WITH}\r\n{more}\r\n".encode()
    sockets = []
    try:
        for _ in range(CONNECTIONS):
            sockets.append(socket.create_connection((parts.hostname or "", parts.port or 80), 10))
            _one(sockets[-1], sent)
        yield len(sockets)
    finally:
        for each in sockets:
            each.close()


def _one(open_socket: socket.socket, sent: bytes) -> None:
    """Send a request and read its answer, whose end is the end of the origin's JSON."""
    open_socket.sendall(sent)
    got = b""
    while not got.rstrip().endswith((b'"}', b"\r\n0")):
        data = open_socket.recv(65536)
        _must("" if data else "closed a connection that should stay open")
        got += data
    _must("" if got.startswith(b"HTTP/1.1 200") else f"answers {got[:40]!r}")


_EXTRAS: Final = ("scopegate-links-off", "scopegate-audited")


def _everybody(peer: Peer) -> bool:
    return peer is not DIRECT


def _main(peer: Peer) -> bool:
    return _everybody(peer) and peer.key not in _EXTRAS


def _denying(peer: Peer) -> bool:
    return bool(peer.denial) and peer.key != "scopegate-links-off"


def _plain(peer: Peer) -> bool:
    return _main(peer) and not peer.asks


def _and_direct(peer: Peer) -> bool:
    return peer is DIRECT or _main(peer)


def _workers(peer: Peer) -> bool:
    return peer.key.startswith("workers-")


SCENARIOS: Final = (
    Scenario("forward-32", 7, _everybody, forward(32)),
    Scenario("forward-256", 5, _main, forward(256)),
    Scenario("secure-32", 5, _main, forward(32, secure=True)),
    Scenario("deny-32", 5, _denying, deny(32)),
    Scenario("latency-500", 9, _and_direct, latency),
    Scenario("download", 5, _plain, download),
    Scenario("upload", 5, _plain, upload),
    Scenario("slow-256", 1, _main, slow),
    Scenario("memory", 5, _plain, memory, fresh=True),
)
SHARED: Final = (
    Scenario("workers-forward", 3, _workers, forward(64, cores=BOTH)),
    Scenario("workers-deny", 3, _workers, deny(64, cores=BOTH)),
)
"""Without pinning: the proxy, the load and the origin share both cores."""
