"""Draw docs/pictures/dashboards anew: start the site, let it be busy, ask Prometheus what the panels ask, draw the answers."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.boards import at_first, board, filled
from tests.integration.monitoring.prometheus import Prometheus, scraping
from tests.integration.monitoring.site import APP, open_site
from tools.dashboards.__main__ import ROOT, TARGET
from tools.dashboards.all import DASHBOARDS
from tools.dashboards.page import picture_of
from tools.dashboards.panels import Dashboard, Panel
from tools.pictures.asking import Span, data_of
from tools.pictures.drawing import picture
from tools.pictures.traffic import drive

PICTURES: Final = ROOT / "docs" / "pictures" / "dashboards"
INTERVAL_S: Final = 1
STEPS: Final = 120


async def main(seconds: float) -> int:
    """Draw every row of every dashboard."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        async with open_site(Path(name)) as site, scraping(Path(name), site.targets, interval=f"{INTERVAL_S}s") as prometheus:
            began = time.time()
            await drive(site, seconds)
            for dashboard in DASHBOARDS:
                await _draw(dashboard, prometheus, began)
    return 0


async def _draw(dashboard: Dashboard, prometheus: Prometheus, began: float) -> None:
    span = await _span(dashboard, prometheus, began)
    for row in dashboard.rows:
        data = {panel.title: await data_of(panel, prometheus, span) for panel in row.panels if isinstance(panel, Panel)}
        file = ROOT / "docs" / "pictures" / "dashboards" / picture_of(dashboard, row)
        file.write_text(picture(row, data, span, f"{dashboard.title}: {row.title}"), encoding="utf-8")
        print(file.relative_to(ROOT))


async def _span(dashboard: Dashboard, prometheus: Prometheus, began: float) -> Span:
    now = time.time()
    of_grafana = {"__rate_interval": f"{8 * INTERVAL_S}s", "__range": f"{now - began:.0f}s"}
    read = board(TARGET / f"{dashboard.name}.json")
    values = of_grafana | at_first(read, {"client": APP, "docs": "", "datasource": ""})
    exprs = [filled(note["expr"], values) for note in read["annotations"]["list"]]
    found = [series for expr in exprs for series in await prometheus.over(expr, began, now, INTERVAL_S)]
    marks = tuple(float(series["values"][0][0]) for series in found)
    return Span(began + 8 * INTERVAL_S, now, (now - began) / STEPS, values, marks)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 240.0)))
