"""Answers that contradict a row become proposals with their evidence; everything else becomes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogs.catalog import compile_catalog
from proxy.evidence.proposals import MAX_EXAMPLES, Key, Kind, Proposal, Proposals, contradiction, decode, proposed_row
from proxy.evidence.scores import Rules
from proxy.grants import NEVER, Knowledge
from proxy.model import AnyToken, Deny, Grants, Indeterminate, NotKnown, OneOf, Operation, Permit, Prediction, Requirement, Source
from proxy.telemetry.exchange import Actual, Exchange
from tests.fakes.scored import START, made

IMPLIED = {"read": frozenset({"write"})}
HOLDS_WRITE = Knowledge(Grants(frozenset({"write"}), complete=True), Source.TOKEN_RESPONSE, START, NEVER)


def row(requirement: Requirement | None = None) -> Operation:
    return Operation("v", "list", "GET", "/things", requirement or OneOf((("read",), ("all", "more"))))


def answered(
    prediction: Prediction, operation: Operation, refused_for: str = "", actual: Actual = Actual.REFUSED_PERMISSION, **more: Any
) -> Exchange:
    exchange = made(operation, prediction, actual, more.pop("client", "app"), more.pop("at", START), "shadow")
    return exchange._replace(refused_for=refused_for, **more)


def ledger(operation: Operation, **options: Any) -> Proposals:
    proposals = Proposals(**options)
    proposals.adopt({"v": Rules(compile_catalog("v", [operation]), IMPLIED)})
    return proposals


NOTHING = row(NotKnown())
BODY_DECIDES = row(NotKnown(learnable=False))
ROW = row()


@pytest.mark.parametrize(
    ("exchange", "kind", "scope", "requires"),
    [
        (answered(Permit(ROW), ROW, "extra"), Kind.NEEDS_MORE, "extra", [["read", "extra"], ["all", "more", "extra"]]),
        (answered(Permit(ROW), ROW, "read"), Kind.NEEDS_MORE, "read", [["read"], ["all", "more", "read"]]),
        (answered(Permit(row(AnyToken())), row(AnyToken()), "read"), Kind.NEEDS_MORE, "read", [["read"]]),
        (answered(Indeterminate(NOTHING, ""), NOTHING, "read"), Kind.NEEDS_KNOWN, "read", [["read"]]),
        (
            answered(Permit(ROW, presumed=True), ROW, "read", knowledge=HOLDS_WRITE),
            Kind.NOT_IMPLIED,
            "write > read",
            [["read"], ["all", "more"]],
        ),
        (answered(Deny(ROW, (("read",),)), ROW, actual=Actual.ACCEPTED), Kind.NEEDS_LESS, "read", "unknown"),
    ],
)
def test_a_contradiction_is_a_proposal(exchange: Exchange, kind: Kind, scope: str, requires: object) -> None:
    assert exchange.row is not None
    proposals = ledger(exchange.row)
    proposals.record(exchange)
    (proposal,) = proposals.all(START)
    assert proposal.key == Key("v", "list", kind, scope)
    assert proposals.row(proposal) == {"id": "list", "method": "GET", "path": "/things", "requires": requires, "origin": "proposed"}


@pytest.mark.parametrize(
    "exchange",
    [
        answered(Permit(ROW), ROW, ""),
        answered(Permit(ROW), ROW, "*"),
        answered(Permit(ROW), ROW, "operation:list"),
        answered(Permit(ROW), ROW, "read", actual=Actual.ACCEPTED),
        answered(Permit(ROW), ROW, "read", actual=Actual.REFUSED_OTHER),
        answered(Deny(ROW, (("read",),)), ROW, "read"),
        answered(Deny(ROW, (("read",),)), ROW, actual=Actual.REFUSED_OTHER),
        answered(Deny(ROW, (("read",),)), ROW, actual=Actual.ACCEPTED, overtaken=True),
        answered(Indeterminate(ROW, ""), ROW, "read"),
        answered(Indeterminate(BODY_DECIDES, ""), BODY_DECIDES, "read"),
        answered(Permit(ROW, presumed=True), ROW, "read", knowledge=None),
        answered(Permit(ROW), ROW, "extra", row=None),
    ],
)
def test_what_contradicts_nothing_is_none(exchange: Exchange) -> None:
    assert contradiction(exchange, IMPLIED) is None


def test_two_scopes_that_may_have_implied_the_third_blame_neither() -> None:
    both = replace(HOLDS_WRITE, grants=Grants(frozenset({"write", "own"}), complete=True))
    exchange = answered(Permit(ROW, presumed=True), ROW, "read", knowledge=both)
    assert contradiction(exchange, {"read": frozenset({"write", "own"})}) is None


def test_evidence_adds_up() -> None:
    proposals = ledger(ROW)
    for number in range(MAX_EXAMPLES + 2):
        proposals.record(answered(Permit(ROW), ROW, "extra", at=START + number, client=f"app-{number % 2}"))
    (proposal,) = proposals.all(START)
    assert (proposal.count, proposal.first, proposal.last) == (MAX_EXAMPLES + 2, START, START + MAX_EXAMPLES + 1)
    assert proposal.clients == {"app-0", "app-1"}
    assert [example.at for example in proposal.examples] == [START + number for number in range(2, MAX_EXAMPLES + 2)]


def test_a_proposal_ends_when_its_row_changes_and_when_its_time_is_over() -> None:
    proposals = ledger(ROW, keep_s=10.0)
    proposals.record(answered(Permit(ROW), ROW, "extra"))
    assert len(proposals.all(START + 9.0)) == 1
    assert proposals.all(START + 10.0) == []
    proposals.adopt({"v": Rules(compile_catalog("v", [row()]), IMPLIED)})
    assert len(proposals.all(START)) == 1
    proposals.adopt({"v": Rules(compile_catalog("v", [row(OneOf((("read", "extra"),)))]), IMPLIED)})
    assert proposals.all(START) == []


def test_an_answer_to_a_request_under_an_older_catalogue_says_nothing_about_the_new_one() -> None:
    proposals = ledger(ROW)
    older = row()
    proposals.record(answered(Permit(older), older, "extra"))
    assert proposals.all(START) == []


def test_there_is_a_bound() -> None:
    proposals = ledger(ROW, max_proposals=1)
    for scope in ("one", "two", "two"):
        proposals.record(answered(Permit(ROW), ROW, scope))
    assert [proposal.key.scope for proposal in proposals.all(START)] == ["one"]
    assert proposals.unrecorded == 2


class Kept:
    """A sink that remembers what it was given last."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:
        self.rows[f"{vendor}/{key}"] = encode()

    def gone(self, vendor: str, key: str) -> None:
        del self.rows[f"{vendor}/{key}"]


def test_proposals_survive_a_restart_unless_the_row_was_changed() -> None:
    kept, first = Kept(), ledger(ROW)
    first.sink = kept
    first.record(answered(Permit(ROW), ROW, "extra"))
    first.record(answered(Permit(ROW), ROW, "extra", at=START + 1))
    assert decode(next(iter(kept.rows.values()))).count == 1
    first.save()
    for operation, found in ((row(), 1), (row(OneOf((("other",),))), 0)):
        again = ledger(operation)
        again.restore(decode(data) for data in kept.rows.values())
        assert len(again.all(START)) == found
    first.adopt({})
    assert kept.rows == {}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"[1]", b'{"a":1}', b'[2,["v","o","k","s"],"d",1,1.0,1.0,[],[]]', b'[1,["v"],"d",1,1.0,1.0,[],[]]']
)
def test_bytes_of_another_kind_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(data)


events = st.lists(st.tuples(st.integers(0, 100), st.sampled_from(["a", "b"])), max_size=12)


@given(events, events)
def test_merging_is_counting_together(one: list[tuple[int, str]], two: list[tuple[int, str]]) -> None:
    def counted(parts: list[tuple[int, str]]) -> Proposal:
        proposal = Proposal(Key("v", "list", Kind.NEEDS_MORE, "extra"), "d", START + 200)
        for at, client in parts:
            proposal.note(answered(Permit(ROW), ROW, "extra", at=START + at, client=client))
        return proposal

    merged, whole = counted(one), counted(one + two)
    merged.merge(counted(two))
    assert (merged.count, merged.first, merged.last, merged.clients) == (whole.count, whole.first, whole.last, whole.clients)
    assert decode(merged.encode()).encode() == merged.encode()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_row(kind: Kind) -> None:
    assert proposed_row(ROW, Key("v", "list", kind, "x"))["origin"] == "proposed"
