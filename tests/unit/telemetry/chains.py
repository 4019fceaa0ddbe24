"""Made-up audit logs in memory, and what a check finds in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxy.credentials import Secret
from proxy.telemetry.chain import START, Chain, Tip, read_link
from proxy.telemetry.chain_check import Finding, Seen, Walk

KEY = Secret(b"k" * 32)


def event(number: int) -> bytes:
    return b'{"event":%d,"unmapped":{"a":1}}' % number


def chained(count: int, links: Chain, tip: Tip = START) -> list[bytes]:
    """A log of `count` lines."""
    lines = []
    for number in range(count):
        line, tip = links.link(event(number), tip)
        lines.append(line)
    return lines


def head_of(lines: Sequence[bytes]) -> Tip:
    """Where a whole log ends."""
    link = read_link(lines[-1]) if lines else None
    return link.tip if link is not None else START


def walked(lines: Iterable[bytes], links: Chain, head: Tip | None) -> Walk:
    walk = Walk()
    for number, line in enumerate(lines, 1):
        link = read_link(line)
        walk.see(Seen("log", number, link, link is not None and links.holds(line, link)))
    walk.finish(head)
    return walk


def findings(lines: Iterable[bytes], links: Chain, head: Tip | None) -> list[Finding]:
    return walked(lines, links, head).findings


def told(lines: Iterable[bytes], links: Chain, head: Tip | None) -> list[tuple[str, int, int, int]]:
    """What was found, as (damage, line, first number, last number)."""
    return [(str(found.damage), found.line, found.first, found.last) for found in findings(lines, links, head)]
