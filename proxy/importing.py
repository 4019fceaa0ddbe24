"""From an OpenAPI description (2.0, 3.0 or 3.1) to the rows of a catalogue. Pure.

Rules of the specifications: within one object of `security` every scheme counts (AND), the objects are alternatives (OR), an empty
object or list means that no credential is needed (OpenAPI 3.1.1, Security Requirement Object). What cannot be read for certain is
never guessed at: such a row requires `unknown`, or is left out, and is listed with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

METHODS: Final = ("get", "put", "post", "delete", "options", "patch", "trace")
"""HEAD is left out: a catalogue's GET covers it."""
MAX_OPERATIONS: Final = 20_000
SECURITY: Final = "security"
EXTENSIONS: Final = ("x-app-permission", "x-required-scopes", "x-scopes", "x-inin-requires-permissions")
"""Members of operations in which vendors write scopes, where no other is asked for; the first one there counts."""
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_ID: Final = re.compile(r"[!-~]{1,128}")
_HAS_SCOPES: Final = frozenset({"oauth2", "openidconnect"})

Node = Mapping[str, Any]


class NotOpenApiError(ValueError):
    """The document is no OpenAPI description that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to read. `scopes_are`: what a flat list of several scopes means, "any" or "all" of them, "" as the specification says.

    `field`: the member of operations that holds the scopes ("security": only that); "" for whichever of the known ones is there.
    `base_path`: what stands before every path; None: what the description says.
    """

    scopes_are: str = ""
    field: str = ""
    base_path: str | None = None


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


def import_openapi(document: object, options: Options = Options()) -> Imported:
    """Read a description; raise `NotOpenApiError` where it is none, or has more operations than a catalogue may have."""
    root = _checked_root(document)
    info = _mapping(root.get("info"))
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
        self._schemes = _schemes(root)
        self._ids: set[str] = set()
        self._requests: dict[tuple[str, ...], str] = {}

    def read(self) -> None:
        self._found.scopes.update(_described_scopes(self._schemes))
        for path, item in self._root["paths"].items():
            pointer = f"#/paths/{_escaped(str(path))}"
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
        requires, auth, where = self._requirement(operation, pointer)
        self._found.rows.append(
            ImportedRow(self._id(operation, method, whole, pointer), method.upper(), whole, requires, auth, _tags(operation), where)
        )

    # --- what is required

    def _requirement(self, operation: Node, pointer: str) -> tuple[tuple[tuple[str, ...], ...] | None, str, str]:
        """Return alternatives (None: not known), how the caller authenticates, and where that is written."""
        name = self._field(operation)
        if name != SECURITY:
            where = f"{pointer}/{_escaped(name)}"
            return self._alternatives(operation.get(name), where), "bearer", where
        where = f"{pointer}/security" if SECURITY in operation else "#/security"
        security = operation.get(SECURITY, self._root.get(SECURITY))
        if security is None:
            self._unread(pointer, "requires unknown: neither the operation nor the description has 'security'")
            return None, "bearer", pointer
        return *self._security(security, where), where

    def _field(self, operation: Node) -> str:
        if self._options.field:
            return self._options.field
        return next((name for name in EXTENSIONS if name in operation), SECURITY)

    def _security(self, security: object, where: str) -> tuple[tuple[tuple[str, ...], ...] | None, str]:
        if not isinstance(security, list) or not all(isinstance(entry, Mapping) for entry in security):
            self._unread(where, "requires unknown: it is no list of objects")
            return None, "bearer"
        if not security or not all(security):
            return (), "none"
        read = [self._scheme_scopes(entry, where) for entry in security]
        known = [alternative for alternative in read if alternative is not None]
        if len(known) < len(read):
            return None, "bearer"
        if not all(known):
            return (), "bearer"
        spread = [(scope,) for alternative in known for scope in alternative] if self._options.scopes_are == "any" else known
        return tuple(dict.fromkeys(spread)), "bearer"

    def _scheme_scopes(self, entry: Node, where: str) -> tuple[str, ...] | None:
        """Return the scopes that one object asks for together; None where it cannot be told what it asks of a token."""
        scopes: list[str] = []
        tokens = False
        for name, needed in entry.items():
            scheme = self._schemes.get(name)
            if scheme is None:
                self._unread(where, f"requires unknown: there is no security scheme {str(name)[:80]!r}")
                return None
            if not _names_scopes(scheme, needed):
                continue
            tokens = True
            if not isinstance(needed, list) or not all(_is_scope(scope) for scope in needed):
                self._unread(where, f"requires unknown: the scopes of {str(name)[:80]!r} cannot be read")
                return None
            scopes += needed
        if not tokens:
            self._unread(
                where,
                f"requires unknown: {' and '.join(map(str, entry))[:80]!r} is a credential without scopes, and will do instead of a token",
            )
            return None
        return tuple(dict.fromkeys(scopes))

    def _alternatives(self, value: object, where: str) -> tuple[tuple[str, ...], ...] | None:
        """Read a vendor's own member: a text, a list, a list of lists, or an object with ANY or ALL."""
        if isinstance(value, Mapping):
            kind = str(value.get("type", "")).lower()
            lists = [item for name, item in value.items() if name != "type" and isinstance(item, list)]
            if kind in ("any", "all") and len(lists) == 1:
                return self._flat(lists[0], kind, where)
        elif isinstance(value, str):
            return self._flat(value.replace(",", " ").split(), self._options.scopes_are, where)
        elif isinstance(value, list) and value and all(isinstance(item, list) for item in value):
            return self._nested(value, where)
        elif isinstance(value, list):
            return self._flat(value, self._options.scopes_are, where)
        self._unread(where, "requires unknown: " + ("the operation does not have it" if value is None else "its form is not known"))
        return None

    def _flat(self, scopes: list[Any], kind: str, where: str) -> tuple[tuple[str, ...], ...] | None:
        if not all(_is_scope(scope) for scope in scopes):
            self._unread(where, "requires unknown: it holds something that is no scope")
            return None
        if len(scopes) > 1 and kind not in ("any", "all"):
            self._unread(where, "requires unknown: several scopes, and nothing says whether any or all are needed (--scopes-are any|all)")
            return None
        return tuple(dict.fromkeys((scope,) for scope in scopes)) if kind == "any" else (tuple(dict.fromkeys(scopes)),) if scopes else ()

    def _nested(self, value: list[Any], where: str) -> tuple[tuple[str, ...], ...] | None:
        if not all(item and all(_is_scope(scope) for scope in item) for item in value):
            self._unread(where, "requires unknown: an alternative is empty, or holds something that is no scope")
            return None
        return tuple(tuple(dict.fromkeys(item)) for item in value)

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


def _schemes(root: Node) -> Mapping[str, Node]:
    schemes = root.get("securityDefinitions") or _mapping(root.get("components")).get("securitySchemes")
    return {str(name): _mapping(scheme) for name, scheme in _mapping(schemes).items()}


def _described_scopes(schemes: Mapping[str, Node]) -> Iterator[tuple[str, str]]:
    for scheme in schemes.values():
        flows = [scheme, *(_mapping(flow) for flow in _mapping(scheme.get("flows")).values())]
        for flow in flows:
            for name, text in _mapping(flow.get("scopes")).items():
                if _is_scope(name):
                    yield name, " ".join(str(text or "").split())[:256]


def _names_scopes(scheme: Node, needed: object) -> bool:
    """Whether a scheme is about tokens: OAuth, OpenID Connect, bearer; or another one that names roles (OpenAPI 3.1)."""
    kind = str(scheme.get("type", "")).lower()
    bearer = kind == "http" and str(scheme.get("scheme", "")).lower() == "bearer"
    return kind in _HAS_SCOPES or bearer or bool(needed)


def _server_paths(servers: object) -> Iterator[str]:
    for server in servers if isinstance(servers, list) else []:
        template, variables = str(_mapping(server).get("url", "")), _mapping(_mapping(server).get("variables"))
        url = _filled(template, {str(name): str(_mapping(variable).get("default", "")) for name, variable in variables.items()})
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


def _is_scope(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 128 and value != "*" and _SCOPE.fullmatch(value) is not None


def _made_id(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z0-9.~_-]+", path)
    return "-".join([method, *words])[:128]


def _tags(operation: Node) -> tuple[str, ...]:
    tags = operation.get("tags")
    return tuple(dict.fromkeys(str(tag)[:128] for tag in tags))[:50] if isinstance(tags, list) else ()


def _mapping(value: object) -> Node:
    return value if isinstance(value, Mapping) else {}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
