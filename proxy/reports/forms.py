"""How each report is written, in every form. Pure. Imported when somebody asks for one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from proxy.reports.catalogue import Members, Writer
from proxy.reports.page import as_page
from proxy.reports.readiness_outline import readiness_csv, readiness_outline
from proxy.reports.usage_outline import privilege_outline, usage_outline
from proxy.reports.writing import as_markdown, as_text, privilege_csv, usage_csv


def as_json(document: Members) -> str:
    """Return a document as JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


WRITERS: Final[Mapping[str, Mapping[str, Writer]]] = {
    "usage": {
        "text": lambda document: as_text(usage_outline(document)),
        "json": as_json,
        "markdown": lambda document: as_markdown(usage_outline(document)),
        "csv": usage_csv,
        "html": lambda document: as_page(usage_outline(document)),
    },
    "least-privilege": {
        "text": lambda document: as_text(privilege_outline(document)),
        "json": as_json,
        "markdown": lambda document: as_markdown(privilege_outline(document)),
        "csv": privilege_csv,
        "html": lambda document: as_page(privilege_outline(document)),
    },
    "readiness": {
        "text": lambda document: as_text(readiness_outline(document)),
        "json": as_json,
        "markdown": lambda document: as_markdown(readiness_outline(document)),
        "csv": readiness_csv,
        "html": lambda document: as_page(readiness_outline(document)),
    },
}
