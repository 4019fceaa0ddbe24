"""The dashboards' files: what the tool writes, complete for people, and naming only what exists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import pytest
import yaml

from tests.boards import FILES, FOLDER, Json, asked, boards, filled, listed, named_variables, variables
from tests.promql import names, selectors
from tests.unit.docs.pages import DOCS, anchors, code, codes, read, rows
from tools.dashboards.all import DASHBOARDS
from tools.dashboards.grafana import written
from tools.dashboards.page import with_sections
from tools.dashboards.panels import COLUMNS

BOARDS: Final = dict(boards())
OF_GRAFANA: Final = {"__rate_interval", "__range"}
PANELS: Final = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"] if panel["type"] != "row"]
QUERIES: Final = [query for name, board in BOARDS.items() for query in asked(name, board)]
WITH_DATA: Final = [(name, panel) for name, panel in PANELS if panel["type"] != "text"]
JOINED: Final = {("scopegate_build_info", ""), ("scopegate_config_info", "")}
"""May stand without conditions: it keeps other programs out of an expression whose other side is narrowed."""


def place(pair: tuple[str, Json]) -> str:
    return f"{pair[0]}: {pair[1]['title']}"


def test_the_files_are_what_the_tool_writes() -> None:
    texts = {f"{dashboard.name}.json": written(dashboard) for dashboard in DASHBOARDS}
    assert {file.name: file.read_text() for file in FILES} == texts, "run `make dashboards`"


def test_the_page_describes_every_panel() -> None:
    page = read("reference/dashboards.md")
    assert with_sections(page, DASHBOARDS) == page, "run `make dashboards`"


def test_there_are_the_four_dashboards() -> None:
    assert set(BOARDS) == {"operations", "client", "least-privilege", "accuracy"}
    assert Counter(board["uid"] for board in BOARDS.values()) == {f"scopegate-{name}": 1 for name in BOARDS}
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)
    assert {board["schemaVersion"] for board in BOARDS.values()} == {39}


# --- for people -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_numbers_and_titles_are_unique(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert [number for number, count in Counter(panel["id"] for panel in panels).items() if count > 1] == []
    assert [title for title, count in Counter(panel["title"] for panel in panels).items() if count > 1] == []


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[place(pair) for pair in PANELS])
def test_every_panel_has_a_title_and_says_what_it_shows(name: str, panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert len(panel["description"]) > 20


@pytest.mark.parametrize(("name", "panel"), WITH_DATA, ids=[place(pair) for pair in WITH_DATA])
def test_every_panel_with_data_has_a_unit_a_legend_and_the_chosen_source(name: str, panel: Json) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert all(target["legendFormat"] for target in panel["targets"])
    assert {target["datasource"]["uid"] for target in panel["targets"]} | {panel["datasource"]["uid"]} == {"${datasource}"}
    if panel["type"] in {"timeseries", "state-timeline"}:
        assert panel["options"]["legend"]["showLegend"]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_every_label_of_a_legend_is_in_the_result(query: Any) -> None:
    (target,) = (target for target in query.panel["targets"] if target["refId"] == query.letter)
    wanted = {part.partition("}}")[0] for part in target["legendFormat"].split("{{")[1:]}
    labels = set(described()) and set().union(*(described()[base(name)] for name in names(query.expr)))
    assert wanted <= labels | {"instance"}


def _cells(panel: Json) -> Iterator[tuple[int, int]]:
    at = panel["gridPos"]
    yield from ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))


@pytest.mark.parametrize("name", BOARDS)
def test_no_panel_covers_another_one_and_no_room_is_wasted(name: str) -> None:
    panels = BOARDS[name]["panels"]
    taken = Counter(cell for panel in panels for cell in _cells(panel))
    assert [cell for cell, count in taken.items() if count > 1] == []
    assert {x for x, _ in taken} == set(range(COLUMNS))
    tops = sorted({y for _, y in taken})
    assert all(after - before == 1 for before, after in pairwise(tops))


# --- variables and links --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_that_is_used_exists_and_every_one_that_exists_is_used(name: str) -> None:
    board = BOARDS[name]
    rest = json.dumps({key: value for key, value in board.items() if key != "templating"})
    lists = json.dumps([variable.get("query") for variable in board["templating"]["list"]])
    used = named_variables(rest) | named_variables(lists)
    assert used - OF_GRAFANA == set(variables(board))


@pytest.mark.parametrize("name", BOARDS)
def test_source_instance_and_vendor_can_be_chosen(name: str) -> None:
    found = variables(BOARDS[name])
    assert found["datasource"]["query"] == "prometheus"
    assert {variable for variable in ("instance", "vendor") if found[variable]["multi"] and found[variable]["includeAll"]} == {
        "instance",
        "vendor",
    }
    assert all(variable["label"] and variable["description"] for variable in found.values())
    for variable in found.values():
        if (asks := listed(variable)) is not None:
            assert asks[1] in described()[next(iter(names(asks[0])))] | {"instance"}


@pytest.mark.parametrize("name", BOARDS)
def test_links_lead_to_the_other_dashboards_and_to_the_documentation(name: str) -> None:
    others, page = BOARDS[name]["links"]
    assert (others["type"], others["tags"], others["includeVars"], others["keepTime"]) == ("dashboards", BOARDS[name]["tags"], True, True)
    assert page["type"] == "link"
    assert "${docs}/" in page["url"]


@pytest.mark.parametrize("name", BOARDS)
def test_the_pages_that_are_linked_to_exist(name: str) -> None:
    text = json.dumps(BOARDS[name])
    linked = [part.partition(")")[0].partition('"')[0] for part in text.split("${docs}/")[1:]]
    assert linked
    for target in linked:
        page, _, anchor = target.partition("#")
        assert (DOCS / page).is_file(), target
        assert not anchor or anchor in anchors(DOCS / page), target


# --- queries --------------------------------------------------------------------------------------------


def described() -> dict[str, set[str]]:
    """Return the labels of every metric, as the reference tells them."""
    return {code(row[0]): set(codes(row[2])) for row in rows(read("reference/metrics.md")) if len(row) == 4}


def base(name: str) -> str:
    """Return the metric that a series belongs to."""
    return name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_queries_name_only_metrics_that_are_described(query: Any) -> None:
    assert names(query.expr)
    assert {base(name) for name in names(query.expr)} <= described().keys()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_every_choice_narrows_every_metric_that_knows_it(query: Any) -> None:
    choices = variables(BOARDS[query.board])
    for name, conditions in selectors(query.expr):
        if (name, conditions) in JOINED:
            continue
        assert 'instance=~"$instance"' in conditions, name
        for label in {"vendor", "client"} & described()[base(name)] & choices.keys():
            wanted = f'{label}=~"${label}"' if choices[label]["multi"] else f'{label}="${label}"'
            assert wanted in conditions, name


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_windows_are_those_that_grafana_finds_right(query: Any) -> None:
    windows = [part.partition("]")[0] for part in query.expr.split("[")[1:]]
    assert set(windows) <= {"$__rate_interval", "$__range"}
    assert "vector(" not in query.expr, "a made-up 0 would hide a query that finds nothing"


def test_a_variable_without_a_value_is_no_empty_text() -> None:
    with pytest.raises(KeyError):
        filled("$missing", {})


# --- provisioning ---------------------------------------------------------------------------------------


def test_the_provisioned_source_is_a_prometheus_and_the_folder_holds_the_dashboards() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning/datasources/scopegate.yaml").read_text())
    (source,) = sources["datasources"]
    assert (sources["apiVersion"], source["type"], source["isDefault"]) == (1, "prometheus", True)
    providers = yaml.safe_load((FOLDER / "provisioning/dashboards/scopegate.yaml").read_text())
    (provider,) = providers["providers"]
    assert (providers["apiVersion"], provider["type"], provider["folder"]) == (1, "file", "Scopegate")
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards/scopegate"
