"""A process whose files cannot grow for a while, as on a full disk. It prints what became of the store, step by step, as JSON lines.

Argument: the database.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from tests.integration.stores.store_samples import WAIT_S, Disk, Run, entry, fingerprint


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def tell(step: str, run: Run) -> None:
    writes = {result: value for (result,), value in run.reading("scopegate_store_writes_total").items()}
    queue = run.reading("scopegate_store_queue_length").get((), 0)
    rows = run.reading("scopegate_store_rows").get(("grant",), 0)
    told = {"step": step, "trouble": run.store.trouble, "queue": queue, "writes": writes, "known": len(run.known()), "rows": rows}
    print(json.dumps(told), flush=True)


def main(path: Path) -> None:
    with Disk(path).run() as run:
        run.grants.put(fingerprint(0), entry())
        run.flush()
        tell("before", run)
        limit_files(300_000)
        for number in range(1, 1_000):
            run.grants.put(fingerprint(number), entry("x" * 1_000))
        run.store.flush(0.5)
        run.grants.forget(fingerprint(0))
        tell("full", run)
        limit_files(resource.RLIM_INFINITY)
        assert run.store.flush(WAIT_S)
        tell("after", run)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
