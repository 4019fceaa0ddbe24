"""Names come from outside: no format lets one of them do anything."""

from __future__ import annotations

import pytest

from proxy.evidence.usage import UsageLedger
from proxy.reports.catalogue import FORMS, parse_since
from proxy.reports.documents import DOCUMENTS
from proxy.reports.grouping import Question
from tests.fakes.month import BEGIN, DAY, END, FACTS, call, token

NASTY = "<script>alert(1)</script>|`x`\"'&\x1b[31m\u202e"


def written(form: str, name: str = "least-privilege", scope: str = NASTY) -> str:
    ledger = UsageLedger(400 * DAY)
    made = token("app", "ReadCallLog", scope, subject=NASTY)
    ledger.record(call(made, "listCalls", BEGIN))
    ledger.record(call(made, "", BEGIN, path=f"/{NASTY}"))
    return FORMS[name].writers[form](DOCUMENTS[name](ledger.kept(END), FACTS, Question(by_subject=True), END))


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_html_shows_markup_as_text(name: str) -> None:
    page = written("html", name)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "html"])
def test_nothing_steers_a_terminal(form: str) -> None:
    assert not {"\x1b", "\u202e"} & set(written(form))


def test_markdown_tables_keep_their_columns() -> None:
    tables = [line for line in written("markdown").splitlines() if line.startswith("|") and "unused" in line]
    assert tables
    assert all(line.replace("\\|", "").count("|") == 7 for line in tables)
    assert not any("<script" in line.replace("\\<", "") for line in tables)


@pytest.mark.parametrize("scope", ["=HYPERLINK(1)", "+1", "-1", "@x"])
def test_csv_holds_no_formulas(scope: str) -> None:
    assert f",'{scope}," in written("csv", scope=scope)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30d", END - 30 * DAY),
        ("2026-10-01", BEGIN),
        ("2026-10-01T02:00:00+02:00", BEGIN),
        ("0d", None),
        ("d", None),
        ("yesterday", None),
        ("99999d", None),
        ("", None),
    ],
)
def test_since(text: str, at: float | None) -> None:
    assert parse_since(text, END) == at
