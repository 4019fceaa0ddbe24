"""A request that differs from the one before it in its target only need not be parsed again. Pure.

A parser that is between two messages makes the same of the same bytes. So where everything behind a target is, byte for byte, what came
behind an earlier one, and no body follows, only the target is new. It must be of characters that no parser reads in two ways, and it
must reach from the method to the known rest: anything else is for the parser.
"""

from __future__ import annotations

from typing import Final

from proxy.protocol.headers import RequestHead
from proxy.protocol.targets import UNKNOWN_MARKED

CURRENT: Final = b" HTTP/1.1\r\n"


class KnownRequest:
    """A whole request without a body that was parsed: its method, what came behind its target, and the head it was read as."""

    __slots__ = ("_begin", "_rest", "head", "method")

    def __init__(self, method: bytes, rest: bytes, head: RequestHead) -> None:
        self.method = method
        self.head = head
        self._begin = method + b" /"
        self._rest = rest

    def target(self, data: bytes) -> bytes:
        """Return the target of a request that differs in nothing else; empty where `data` is anything else."""
        begin, rest = self._begin, self._rest
        end = len(data) - len(rest)
        if end < len(begin) or data[end:] != rest or data[: len(begin)] != begin:
            return b""
        target = data[len(begin) - 1 : end]
        return target if target.translate(UNKNOWN_MARKED) == target else b""


def rest_of(method: bytes, target: bytes, data: bytes) -> bytes:
    """Return what comes in `data` behind the request line's method and target, if HTTP/1.1 is told there; empty otherwise."""
    at = len(method) + 1 + len(target)
    if data[at : at + len(CURRENT)] != CURRENT or data[: len(method)] != method:
        return b""
    return data[at:]
