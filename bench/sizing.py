"""What knowledge costs: memory per token, the time of a look-up, what eviction counts, and the store on the disk.

    python bench/sizing.py            # 10^4 and 10^5 tokens
    python bench/sizing.py --full     # and 10^6: about 2 GB of memory and some minutes

Each size is measured in a process of its own, because memory that is given back is not always given back to the system.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from proxy.credentials import Fingerprinter, Secret
from proxy.grants import GrantStore, Knowledge, LackRecord
from proxy.knowledge.memory import VendorMemory
from proxy.knowledge.sharing import Sharing
from proxy.model import Grants, Lack, Source
from proxy.stores.embedded import EmbeddedStore, StoreOptions
from proxy.stores.keys import Keys
from proxy.stores.loading import Expected
from proxy.stores.timeline import Anchor

SIZES = (10_000, 100_000)
FULL = (*SIZES, 1_000_000)
LOOKUPS = 200_000
CHUNK = 20_000
APPS = 50
"""Many tokens, few apps: so many sets of scopes there are."""


def resident() -> int:
    """Return the bytes of memory in use by this process (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def entries(count: int) -> Iterator[tuple[bytes, Knowledge]]:
    """Yield fingerprints of tokens and what a login teaches about them; each tenth token has a lack as well."""
    share = Sharing[Grants]()
    make = Fingerprinter(Secret(b"k" * 32))
    for number in range(count):
        token = make("ringcentral", Secret(f"token-{number}"))
        scopes = f"ReadAccounts ReadCallLog ReadCallRecording ReadMessages Scope{number % APPS}".split()
        known = Knowledge(
            share(Grants(frozenset(scopes), complete=True)),
            Source.TOKEN_RESPONSE,
            0.0,
            1e9,
            f"user-{number}@example.com",
            f"ringcentral:{token.hex()}",
        )
        yield token, known if number % 10 else known.with_lack(LackRecord(Lack("EditMessages"), 0.0, 1e9))


def refresh_token(number: int) -> bytes:
    return Fingerprinter(Secret(b"r" * 32))("ringcentral", Secret(f"refresh-{number}"))


def filled(count: int, room: int) -> GrantStore:
    store = GrantStore(room)
    for number, (token, known) in enumerate(entries(count)):
        store.put(token, known)
        store.tie(known.chain, refresh_token(number))
    return store


def lookup_ns(store: GrantStore, tokens: list[bytes]) -> float:
    """Return nanoseconds per look-up of random tokens, the loop's own share taken off."""
    asked = random.Random(1).choices(tokens, k=LOOKUPS)
    get = store.get
    began = time.perf_counter_ns()
    for token in asked:
        get(token, 1.0)
    middle = time.perf_counter_ns()
    for _ in asked:
        pass
    return (middle - began - (time.perf_counter_ns() - middle)) / LOOKUPS


def measure_memory(count: int) -> str:
    gc.collect()
    before = resident()
    store = filled(count, count)
    gc.collect()
    per_token = (resident() - before) / count
    assert (len(store), store.evictions) == (count, 0)
    found = lookup_ns(store, [token for token, _ in store.items()])
    missing = lookup_ns(store, [refresh_token(-number) for number in range(1, 1000)])
    began = time.perf_counter()
    for token, known in ((bytes(16 - 4) + number.to_bytes(4, "big"), known) for number, (_, known) in enumerate(entries(1000))):
        store.put(token, known)
    evicting = (time.perf_counter() - began) / 1000 * 1e6
    assert (len(store), store.evictions) == (count, 1000)
    total = per_token * count / 1e6
    return f"| {count:,} | {per_token:,.0f} | {total:,.0f} | {found:.0f} | {missing:.0f} | {store.evictions:,} | {evicting:.1f} |"


# --- the store on the disk --------------------------------------------------------------------------------


def make_store(path: Path) -> EmbeddedStore:
    clocks = Anchor(1.0, 1.0)
    options = StoreOptions(path, 2**40, linger_s=0.0)
    return EmbeddedStore(options, Keys((Secret(b"k" * 32),)), {"ringcentral": Expected("basis", 10_000_000)}, lambda: clocks)


def measure_disk(count: int) -> str:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "scopegate.db"
        heard, written = write_all(path, count)
        size = sum(each.stat().st_size for each in path.parent.iterdir())
        store = make_store(path)
        began = time.perf_counter()
        found = store.start().result(600)["ringcentral"]
        grants = GrantStore(count)
        found.fill(grants, VendorMemory())
        took = time.perf_counter() - began
        store.close(60)
        assert len(grants) == count
    return f"| {count:,} | {heard:.1f} | {count / written:,.0f} | {size / count:,.0f} | {size / 1e6:,.0f} | {took:.2f} |"


def write_all(path: Path, count: int) -> tuple[float, float]:
    """Return microseconds that whoever learns spends per token, and the seconds until all were on the disk."""
    store = make_store(path)
    store.start().result(60)
    watcher, heard = store.watcher("ringcentral"), 0.0
    began = time.perf_counter()
    for number, (token, known) in enumerate(entries(count)):
        start = time.perf_counter()
        watcher.kept(token, known)
        heard += time.perf_counter() - start
        if number % CHUNK == CHUNK - 1:
            assert store.flush(600)  # as slow as logins are in life: the queue is never full
    assert store.flush(600)
    took = time.perf_counter() - began
    store.close(60)
    return heard / count * 1e6, took


MEMORY_HEAD = """\
| tokens | bytes per token | MB in all | ns per look-up, known | ns per look-up, not known | evictions | µs per login with eviction |
|---|---|---|---|---|---|---|"""
DISK_HEAD = """\
| tokens | µs for the event loop | rows written per second | bytes per token | MB in all | s to take over at a start |
|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="measure a million tokens too")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, count = options.one
        print((measure_memory if what == "memory" else measure_disk)(int(count)))
        return
    for what, head in (("memory", MEMORY_HEAD), ("disk", DISK_HEAD)):
        print(f"{head}", flush=True)
        for count in FULL if options.full else SIZES:
            subprocess.run([sys.executable, __file__, "--one", what, str(count)], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
