"""What the proxy knows, as JSON members. Pure; never a token, only fingerprints."""

from __future__ import annotations

from proxy.admin.backend import KnownToken, KnownUser
from proxy.catalogs.catalog import Catalog
from proxy.grants import Knowledge, LackRecord
from proxy.model import AnyToken, NotKnown, Operation, Requirement, ScopeInfo
from proxy.telemetry.timestamps import timestamp

_Members = dict[str, object]


def token_view(token: KnownToken, knowledge: Knowledge, now: float) -> _Members:
    """Return one entry of the grant store; `knowledge` is the entry as it stands at `now`."""
    grants = knowledge.grants
    return {
        "fingerprint": token.fingerprint.hex(),
        "vendor": token.vendor or None,
        "subject": knowledge.subject or None,
        "scopes": sorted(grants.scopes),
        "complete": grants.complete,
        "bound": [{"scope": scope, "resource": resource} for scope, resource in sorted(grants.bound)],
        "complete_for": sorted(grants.complete_for),
        "lacks": [_lack_view(record, now) for record in knowledge.lacks],
        "source": knowledge.source,
        "observed_at": timestamp(knowledge.observed_at),
        "expires_in_s": _left(knowledge.expires, now),
    }


def _lack_view(record: LackRecord, now: float) -> _Members:
    return {
        "scope": record.lack.scope,
        "resources": sorted(record.lack.resources),
        "changeable": record.changeable,
        "observed_at": timestamp(record.observed_at),
        "expires_in_s": _left(record.expires, now),
    }


def _left(expires: float, now: float) -> float | None:
    """Return the seconds left, or None for what never ends."""
    return None if expires == float("inf") else round(expires - now, 3)


def catalog_view(catalog: Catalog) -> _Members:
    """Return a whole catalogue."""
    return {
        "vendor": catalog.vendor,
        "source": catalog.source,
        "operations": [_operation_view(operation) for operation in catalog.operations],
        "scopes": {name: _scope_view(info) for name, info in catalog.scopes.items()},
        "aliases": dict(catalog.aliases),
    }


def _operation_view(operation: Operation) -> _Members:
    resource = operation.resource
    return {
        "id": operation.id,
        "method": operation.method,
        "path": operation.route,
        "requires": _requirement_view(operation.requirement),
        "partial": sorted(operation.partial),
        "resource": None if resource is None else {"kind": resource.kind, "in": resource.location, "name": resource.parameter},
        "auth": operation.auth,
        "tags": operation.tags,
        "origin": operation.origin,
    }


def _requirement_view(requirement: Requirement) -> object:
    """Return a requirement as the catalogue file writes it."""
    if isinstance(requirement, NotKnown):
        return "unknown"
    return [] if isinstance(requirement, AnyToken) else requirement.alternatives


def _scope_view(info: ScopeInfo) -> _Members:
    return {
        "title": info.title,
        "implies": sorted(info.implies),
        "remediation": info.remediation,
        "documentation": info.documentation,
        "changeable": info.changeable,
    }


def user_view(user: KnownUser) -> _Members:
    """Return what was learned of one user's access permissions."""
    return {
        "user": user.user,
        "permissions": dict(sorted(user.permissions.items())),
        "pages_seen": sorted(user.pages_seen),
        "page_count": user.page_count,
        "complete": len(user.pages_seen) >= user.page_count,
    }
