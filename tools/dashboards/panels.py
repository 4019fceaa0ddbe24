"""What a dashboard is made of. Pure data; `building.py` has the shapes of panels, `grafana.py` says how Grafana writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

COLUMNS: Final = 24
"""Grafana's grid."""

# What the proxy itself refuses is violet or blue, what the vendor refuses is orange, what breaks is red: in every panel.
COLOURS: Final = {
    "passed": "#56A64B",
    "denied": "#8F3BB8",
    "rules": "#3274D9",
    "would": "#CA95E5",
    "right": "#B877D9",
    "own list": "#1F60C4",
    "vendor": "#FA6400",
    "login": "#FF9830",
    "limit": "#E0B400",
    "broken": "#C4162A",
    "own fault": "#7C2D12",
    "doubt": "#8AB8FF",
    "quiet": "#8E8E8E",
}


class Kind(StrEnum):
    """Grafana's names of the panels that are used."""

    LINES = "timeseries"
    NUMBER = "stat"
    TABLE = "table"
    BARS = "bargauge"
    STATES = "state-timeline"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression. `name` is its legend, `{{label}}` included, or in a table the title of its column; `unit` only there."""

    expr: str
    name: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What a number stands for: the text that is shown in its place, and a colour."""

    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Units are Grafana's ids. `colours` goes by legend, `steps` from which value on a colour begins.

    `last` asks for the newest value only, over the whole time range; tables always do. `matrix` names the labels of the rows and columns.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    width: int = 8
    height: int = 8
    last: bool = False
    stacked: bool = False
    decimals: int | None = None
    maximum: float | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[tuple[float, str], ...] = ()
    values: Mapping[int, Value] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    sort: str = ""
    matrix: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A panel of Markdown."""

    title: str
    description: str
    markdown: str
    width: int = COLUMNS
    height: int = 4


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; they flow from left to right."""

    title: str
    panels: tuple[Panel | Text, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the panels: values of a label, or with `choices` a fixed list whose last one is chosen at first."""

    name: str
    label: str
    description: str
    metric: str = ""
    several: bool = True
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One file. `name` is the file's, and with `scopegate-` before it the uid."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    span: str = "now-6h"

    @property
    def uid(self) -> str:
        """By what links name it."""
        return f"scopegate-{self.name}"


INSTANCE: Final = Variable("instance", "Instance", "Proxies, by the address that Prometheus scrapes.", "scopegate_build_info")
VENDOR: Final = Variable(
    "vendor",
    "Vendor",
    "Vendors of the configuration; `none` is for requests that match no mount.",
    'scopegate_requests_total{instance=~"$instance"}',
)
CLIENTS: Final = Variable(
    "client", "App", "Apps of the configuration, `anonymous` and `unidentified`.", 'scopegate_requests_total{instance=~"$instance"}'
)
ONE_CLIENT: Final = Variable("client", "App", "The app that asks why.", 'scopegate_requests_total{instance=~"$instance"}', several=False)

AT: Final = 'instance=~"$instance"'
"""Selects the chosen proxies."""
OF: Final = f'{AT}, vendor=~"$vendor"'
"""Selects the chosen vendors at the chosen proxies."""


def column(label: str) -> str:
    """Return the title of a table's column with this label."""
    return "App" if label == "client" else label.capitalize()


def at(**conditions: str) -> str:
    """Select the chosen proxies and more: `result="ok"`, `result="!=ok"`, `result="=~ok|fine"`."""
    return ", ".join((AT, *_conditions(conditions)))


def of(**conditions: str) -> str:
    """Select the chosen vendors at the chosen proxies and more, as `at`."""
    return ", ".join((OF, *_conditions(conditions)))


def _conditions(conditions: Mapping[str, str]) -> Iterator[str]:
    for label, value in conditions.items():
        operator = value[:2] if value[:2] in {"=~", "!~", "!="} else "="
        yield f'{label}{operator}"{value.removeprefix(operator)}"'


def rate(metric: str, where: str = OF) -> str:
    """Return how often per second, over the window that Grafana finds right."""
    return f"rate({metric}{{{where}}}[$__rate_interval])"


def grown(metric: str, where: str = OF) -> str:
    """Return by how much a counter that starts at 0 grew in the time range."""
    return f"increase({metric}{{{where}}}[$__range])"


def counted(metric: str, where: str = OF) -> str:
    """Return the same for a counter that appears on first use: a series that is new in the time range counts whole.

    `increase` alone does not see the step from nothing to 1, and an app that was denied once would not show.
    """
    series = f"{metric}{{{where}}}"
    return f"(({series} unless {series} offset $__range) or increase({series}[$__range]))"


def total(by: str, of: str) -> str:
    """Return the sum by these labels."""
    return f"sum by ({by}) ({of})"


def share(part: str, whole: str, by: str = "") -> str:
    """Return a part of a whole, both summed by these labels."""
    return f"{_sum(by, part)} / {_sum(by, whole)}"


def _sum(by: str, of: str) -> str:
    return total(by, of) if by else f"sum({of})"


def quantile(share_below: float, histogram: str, where: str = OF, by: str = "") -> str:
    """Return the time below which this share of the requests lies."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share_below}, {total(labels, rate(f'{histogram}_bucket', where))})"
