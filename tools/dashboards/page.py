"""The tables of panels in docs/reference/dashboards.md. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tools.dashboards.panels import Dashboard


def heading(dashboard: Dashboard) -> str:
    """Return the heading under which the page describes a dashboard; its anchor is the dashboard's name."""
    return f"## {dashboard.name.replace('-', ' ').capitalize()}"


def table(dashboard: Dashboard) -> str:
    """Return what every panel shows."""
    rows = [f"| {row.title} | {panel.title} | {panel.description} |" for row in dashboard.rows for panel in row.panels]
    return "\n".join(["| row | panel | what it shows |", "|---|---|---|", *rows]).replace("$client", "`$client`") + "\n"


def with_tables(page: str, dashboards: Iterable[Dashboard]) -> str:
    """Return the page with the first table under the heading of each dashboard written anew; ValueError where there is none."""
    for dashboard in dashboards:
        before, found, rest = page.partition(f"{heading(dashboard)}\n")
        old = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
        if not found or old is None:
            raise ValueError(f"the page has no table under {heading(dashboard)}")
        page = before + found + rest[: old.start()] + table(dashboard) + rest[old.end() :]
    return page
