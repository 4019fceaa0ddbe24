"""Filling a refusal's shape: `{placeholders}` in its strings become the values of one denial, in a single pass.

Pure. What a value contains is never read as a placeholder again; `{{` and `}}` stand for braces; an unknown name stays as it is.
A string that is nothing but one placeholder becomes the value itself, so a number stays a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from proxy.model import OPERATION_SCOPE_PREFIX, Named, RefusalTemplate
from proxy.vendors.moments import moment
from proxy.vendors.refusals import Denial, Refusal, operation_id
from proxy.vendors.resources import bare_resource

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([a-z0-9_]+)\}")
_UNSAFE_IN_HEADER = re.compile(r"[^\x20-\x7e]")
UNKNOWN_USER: Final = "unknown"

Lookup = Callable[[str], object]
"""The value of a placeholder by its name; None for an unknown one."""


def escape(text: str) -> str:
    """Return `text` so that filling it gives `text` back."""
    return text.replace("{", "{{").replace("}", "}}")


def fill(template: object, lookup: Lookup) -> object:
    """Fill every string in `template`, keys excepted."""
    if isinstance(template, str):
        return _fill_text(template, lookup)
    if isinstance(template, Mapping):
        return {key: fill(value, lookup) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, lookup) for value in template]
    return template


def _fill_text(text: str, lookup: Lookup) -> object:
    whole = _PLACEHOLDER.fullmatch(text)
    if whole is not None and whole[1] is not None:
        value = lookup(whole[1])
        return text if value is None else value
    return _PLACEHOLDER.sub(lambda found: _replacement(found, lookup), text)


def _replacement(found: re.Match[str], lookup: Lookup) -> str:
    if found[1] is None:
        return found[0][0]
    value = lookup(found[1])
    return found[0] if value is None else str(value)


def denial_values(denial: Denial) -> Lookup:
    """Return the values of a denial: scope, scopes, alternatives, operation, user, resource, path, method, message, timestamp…."""
    ways = [[name.removeprefix(OPERATION_SCOPE_PREFIX) for name in alternative] for alternative in denial.missing]
    names = ways[0] if ways else []
    values: dict[str, object] = {
        "scope": names[0] if names else "",
        "scopes": " ".join(names),
        "alternatives": " or ".join(" and ".join(way) for way in ways),
        "operation": operation_id(denial),
        "user": denial.subject or UNKNOWN_USER,
        "resource": ", ".join(bare_names(denial)),
        "path": denial.target.path,
        "method": denial.method,
        "message": denial.message,
    }
    return lambda name: values[name] if name in values else moment(name, denial.at)


def bare_names(denial: Denial) -> list[str]:
    """Return the names of the denial's resources as the vendor writes them, sorted."""
    resources = denial.resources.resources if isinstance(denial.resources, Named) else frozenset[str]()
    return sorted(bare_resource(name) for name in resources)


def fill_refusal(template: RefusalTemplate, denial: Denial) -> Refusal:
    """Return the template's answer to a denial. Header values are kept to visible ASCII: a name must not end the line."""
    lookup = denial_values(denial)
    body = {key: fill(value, lookup) for key, value in template.body.items()}
    headers = {key: _UNSAFE_IN_HEADER.sub("?", str(_fill_text(value, lookup))) for key, value in template.headers.items()}
    return Refusal(template.status, body, headers)
