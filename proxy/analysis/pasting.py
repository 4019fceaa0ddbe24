"""From whatever somebody pastes out of a log to the JSON objects, the status and the plain text in it. Pure; bounded.

An answer's body may come alone, behind its head, inside a log line, escaped as a string inside another object, or as Python or
JavaScript printed it. Nothing here is evaluated.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_TEXT: Final = 262_144
"""How much of a text is looked at, in characters."""
MAX_OBJECTS: Final = 64
_MAX_ATTEMPTS: Final = 512
"""How many braces are tried as the beginning of an object: each costs reading on until it fails."""
_MAX_LITERAL: Final = 8192
_MAX_DEPTH: Final = 4

_DECODER: Final = json.JSONDecoder()
_STATUS: Final = re.compile(
    r"HTTP/[0-9](?:\.[0-9])?[\"']? ([1-5][0-9]{2})\b|"
    r"\b(?:http_?)?(?:status|code|statusCode|status_code)[\"']?\s*[:=]\s*[\"']?([45][0-9]{2})\b|"
    r"\b([45][0-9]{2}) (?:Bad Request|Unauthorized|Forbidden|Not Found|Too Many Requests|Client Error)",
    re.IGNORECASE,
)
_ESCAPED: Final = re.compile(r"\\[\"'n]")


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was found: objects, the outer ones first; the status, None where none is told; and all the text there is."""

    objects: tuple[dict[str, object], ...]
    status: int | None
    text: str


def read_pasted(text: str) -> Pasted:
    """Take a pasted text apart; what is beyond `MAX_TEXT` is not looked at."""
    text = text[:MAX_TEXT]
    objects = tuple(_bounded(_objects(text, 0)))
    return Pasted(objects, _status(objects, text), "\n".join([text, *_texts(objects)]))


def _bounded(objects: Iterator[dict[str, object]]) -> Iterator[dict[str, object]]:
    for number, found in enumerate(objects):
        if number == MAX_OBJECTS:
            return
        yield found


def _objects(text: str, depth: int) -> Iterator[dict[str, object]]:
    """Yield the objects in a text; where there is none, those in the text without its escapes."""
    found = False
    for value in _whole_values(text):
        found = True
        yield from _inside(value, depth)
    if not found and depth < _MAX_DEPTH and "{" in text and _ESCAPED.search(text):
        yield from _objects(_unescaped(text), depth + 1)


def _whole_values(text: str) -> Iterator[dict[str, object]]:
    at, attempts = text.find("{"), 0
    while at >= 0 and attempts < _MAX_ATTEMPTS:
        attempts += 1
        value, end = _value_at(text, at)
        if isinstance(value, dict):
            yield value
        at = text.find("{", end)


def _value_at(text: str, at: int) -> tuple[object, int]:
    """Read the object that begins at `at`, as JSON or as Python prints it; return where to go on looking."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        end = _closing(text, at)
    if end < 0:
        return None, at + 1
    try:
        value: object = ast.literal_eval(text[at:end])
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # TypeError: a set of lists
        return None, at + 1
    return value, end


def _closing(text: str, at: int) -> int:
    """Return the end of a short text in balanced braces, -1 where it does not end."""
    depth = 0
    for index in range(at, min(len(text), at + _MAX_LITERAL)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if not depth:
                return index + 1
    return -1


def _inside(value: object, depth: int) -> Iterator[dict[str, object]]:
    """Yield an object and those in its members, texts that hold objects included."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        if all(isinstance(name, str) for name in value):
            yield value
        for member in value.values():
            yield from _inside(member, depth + 1)
    elif isinstance(value, list):
        for member in value[:MAX_OBJECTS]:
            yield from _inside(member, depth + 1)
    elif isinstance(value, str) and "{" in value:
        yield from _objects(value, depth + 1)


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")


def _status(objects: tuple[dict[str, object], ...], text: str) -> int | None:
    found = _STATUS.search(text)
    if found is not None:
        return int(next(group for group in found.groups() if group))
    told = [item.get(name) for item in objects for name in ("status", "statusCode", "status_code")]
    return next((value for value in told if type(value) is int and 100 <= value <= 599), None)


def _texts(objects: tuple[dict[str, object], ...]) -> list[str]:
    """Return the texts of the objects as they read once their escapes are undone."""
    return [value for item in objects for value in item.values() if isinstance(value, str)]
