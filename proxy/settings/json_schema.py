"""The JSON Schema of the configuration file (Draft 2020-12), for editors and for `scopegate schema`."""

from __future__ import annotations

from typing import Any, Final

from proxy.settings.schema import Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = {"type": "string", "pattern": r"\$\{.+\}", "description": "Taken from the environment or a file."}
_ABOUT: Final = frozenset({"description", "title", "default", "examples", "writeOnly"})
_LEAVES: Final = frozenset({"string", "integer", "number", "boolean"})


def json_schema() -> dict[str, Any]:
    """Return the schema; wherever a single value is expected, a `${…}` reference is fine too."""
    schema = _with_references(Settings.model_json_schema())
    return {"$schema": DIALECT, **schema}


def _with_references(schema: dict[str, Any]) -> dict[str, Any]:
    if _is_leaf(schema):
        rest = {key: value for key, value in schema.items() if key not in _ABOUT}
        about = {key: value for key, value in schema.items() if key in _ABOUT}
        return {**about, "anyOf": [rest, dict(_REFERENCE)]}
    closed = {"additionalProperties": False} if "patternProperties" in schema else {}
    return {key: _inside(key, value) for key, value in schema.items()} | closed


def _is_leaf(schema: dict[str, Any]) -> bool:
    """Single values; plain text without any rule accepts a reference anyway."""
    kind = schema.get("type")
    return kind in _LEAVES and not (kind == "string" and schema.keys() - _ABOUT == {"type"})


def _inside(key: str, value: Any) -> Any:
    if key in ("properties", "patternProperties", "$defs"):
        return {name: _with_references(item) for name, item in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return _with_references(value)
    if key == "anyOf":
        return [_with_references(item) for item in value]
    return value
