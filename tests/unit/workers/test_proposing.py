"""Whatever finds no room on the way, the supervisor ends up with the evidence of all workers, each call counted once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.evidence.proposals import Proposal, Proposals
from proxy.model import Permit
from proxy.workers.proposing import PROPOSAL, ProposalSender, take_proposal, take_unrecorded
from tests.fakes.scored import START
from tests.unit.evidence.test_proposals import ROW, answered, ledger

events = st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from(["s", "t"]), st.integers(0, 500), st.booleans()), max_size=30)


class Line:
    """Between a worker and the supervisor; it has room or has not."""

    def __init__(self, home: Proposals) -> None:
        self.has_room = True
        self._home = home

    def send(self, kind: str, data: bytes) -> bool:
        if self.has_room:
            (take_proposal if kind == PROPOSAL else take_unrecorded)(self._home, 1, data)
        return self.has_room


def evidence(proposal: Proposal) -> tuple[object, ...]:
    return proposal.key, proposal.count, proposal.first, proposal.last, proposal.clients


@given(events, st.integers(1, 2))
def test_the_supervisor_has_it_all_once(found: list[tuple[int, str, int, bool]], room: int) -> None:
    home, alone = ledger(ROW), ledger(ROW, max_proposals=room)
    line = Line(home)
    workers = [ledger(ROW, max_proposals=room) for _ in range(2)]
    senders = [ProposalSender(worker, line.send) for worker in workers]
    for worker, sender in zip(workers, senders, strict=True):
        worker.sink = sender
    for number, scope, at, line.has_room in found:
        exchange = answered(Permit(ROW), ROW, scope, at=START + at)
        workers[number].record(exchange)
        alone.record(exchange)
    line.has_room = True
    for sender in senders:
        sender.tell()
        sender.tell()
    counted = sum(proposal.count for proposal in home.all(START))
    assert counted + home.unrecorded == len(found)
    if room == 2:
        assert [evidence(proposal) for proposal in home.all(START)] == [evidence(proposal) for proposal in alone.all(START)]


def test_a_full_ledger_counts_what_it_cannot_take() -> None:
    home, worker = ledger(ROW, max_proposals=1), ledger(ROW)
    sender = worker.sink = ProposalSender(worker, Line(home).send)
    for scope in ("s", "t", "t"):
        worker.record(answered(Permit(ROW), ROW, scope))
    sender.tell()
    assert ([proposal.key.scope for proposal in home.all(START)], home.unrecorded) == (["s"], 2)


def test_what_contradicts_a_row_that_is_gone_is_not_taken() -> None:
    home, worker = Proposals(), ledger(ROW)
    worker.sink = ProposalSender(worker, Line(home).send)
    worker.record(answered(Permit(ROW), ROW, "s"))
    assert (home.all(START), home.unrecorded) == ([], 0)
