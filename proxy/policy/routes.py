"""The pattern language for routes in a client's rules. Pure.

A pattern is a path whose segments are literals, `*` or `{name}` (exactly one segment, not an empty one), and which may end in `**`
(any number of further segments, also none). Literals are compared percent-decoded, as the catalogue compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from proxy.catalogs.catalog import is_parameter

_ONE = "*"
_REST = "**"


@dataclass(frozen=True, slots=True)
class RoutePattern:
    """A compiled pattern: `None` stands for any one segment; `open_end`: anything may follow."""

    segments: tuple[str | None, ...]
    open_end: bool = False

    def covers(self, other: RoutePattern) -> bool:
        """Say whether everything that `other` matches is matched by this pattern too."""
        own, theirs = len(self.segments), len(other.segments)
        if own > theirs or (not self.open_end and (own != theirs or other.open_end)):
            return False
        return all(mine == their or (mine is None and their != "") for mine, their in zip(self.segments, other.segments, strict=False))


def parse_pattern(text: str) -> RoutePattern:
    """Read a pattern; raise `ValueError` with a text that does not repeat it."""
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or any(mark in text for mark in " ?#"):
        raise ValueError("must be a path that begins with '/': ASCII, without query")
    parts = text.split("/")[1:]
    open_end = parts[-1] == _REST
    segments = parts[:-1] if open_end else parts
    if any("*" in part and part != _ONE for part in segments):
        raise ValueError("'*' stands for one whole segment, and '**' only for the rest of a path, at its end")
    if any(("{" in part or "}" in part) and not is_parameter(part) and part != "{}" for part in segments):
        raise ValueError("a parameter must be a whole segment, such as /{accountId}/")
    return RoutePattern(tuple(None if part in (_ONE, "{}") or is_parameter(part) else unquote(part) for part in segments), open_end)


def template(route: str) -> RoutePattern:
    """Return a catalogue's route template as a pattern: what it matches."""
    return RoutePattern(tuple(None if is_parameter(part) else unquote(part) for part in route.split("/")[1:]))


def one_path(path: str) -> RoutePattern:
    """Return the pattern that matches this canonical path and nothing else."""
    return RoutePattern(tuple(unquote(part) for part in path.split("/")[1:]))
