"""The dashboards, taken through Grafana's own model of a dashboard: what it does not know, Grafana would drop without a word."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import pytest

from tests.boards import boards

SDK: Final = "grafana_foundation_sdk"
BESIDE_THE_MODEL: Final = {"definition", "titleFormat", "textFormat", "step"}
"""Members that Grafana itself writes for the Prometheus plug-in's variables and annotations, and that its model leaves to the plug-in."""


def through_grafana(board: Any) -> Any:
    """Read a dashboard as Grafana 11.6 does, and write it again."""
    if find_spec(SDK) is None and not os.environ.get("SCOPEGATE_CI"):
        pytest.skip(f"{SDK} is missing (a development requirement): the dashboards were not compared with Grafana's model")
    import_module(f"{SDK}.cog.plugins").register_default_plugins()
    read = import_module(f"{SDK}.models.dashboard").Dashboard.from_json(board)
    return json.loads(json.dumps(read, cls=import_module(f"{SDK}.cog.encoder").JSONEncoder))


def lost(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Yield where something is not as it was."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                yield from [] if name in BESIDE_THE_MODEL else [f"{place}.{name}: not in the model"]
            else:
                yield from lost(value, after[name], f"{place}.{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from lost(*pair, f"{place}[{index}]")
    elif before != after:
        yield f"{place}: {before!r} became {after!r}"


@pytest.mark.parametrize(("name", "board"), [*boards()], ids=[name for name, _ in boards()])
def test_grafana_keeps_every_member(name: str, board: Any) -> None:
    assert list(lost(board, through_grafana(board))) == []


def test_a_member_that_grafana_does_not_know_is_found() -> None:
    _, board = next(boards())
    number = next(panel for panel in board["panels"] if panel["type"] == "stat")
    number["fieldConfig"]["defaults"]["units"] = "s"
    number["options"]["graphMod"] = "area"
    found = list(lost(board, through_grafana(board)))
    assert [text.rpartition(".")[2] for text in found] == ["units: not in the model", "graphMod: not in the model"]
