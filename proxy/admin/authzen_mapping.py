"""What AuthZEN's words mean here: a subject is a token or a client, an action an HTTP method, a resource a route.

The names are those that gateways use in the interoperability profile of AuthZEN's working group.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from proxy.admin.answers import Problem
from proxy.admin.authzen import Action, Entity, Evaluation, Members
from proxy.admin.backend import AdminBackend, Question, Unanswerable
from proxy.admin.questions import bad_request, read_scopes
from proxy.catalogs.catalog import Catalog, is_parameter
from proxy.credentials import FINGERPRINT_BYTES, Fingerprint
from proxy.model import Operation
from proxy.protocol.targets import BadTarget, Target, parse_target

IDENTITY: Final = "identity"
ROUTE: Final = "route"
FINGERPRINT: Final = re.compile(rf"[0-9a-f]{{{2 * FINGERPRINT_BYTES}}}")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_MAX_TARGET: Final = 16_384
_ANY: Final = "~"
"""Stands for a path parameter that was not given and that no right depends on."""


class Mapping:
    """Turns evaluations into questions. `clients` returns the names of the configured clients."""

    def __init__(self, backend: AdminBackend, clients: Callable[[], tuple[str, ...]]) -> None:
        self._backend = backend
        self._clients = clients

    def question(self, evaluation: Evaluation) -> Question | Unanswerable:
        """Return what is asked; raise a 400 problem for properties of the wrong form."""
        strange = unknown_type(evaluation.subject, evaluation.resource)
        if strange is not None:
            return strange
        vendor = self.vendor(evaluation.resource)
        if isinstance(vendor, Unanswerable):
            return vendor
        if _METHOD.fullmatch(evaluation.action.name) is None:
            return Unanswerable("an action's name is an HTTP method in capital letters, such as GET")
        target = target_of(self._backend.catalog(vendor), evaluation.action, evaluation.resource)
        return target if isinstance(target, Unanswerable) else self._asked_by(evaluation, vendor, target)

    def vendor(self, resource: Entity) -> str | Unanswerable:
        """Return the vendor that a resource belongs to; it need not be named where there is only one."""
        vendors, name = self._backend.vendors(), _text(resource.properties, "vendor")
        if not name and len(vendors) > 1:
            raise bad_request("bad_member", f"'resource.properties.vendor' must be one of the configured vendors: {', '.join(vendors)}")
        if name and name not in vendors:
            return Unanswerable(f"the configured vendors are: {', '.join(vendors)}")
        return name or vendors[0]

    def _asked_by(self, evaluation: Evaluation, vendor: str, target: Target) -> Question | Unanswerable:
        subject = evaluation.subject
        scopes = read_scopes(subject.properties.get("scopes"))
        is_client = subject.id in self._clients()
        token = _text(subject.properties, "fingerprint") if is_client else subject.id
        is_token = FINGERPRINT.fullmatch(token) is not None
        if not (is_client or is_token or scopes is not None):
            return Unanswerable("a subject's id is a fingerprint (GET /api/v1/grants) or the name of a client; else give properties.scopes")
        return Question(
            vendor=vendor,
            method=evaluation.action.name,
            target=target,
            scopes=scopes,
            fingerprint=self._known(bytes.fromhex(token), vendor) if is_token and scopes is None else None,
            subject=_text(subject.properties, "subject"),
            client=subject.id if is_client else _text(subject.properties, "client"),
        )

    def _known(self, fingerprint: Fingerprint, vendor: str) -> Fingerprint | None:
        """Return the fingerprint of a token of this vendor, None where nothing is known of it: that is doubt, and no error."""
        known = self._backend.grant(fingerprint)
        return fingerprint if known is not None and known.vendor in ("", vendor) else None


def unknown_type(subject: Entity, resource: Entity) -> Unanswerable | None:
    """Say that these are not the types of entities that are known here."""
    if (subject.type, resource.type) == (IDENTITY, ROUTE):
        return None
    return Unanswerable(f"the subject's type must be '{IDENTITY}' and the resource's '{ROUTE}'")


def target_of(catalog: Catalog, action: Action, resource: Entity) -> Target | Unanswerable:
    """Return the vendor's path (and query) that is meant: `properties.uri`, or the id with its parameters filled in."""
    uri = _text(resource.properties, "uri") or _text(resource.properties, "path")
    if not is_template(resource.id):
        return _read(uri or resource.id)
    operation = next((row for row in catalog.operations if row.route == resource.id and row.method in _methods(action)), None)
    if operation is None:
        return Unanswerable("the catalogue has no such route with this method; GET /api/v1/catalog/{vendor} lists them")
    target = _read(uri or _filled(operation, resource.properties))
    if isinstance(target, Unanswerable):
        return target
    match = catalog.find(action.name, target.path)
    if match is None or match.operation is not operation:
        return Unanswerable("this is no request of the route in 'resource.id'")
    return target


def _methods(action: Action) -> tuple[str, ...]:
    """A HEAD request is decided as the GET that it asks about (RFC 9110 section 9.3.2)."""
    return ("HEAD", "GET") if action.name == "HEAD" else (action.name,)


def is_template(identifier: str) -> bool:
    """Say whether a resource's id is a route template rather than a path."""
    return any(is_parameter(segment) for segment in identifier.split("/"))


def _filled(operation: Operation, properties: Members) -> str:
    return "/".join(
        _value(operation, segment[1:-1], properties) if is_parameter(segment) else segment for segment in operation.route.split("/")
    )


def _value(operation: Operation, name: str, properties: Members) -> str:
    given = properties.get("params", {})
    value = given.get(name) if isinstance(given, dict) else given
    if value is None and binding_parameter(operation) == name:
        raise bad_request("bad_member", f"give 'resource.properties.params.{name}': what is allowed depends on it")
    if value is not None and (not isinstance(value, str) or not value):
        raise bad_request("bad_member", "'resource.properties.params' must be an object whose values are strings that are not empty")
    return _ANY if value is None else quote(value, safe="~")


def binding_parameter(operation: Operation) -> str | None:
    """Return the path parameter whose value rights depend on, or None."""
    rule = operation.resource
    return rule.parameter if rule is not None and rule.location == "path" else None


def _read(text: str) -> Target | Unanswerable:
    """Read an absolute URI or a path as the proxy reads request targets."""
    if len(text) > _MAX_TARGET:
        return Unanswerable("the path is too long")
    if not text.startswith("/"):
        _, _, rest = text.partition("://")
        _, slash, path = rest.partition("/")
        text = slash + path
    target = parse_target(text.encode("utf-8", "surrogatepass"))
    return Unanswerable(f"the proxy refuses this path before any decision: {target.detail}") if isinstance(target, BadTarget) else target


def _text(properties: Members, name: str) -> str:
    value = properties.get(name, "")
    if not isinstance(value, str):
        raise Problem(400, "bad_member", f"'properties.{name}' must be a string")
    return value
