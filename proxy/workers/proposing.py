"""Proposals of all workers in one ledger, the supervisor's: each worker hands on what came to its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.evidence.proposals import Proposals, decode

PROPOSAL: Final = "proposal"
"""The kind of records with what came to a proposal."""
UNRECORDED: Final = "proposal_unrecorded"
"""The kind of records with how many more contradictions found no room."""


class ProposalSender:
    """A worker's sink of its ledger. `send` says whether there was room; what found none is sent with the next telling."""

    def __init__(self, proposals: Proposals, send: Callable[[str, bytes], bool]) -> None:
        self._proposals = proposals
        self._send = send
        self._waiting: dict[tuple[str, str], Callable[[], bytes]] = {}
        self._sent: dict[tuple[str, str], int] = {}
        self._unrecorded = 0

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:  # noqa: ARG002 - the signature of a sink
        """Hand on what is new."""
        self._waiting[vendor, key] = encode
        self._hand_on((vendor, key))

    def gone(self, vendor: str, key: str) -> None:
        """Forget a proposal that has ended: the supervisor drops its own."""
        self._waiting.pop((vendor, key), None)
        self._sent.pop((vendor, key), None)

    def tell(self) -> None:
        """Hand on everything that is new."""
        self._proposals.save()
        for name in tuple(self._waiting):
            self._hand_on(name)
        more = self._proposals.unrecorded - self._unrecorded
        if more and self._send(UNRECORDED, str(more).encode()):
            self._unrecorded += more

    def _hand_on(self, name: tuple[str, str]) -> None:
        """Send the whole evidence, with the count of what is new only: clients and examples may be told twice, calls may not."""
        proposal = decode(self._waiting[name]())
        count = proposal.count
        proposal.count -= self._sent.get(name, 0)
        if self._send(PROPOSAL, proposal.encode()):
            self._sent[name] = count
            del self._waiting[name]


def take_proposal(proposals: Proposals, _worker: int, data: bytes) -> None:
    """The supervisor's end: add what a worker has found."""
    proposals.add(decode(data))


def take_unrecorded(proposals: Proposals, _worker: int, data: bytes) -> None:
    """The supervisor's end: add how many contradictions found no room with a worker."""
    proposals.unrecorded += int(data)
