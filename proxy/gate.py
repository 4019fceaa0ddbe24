"""The enforcement point: one request in, one ruling out. Reads like the table in the architecture page.

No I/O: clocks, ids and stores are constructor arguments, so the byte path and the admin listener drive the same gate.
Prediction fails open (a bug while predicting forwards and is counted), policy fails closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from proxy import errors
from proxy.answers import problem_answer, refusal_answer
from proxy.clients import Client, identify_client
from proxy.credentials import CredentialError, Fingerprint, Fingerprinter, Secret, bearer_token, check_token
from proxy.errors import Fault
from proxy.explain import NO_EVIDENCE, Evidence
from proxy.grants import Knowledge
from proxy.headers import Credential, RequestHead
from proxy.identifiers import IdMaker
from proxy.learning import Moment
from proxy.model import (
    NO_RESOURCES,
    NOTHING_KNOWN,
    AnyToken,
    Deny,
    Indeterminate,
    Mode,
    NotApplicable,
    Permit,
    Prediction,
    Reason,
)
from proxy.policy import NotAllowed, Verdict, allows
from proxy.prediction import predict
from proxy.ruling import Mount, Ruling
from proxy.targets import BadTarget, Target, parse_target
from proxy.telemetry.exchange import CacheResult, Decision, Outcome
from proxy.vendors.base import BadRequest, Denial, no_access_at_all

PREDICTION_ERROR: Final = "prediction_error"
_DECISIONS: Final = {
    Permit: Decision.PERMIT,
    Deny: Decision.DENY,
    Indeterminate: Decision.INDETERMINATE,
    NotApplicable: Decision.NOT_APPLICABLE,
}


class Clocks(Protocol):
    """`now`: seconds of a clock that never jumps. `wall`: seconds since the epoch."""

    def now(self) -> float:
        """Return seconds of a clock that never jumps."""

    def wall(self) -> float:
        """Return seconds since the epoch."""


class Gate:
    """Decides. `mounts` are tried longest path first; `clients` empty means that everybody is anonymous."""

    def __init__(
        self,
        mounts: Sequence[Mount],
        clients: Sequence[Client],
        fingerprinter: Fingerprinter,
        clocks: Clocks,
        make_id: IdMaker,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.mounts = tuple(sorted(mounts, key=lambda mount: (-len(mount.path), not mount.host)))
        self._clients = tuple(clients)
        self._fingerprinter = fingerprinter
        self._clocks = clocks
        self._make_id = make_id
        self._on_bug = on_bug

    # --- the way of one request

    def open(self, method: str, raw_target: bytes, head: RequestHead) -> Ruling:
        """Rule on one request: forward it, or answer it (`ruling.answer`)."""
        ruling = self._begin(method, head)
        fault = self._locate(ruling, raw_target) or self._read(ruling)
        if fault is not None:
            return self.refuse(ruling, fault)
        if ruling.mode is Mode.OFF:
            ruling.decision = Decision.OFF
            return ruling
        self._predict(ruling)
        verdict = self._allow(ruling)
        if isinstance(verdict, Fault):
            return self.refuse(ruling, verdict)
        return self._enforce(ruling, verdict)

    def reject(self, fault: Fault, method: str = "") -> Ruling:
        """Rule on a message that could not be read: answer it with `fault`."""
        return self.refuse(self._begin(method, None), fault)

    def refuse(self, ruling: Ruling, fault: Fault) -> Ruling:
        """Turn a ruling into the answer for one of the proxy's own faults."""
        ruling.fault = fault.reason
        ruling.answer = problem_answer(ruling, fault)
        if fault is errors.INTERNAL:
            ruling.outcome = Outcome.INTERNAL_ERROR
        else:
            ruling.outcome = Outcome.UPSTREAM_ERROR if fault.reason in errors.UPSTREAM_REASONS else Outcome.BAD_REQUEST
        return ruling

    def _begin(self, method: str, head: RequestHead | None) -> Ruling:
        wall = self._clocks.wall()
        return Ruling(self._make_id(wall), wall, method, head)

    # --- canonicalise, identify

    def _locate(self, ruling: Ruling, raw_target: bytes) -> Fault | None:
        """Read the target and find the mount; the target that is left is the vendor's."""
        assert ruling.head is not None
        target = parse_target(_origin_form(raw_target, ruling.head.host))
        if isinstance(target, BadTarget):
            return errors.from_bad_target(target.reason, target.detail)
        mount = self._mount(target.path, ruling.head.host)
        if mount is None:
            return errors.NO_MOUNT
        ruling.mount = mount
        ruling.target = Target(target.path[len(mount.path) :] or "/", target.query) if mount.path else target
        return None

    def _mount(self, path: str, host: bytes) -> Mount | None:
        for mount in self.mounts:
            if not path.startswith(mount.path) or path[len(mount.path) : len(mount.path) + 1] not in ("", "/"):
                continue
            if not mount.host or mount.host == _host_name(host):
                return mount
        return None

    def _read(self, ruling: Ruling) -> Fault | None:
        """Find out which operation is meant, who asks, and with which token."""
        mount, target, head = ruling.mount, ruling.target, ruling.head
        assert mount is not None
        assert target is not None
        assert head is not None
        ruling.client = client = identify_client(self._clients, head.client_key)
        ruling.mode = client.mode or mount.mode
        method = mount.vendor.effective_method(ruling.method, target, head.named)
        if isinstance(method, BadRequest):
            return errors.from_bad_target(method.reason, method.detail)
        ruling.effective_method = method
        ruling.match = match = mount.vendor.catalog.find(method, target.path)
        ruling.watch = mount.vendor.watch(method, target, match)
        return self._know(ruling, mount, target, head)

    # --- token, knowledge

    def _know(self, ruling: Ruling, mount: Mount, target: Target, head: RequestHead) -> Fault | None:
        found = self._credential(mount, target, head)
        if isinstance(found, Fault) or found is None:
            return found
        token, fingerprint = found
        ruling.fingerprint = fingerprint
        ruling.knowledge = mount.store.get(fingerprint, self._clocks.now()) or self._knowledge_in_token(mount, token)
        ruling.cache = CacheResult.MISS if ruling.knowledge is None else CacheResult.HIT
        return None

    def _credential(self, mount: Mount, target: Target, head: RequestHead) -> Credential:
        """Read the token; the one in the header is remembered with the head, which repeats on a connection."""
        place = mount.vendor.token_place()
        cached = head.credential
        if cached is None or cached[0] is not mount:
            cached = head.credential = (mount, self._from_header(mount, head, place.header, place.scheme))
        found = cached[1]
        if place.query_parameter is None or isinstance(found, Fault):
            return found
        values = target.parameters(place.query_parameter)
        return found if not values else self._from_query(mount, values, found)

    def _from_header(self, mount: Mount, head: RequestHead, header: str, scheme: str) -> Credential:
        field = head.authorization if header == "Authorization" else head.named.get(header.lower())
        if field is None:
            return None
        try:
            token = bearer_token(field, scheme.lower().encode()) if scheme else check_token(field)
        except CredentialError:
            return errors.BAD_CREDENTIAL
        return None if token is None else (token, self._fingerprinter(mount.vendor.name, token))

    def _from_query(
        self, mount: Mount, values: tuple[str, ...], found: tuple[Secret, Fingerprint] | None
    ) -> tuple[Secret, Fingerprint] | Fault:
        if len(values) > 1 or (found is not None and found[0] != Secret(values[0])):
            return errors.TWO_CREDENTIALS
        try:
            token = check_token(values[0].encode())
        except CredentialError:
            return errors.BAD_CREDENTIAL
        return token, self._fingerprinter(mount.vendor.name, token)

    def _knowledge_in_token(self, mount: Mount, token: Secret) -> Knowledge | None:
        issued = mount.vendor.knowledge_in_token(token)
        return None if issued is None else mount.learner.issue(issued, self.moment())

    # --- predict, allow

    def _predict(self, ruling: Ruling) -> None:
        """Predict; a bug on the way counts as not knowing."""
        assert ruling.mount is not None
        try:
            ruling.prediction = self._prediction(ruling, ruling.mount)
        except Exception as bug:
            self._on_bug(bug)
            ruling.fault = PREDICTION_ERROR
            ruling.prediction = NotApplicable() if ruling.match is None else Indeterminate(ruling.match.operation, "internal error")
        ruling.decision = _DECISIONS[type(ruling.prediction)]
        if isinstance(ruling.prediction, Permit | Deny) and ruling.knowledge is not None:
            ruling.evidence = _evidence(ruling.prediction, ruling.knowledge)

    def _prediction(self, ruling: Ruling, mount: Mount) -> Prediction:
        """Ask `predict`; the answer for a token and an unbound operation is remembered with the token's knowledge."""
        match, knowledge = ruling.match, ruling.knowledge
        if match is None:
            return NotApplicable()
        operation = match.operation
        if operation.resource is not None:
            assert ruling.target is not None
            ruling.resources = mount.vendor.resources(match, ruling.target)
        if knowledge is None:
            return predict(operation, NOTHING_KNOWN, ruling.resources, mount.implied_by)
        if operation.resource is not None:
            return predict(operation, knowledge.grants, ruling.resources, mount.implied_by)
        known = knowledge.memo.get(operation)
        if known is None:
            known = knowledge.memo[operation] = predict(operation, knowledge.grants, NO_RESOURCES, mount.implied_by)
        return known  # type: ignore[return-value] # the memo of an operation is always its prediction

    def _allow(self, ruling: Ruling) -> Verdict | Fault:
        """Ask policy; a bug on the way refuses, because policy fails closed."""
        assert ruling.mount is not None
        try:
            operation = ruling.match.operation if ruling.match is not None else None
            return allows(ruling.mount.rules, ruling.client, operation, token_known=ruling.knowledge is not None)
        except Exception as bug:
            self._on_bug(bug)
            return errors.INTERNAL

    # --- refuse or forward

    def _enforce(self, ruling: Ruling, verdict: Verdict) -> Ruling:
        prediction = ruling.prediction
        if isinstance(verdict, NotAllowed):
            ruling.reason = verdict.reason.value
        elif isinstance(prediction, Deny):
            ruling.missing = prediction.missing
            ruling.reason = self._reason(ruling, prediction).value
        else:
            return ruling
        if ruling.mode is Mode.SHADOW:
            ruling.decision, ruling.outcome = Decision.WOULD_DENY, Outcome.WOULD_DENY
            return ruling
        ruling.decision = Decision.DENY
        try:
            ruling.answer = refusal_answer(ruling, self._denial(ruling, verdict), isinstance(verdict, NotAllowed))
        except Exception as bug:
            self._on_bug(bug)
            return self._cannot_refuse(ruling, verdict)
        ruling.outcome = Outcome.DENIED
        return ruling

    def _cannot_refuse(self, ruling: Ruling, verdict: Verdict) -> Ruling:
        if isinstance(verdict, NotAllowed):
            return self.refuse(ruling, errors.INTERNAL)
        ruling.fault, ruling.decision, ruling.reason, ruling.missing = PREDICTION_ERROR, Decision.INDETERMINATE, "", ()
        return ruling

    def _reason(self, ruling: Ruling, deny: Deny) -> Reason:
        """A right that an administrator can grant while the token lives is a licence or access level, not a scope."""
        assert ruling.mount is not None
        scopes = deny.missing[0]
        changeable = any(ruling.mount.vendor.catalog.scope(name).changeable for name in scopes)
        if ruling.knowledge is not None:
            lacks = ruling.knowledge.lacks
            changeable = changeable or any(record.changeable and record.lack.scope in (*scopes, "*") for record in lacks)
        return Reason.MISSING_LICENCE if changeable else Reason.MISSING_SCOPE

    def _denial(self, ruling: Ruling, verdict: Verdict) -> Denial:
        assert ruling.target is not None
        return Denial(
            reason=Reason(ruling.reason),
            method=ruling.effective_method,
            target=ruling.target,
            match=ruling.match,
            missing=ruling.missing,
            resources=ruling.resources,
            subject=ruling.knowledge.subject if ruling.knowledge is not None else "",
            message=verdict.message if isinstance(verdict, NotAllowed) else "",
            whole_resource=ruling.knowledge is not None and no_access_at_all(ruling.knowledge.grants.lacking, ruling.resources),
            at=ruling.started_at,
        )

    def moment(self) -> Moment:
        """Return the present moment on both clocks."""
        return Moment(self._clocks.now(), self._clocks.wall())


def _evidence(prediction: Permit | Deny, knowledge: Knowledge) -> Evidence:
    if isinstance(prediction, Permit):
        trivial = isinstance(prediction.operation.requirement, AnyToken)
        return NO_EVIDENCE if trivial else Evidence(knowledge.source, knowledge.observed_at)
    return Evidence(*knowledge.evidence_for(frozenset((*prediction.missing[0], "*"))))


def _host_name(host: bytes) -> str:
    """Return the host of a Host field, lower-case and without its port."""
    name = host.decode("ascii").lower()
    bracket = name.rfind("]")
    colon = name.rfind(":")
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
