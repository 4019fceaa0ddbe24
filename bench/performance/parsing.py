"""What wrk and h2load print, as values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TIMES: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Answered:
    """What a load generator saw. `by_class` counts answers by the first digit of their status, `broken` everything that was none."""

    requests: int
    seconds: float
    by_class: tuple[int, int, int, int]
    broken: int

    def refused(self, wanted: int) -> str:
        """Say why these answers do not count where all had to have a status that begins with `wanted`; nothing where they do."""
        if not self.requests:
            return f"no answer at all, {self.broken} broke"
        right = self.by_class[wanted - 2]
        if right == self.requests and not self.broken:
            return ""
        return f"{self.requests - right} of {self.requests} answers were not {wanted}xx, {self.broken} broke"


def wrk(text: str, wanted: int) -> Answered:
    """Read what wrk prints. It tells 2xx and 3xx from the rest only: the rest counts as `wanted`, or as 5xx where 2xx was wanted."""
    found = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h)", text)
    if found is None:
        raise ValueError(f"not what wrk prints: {text[:200]!r}")
    count = int(found[1])
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = int(other[1]) if other else 0
    classes = (count - failed, 0, failed, 0) if wanted == 4 else (count - failed, 0, 0, failed)
    return Answered(count, float(found[2]) * _TIMES[found[3]], classes, sum(map(int, errors.groups())) if errors else 0)


def h2load(text: str) -> Answered:
    """Read what h2load prints."""
    finished = re.search(r"finished in ([\d.]+)(us|ms|s|m|h),", text)
    counts = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, \d+ succeeded, \d+ failed, (\d+) errored, (\d+) timeout", text)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if finished is None or counts is None or codes is None:
        raise ValueError(f"not what h2load prints: {text[:200]!r}")
    total, done, errored, late = map(int, counts.groups())
    two, three, four, five = map(int, codes.groups())
    return Answered(done, float(finished[1]) * _TIMES[finished[2]], (two, three, four, five), max(errored + late, total - done))


def latencies(log: str) -> list[int]:
    """Return the microseconds from each request to the end of its answer, sorted, from h2load's log."""
    return sorted(int(line.split("\t")[2]) for line in log.splitlines())


def quantile(ordered: Sequence[int], part: float) -> int:
    """Return the smallest value that at least `part` of all values do not exceed."""
    return ordered[max(0, -(-int(part * 1_000_000) * len(ordered) // 1_000_000) - 1)]
