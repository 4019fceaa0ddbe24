"""The shapes of panels, so that a dashboard reads like a table of them: what each is called, what it means, and what it asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tools.dashboards.panels import COLOURS, Kind, Panel, Query, Value, total

Steps = tuple[tuple[float, str], ...]
SMALL: Final = 4
"""Width and height of a number."""
HALF: Final = 12
"""Of the width of a page."""


# --- colours ----------------------------------------------------------------------------------------------


def plain(colour: str) -> Steps:
    """Return one colour for every value."""
    return ((0.0, COLOURS[colour]),)


def turning(*colours: tuple[float, str]) -> Steps:
    """Return colours by the value from which each begins."""
    return tuple((start, COLOURS[colour]) for start, colour in colours)


def painted(names: Mapping[str, str]) -> dict[str, str]:
    """Return colours by legend."""
    return {name: COLOURS[colour] for name, colour in names.items()}


GOOD_FROM_ONE: Final = turning((0.0, "broken"), (1.0, "passed"))
BAD_FROM_ONE: Final = turning((0.0, "passed"), (1.0, "broken"))
DOUBTFUL_FROM_ONE: Final = turning((0.0, "passed"), (1.0, "limit"))
UP: Final = {0: Value("down", COLOURS["broken"]), 1: Value("up", COLOURS["passed"])}


# --- queries ----------------------------------------------------------------------------------------------


def each(by: str, of: str) -> Query:
    """Return the sum by these labels, one line for each, named by them."""
    return Query(total(by, of), _legend(by))


def most(by: str, of: str) -> Query:
    """Return the largest by these labels: what several proxies tell alike, or each for itself, counts once."""
    return Query(f"max by ({by}) ({of})", _legend(by))


def any_of(query: Query) -> Query:
    """Show only what is more than nothing."""
    return Query(f"{query.expr} > 0", query.name, query.unit)


def _legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


# --- panels -----------------------------------------------------------------------------------------------


def number(
    title: str,
    description: str,
    expr: str,
    steps: Steps = (),
    *,
    unit: str = "short",
    name: str = "",
    decimals: int | None = None,
    width: int = SMALL,
    whole_range: bool = True,
) -> Panel:
    """Make one number: of the whole time range, or of now with a curve behind it."""
    asked = (Query(expr, name or title.lower()),)
    return Panel(title, description, unit, asked, Kind.NUMBER, width, SMALL, last=whole_range, decimals=decimals, steps=steps)


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    height: int = 8,
    colours: Mapping[str, str] | None = None,
    stacked: bool = False,
    maximum: float | None = None,
    decimals: int | None = None,
) -> Panel:
    """Make lines over time."""
    return Panel(
        title,
        description,
        unit,
        queries,
        width=width,
        height=height,
        stacked=stacked,
        decimals=decimals,
        maximum=maximum,
        colours=colours or {},
    )


def shares(title: str, description: str, *queries: Query, width: int = 8) -> Panel:
    """Make lines over time of parts of a whole."""
    return lines(title, description, "percentunit", *queries, width=width, maximum=1)


def bars(title: str, description: str, steps: Steps, *queries: Query, width: int = 8, height: int = 8) -> Panel:
    """Make a bar for each thing that was counted in the time range."""
    return Panel(title, description, "short", queries, Kind.BARS, width, height, last=True, decimals=0, steps=steps)


def states(title: str, description: str, values: Mapping[int, Value], *queries: Query, width: int = 8) -> Panel:
    """Make stripes over time, one colour for each state."""
    steps = tuple((float(number), value.colour) for number, value in values.items())
    return Panel(title, description, "short", queries, Kind.STATES, width, values=values, steps=steps)


def table(
    title: str,
    description: str,
    by: str,
    *columns: Query,
    unit: str = "none",
    width: int = HALF,
    height: int = 8,
    sort: str = "",
    decimals: int | None = None,
) -> Panel:
    """Make a table with a row for each combination of these labels."""
    labels = tuple(by.split(", "))
    return Panel(title, description, unit, columns, Kind.TABLE, width, height, decimals=decimals, labels=labels, sort=sort)


def counts(title: str, description: str, by: str, column: Query, *, width: int = HALF) -> Panel:
    """Make a table of how often, the most frequent first."""
    return table(title, description, by, column, unit="short", width=width, sort=column.name, decimals=0)


def matrix(title: str, description: str, across: tuple[str, str], column: Query) -> Panel:
    """Make a table of one label against another."""
    return Panel(title, description, "short", (column,), Kind.TABLE, HALF, decimals=0, labels=across, matrix=across)
