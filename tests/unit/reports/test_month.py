"""Each report over a generated month of traffic with a known answer, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from proxy.evidence.usage import UsageLedger
from proxy.reports.catalogue import FORMATS, FORMS
from proxy.reports.documents import DOCUMENTS, has_unused
from proxy.reports.grouping import Question
from tests.fakes.month import BEGIN, DAY, END, FACTS, KNOWN_ANSWER, month


@pytest.fixture(scope="module")
def ledger() -> UsageLedger:
    ledger = UsageLedger(retention_s=400 * DAY)
    ledger.watch(["vendor"], BEGIN)
    for exchange in month():
        ledger.record(exchange)
    return ledger


def document(ledger: UsageLedger, name: str = "least-privilege", **question: Any) -> dict[str, Any]:
    return DOCUMENTS[name](ledger.kept(END), FACTS, Question(**question), END)


def by_client(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {group["client"]: group for group in found["groups"]}


def test_the_known_answer_is_found(ledger: UsageLedger) -> None:
    groups = by_client(document(ledger))
    assert {name: (set(group["recommended"]), set(group["unused"])) for name, group in groups.items()} == KNOWN_ANSWER
    assert all(group["smallest"]["proven"] and group["smallest"]["all_listed"] for group in groups.values())


def test_several_smallest_sets_are_told(ledger: UsageLedger) -> None:
    groups = by_client(document(ledger))
    assert groups["directory"]["smallest"]["sets"] == [["users:read"]]  # self:read opens only part of what readOwn is about
    assert groups["messenger"]["smallest"]["sets"] == [["SMS"]]
    assert groups["messenger"]["dispensable"] == ["Messages", "Send"]
    assert groups["own"]["smallest"]["sets"] == [["self:read"], ["users:read"]]  # but here it was seen to suffice
    assert groups["own"]["smallest"]["count"] == 2
    assert {scope["scope"]: scope["status"] for scope in groups["own"]["scopes"]} == {"self:read": "choice", "users:read": "alternative"}


def test_a_rare_job_counts_and_is_pointed_out(ledger: UsageLedger) -> None:
    archiver = by_client(document(ledger))["archiver"]
    (export,) = [one for one in archiver["operations"] if one["operation"] == "exportYear"]
    assert (export["count"], export["active_days"]) == (1, 1)
    assert "exportYear" in {caveat["code"]: caveat["text"] for caveat in archiver["caveats"]}["rare_operations"]


def test_use_is_counted_first_last_and_how_often(ledger: UsageLedger) -> None:
    mine = [exchange for exchange in month() if exchange.client == "archiver" and exchange.operation == "listCalls"]
    (calls,) = [one for one in by_client(document(ledger, "usage"))["archiver"]["operations"] if one["operation"] == "listCalls"]
    assert (calls["count"], calls["active_days"]) == (len(mine), 30) == (120, 30)
    assert calls["scopes"] == ["ReadCallLog"]
    assert calls["first"][:10] == "2026-10-01"
    assert calls["last"][:10] == "2026-10-30"


def test_failed_calls_are_in_no_report(ledger: UsageLedger) -> None:
    for name in DOCUMENTS:
        groups = by_client(document(ledger, name))
        assert "sendMessage" not in {one["operation"] for one in groups["archiver"]["operations"]}
        assert {one["operation"] for one in groups["messenger"]["operations"]} == {"sendMessage", "listMessages"}
        assert {one["operation"] for one in groups["directory"]["operations"]} == {"readAccess", "readOwn"}
        assert groups["messenger"]["calls"] == 60
        assert [one["name"] for one in groups["archiver"]["unmapped"]["partial_answers"]] == ["sendMessage"]


def test_what_could_not_be_mapped_is_listed_without_values(ledger: UsageLedger) -> None:
    unmapped = by_client(document(ledger))["archiver"]["unmapped"]
    assert [one["name"] for one in unmapped["routes"]] == ["GET /restapi/v1.0/brand-new/{}/things"]
    assert [one["name"] for one in unmapped["requirement_unknown"]] == ["mystery"]


def test_use_that_no_grant_explains_is_listed(ledger: UsageLedger) -> None:
    groups = by_client(document(ledger))
    assert [(one["operation"], one["needs"]) for one in groups["stranger"]["never_seen_granted"]] == [("listCalls", [["ReadCallLog"]])]
    assert groups["stranger"]["missing"] == ["ReadCallLog"]
    assert {"grants_unknown"} <= {caveat["code"] for caveat in groups["stranger"]["caveats"]}
    assert groups["archiver"]["never_seen_granted"] == []


def test_the_window_is_told_and_a_short_one_is_a_caveat(ledger: UsageLedger) -> None:
    long, short = (by_client(document(ledger, min_days=days))["archiver"] for days in (30, 31))
    assert long["window"] == {"from": "2026-10-01T00:00:00Z", "to": "2026-10-31T00:00:00Z", "days": 30.0, "active_days": 30}
    assert "short_window" not in {caveat["code"] for caveat in long["caveats"]}
    assert short["caveats"][0]["code"] == "short_window"


def test_since_leaves_older_use_out(ledger: UsageLedger) -> None:
    archiver = by_client(document(ledger, since=BEGIN + 25 * DAY))["archiver"]
    assert archiver["recommended"] == ["ReadCallLog", "ReadCallRecording"] or archiver["recommended"] == ["ReadCallRecording"]
    assert "Export" in archiver["unused"]
    assert archiver["window"]["days"] == 5.0


def test_subjects_are_told_apart_only_where_asked_for(ledger: UsageLedger) -> None:
    assert {group["subject"] for group in document(ledger)["groups"]} == {None}
    assert {group["subject"] for group in document(ledger, by_subject=True, client="archiver")["groups"]} == {"ann"}
    assert '"ann"' not in json.dumps(document(ledger))


def test_a_pipeline_can_fail_on_what_is_unused(ledger: UsageLedger) -> None:
    assert has_unused(document(ledger, client="archiver"))
    assert not has_unused(document(ledger, client="messenger"))


@pytest.mark.parametrize("name", list(DOCUMENTS))
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_names_every_app(ledger: UsageLedger, name: str, form: str) -> None:
    written = FORMS[name].writers[form](document(ledger, name))
    assert [client for client in KNOWN_ANSWER if client not in written] == []


def test_csv_has_one_line_per_scope(ledger: UsageLedger) -> None:
    written = FORMS["least-privilege"].writers["csv"](document(ledger))
    rows = list(csv.DictReader(io.StringIO(written)))
    unused = {(row["client"], row["scope"]) for row in rows if row["status"] == "unused"}
    assert unused == {(client, scope) for client, (_, scopes) in KNOWN_ANSWER.items() for scope in scopes}
    recommended = {(row["client"], row["scope"]) for row in rows if row["recommended"] == "yes"}
    assert recommended == {(client, scope) for client, (scopes, _) in KNOWN_ANSWER.items() for scope in scopes}


class Page(HTMLParser):
    """Notes elements, and whatever would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [f"{name}={value}" for name, value in attrs if name in {"src", "href", "xlink:href", "action", "srcset"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_is_well_formed(ledger: UsageLedger) -> None:
    page = Page()
    page.feed(written := FORMS["least-privilege"].writers["html"](document(ledger)))
    assert page.open == []
    assert page.addresses == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not re.search(r"url\(|@import", written)
