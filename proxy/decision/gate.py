"""The enforcement point: one request in, one ruling out. Reads like the table in the architecture page.

Here a request is read: which vendor and operation is meant, who asks, with which token, and what is known of it. What follows
from that is for the `Judge`. No I/O: clocks, ids and stores are constructor arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from proxy import errors
from proxy.credentials import Fingerprint, Fingerprinter, Secret
from proxy.decision.answers import refuse
from proxy.decision.judge import NOT_NAMED, PREDICTION_ERROR, Judge
from proxy.decision.locator import Locator
from proxy.decision.repeats import Repeats
from proxy.decision.ruling import Mount, Ruling
from proxy.decision.token_reader import TokenReader
from proxy.errors import Fault
from proxy.grants import Knowledge
from proxy.identity.app_tokens import AppTokens, Why, looks_like_a_token
from proxy.identity.clients import NO_PEER, Client, Peer, Shown, identify_client
from proxy.knowledge.learning import Moment
from proxy.model import NO_RESOURCES, Mode, Reason
from proxy.protocol.headers import Credential, RequestHead
from proxy.protocol.identifiers import IdMaker
from proxy.protocol.targets import Target, ambiguous_path
from proxy.protocol.trace_context import Traces
from proxy.telemetry.exchange import CacheResult
from proxy.vendors.refusals import BadRequest

_OFF: Final = Mode.OFF  # reading a member off its class is slow in Python 3.11
_HIT: Final = CacheResult.HIT
_MISS: Final = CacheResult.MISS


class Clocks(Protocol):
    """`now`: seconds of a clock that never jumps. `wall`: seconds since the epoch."""

    def now(self) -> float:
        """Return seconds of a clock that never jumps."""

    def wall(self) -> float:
        """Return seconds since the epoch."""


class Gate:
    """Decides. `clients` empty means that everybody is anonymous."""

    def __init__(
        self,
        mounts: Sequence[Mount],
        clients: Sequence[Client],
        fingerprinter: Fingerprinter,
        clocks: Clocks,
        make_id: IdMaker,
        traces: Traces,
        on_bug: Callable[[BaseException], None],
        app_tokens: AppTokens | None = None,
    ) -> None:
        self._app_tokens = app_tokens
        self.mounts = tuple(mounts)
        self._locator = Locator(mounts, on_bug)
        self._fingerprinter = fingerprinter
        self._tokens = TokenReader(fingerprinter)
        self._clients = tuple(clients)
        self._clocks = clocks
        self._make_id = make_id
        self._traces = traces
        self._on_bug = on_bug
        self._judge = Judge(partial(present_moment, clocks), on_bug)  # not bound to the gate: a ring of the two would outlive a reload
        self._repeats = Repeats()

    # --- the way of one request

    def open(self, method: str, raw_target: bytes, head: RequestHead, peer: Peer = NO_PEER) -> Ruling:
        """Rule on one request of `peer`: forward it, or answer it (`ruling.answer`)."""
        same = self._repeats.find(method, raw_target, head, self._clocks.now())
        if same is not None:
            return self._again(same.ruling, same.target(raw_target), head)
        ruling = self._begin(method, head)
        ruling.peer = peer
        fault = self._read(ruling, raw_target, head)
        if fault is not None:
            return refuse(ruling, fault)
        if ruling.mode is _OFF:
            self._judge.leave_alone(ruling)
            return ruling
        self._judge.rule(ruling)
        if ruling.knowledge is None and ruling.fingerprint is not None:
            self._discover(ruling, head)
        self._repeats.keep(method, raw_target, head, ruling)
        return ruling

    def _again(self, same: Ruling, target: Target | None, head: RequestHead) -> Ruling:
        wall = self._clocks.wall()
        ruling = same.again(self._make_id(wall), wall, self._traces(head.parent))
        ruling.target = target
        if same.kept is not None:
            ruling.answer = same.kept.answer(ruling)
        return ruling

    def reject(self, fault: Fault, method: str = "", peer: Peer = NO_PEER) -> Ruling:
        """Rule on a message that could not be read: answer it with `fault`."""
        ruling = self._begin(method, None)
        ruling.peer = peer
        return refuse(ruling, fault)

    def refuse(self, ruling: Ruling, fault: Fault) -> Ruling:
        """Turn a ruling into the answer for one of the proxy's own faults; return it."""
        return refuse(ruling, fault)

    def _begin(self, method: str, head: RequestHead | None) -> Ruling:
        wall = self._clocks.wall()
        return Ruling(self._make_id(wall), wall, method, head, self._traces(head.parent if head is not None else None))

    def alone(self, vendor: str) -> Gate | None:
        """Return a gate to which this vendor's API is all there is, at the root: for a gateway that stands before this vendor only."""
        mounts = [replace(mount, path="", host="") for mount in self.mounts if mount.vendor.name == vendor and mount.home == "api"]
        parts = (self._clients, self._fingerprinter, self._clocks, self._make_id, self._traces, self._on_bug, self._app_tokens)
        return Gate(mounts, *parts) if mounts else None

    def observe(self, method: str, raw_target: bytes, head: RequestHead, fingerprint: Fingerprint | None = None) -> Ruling:
        """Read a request that went another way, and predict, so that its answer can be learned from; nothing is decided.

        `fingerprint` stands for the token where the head has none.
        """
        ruling = self._begin(method, head)
        fault = self._read(ruling, raw_target, head)
        if fault is not None:
            return refuse(ruling, fault)
        if fingerprint is not None and ruling.fingerprint is None and ruling.mount is not None:
            ruling.fingerprint = fingerprint
            ruling.knowledge = ruling.mount.store.get(fingerprint, self._clocks.now())
        self._judge.predict(ruling)
        return ruling

    def client(self, name: str) -> Client | None:
        """Return the configured client with this name, or None."""
        return next((client for client in self._clients if client.name == name), None)

    # --- canonicalise, identify, know

    def _identify(self, ruling: Ruling, head: RequestHead) -> Client:
        """Say which app is asking; what its token says holds for a while only."""
        key, tokens = head.client_key, self._app_tokens
        if tokens is None or key is None or not looks_like_a_token(key):
            return identify_client(self._clients, key, ruling.peer)
        read = tokens.read(key, ruling.started_at)
        if isinstance(read, Why):
            return identify_client(self._clients, key, ruling.peer, Shown(problem=read.value))
        ruling.client_until = self._clocks.now() + read.until - ruling.started_at
        return identify_client(self._clients, key, ruling.peer, Shown(read.badges))

    def _read(self, ruling: Ruling, raw_target: bytes, head: RequestHead) -> Fault | None:
        """Find out which operation of which vendor is meant, who asks, with which token, and what is known of it."""
        found = self._locator.locate(ruling.method, raw_target, head)
        if isinstance(found, Fault):
            return found
        located, target = found
        ruling.mount = mount = located.mount
        ruling.target = target
        ruling.client = client = self._identify(ruling, head)
        ruling.mode = client.mode or mount.mode
        meant = self._locator.effective(ruling.method, located, target, head)
        if isinstance(meant, BadRequest):
            return errors.from_bad_target(meant.reason, meant.detail)
        ruling.effective_method, ruling.match, ruling.watch, sound, near = meant
        if near and ruling.mode is not _OFF:
            ambiguous = ambiguous_path(near)
            if ruling.mode is Mode.ENFORCE:
                return errors.from_bad_target(ambiguous.reason, ambiguous.detail)
            ruling.fault = ambiguous.reason
        if not sound:
            ruling.fault = PREDICTION_ERROR
            ruling.resources = NOT_NAMED if ruling.match is None else NO_RESOURCES
        credential = self._credential(ruling, mount, target, head)
        if isinstance(credential, Fault):
            return credential
        if credential is not None:
            self._know(ruling, mount, *credential)
        return None

    def _credential(self, ruling: Ruling, mount: Mount, target: Target, head: RequestHead) -> Credential:
        """Read the token; a bug on the way counts as not knowing of any."""
        try:
            return self._tokens.read(mount, target, head)
        except Exception as bug:
            self._on_bug(bug)
            ruling.fault = PREDICTION_ERROR
            return None

    def _know(self, ruling: Ruling, mount: Mount, token: Secret, fingerprint: Fingerprint) -> None:
        ruling.fingerprint = fingerprint
        ruling.knowledge = mount.store.get(fingerprint, self._clocks.now()) or self._knowledge_in_token(mount, token)
        ruling.cache = _MISS if ruling.knowledge is None else _HIT

    def _knowledge_in_token(self, mount: Mount, token: Secret) -> Knowledge | None:
        """Read what the token itself tells; a bug on the way counts as not knowing."""
        try:
            issued = mount.vendor.knowledge_in_token(token)
            return None if issued is None else mount.learner.issue(issued, self.moment())
        except Exception as bug:
            self._on_bug(bug)
            return None

    def _discover(self, ruling: Ruling, head: RequestHead) -> None:
        """Tell of a token of which nothing is known, where somebody wants to know: not for whom is refused for another cause."""
        mount, target = ruling.mount, ruling.target
        if mount is None or target is None or mount.discover is None:
            return
        if ruling.answer is not None and ruling.reason != Reason.UNKNOWN_TOKEN:
            return
        credential = self._credential(ruling, mount, target, head)
        try:
            if isinstance(credential, tuple):
                mount.discover(*credential, ruling.trace.lines(ruling.request_id))
        except Exception as bug:
            self._on_bug(bug)

    def moment(self) -> Moment:
        """Return the present moment on both clocks."""
        return present_moment(self._clocks)


def present_moment(clocks: Clocks) -> Moment:
    """Return the present moment on both of these clocks."""
    return Moment(clocks.now(), clocks.wall())
