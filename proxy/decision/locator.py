"""From a raw request target to the mounted vendor and the operation it means. Pure.

Targets repeat, so what a path means is remembered; the path is checked before it is remembered, the query every time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from proxy import errors
from proxy.catalogs.catalog import Match
from proxy.decision.ruling import Mount
from proxy.errors import Fault
from proxy.protocol.headers import RequestHead
from proxy.protocol.targets import BadTarget, Target, bad_path, bad_query
from proxy.vendors.refusals import BadRequest
from proxy.vendors.seen import NO_WATCH, Watch

MAX_REMEMBERED: Final = 4096
MAX_REMEMBERED_BYTES: Final = 1024
"""The longest path that is remembered."""
_NO_FIELDS: Final[Mapping[str, bytes]] = {}


class Meant(NamedTuple):
    """The method the vendor will act on, and the operation that it means there."""

    method: str
    match: Match | None
    watch: Watch
    sound: bool = True
    near: str = ""


class Located(NamedTuple):
    """Whose path this is, what is left of it at the vendor, and what the request's own method means there.

    `meant.sound`: False where a bug kept the operation from being found, or what must be read of it. `meant.near`: the route of another
    operation that a vendor could read in the path, if it ignores letter case or a slash at the end.
    """

    mount: Mount
    path: str
    meant: Meant


class Locator:
    """Finds mounts and operations. Mounts are tried longest path first. A bug in a vendor's module counts as not knowing."""

    def __init__(self, mounts: Sequence[Mount], on_bug: Callable[[BaseException], None], max_remembered: int = MAX_REMEMBERED) -> None:
        self._mounts = tuple(sorted(mounts, key=lambda mount: (-len(mount.path), not mount.host)))
        self._by_host = any(mount.host for mount in mounts)
        self._on_bug = on_bug
        self._max = max_remembered
        self._remembered: dict[tuple[str, bytes, bytes], Located] = {}

    def locate(self, method: str, raw_target: bytes, head: RequestHead) -> tuple[Located, Target] | Fault:
        """Return what the target means, or the fault it is refused with."""
        path, mark, query = raw_target.partition(b"?")
        key = (method, path, head.host if self._by_host or path[:1] != b"/" else b"")
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
        if not located.meant.sound or len(key[1]) > MAX_REMEMBERED_BYTES:
            return located
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
        meant = self._meaning(mount, method, Target(path, None))
        return Located(mount, path, meant)

    def effective(self, method: str, located: Located, target: Target, head: RequestHead) -> Meant | BadRequest:
        """Return the method the vendor will act on and the operation that it means (contract section 3)."""
        try:
            effective = located.mount.vendor.effective_method(method, target, head.named if head.names_method else _NO_FIELDS)
        except Exception as bug:
            self._on_bug(bug)
            return Meant(method, None, NO_WATCH, sound=False)
        if effective == method:
            return located.meant
        return effective if isinstance(effective, BadRequest) else self._meaning(located.mount, effective, target)

    def _meaning(self, mount: Mount, method: str, target: Target) -> Meant:
        match = None
        try:
            match = mount.vendor.catalog.find(method, target.path)
            near = mount.vendor.catalog.near(method, target.path, match)
            return Meant(method, match, mount.vendor.watch(method, target, match), True, "" if near is None else near.route)
        except Exception as bug:
            self._on_bug(bug)
            return Meant(method, match, NO_WATCH, sound=False)

    def _mount(self, path: str, host: bytes) -> Mount | None:
        for mount in self._mounts:
            if not path.startswith(mount.path) or path[len(mount.path) : len(mount.path) + 1] not in ("", "/"):
                continue
            if not mount.host or mount.host == _host_name(host):
                return mount
        return None


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
