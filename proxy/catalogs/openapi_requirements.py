"""What an operation of an OpenAPI description requires: from `security`, or from a vendor's own member. Pure.

Rules of the specifications: within one object of `security` every scheme counts (AND), the objects are alternatives (OR), an empty
object or list means that no credential is needed (OpenAPI 3.1.1, Security Requirement Object). What cannot be read for certain is
never guessed at: it is not known, and the reason is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

SECURITY: Final = "security"
EXTENSIONS: Final = ("x-app-permission", "x-required-scopes", "x-scopes", "x-inin-requires-permissions")
"""Members of operations in which vendors write scopes, where no other is asked for; the first one there counts."""
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")
_HAS_SCOPES: Final = frozenset({"oauth2", "openidconnect"})

Node = Mapping[str, Any]
Alternatives = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Options:
    """How to read. `scopes_are`: what a flat list of several scopes means, "any" or "all" of them, "" as the specification says.

    `field`: the member of operations that holds the scopes ("security": only that); "" for whichever of the known ones is there.
    `base_path`: what stands before every path; None: what the description says.
    """

    scopes_are: str = ""
    field: str = ""
    base_path: str | None = None


PLAINLY: Final = Options()
"""As the specification says, and nothing else given."""


class Requirements:
    """Reads what operations of one description require; `unread` hears where and why something could not be read."""

    def __init__(self, root: Node, options: Options, unread: Callable[[str, str], None]) -> None:
        self._root = root
        self._options = options
        self._schemes = security_schemes(root)
        self._unread = unread

    def read(self, operation: Node, pointer: str) -> tuple[Alternatives | None, str, str]:
        """Return alternatives (None: not known), how the caller authenticates, and where that is written."""
        name = self._field(operation)
        if name != SECURITY:
            where = f"{pointer}/{escaped(name)}"
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

    def _security(self, security: object, where: str) -> tuple[Alternatives | None, str]:
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
            if not isinstance(needed, list) or not all(is_scope(scope) for scope in needed):
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

    def _alternatives(self, value: object, where: str) -> Alternatives | None:
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

    def _flat(self, scopes: list[Any], kind: str, where: str) -> Alternatives | None:
        if not all(is_scope(scope) for scope in scopes):
            self._unread(where, "requires unknown: it holds something that is no scope")
            return None
        if len(scopes) > 1 and kind not in ("any", "all"):
            self._unread(where, "requires unknown: several scopes, and nothing says whether any or all are needed (--scopes-are any|all)")
            return None
        return tuple(dict.fromkeys((scope,) for scope in scopes)) if kind == "any" else (tuple(dict.fromkeys(scopes)),) if scopes else ()

    def _nested(self, value: list[Any], where: str) -> Alternatives | None:
        if not all(item and all(is_scope(scope) for scope in item) for item in value):
            self._unread(where, "requires unknown: an alternative is empty, or holds something that is no scope")
            return None
        return tuple(tuple(dict.fromkeys(item)) for item in value)


def security_schemes(root: Node) -> Mapping[str, Node]:
    """Return the security schemes of a description by name, wherever its version keeps them."""
    schemes = root.get("securityDefinitions") or mapping(root.get("components")).get("securitySchemes")
    return {str(name): mapping(scheme) for name, scheme in mapping(schemes).items()}


def _names_scopes(scheme: Node, needed: object) -> bool:
    """Whether a scheme is about tokens: OAuth, OpenID Connect, bearer; or another one that names roles (OpenAPI 3.1)."""
    kind = str(scheme.get("type", "")).lower()
    bearer = kind == "http" and str(scheme.get("scheme", "")).lower() == "bearer"
    return kind in _HAS_SCOPES or bearer or bool(needed)


def is_scope(value: object) -> bool:
    """Say whether a value can be the name of a scope in a catalogue."""
    return isinstance(value, str) and len(value) <= 128 and value != "*" and _SCOPE.fullmatch(value) is not None


def mapping(value: object) -> Node:
    """Return a value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def escaped(name: str) -> str:
    """Return a name as a part of a JSON pointer (RFC 6901 section 3)."""
    return name.replace("~", "~0").replace("/", "~1")
