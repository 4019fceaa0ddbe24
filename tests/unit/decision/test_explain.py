"""Why a request was denied, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.catalogs.catalog import Catalog, Match, compile_catalog
from proxy.decision.explain import MAX_HELD, NO_EVIDENCE, Evidence, explain, held, paragraph, timestamp
from proxy.grants import NEVER, Knowledge
from proxy.model import Grants, Lack, Named, OneOf, Operation, Reason, ScopeInfo, Source
from proxy.protocol.targets import Target
from proxy.vendors.generic import Generic
from proxy.vendors.refusals import Denial

OPERATION = Operation("acme", "readCalls", "GET", "/calls/{id}", OneOf((("A",), ("B", "C"))))
CATALOG: Catalog = compile_catalog(
    "acme", [OPERATION], scopes={"A": ScopeInfo("A", remediation=("ask ann",), documentation=("https://a.example",))}
)
VENDOR = Generic("acme", CATALOG)
SEEN = Evidence(Source.TOKEN_RESPONSE, 1_795_291_200.0)


def match() -> Match:
    found = CATALOG.find("GET", "/calls/1")
    assert found is not None
    return found


def denial(**changes: object) -> Denial:
    plain = Denial(Reason.MISSING_SCOPE, "GET", Target("/calls/1", None), match(), (("A",), ("B", "C")))
    return replace(plain, **changes)  # type: ignore[arg-type] # each test changes what it names


def knowing(grants: Grants) -> Knowledge:
    return Knowledge(grants, Source.TOKEN_RESPONSE, 1.0, NEVER)


def test_the_whole_member() -> None:
    member = explain("01J", VENDOR, denial(), knowing(Grants(frozenset({"Z"}), complete=True)), SEEN)
    assert list(member) == [
        "decision_id", "vendor", "operation", "method", "route", "reason", "required", "held", "missing", "evidence", "explanation",
        "remediation", "documentation",
    ]  # fmt: skip
    assert member["operation"] == "readCalls"
    assert member["route"] == "/calls/{id}"
    assert member["required"] == [["A"], ["B", "C"]]
    assert member["missing"] == [["A"], ["B", "C"]]
    assert member["held"] == ["Z"]
    assert member["evidence"] == {"source": "token_response", "observed_at": "2026-11-21T20:00:00Z"}
    assert member["remediation"] == ["ask ann"]
    assert member["documentation"] == ["https://a.example"]


def test_an_operation_that_is_not_known() -> None:
    member = explain("01J", VENDOR, denial(match=None, reason=Reason.UNKNOWN_OPERATION, missing=(), message="No."), None, NO_EVIDENCE)
    assert (member["operation"], member["route"], member["required"], member["held"]) == (None, None, [], [])
    assert member["evidence"] == {"source": "none"}
    assert member["explanation"] == "No. The request was answered by the proxy and not sent to acme."


@pytest.mark.parametrize(
    ("changed", "grants", "sentences"),
    [
        ({}, None, ["GET /calls/{id} needs A or B and C.", "This token lacks A."]),
        ({"subject": "ann"}, Grants(frozenset({"Y", "Z"}), complete=True), ["The token of ann lacks A; it holds Y, Z."]),
        ({}, Grants(complete=True), ["This token lacks A; it holds no scope at all."]),
        ({"missing": (("B", "C"),)}, Grants(), ["This token lacks B and C."]),
        ({"missing": (("operation:readCalls",),), "match": None}, None, ["This operation needs a right", "This token lacks that right."]),
        ({"missing": (("*",),)}, None, ["This token lacks that right."]),
        ({"resources": Named(frozenset({"pbx:south", "pbx:north"}))}, None, ["needs A or B and C for north, south."]),
        ({"recheck_at": 1_795_291_200.0}, None, ["From 2026-11-21T20:00:00Z on the proxy lets one"]),
    ],
)
def test_the_paragraph(changed: dict[str, object], grants: Grants | None, sentences: list[str]) -> None:
    text = paragraph(VENDOR, denial(**changed), None if grants is None else knowing(grants), SEEN)
    assert text.startswith("acme would refuse this request, so the proxy answered it and did not send it. ")
    assert all(sentence in text for sentence in sentences), text
    assert "(seen 2026-11-21T20:00:00Z)" in text


@pytest.mark.parametrize("source", list(Source))
def test_every_source_has_words_but_none(source: Source) -> None:
    without_time = paragraph(VENDOR, denial(), None, Evidence(source, 0.0))
    bare = paragraph(VENDOR, denial(), None, NO_EVIDENCE)
    assert (without_time == bare) == (source is Source.NONE)
    assert "seen" not in without_time
    assert without_time.endswith(".")


def test_what_is_held_is_sorted_bounded_and_free_of_stand_ins() -> None:
    grants = Grants(
        frozenset({"B", "A", "operation:x", "L"}),
        frozenset({("R", "pbx:north"), ("R", "pbx:south"), ("operation:y", "pbx:north"), ("R", "pbx:")}),
        lacking=frozenset({Lack("L"), Lack("R", frozenset({"pbx:south"}))}),
    )
    assert held(knowing(grants)) == ["A", "B", "R (north)"]
    assert held(None) == []
    assert len(held(knowing(Grants(frozenset(f"s{number}" for number in range(MAX_HELD + 5)))))) == MAX_HELD


def test_a_whole_resource_lack_takes_everything_there() -> None:
    grants = Grants(bound=frozenset({("R", "pbx:north"), ("R", "pbx:south")}), lacking=frozenset({Lack("*", frozenset({"pbx:south"}))}))
    assert held(knowing(grants)) == ["R (north)"]


def test_times_are_rfc_3339() -> None:
    assert timestamp(0.9) == "1970-01-01T00:00:00Z"


def test_where_somebody_only_asks_nothing_was_answered_or_sent() -> None:
    text = paragraph(VENDOR, denial(), None, NO_EVIDENCE, asked=True)
    assert text.startswith("acme would refuse this request. ")
    assert "did not send" not in text
