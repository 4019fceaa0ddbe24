"""A process that learns and forgets without end, and says after each batch how far the disk has come. It is meant to be killed.

Arguments: the database, and with how many entries to begin. Of every ten entries the first is forgotten again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.integration.stores.store_samples import Disk, entry, fingerprint

PER_BATCH = 50


def is_forgotten(number: int) -> bool:
    return number % 10 == 0


def write(path: Path, number: int) -> None:
    with Disk(path).run() as run:
        while True:
            for each in range(number, number + PER_BATCH):
                run.grants.put(fingerprint(each), entry("x" * (each * 37 % 3_000)))
                if is_forgotten(each):
                    run.grants.forget(fingerprint(each))
            number += PER_BATCH
            run.flush()
            print(number, flush=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
