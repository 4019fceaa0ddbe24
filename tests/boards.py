"""The committed dashboards, read as Grafana reads them: panels, queries, and variables that are filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "grafana"
FILES: Final = sorted((FOLDER / "dashboards").glob("*.json"))
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_VALUES: Final = re.compile(r"label_values\((.*), (\w+)\)")
Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One query of a panel."""

    board: str
    panel: Json
    letter: str
    expr: str
    instant: bool

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.board}: {self.panel['title']} ({self.letter})"


def board(file: Path) -> Json:
    """Return a dashboard."""
    read = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(read, dict)
    return read


def boards() -> Iterator[tuple[str, Json]]:
    """Yield every dashboard with its name."""
    for file in FILES:
        yield file.stem, board(file)


def asked(name: str, of: Json) -> Iterator[Asked]:
    """Yield every query of a dashboard."""
    for panel in of["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(name, panel, target["refId"], target["expr"], target["instant"])


def variables(of: Json) -> dict[str, Json]:
    """Return the variables of a dashboard by name."""
    return {variable["name"]: variable for variable in of["templating"]["list"]}


def listed(variable: Json) -> tuple[str, str] | None:
    """Return selector and label by which a variable's values are found; None for one that has no query of its own."""
    found = _VALUES.fullmatch(variable["query"]["query"]) if variable["type"] == "query" else None
    return None if found is None else (found[1], found[2])


def at_first(of: Json, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the variables as they are when a dashboard is opened; `chosen` are those that have no such value."""
    values = dict(chosen)
    for name, variable in variables(of).items():
        if variable["type"] == "custom":
            values[name] = str(variable["current"]["value"])
        elif variable.get("includeAll"):
            values[name] = str(variable["allValue"])
    return values


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its variables filled in; KeyError for one that has no value."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def named_variables(text: str) -> set[str]:
    """Return the variables that a text names."""
    return {braced or bare for braced, bare in _VARIABLE.findall(text)}
