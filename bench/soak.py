"""Many thousand connections with random aborts, in front of a vendor that misbehaves at random; it ends by itself.

Run `make soak`. It fails unless, afterwards, no task, socket, connection or request is left of it, every whole answer was the one that was
asked for, and the second half of the storm took no more memory than the first had.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import uvloop

from tests.fakes.running import Running
from tests.fakes.storm import LIMITS, TIMEOUTS, Storm, StormyVendor, living, open_files
from tests.fakes.waiting import eventually

MAX_GROWTH = 8 * 1024 * 1024
"""Bytes by which the second half may grow: noise of the allocator, and far less than one leaked buffer for each connection."""


def resident() -> int:
    """Return the bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def soak(connections: int, at_once: int, seed: int) -> Counter[str]:
    """Let the storm blow, and check that it leaves nothing; return how the clients fared."""
    tasks, objects = asyncio.all_tasks(), living()
    vendor = StormyVendor(seed)
    await vendor.start()
    files = open_files() - 1  # without the vendor's own; libuv keeps one more as soon as anything listens
    with tempfile.TemporaryDirectory() as directory:
        upstream = f"http://127.0.0.1:{vendor.port}"
        proxy = await Running.start(Path(directory), upstream, limits=LIMITS, timeouts=TIMEOUTS, more="circuit_breaker: {failures: 0}")
        storm = Storm(proxy.app.port, seed)
        await storm.blow(connections // 2, at_once)
        before = resident()
        await storm.blow(connections - connections // 2, at_once)
        grown = resident() - before
        await proxy.finish()
        await vendor.stop()

    async def calm() -> bool:
        return not asyncio.all_tasks() - tasks and open_files() <= files and not vendor.open

    await eventually(calm)
    assert living() == objects, living()
    assert grown < MAX_GROWTH, f"grew by {grown} bytes"
    print(f"left behind: 0 tasks, 0 sockets, 0 connections, 0 requests; the second half grew by {grown / 1024:.0f} KiB")
    return storm.outcomes


def main() -> None:
    """Parse, run, and print how the clients fared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    print(f"{given.connections} connections, {given.at_once} at once, seed {given.seed}", flush=True)
    sys.stdout.flush()
    log = os.dup(1)  # the decision log goes to standard output, and nobody reads it here
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = os.fdopen(log, "w")
    begun = time.monotonic()
    outcomes = uvloop.run(soak(given.connections, given.at_once, given.seed))
    for name, count in sorted(outcomes.items()):
        print(f"{count:7} {name}")
    print(f"{time.monotonic() - begun:.0f} seconds")


if __name__ == "__main__":
    main()
