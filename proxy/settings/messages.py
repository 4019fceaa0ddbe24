"""Validation errors in our own words. pydantic's texts and inputs are not passed on: they may repeat a secret value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from proxy.settings.problems import KeyPath

_TEXTS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "string_type": "must be text (put it in quotes if it is a number)",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of reasonable size",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "mapping_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "none_required": "must be left out",
}
_LIMITS: Final[Mapping[str, str]] = {
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
}
"""Filled in from pydantic's error context; every placeholder is a constant of the schema, never an input."""


def findings(error: ValidationError, model: type[BaseModel]) -> list[tuple[KeyPath, str]]:
    """Return the path and text of every validation error."""
    schema: dict[str, Any] | None = None
    found: list[tuple[KeyPath, str]] = []
    errors = error.errors(include_url=False, include_input=False)
    for item in errors:
        path = tuple(part for part in item["loc"] if part != "[key]")
        if item["type"] == "too_short" and any(other["loc"][: len(path)] == path != other["loc"] for other in errors):
            continue  # pydantic counts the valid entries only: the real mistake is inside
        if item["type"] == "extra_forbidden":
            schema = schema or model.model_json_schema()
            found.append((path, unknown_key(str(path[-1]), known_keys(schema, path[:-1]))))
        else:
            found.append((path, _text(item["type"], item.get("ctx", {}))))
    return found


def _text(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind in _LIMITS:
        return _LIMITS[kind].format_map({key: f"{value:g}" if isinstance(value, float) else value for key, value in context.items()})
    return _TEXTS.get(kind, "is not valid here")


def unknown_key(key: str, known: list[str]) -> str:
    """Say that a key is unknown and what may have been meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - for whoever made a mistake

    close = get_close_matches(key, known, n=1)
    if close:
        return f"unknown key; did you mean '{close[0]}'?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key"


def known_keys(schema: Mapping[str, Any], path: KeyPath) -> list[str]:
    """Return the keys that a JSON Schema knows at `path`."""
    here = _resolved(schema, schema)
    for part in path:
        here = _resolved(schema, _step(here, part))
    return list(here.get("properties", {}))


def _step(here: Mapping[str, Any], part: str | int) -> Mapping[str, Any]:
    if isinstance(part, int):
        items: Mapping[str, Any] = here.get("items", {})
        return items
    named: Mapping[str, Any] = here.get("properties", {})
    if part in named:
        below: Mapping[str, Any] = named[part]
        return below
    return next(iter(here.get("patternProperties", {}).values()), {})


def _resolved(schema: Mapping[str, Any], here: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references and step into "this or null"."""
    while "$ref" in here or "anyOf" in here:
        here = schema["$defs"][here["$ref"].rpartition("/")[2]] if "$ref" in here else here["anyOf"][0]
    return here
