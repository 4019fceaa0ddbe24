"""A process that writes events as fast as it can, told their numbers from the first on. Arguments: the log, the first number."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from tests.integration.audit.audit_samples import Log, counts, event, wait_until


def main(path: Path, first: int) -> None:
    with Log(path).writer(max_bytes=200_000, linger_s=0.0005) as writer:
        for number in itertools.count(first):
            writer.put(event(number))
            if number % 50 == 0:
                due = number - first
                wait_until(lambda due=due: counts(writer)["written"] >= due)  # type: ignore[misc]
                print(number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
