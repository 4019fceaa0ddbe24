"""A log replayed under the rules that made it changes nothing, and what replay says of other rules is what traffic would get."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.analysis.recordings import Recorded, Recording, Skipped
from proxy.analysis.replaying import Rulebook, Tally, VendorRules, replay
from proxy.credentials import Secret
from proxy.decision.closing import Result
from proxy.identity.clients import Client
from proxy.model import Mode
from proxy.policy.rules import Rules
from proxy.telemetry.decision_log import decision_log
from proxy.telemetry.exchange import Decision, Exchange
from tests.gates import House, MountPlan, read_head
from tests.properties.test_gate_laws import SCOPES, act, client_lists, grants, modes, mounted, rules, scenarios


def lines_of(exchanges: Iterable[Exchange]) -> list[str]:
    written: list[bytes] = []
    log = decision_log(text=False, put=written.append, key=Secret(b"k" * 32))
    for exchange in exchanges:
        log.record(exchange)
    return [line.decode() for line in written]


def recorded(exchanges: Iterable[Exchange]) -> list[Recorded | Skipped]:
    recording = Recording()
    return [recording.read(line) for line in lines_of(exchanges)]


def book_of(plans: Iterable[MountPlan], clients: Iterable[Client], *without: str) -> Rulebook:
    vendors = {
        plan.vendor.name: VendorRules(plan.vendor.catalog, plan.vendor.catalog.implied_by if plan.presume else {}, plan.mode, plan.rules)
        for plan in plans
    }
    return Rulebook(vendors, {client.name: client for client in clients}, frozenset(without))


def live(todo: list[tuple[Any, ...]], house: House) -> list[Exchange]:
    """Let everything happen; return what was recorded. Nothing is reloaded: a log has one set of rules."""
    for step in todo:
        if step[0] == "request":
            _, method, target, fields, result = step
            ruling = house.gate.open(method, target, read_head(fields))
            house.closer.close(ruling, result if ruling.answer is None else Result(ruling.answer.status, "proxy"))
        elif step[0] != "reload":
            act(house, step)
    return house.exchanges


@settings(max_examples=300)
@given(scenarios(), rules, modes, client_lists, st.booleans())
def test_the_same_rules_change_nothing(
    todo: list[tuple[Any, ...]], policy: Rules, mode: Mode, clients: tuple[Client, ...], hosted: bool
) -> None:
    plans = mounted(hosted, rules=policy, mode=mode)
    exchanges = live(todo, House(plans, clients))
    tally = replay(recorded(exchanges), book_of(plans, clients))
    assert not tally.changes
    assert not {Skipped.UNREADABLE, Skipped.GRANTS_NOT_TOLD, Skipped.OTHER_LINE} & set(tally.skipped)
    assert tally.decided + tally.skipped.get(Skipped.NOT_DECIDED, 0) == len(exchanges)


@given(scenarios(), rules, client_lists)
def test_shadow_replayed_as_enforce_denies_what_it_would_have_denied(
    todo: list[tuple[Any, ...]], policy: Rules, clients: tuple[Client, ...]
) -> None:
    exchanges = live(todo, House(mounted(False, rules=policy, mode=Mode.SHADOW), clients))
    tally = replay(recorded(exchanges), book_of(mounted(False, rules=policy, mode=Mode.ENFORCE), clients))
    assert {(group.was, group.now) for group in tally.changes} <= {(Decision.WOULD_DENY, Decision.DENY)}
    own_mode = {client.name for client in clients if client.mode is not None}
    would = sum(exchange.decision is Decision.WOULD_DENY and exchange.client not in own_mode for exchange in exchanges)
    assert sum(count.number for count in tally.changes.values()) == would


@given(scenarios(), st.sampled_from(SCOPES), client_lists)
def test_without_a_scope_nothing_is_permitted_that_was_denied(todo: list[tuple[Any, ...]], scope: str, clients: tuple[Client, ...]) -> None:
    plans = mounted(False)
    tally: Tally = replay(recorded(live(todo, House(plans, clients))), book_of(plans, clients, scope))
    assert not {group.was for group in tally.changes} & {Decision.DENY, Decision.WOULD_DENY}
    assert {group.now for group in tally.changes} <= {Decision.DENY, Decision.WOULD_DENY, Decision.INDETERMINATE}


@given(
    st.lists(
        st.one_of(st.text(max_size=80), st.sampled_from(['{"event":"decision"}', '{"event":"grants","lacking":[[]]}', "[]", "{}", "null"]))
    )
)
def test_no_line_is_too_odd(lines: list[str]) -> None:
    recording = Recording()
    assert all(isinstance(recording.read(line), Skipped) for line in lines)


@given(grants, st.data())
def test_a_line_that_was_changed_is_never_fatal(known: Any, data: st.DataObject) -> None:
    house = House(mounted(False))
    house.know("rc", "t", known)
    ruling = house.ask("GET", "/rc/restapi/v1.0/account/~/call-log", token="t")
    house.close(ruling, 200 if ruling.answer is None else 403, "vendor" if ruling.answer is None else "proxy")
    recording = Recording()
    for line in lines_of(house.exchanges):
        start = data.draw(st.integers(0, len(line)))
        recording.read(line[:start] + data.draw(st.text(max_size=3)) + line[start + data.draw(st.integers(0, 9)) :])
