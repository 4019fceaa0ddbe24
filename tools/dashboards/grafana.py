"""A dashboard as Grafana's JSON (the model of version 11, which later versions take over). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tools.dashboards.panels import COLUMNS, Dashboard, Kind, Panel, Query, Row, Text, Value, Variable, column

Json = dict[str, Any]

SCHEMA: Final = 39
"""The schema of Grafana 11.0; newer versions read it and write it anew in theirs."""
TAG: Final = "scopegate"
DOCS: Final = "https://docs.example.com/scopegate"
"""Where people read docs/; everybody sets their own."""
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_ALL: Final = ".+"
_NEUTRAL: Final = "#6E7687"


def written(dashboard: Dashboard) -> str:
    """Return the text of the file."""
    return json.dumps(as_json(dashboard), indent=2, ensure_ascii=False) + "\n"


def as_json(dashboard: Dashboard) -> Json:
    """Return the dashboard as Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": dashboard.span, "to": "now"},
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "links": _links(dashboard),
        "templating": {"list": [_source(), *map(_variable, dashboard.variables), _docs()]},
        "annotations": {"list": [_reloads()]},
        "panels": list(_panels(dashboard.rows)),
    }


# --- above the panels -----------------------------------------------------------------------------------


def _links(dashboard: Dashboard) -> list[Json]:
    common = {"icon": "doc", "tooltip": "", "asDropdown": False, "targetBlank": True, "includeVars": False, "keepTime": False, "tags": []}
    others = {"type": "dashboards", "title": "Scopegate", "url": "", "tags": [TAG], "icon": "external link"}
    page = {"type": "link", "title": "Documentation", "url": f"${{docs}}/reference/dashboards.md#{dashboard.name}"}
    both = {"includeVars": True, "keepTime": True, "targetBlank": False}
    return [common | others | both | {"tooltip": "The other dashboards, with the same choices"}, common | page]


def _source() -> Json:
    return {
        "name": "datasource",
        "type": "datasource",
        "label": "Data source",
        "description": "The Prometheus that scrapes Scopegate.",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
    }


def _docs() -> Json:
    return {
        "name": "docs",
        "type": "textbox",
        "label": "Docs",
        "description": "The address at which you read Scopegate's documentation (its folder docs).",
        "query": DOCS,
        "current": {"text": DOCS, "value": DOCS},
        "hide": 2,
    }


def _variable(variable: Variable) -> Json:
    named: Json = {"name": variable.name, "label": variable.label, "description": variable.description, "hide": 0}
    if variable.choices:
        options = [{"text": choice, "value": choice, "selected": choice == variable.choices[-1]} for choice in variable.choices]
        shown = {"type": "custom", "query": ",".join(variable.choices), "options": options, "multi": False, "includeAll": False}
        return named | shown | {"current": options[-1]}
    query = f"label_values({variable.metric}, {variable.name})"
    several: Json = {"multi": False, "includeAll": False}
    if variable.several:
        current = {"text": ["All"], "value": ["$__all"], "selected": True}
        several = {"multi": True, "includeAll": True, "allValue": _ALL, "current": current}
    asked = {"qryType": 1, "query": query, "refId": "values"}
    return (
        named | {"type": "query", "datasource": SOURCE, "query": asked, "definition": query, "regex": "", "refresh": 2, "sort": 1} | several
    )


def _reloads() -> Json:
    return {
        "name": "Configuration loaded",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "#3274D9",
        "expr": 'increase(scopegate_config_reloads_total{instance=~"$instance", result="loaded"}[1m]) > 0',
        "titleFormat": "Configuration loaded",
        "textFormat": "{{instance}}",
        "step": "1m",
    }


# --- panels ---------------------------------------------------------------------------------------------


def _panels(rows: Sequence[Row]) -> Iterator[Json]:
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": _place(0, top, COLUMNS, 1)}
        top += 1
        left = highest = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, highest = 0, top + highest, 0
            number += 1
            place = _place(left, top, panel.width, panel.height)
            yield {"id": number, "gridPos": place, **(_text(panel) if isinstance(panel, Text) else _panel(panel))}
            left, highest = left + panel.width, max(highest, panel.height)
        top += highest


def _place(left: int, top: int, width: int, height: int) -> Json:
    return {"x": left, "y": top, "w": width, "h": height}


def _text(panel: Text) -> Json:
    options = {"mode": "markdown", "content": panel.markdown}
    return {"type": Kind.TEXT.value, "title": panel.title, "description": panel.description, "options": options}


def _panel(panel: Panel) -> Json:
    made: Json = {
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(query, chr(ord("A") + index), panel) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": [*_colours(panel), *_columns(panel)]},
        "options": _options(panel),
    }
    return made | ({"transformations": _transformations(panel)} if panel.kind is Kind.TABLE else {})


def _target(query: Query, letter: str, panel: Panel) -> Json:
    table = panel.kind is Kind.TABLE
    asked = {"instant": True, "range": False} if table or panel.last else {"instant": False, "range": True}
    named = {"refId": letter, "datasource": SOURCE, "editorMode": "code", "expr": query.expr, "legendFormat": query.name}
    return named | asked | {"format": "table" if table else "time_series"}


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"value": None, "color": _NEUTRAL}] if not panel.steps or panel.steps[0][0] > 0 else []
    steps += [{"value": None if start == 0 else start, "color": colour} for start, colour in panel.steps]
    fixed = panel.kind in {Kind.LINES, Kind.TABLE}
    made: Json = {"unit": panel.unit, "color": {"mode": "palette-classic" if fixed else "thresholds"}}
    made |= {"thresholds": {"mode": "absolute", "steps": steps}, "mappings": _mappings(panel)}
    made |= {} if panel.decimals is None else {"decimals": panel.decimals}
    made |= {} if panel.kind is Kind.TABLE else {"min": 0}
    made |= {} if panel.maximum is None else {"max": panel.maximum}
    return made | ({"custom": _lines(panel)} if panel.kind is Kind.LINES else {})


def _mappings(panel: Panel) -> list[Json]:
    def shown(value: Value, index: int) -> Json:
        return {"text": value.text, "color": value.colour, "index": index}

    options = {str(number): shown(value, index) for index, (number, value) in enumerate(panel.values.items())}
    return [{"type": "value", "options": options}] if options else []


def _lines(panel: Panel) -> Json:
    stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
    fill = 60 if panel.stacked else 8
    return {"drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never", "spanNulls": False, "stacking": stacking}


def _colours(panel: Panel) -> Iterator[Json]:
    for name, colour in panel.colours.items():
        fixed = {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}
        yield {"matcher": {"id": "byName", "options": name}, "properties": [fixed]}


def _columns(panel: Panel) -> Iterator[Json]:
    for query in panel.queries if panel.kind is Kind.TABLE else ():
        if query.unit:
            yield {"matcher": {"id": "byName", "options": query.name}, "properties": [{"id": "unit", "value": query.unit}]}


def _options(panel: Panel) -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    match panel.kind:
        case Kind.LINES:
            return {"legend": legend | {"calcs": []}, "tooltip": {"mode": "multi", "sort": "desc"}}
        case Kind.STATES:
            return {
                "legend": legend,
                "tooltip": {"mode": "single", "sort": "none"},
                "showValue": "auto",
                "mergeValues": True,
                "rowHeight": 0.8,
            }
        case Kind.TABLE:
            sort = {"sortBy": [{"displayName": panel.sort, "desc": True}]} if panel.sort else {}
            return {"showHeader": True, "cellHeight": "sm", **sort}
        case Kind.BARS:
            return {"reduceOptions": reduced, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}
        case _:
            look = {"colorMode": "value", "graphMode": "none" if panel.last else "area", "textMode": "auto", "justifyMode": "auto"}
            return {"reduceOptions": reduced, "orientation": "auto", **look}


def _transformations(panel: Panel) -> list[Json]:
    if panel.matrix:
        row, across = panel.matrix
        return [{"id": "groupingToMatrix", "options": {"rowField": row, "columnField": across, "valueField": "Value"}}]
    merge = [{"id": "merge", "options": {}}] if len(panel.queries) > 1 else []
    letters = ["Value"] if not merge else [f"Value #{chr(ord('A') + index)}" for index in range(len(panel.queries))]
    names = {label: column(label) for label in panel.labels}
    names |= {letter: query.name for letter, query in zip(letters, panel.queries, strict=True)}
    order = {name: index for index, name in enumerate(names)}
    return [*merge, {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}}]
