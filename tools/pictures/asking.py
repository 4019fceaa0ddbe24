"""The data of a panel: its queries, filled in and answered by Prometheus."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

from tests.boards import filled
from tests.integration.monitoring.prometheus import Prometheus
from tools.dashboards.panels import Kind, Panel, Query

Point = tuple[float, float]
_LABEL: Final = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its legend, and its points by time; a gap is a NaN. `labels` are those of a table's row."""

    name: str
    points: tuple[Point, ...]
    labels: dict[str, str] = field(default_factory=dict)
    query: int = 0

    @property
    def last(self) -> float:
        """The newest number; NaN where there is none."""
        return next((value for _, value in reversed(self.points) if not math.isnan(value)), math.nan)


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is shown, in seconds since 1970, the values of the variables, and when a configuration was taken over."""

    start: float
    end: float
    step: float
    values: dict[str, str]
    marks: tuple[float, ...] = ()


async def data_of(panel: Panel, prometheus: Prometheus, span: Span) -> list[Line]:
    """Return every series of a panel, in the order of its queries."""
    lines = []
    for index, query in enumerate(panel.queries):
        expr = filled(query.expr, span.values)
        newest = panel.last or panel.kind is Kind.TABLE
        found = await (prometheus.now(expr) if newest else prometheus.over(expr, span.start, span.end, span.step))
        lines += [_line(query, index, series) for series in found]
    return lines


def _line(query: Query, index: int, series: dict[str, Any]) -> Line:
    labels = {name: value for name, value in series["metric"].items() if name != "__name__"}
    name = _LABEL.sub(lambda found: labels.get(found[1], ""), query.name)
    points = series.get("values") or [series["value"]]
    return Line(name, tuple((float(at), float(value)) for at, value in points), labels, index)
