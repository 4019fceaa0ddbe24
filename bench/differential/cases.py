"""What a case is, and the words for what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

HOST = "Host: proxy.example"


@dataclass(frozen=True, slots=True)
class Case:
    """Bytes that a client sends, and bytes that an origin answers ("" for a plain 200).

    `watch`: what shows on the far side (the origin, or the client for a case about an answer) that the odd thing went through as it
    came; each must be there, in any case. `legitimate`: a message that must pass. `because`: why Scopegate does as it does.
    """

    group: str
    name: str
    sent: bytes
    watch: tuple[bytes, ...] = ()
    answer: bytes = b""
    ends: bool = False
    legitimate: bool = False
    because: str = ""

    @property
    def about_the_answer(self) -> bool:
        """Whether the origin is the one who misbehaves."""
        return bool(self.answer)


class Kind(IntEnum):
    """What became of a case; the larger, the stricter."""

    POISONED = 0
    """The next request on the connection was answered with bytes of this one."""
    PASSED = 1
    CHANGED = 2
    """Something whole arrived, but not the odd thing."""
    CUT = 3
    """The far side got the beginning, and saw that it was not whole."""
    ANSWERED = 4
    """The proxy answered with a success or a redirect of its own."""
    WAITED = 5
    """Nothing arrived, and the proxy was still waiting for more when patience ended."""
    REFUSED = 6


class Outcome(NamedTuple):
    """What became of a case at one proxy. `status` is the first one that the client got, 0 where it got none."""

    kind: Kind
    status: int
    times: int

    def text(self) -> str:
        """Return it as the table shows it."""
        status = str(self.status) if self.status else "closed"
        match self.kind:
            case Kind.REFUSED:
                return f"refused {status}" if self.status else "closed"
            case Kind.ANSWERED:
                return f"answered {status}"
            case Kind.PASSED | Kind.CHANGED if self.times > 1:
                return f"{self.kind.name.lower()} ×{self.times}"
            case kind:
                return kind.name.lower()
