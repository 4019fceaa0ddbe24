"""From a raw request target to the mounted vendor and the operation it means. Pure.

Targets repeat, so what a path means is remembered; the path is checked before it is remembered, the query every time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from proxy import errors
from proxy.catalog import Match
from proxy.errors import Fault
from proxy.headers import RequestHead
from proxy.ruling import Mount
from proxy.targets import BadTarget, Target, bad_path, bad_query
from proxy.vendors.base import BadRequest, Watch

MAX_REMEMBERED: Final = 4096
_NO_FIELDS: Final[Mapping[str, bytes]] = {}


class Located(NamedTuple):
    """Whose path this is, what is left of it at the vendor, and the operation that the request's own method means there."""

    mount: Mount
    path: str
    match: Match | None
    watch: Watch


class Locator:
    """Finds mounts and operations. Mounts are tried longest path first."""

    def __init__(self, mounts: Sequence[Mount], max_remembered: int = MAX_REMEMBERED) -> None:
        self._mounts = tuple(sorted(mounts, key=lambda mount: (-len(mount.path), not mount.host)))
        self._by_host = any(mount.host for mount in mounts)
        self._max = max_remembered
        self._remembered: dict[tuple[str, bytes, bytes], Located] = {}

    def locate(self, method: str, raw_target: bytes, head: RequestHead) -> tuple[Located, Target] | Fault:
        """Return what the target means, or the fault it is refused with."""
        path, mark, query = raw_target.partition(b"?")
        key = (method, path, head.host if self._by_host else b"")
        located = self._remembered.get(key)
        if located is None:
            found = self._find(method, _origin_form(path, head.host), head.host)
            if isinstance(found, Fault):
                return found
            located = self._remember(key, found)
        if not mark:
            return located, Target(located.path, None)
        bad = bad_query(query)
        if bad is not None:
            return errors.from_bad_target(bad.reason, bad.detail)
        return located, Target(located.path, query.decode("ascii"))

    def _remember(self, key: tuple[str, bytes, bytes], located: Located) -> Located:
        if len(self._remembered) >= self._max:
            self._remembered.clear()
        self._remembered[key] = located
        return located

    def _find(self, method: str, raw_path: bytes, host: bytes) -> Located | Fault:
        bad: BadTarget | None = bad_path(raw_path)
        if bad is not None:
            return errors.from_bad_target(bad.reason, bad.detail)
        path = raw_path.decode("ascii")
        mount = self._mount(path, host)
        if mount is None:
            return errors.NO_MOUNT
        path = path[len(mount.path) :] or "/"
        match = mount.vendor.catalog.find(method, path)
        return Located(mount, path, match, mount.vendor.watch(method, Target(path, None), match))

    def _mount(self, path: str, host: bytes) -> Mount | None:
        for mount in self._mounts:
            if not path.startswith(mount.path) or path[len(mount.path) : len(mount.path) + 1] not in ("", "/"):
                continue
            if not mount.host or mount.host == _host_name(host):
                return mount
        return None


def effective_operation(method: str, located: Located, target: Target, head: RequestHead) -> tuple[str, Match | None, Watch] | BadRequest:
    """Return the method the vendor will act on and the operation that it means (contract section 3)."""
    vendor = located.mount.vendor
    effective = vendor.effective_method(method, target, head.named if head.names_method else _NO_FIELDS)
    if effective == method:
        return method, located.match, located.watch
    if isinstance(effective, BadRequest):
        return effective
    match = vendor.catalog.find(effective, target.path)
    return effective, match, vendor.watch(effective, target, match)


def _host_name(host: bytes) -> str:
    """Return the host of a Host field, lower-case and without its port."""
    name = host.decode("ascii").lower()
    bracket, colon = name.rfind("]"), name.rfind(":")
    return name[:colon] if colon > bracket else name


def _origin_form(raw: bytes, host: bytes) -> bytes:
    """Cut scheme and authority off an absolute-form target that names this very host (RFC 9112 section 3.2.2)."""
    if raw[:1] == b"/" or not host:
        return raw
    for scheme in (b"http://", b"https://"):
        if raw[: len(scheme)].lower() == scheme:
            authority, slash, rest = raw[len(scheme) :].partition(b"/")
            return slash + rest if slash and authority.lower() == host.lower() else raw
    return raw
