"""From an OpenAPI description (2.0, 3.0 or 3.1) to the rows of a catalogue. Pure.

What an operation requires is read by `openapi_requirements`. What cannot be read for certain is listed with the reason: such a row
requires `unknown`, or is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from proxy.catalogs.openapi_requirements import PLAINLY, Node, Options, Requirements, escaped, is_scope, mapping, security_schemes

METHODS: Final = ("get", "put", "post", "delete", "options", "patch", "trace")
"""HEAD is left out: a catalogue's GET covers it."""
MAX_OPERATIONS: Final = 20_000
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_ID: Final = re.compile(r"[!-~]{1,128}")


class NotOpenApiError(ValueError):
    """The document is no OpenAPI description that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One operation. `requires` is None where it is not known. `provenance` is a JSON pointer (RFC 6901) into the description."""

    id: str
    method: str
    path: str
    requires: tuple[tuple[str, ...], ...] | None
    auth: str
    tags: tuple[str, ...]
    provenance: str


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read, where it stands, and what became of it."""

    pointer: str
    why: str


@dataclass(slots=True)
class Imported:
    """The rows of a description, its scopes with their descriptions, and everything that could not be read."""

    title: str
    version: str
    rows: list[ImportedRow] = field(default_factory=list)
    scopes: dict[str, str] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)


def import_openapi(document: object, options: Options = PLAINLY) -> Imported:
    """Read a description; raise `NotOpenApiError` where it is none, or has more operations than a catalogue may have."""
    root = _checked_root(document)
    info = mapping(root.get("info"))
    found = Imported(str(info.get("title", "")), str(info.get("version", "")))
    reader = _Reader(root, options, found)
    reader.read()
    return found


def _checked_root(document: object) -> Node:
    if not isinstance(document, Mapping):
        raise NotOpenApiError("the document is no object")
    version = str(document.get("openapi") or document.get("swagger") or "")
    if not re.match(r"[23]\.", version):
        raise NotOpenApiError("it has neither 'swagger: \"2.0\"' nor 'openapi: 3.x'")
    if not isinstance(document.get("paths"), Mapping) or not document["paths"]:
        raise NotOpenApiError("it has no paths")
    return document


class _Reader:
    """Walks one description."""

    def __init__(self, root: Node, options: Options, found: Imported) -> None:
        self._root = root
        self._options = options
        self._found = found
        self._requirements = Requirements(root, options, self._unread)
        self._ids: set[str] = set()
        self._requests: dict[tuple[str, ...], str] = {}

    def read(self) -> None:
        self._found.scopes.update(_described_scopes(security_schemes(self._root)))
        for path, item in self._root["paths"].items():
            pointer = f"#/paths/{escaped(str(path))}"
            resolved = self._resolved(item, pointer)
            if resolved is not None and not str(path).startswith("x-"):
                self._path(str(path), resolved, pointer)

    def _path(self, path: str, item: Node, pointer: str) -> None:
        if "head" in item and "get" not in item:
            self._unread(f"{pointer}/head", "HEAD without GET is left out: a catalogue has no row for it")
        for method in METHODS:
            operation = item.get(method)
            if isinstance(operation, Mapping):
                self._operation(path, item, method, operation, f"{pointer}/{method}")

    def _operation(self, path: str, item: Node, method: str, operation: Node, pointer: str) -> None:
        whole = self._base(item, operation, pointer) + path
        problem = _route_problem(whole)
        if problem:
            self._unread(pointer, f"left out: {problem}")
            return
        requests = (method, *("{}" if _is_parameter(segment) else segment for segment in whole.split("/")))
        other = self._requests.setdefault(requests, pointer)
        if other != pointer:
            self._unread(pointer, f"left out: it matches the same requests as {other}")
            return
        if len(self._found.rows) >= MAX_OPERATIONS:
            raise NotOpenApiError(f"it has more than {MAX_OPERATIONS} operations")
        requires, auth, where = self._requirements.read(operation, pointer)
        self._found.rows.append(
            ImportedRow(self._id(operation, method, whole, pointer), method.upper(), whole, requires, auth, _tags(operation), where)
        )

    # --- names and places

    def _id(self, operation: Node, method: str, path: str, pointer: str) -> str:
        """Return the operation's own id, or one made of method and path; never one that was used before."""
        own = operation.get("operationId")
        name = own if isinstance(own, str) and _ID.fullmatch(own) else _made_id(method, path)
        if own is not None and name != own:
            self._unread(pointer, f"called {name}: its operationId has blanks or other characters that ids may not have")
        unique, number = name, 2
        while unique in self._ids:
            unique, number = f"{name[:120]}-{number}", number + 1
        if unique != name:
            self._unread(pointer, f"called {unique}: {name} is the id of another operation")
        self._ids.add(unique)
        return unique

    def _base(self, item: Node, operation: Node, pointer: str) -> str:
        if self._options.base_path is not None:
            return self._options.base_path.rstrip("/")
        if "swagger" in self._root:
            return str(self._root.get("basePath") or "").rstrip("/")
        servers = operation.get("servers") or item.get("servers") or self._root.get("servers")
        paths = dict.fromkeys(_server_paths(servers))
        if len(paths) > 1:
            self._unread(pointer, f"taken at {next(iter(paths)) or '/'}: its servers have several base paths (--base-path)")
        return next(iter(paths), "")

    def _resolved(self, item: object, pointer: str) -> Node | None:
        """Follow a reference within the document; one that leads elsewhere, or in a circle, is listed."""
        seen: set[str] = set()
        while isinstance(item, Mapping) and isinstance(item.get("$ref"), str):
            reference = item["$ref"]
            if not reference.startswith("#/") or reference in seen:
                self._unread(pointer, "left out: the reference leads out of the document, or in a circle")
                return None
            seen.add(reference)
            item = self._at(reference)
        if not isinstance(item, Mapping):
            self._unread(pointer, "left out: it is no object")
            return None
        return item

    def _at(self, reference: str) -> object:
        node: object = self._root
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, Mapping) else None
        return node

    def _unread(self, pointer: str, why: str) -> None:
        self._found.unread.append(Unread(pointer, why))


# --- parts of a description -------------------------------------------------------------------------------


def _described_scopes(schemes: Mapping[str, Node]) -> Iterator[tuple[str, str]]:
    for scheme in schemes.values():
        flows = [scheme, *(mapping(flow) for flow in mapping(scheme.get("flows")).values())]
        for flow in flows:
            for name, text in mapping(flow.get("scopes")).items():
                if is_scope(name):
                    yield name, " ".join(str(text or "").split())[:256]


def _server_paths(servers: object) -> Iterator[str]:
    for server in servers if isinstance(servers, list) else []:
        template, variables = str(mapping(server).get("url", "")), mapping(mapping(server).get("variables"))
        url = _filled(template, {str(name): str(mapping(variable).get("default", "")) for name, variable in variables.items()})
        try:
            yield urlsplit(url).path.rstrip("/")
        except ValueError:
            continue


def _filled(template: str, defaults: Mapping[str, str]) -> str:
    """Put defaults in once. What they hold is no template: by naming each other, a few variables could grow without end."""
    return _VARIABLE.sub(lambda found: defaults.get(found[1], found[0]), template)


def _route_problem(path: str) -> str:
    """Say why a path cannot be a catalogue's; "" where it can. The same rules as those of a catalogue's rows."""
    if not path.startswith("/") or len(path) > 2000:
        return "the path does not begin with '/', or is too long"
    if not path.isascii() or not path.isprintable() or any(mark in path for mark in " ?#"):
        return "the path has a query, blanks, or characters that must be percent-encoded"
    names = [segment for segment in path.split("/") if "{" in segment or "}" in segment]
    if not all(_is_parameter(segment) and not {"{", "}"} & set(segment[1:-1]) for segment in names):
        return "a parameter is only part of a segment"
    return "a parameter is named twice" if len(set(names)) != len(names) else ""


def _is_parameter(segment: str) -> bool:
    return len(segment) > 2 and segment[0] == "{" and segment[-1] == "}"


def _made_id(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9.~_-]+", path)
    return "-".join([method, *words])[:128]


def _tags(operation: Node) -> tuple[str, ...]:
    tags = operation.get("tags")
    return tuple(dict.fromkeys(str(tag)[:128] for tag in tags))[:50] if isinstance(tags, list) else ()
