"""What was known is told once per set of grants, under names that hide the callers' resources."""

from __future__ import annotations

import json
from typing import Any

from proxy.credentials import Secret
from proxy.grants import Knowledge
from proxy.model import NO_RESOURCES, Grants, Source, Unbounded
from proxy.telemetry.decision_log import decision_log
from proxy.telemetry.exchange import Exchange
from proxy.telemetry.grants_lines import MAX_TOLD, REPEAT_S, GrantsLines
from tests.unit.telemetry.support import FORWARDED, INFORMED

KEY = Secret(b"k" * 32)


def written(*exchanges: Exchange, text: bool = False, key: Secret = KEY) -> list[bytes]:
    lines: list[bytes] = []
    log = decision_log(text=text, put=lines.append, key=key)
    for exchange in exchanges:
        log.record(exchange)
    return lines


def read(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def holding(*scopes: str) -> Exchange:
    return FORWARDED._replace(knowledge=Knowledge(Grants(frozenset(scopes), complete=True), Source.TOKEN_RESPONSE, 0.0, 1.0))


def test_what_was_known_stands_before_the_decision_that_names_it() -> None:
    told, decision = read(written(INFORMED))
    assert told == {
        "event": "grants",
        "level": "info",
        "grants": decision["grants"],
        "vendor": "ringcentral",
        "source": "token_response",
        "scopes": ["ReadAccounts", "ReadCallLog"],
        "bound": [["CDR", "pbx:"], ["CDR", told["complete_for"][0]]],
        "complete": True,
        "complete_for": told["complete_for"],
        "lacking": [["CDR", told["lacking"][0][1]]],
    }
    assert decision["resources"] == sorted(told["complete_for"] + told["lacking"][0][1])


def test_no_name_of_a_resource_or_user_is_written() -> None:
    everything = b"".join(written(INFORMED))
    for private in (b"acmecorp", b"branch", b"reporting@example.com"):
        assert private not in everything


def test_hidden_names_mean_nothing_in_another_run() -> None:
    (told, _), (other, _) = read(written(INFORMED)), read(written(INFORMED._replace(knowledge=_fresh()), key=Secret(b"o" * 32)))
    assert told["complete_for"] != other["complete_for"]


def _fresh() -> Knowledge:
    known = INFORMED.knowledge
    assert known is not None
    return Knowledge(known.grants, known.source, known.observed_at, known.expires)


def test_equal_sets_are_told_once_whoever_holds_them() -> None:
    lines = read(written(holding("A", "B"), holding("B", "A"), holding("A")))
    assert [line["event"] for line in lines] == ["grants", "decision", "decision", "grants", "decision"]
    names = [line["grants"] for line in lines if line["event"] == "decision"]
    assert names[0] == names[1] != names[2]


def test_a_set_is_told_again_after_a_while_and_when_the_clock_jumps_back() -> None:
    first = holding("A")
    moments = (0.0, REPEAT_S - 1, REPEAT_S, REPEAT_S + 1, 5.0)
    lines = read(written(*(first._replace(started_at=first.started_at + moment) for moment in moments)))
    assert [line["event"] for line in lines] == ["grants", "decision", "decision", "grants", "decision", "decision", "grants", "decision"]


def test_the_same_scopes_at_two_vendors_are_two_sets() -> None:
    lines = read(written(holding("A"), holding("A")._replace(vendor="8x8")))
    assert len({line["grants"] for line in lines}) == 2


def test_where_nothing_was_known_nothing_is_named() -> None:
    (decision,) = read(written(FORWARDED))
    assert "grants" not in decision
    assert "resources" not in decision


def test_a_request_that_names_no_resource_is_told_apart_from_one_that_needs_none() -> None:
    _, open_ended = read(written(INFORMED._replace(resources=Unbounded())))
    assert open_ended["resources"] is None
    _, unbound = read(written(INFORMED._replace(resources=NO_RESOURCES)))
    assert "resources" not in unbound


def test_the_text_form_has_no_such_lines() -> None:
    (line,) = written(INFORMED, text=True)
    assert b"grants" not in line


def test_odd_scopes_are_told_in_printable_ascii() -> None:
    for line in written(holding("a\n\x1b[31m\x7f\u2028\udcff")):
        assert all(0x20 <= octet < 0x7F for octet in line[:-1])
        assert json.loads(line)


def test_what_was_told_is_remembered_within_a_bound() -> None:
    lines = GrantsLines(KEY)
    for number in range(MAX_TOLD + 1):
        assert lines.due(holding(str(number)))
    assert lines.due(holding("0"))
