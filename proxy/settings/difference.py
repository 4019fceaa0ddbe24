"""What one configuration says differently from another, as lines for people: key by key, old and new. Secrets are only said to differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from proxy.catalogs.catalog import Catalog
from proxy.model import AnyToken, NotKnown, Operation
from proxy.settings.entries import Entries
from proxy.settings.load import Loaded
from proxy.settings.problems import KeyPath, dotted, printable

if TYPE_CHECKING:
    from proxy.catalogs.diff import Change

MAX_LINES: Final = 200
MAX_TEXT: Final = 120
_WHOLE: Final = ("vendors", "clients", "issuers")
"""Sections whose items come and go as a whole: one line each."""
_NOT_SET: Final = "null"


def difference(old: Loaded, new: Loaded) -> tuple[str, ...]:
    """Return what `new` says differently, at most `MAX_LINES` lines; none where it says the same."""
    lines = [*_settings(old.entries, new.entries), *_catalogs(old, new)]
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"and {len(lines) - MAX_LINES + 1} more changes"]
    return tuple(lines)


# --- settings -------------------------------------------------------------------------------------------


def _settings(old: Entries, new: Entries) -> Iterator[str]:
    come, gone = _items(new) - _items(old), _items(old) - _items(new)
    yield from (f"{dotted(item)}: removed" for item in sorted(gone, key=dotted))
    yield from (f"{dotted(item)}: added" for item in sorted(come, key=dotted))
    for path in dict.fromkeys([*old.told, *new.told]):
        if path[:2] not in come | gone and not _is_container(path, old, new):
            yield from _value(path, old, new)


def _items(entries: Entries) -> set[KeyPath]:
    return {path[:2] for path in entries.told if path[0] in _WHOLE and len(path) > 2}


def _is_container(path: KeyPath, old: Entries, new: Entries) -> bool:
    """Whether a key is a section in one of them and not set in the other: what is in the section tells it all."""
    return any(path not in each.told and any(other[: len(path)] == path for other in each.told) for each in (old, new))


def _value(path: KeyPath, old: Entries, new: Entries) -> Iterator[str]:
    before, after = (each.told[path].text if path in each.told else _NOT_SET for each in (old, new))
    if path in old.hidden or path in new.hidden:
        if (path in old.hidden) != (path in new.hidden) or old.hidden[path] != new.hidden[path]:
            yield f"{dotted(path)}: changed (not shown, it may be secret)"
    elif before != after:
        yield f"{dotted(path)}: {_short(before)} → {_short(after)}"


def _short(text: str) -> str:
    if text == _NOT_SET:
        return "not set"
    return printable(text) if len(text) <= MAX_TEXT else f"{printable(text[:MAX_TEXT])}…"


# --- catalogues -----------------------------------------------------------------------------------------


def _catalogs(old: Loaded, new: Loaded) -> Iterator[str]:
    for name in new.catalogs:
        if name in old.catalogs and old.marks[name] != new.marks[name]:
            yield from (f"catalogue of {name}: {line}" for line in _catalog(old.catalogs[name], new.catalogs[name]))


def _catalog(old: Catalog, new: Catalog) -> Iterator[str]:
    from proxy.catalogs.diff import compare  # noqa: PLC0415 - for the first reload

    found = compare(old, new)
    yield from (_operation(change) for change in found.operations)
    for change in found.scopes:
        implied = [*(f"no longer {name}" for name in change.no_longer_implies), *(f"now {name}" for name in change.now_implies)]
        yield f"scope {printable(change.scope)} implies {', '.join(implied)}"
    if not found:
        yield "texts, names or rules other than requirements changed"


def _operation(change: Change) -> str:
    row = change.operation
    if change.old is None or change.new is None:
        return f"{_named(row)}: {change.effect}"
    return f"{_named(row)}: {change.effect}, {_requirement(change.old)} → {_requirement(change.new)}"


def _named(row: Operation) -> str:
    return f"{printable(row.id)} ({row.method} {_short(row.route)})"


def _requirement(row: Operation) -> str:
    if isinstance(row.requirement, NotKnown):
        return "unknown"
    if isinstance(row.requirement, AnyToken):
        return "any token"
    return _short(" or ".join(" and ".join(scopes) for scopes in row.alternatives()))
