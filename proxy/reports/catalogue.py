"""Which reports there are, and in which forms they are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

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
PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content security policy under which a page is served; the same stands in the page, for files."""
_DAYS: Final = re.compile(r"([1-9]\d{0,3})d")


@dataclass(frozen=True, slots=True)
class ReportForm:
    """How one report is written. `is_bad` says whether a document is one that a pipeline may fail on."""

    writers: Mapping[str, Writer]
    is_bad: Callable[[Members], bool]


def _write(name: str, kind: str, document: Members) -> str:
    from proxy.reports.forms import WRITERS  # noqa: PLC0415 - a proxy that nobody asks for a report needs none of them

    return WRITERS[name][kind](document)


def _form(name: str, is_bad: Callable[[Members], bool]) -> ReportForm:
    return ReportForm({kind: partial(_write, name, kind) for kind in FORMATS}, is_bad)


def _has_unused(document: Members) -> bool:
    from proxy.reports.documents import has_unused  # noqa: PLC0415 - as above

    return has_unused(document)


def _is_not_ready(document: Members) -> bool:
    from proxy.reports.readiness_outline import is_not_ready  # noqa: PLC0415 - as above

    return is_not_ready(document)


USAGE: Final = _form("usage", lambda _: False)
LEAST_PRIVILEGE: Final = _form("least-privilege", _has_unused)
READINESS: Final = _form("readiness", _is_not_ready)
OF_USAGE: Final = ("usage", "least-privilege")
"""The reports that are made of the ledger of usage."""
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
