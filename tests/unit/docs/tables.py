"""What the code says, as rows that reference pages can be compared with. For authors: `python -m tests.unit.docs.tables settings`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import click

from proxy.cli.main import scopegate
from proxy.settings import json_schema

Schema = Mapping[str, Any]


class Setting(NamedTuple):
    """One row of the settings page. `default` is "required", "–" (nothing) or the value as YAML writes it."""

    name: str
    value: str
    default: str
    meaning: str


def settings() -> list[Setting]:
    """Return every setting, in the order of the configuration file."""
    schema = json_schema()
    return list(_walk(schema, "", schema["$defs"]))


def _walk(section: Schema, prefix: str, definitions: Mapping[str, Schema]) -> Iterator[Setting]:
    required = section.get("required", ())
    for name, found in section["properties"].items():
        item = _resolved(found, definitions)
        path = prefix + name
        inner, suffix = _inner(item, definitions)
        yield Setting(path, _value(item, definitions), _default(item, name in required), item["description"])
        if inner is not None:
            yield from _walk(inner, f"{path}{suffix}.", definitions)


def _resolved(found: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return an item with what it refers to; a section that may be left out is a section too."""
    reference = found.get("$ref") or found.get("anyOf", [{}])[0].get("$ref")
    definition = definitions[reference.rpartition("/")[2]] if reference else {}
    return {**definition, **found} if "$ref" in found or "properties" in definition else found


def _inner(item: Schema, definitions: Mapping[str, Schema]) -> tuple[Schema | None, str]:
    """Return the section that an item holds, and what its path gets: nothing, `.NAME` or `[]`."""
    if "properties" in item:
        return item, ""
    if "patternProperties" in item:
        (reference,) = item["patternProperties"].values()
        if "$ref" not in reference:
            return None, ""
        return definitions[reference["$ref"].rpartition("/")[2]], ".NAME"
    reference = _leaf(item, definitions).get("items", {}).get("$ref")
    return (definitions[reference.rpartition("/")[2]], "[]") if reference else (None, "")


def _default(item: Schema, required: bool) -> str:
    if required:
        return "required"
    default = item.get("default")
    if default is None:
        return "–"
    return default if isinstance(default, str) else json.dumps(default)


def _value(item: Schema, definitions: Mapping[str, Schema]) -> str:
    if "properties" in item or "patternProperties" in item:
        return "section"
    kind = _leaf(item, definitions)
    if "enum" in kind:
        return ", ".join(kind["enum"])
    if kind.get("type") == "array":
        return f"list, {_between(kind.get('minItems', 0), kind['maxItems'])}"
    if kind.get("type") in {"number", "integer"}:
        return f"{'whole number' if kind['type'] == 'integer' else 'number'}, {_bounds(kind)}"
    return {"boolean": "true, false"}.get(kind["type"], "text")


def _leaf(item: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return the schema of the value itself, without "or a reference" and "or null"."""
    if "anyOf" not in item:
        return item
    first = item["anyOf"][0]
    return _leaf(definitions[first["$ref"].rpartition("/")[2]], definitions) if "$ref" in first else _leaf(first, definitions)


def _bounds(kind: Schema) -> str:
    if "exclusiveMinimum" in kind:
        return f"more than {kind['exclusiveMinimum']:g}, at most {kind['maximum']:g}"
    return _between(kind["minimum"], kind["maximum"])


def _between(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{int(low)} to {int(high)}"


class Command(NamedTuple):
    """One command of the command line: its name, its arguments, and its options by all their spellings."""

    name: str
    arguments: tuple[str, ...]
    options: tuple[str, ...]


def commands() -> list[Command]:
    """Return every command, groups included."""
    return list(_commands(scopegate, "scopegate", None))


def _commands(command: click.Command, name: str, parent: click.Context | None) -> Iterator[Command]:
    context = click.Context(command, parent, info_name=name, **command.context_settings)
    arguments = tuple(each.make_metavar(context) for each in command.params if isinstance(each, click.Argument))
    options = tuple(", ".join(each.opts) for each in command.get_params(context) if isinstance(each, click.Option))
    yield Command(name, arguments, options)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            child = command.get_command(context, inner)
            assert child is not None
            yield from _commands(child, f"{name} {inner}", context)


def _print_settings() -> None:
    for row in settings():
        print(f"| `{row.name}` | {row.value} | `{row.default}` | {row.meaning} |")


def _print_commands() -> None:
    for command in commands():
        print(f"## {command.name} {' '.join(command.arguments)}\n")
        for option in command.options:
            print(f"| `{option}` | |")


PRINTERS: dict[str, Callable[[], None]] = {"settings": _print_settings, "commands": _print_commands}

if __name__ == "__main__":
    PRINTERS[sys.argv[1]]()
