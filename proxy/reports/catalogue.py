"""Which reports there are, and in which forms they are written. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from proxy.reports.documents import has_unused
from proxy.reports.page import as_page
from proxy.reports.readiness_outline import is_not_ready, readiness_csv, readiness_outline
from proxy.reports.usage_outline import privilege_outline, usage_outline
from proxy.reports.writing import as_markdown, as_text, privilege_csv, usage_csv

Members = Mapping[str, Any]
Writer = Callable[[Members], str]
FORMATS: Final = ("text", "json", "markdown", "csv", "html")
CONTENT_TYPES: Final = {
    "text": "text/plain; charset=utf-8",
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
_DAYS: Final = re.compile(r"([1-9]\d{0,3})d")


@dataclass(frozen=True, slots=True)
class ReportForm:
    """How one report is written. `is_bad` says whether a document is one that a pipeline may fail on."""

    writers: Mapping[str, Writer]
    is_bad: Callable[[Members], bool]


def as_json(document: Members) -> str:
    """Return a document as JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


USAGE: Final = ReportForm(
    {
        "text": lambda document: as_text(usage_outline(document)),
        "json": as_json,
        "markdown": lambda document: as_markdown(usage_outline(document)),
        "csv": usage_csv,
        "html": lambda document: as_page(usage_outline(document)),
    },
    lambda _: False,
)
LEAST_PRIVILEGE: Final = ReportForm(
    {
        "text": lambda document: as_text(privilege_outline(document)),
        "json": as_json,
        "markdown": lambda document: as_markdown(privilege_outline(document)),
        "csv": privilege_csv,
        "html": lambda document: as_page(privilege_outline(document)),
    },
    has_unused,
)
READINESS: Final = ReportForm(
    {
        "text": lambda document: as_text(readiness_outline(document)),
        "json": as_json,
        "markdown": lambda document: as_markdown(readiness_outline(document)),
        "csv": readiness_csv,
        "html": lambda document: as_page(readiness_outline(document)),
    },
    is_not_ready,
)
FORMS: Final[Mapping[str, ReportForm]] = {"usage": USAGE, "least-privilege": LEAST_PRIVILEGE, "readiness": READINESS}


def parse_since(text: str, now: float) -> float | None:
    """Return the wall time that `30d` (days ago), a date or a time in ISO 8601 means (UTC unless it says otherwise); None: nothing."""
    days = _DAYS.fullmatch(text)
    if days is not None:
        return max(0.0, now - int(days[1]) * 86_400)
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
