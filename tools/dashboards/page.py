"""What docs/reference/dashboards.md says about each dashboard: a picture and a table for each row. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.dashboards.panels import Dashboard, Row


def heading(dashboard: Dashboard) -> str:
    """Return the heading under which the page describes a dashboard; its anchor is the dashboard's name."""
    return f"## {dashboard.name.replace('-', ' ').capitalize()}"


def picture_of(dashboard: Dashboard, row: Row) -> str:
    """Return the name of the file with the picture of a row."""
    words = re.findall(r"[a-z]+", row.title.lower().replace("$client", ""))
    return f"{dashboard.name}-{'-'.join(words)}.svg"


def section(dashboard: Dashboard) -> str:
    """Return what stands under the heading."""
    blocks = [f"*{dashboard.title}*, `{dashboard.name}.json`: {dashboard.description}"]
    for row in dashboard.rows:
        blocks += [f"**{row.title}**", f"![{row.title}](../pictures/dashboards/{picture_of(dashboard, row)})", "\n".join(_table(row))]
    return "\n\n".join(blocks).replace("$client", "`$client`")


def _table(row: Row) -> Iterator[str]:
    yield from ("| panel | what it shows |", "|---|---|")
    yield from (f"| {panel.title} | {panel.description} |" for panel in row.panels)


def with_sections(page: str, dashboards: Iterable[Dashboard]) -> str:
    """Return the page with everything under the headings of the dashboards written anew; ValueError where there is no such heading."""
    for dashboard in dashboards:
        before, found, rest = page.partition(f"{heading(dashboard)}\n")
        _, following, after = rest.partition("\n## ")
        if not found:
            raise ValueError(f"the page has no heading {heading(dashboard)}")
        page = f"{before}{found}\n{section(dashboard)}\n{following}{after}"
    return page
