"""How each report is written, in every form. Pure. Imported when somebody asks for one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from proxy.reports.catalogue import Members, Writer
from proxy.reports.outline import Outline
from proxy.reports.page import as_page
from proxy.reports.readiness_outline import readiness_csv, readiness_outline
from proxy.reports.usage_outline import privilege_outline, usage_outline
from proxy.reports.writing import as_markdown, as_text, privilege_csv, usage_csv


def as_json(document: Members) -> str:
    """Return a document as JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _writers(outline: Callable[[Members], Outline], csv: Writer) -> Mapping[str, Writer]:
    """Return how a report is written in each form: most of them from its outline."""
    return {
        "text": lambda document: as_text(outline(document)),
        "json": as_json,
        "markdown": lambda document: as_markdown(outline(document)),
        "csv": csv,
        "html": lambda document: as_page(outline(document)),
    }


WRITERS: Final[Mapping[str, Mapping[str, Writer]]] = {
    "usage": _writers(usage_outline, usage_csv),
    "least-privilege": _writers(privilege_outline, privilege_csv),
    "readiness": _writers(readiness_outline, readiness_csv),
}
