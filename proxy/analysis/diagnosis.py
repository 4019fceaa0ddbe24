"""What an error means that somebody found in a log: who said it, about what, and who can end it. Pure; works offline.

What the proxy itself answered is read from the answer. What a vendor answered is looked up in the `errors` of its catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy import errors
from proxy.analysis.pasting import Pasted
from proxy.model import ErrorKind, KnownError, Named, Reason
from proxy.protocol import targets
from proxy.protocol.targets import Target
from proxy.vendors.base import Vendor
from proxy.vendors.refusals import METHOD_OVERRIDE, Denial

POLICY_CODE: Final = "SCG-POLICY"
_OPERATOR: Final = "the operator of this proxy"
_PATTERNS_LIMIT: Final = 4000
"""How much of one text is matched with a catalogue's regular expressions, in characters."""


class SaidBy(StrEnum):
    """Who answered."""

    VENDOR = "vendor"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an error means. `kind` is an `ErrorKind`, or for the proxy `denial`, `policy` or `fault`. Empty texts: not told."""

    said_by: SaidBy
    vendor: str
    kind: str
    error: str
    meaning: str
    whose: str
    scope: str = ""
    user: str = ""
    resource: str = ""
    operation: str = ""
    decision_id: str = ""
    remediation: tuple[str, ...] = ()
    documentation: tuple[str, ...] = ()


def diagnose(pasted: Pasted, vendors: Iterable[Vendor]) -> Diagnosis | None:
    """Say what a pasted error means; None where nobody knows it."""
    own = _own(pasted)
    if own is not None:
        return own
    found = (_of_vendor(pasted, vendor) for vendor in vendors)
    return next((diagnosis for diagnosis in found if diagnosis is not None), None)


# --- what the proxy said ----------------------------------------------------------------------------------


def _own(pasted: Pasted) -> Diagnosis | None:
    for item in pasted.objects:
        member = item.get("scopegate")
        diagnosis = _denial(member) if isinstance(member, dict) else _log_line(item) or _fault(item)
        if diagnosis is not None:
            return diagnosis
    return _policy_by_code(pasted)


def _policy_by_code(pasted: Pasted) -> Diagnosis | None:
    """A refusal by policy of which only the vendor's part of the body was pasted: its code is ours alone."""
    if POLICY_CODE not in _codes(pasted) and POLICY_CODE not in pasted.text:
        return None
    meaning = "The proxy's own rules do not allow this app to make this request. Nothing was sent to the vendor."
    steps = (
        "Look at the member 'scopegate' of the whole answer: it says which rule it was, and what to do.",
        "Ask the people who run the proxy; no other token or login changes this.",
    )
    return Diagnosis(SaidBy.PROXY, "", "policy", POLICY_CODE, meaning, _OPERATOR, remediation=steps)


def _denial(member: Mapping[str, object]) -> Diagnosis | None:
    reason = _text(member.get("reason"))
    if reason not in set(Reason) or not _text(member.get("decision_id")):
        return None
    policy = reason not in (Reason.MISSING_SCOPE, Reason.MISSING_LICENCE)
    return Diagnosis(
        SaidBy.PROXY,
        _text(member.get("vendor")),
        "policy" if policy else "denial",
        reason,
        _text(member.get("explanation")) or "The proxy answered this request and did not send it.",
        _OPERATOR if policy else "whoever administers the missing right at the vendor; the steps say where",
        scope=", ".join(_shortest(member.get("missing"))),
        operation=_text(member.get("operation")),
        decision_id=_text(member.get("decision_id")),
        remediation=_texts(member.get("remediation")),
        documentation=_texts(member.get("documentation")),
    )


def _log_line(item: Mapping[str, object]) -> Diagnosis | None:
    """A line of the decision log (docs/reference/decision-log.md)."""
    if item.get("event") != "decision" or not _text(item.get("decision_id")):
        return None
    fault, reason = _text(item.get("fault")), _text(item.get("reason"))
    known = _faults().get(fault)
    if known is not None:
        diagnosis = _of_fault(known, fault)
    elif reason in set(Reason):
        diagnosis = _denied_line(item, reason)
    else:
        diagnosis = _nothing_wrong(item)
    return _completed(diagnosis, item)


def _denied_line(item: Mapping[str, object], reason: str) -> Diagnosis:
    sent = item.get("answered_by") == "vendor"
    meaning = "The proxy would have denied this request, but forwarded it (shadow mode)." if sent else "The proxy denied this request."
    return Diagnosis(
        SaidBy.PROXY,
        "",
        "denial",
        reason,
        meaning,
        "the steps are in the answer that the app got",
        scope=", ".join(_shortest(item.get("missing"))),
    )


def _nothing_wrong(item: Mapping[str, object]) -> Diagnosis:
    kind, status = _text(item.get("kind")), item.get("status")
    meaning = f"The proxy forwarded this request, and the vendor's answer was {status} ({kind or 'no kind noted'})."
    steps = ("Paste the body of that answer to learn what the vendor meant: a line of the log does not hold it.",)
    return Diagnosis(SaidBy.VENDOR, "", "forwarded", kind, meaning, "the app, with the vendor's answer in hand", remediation=steps)


def _completed(diagnosis: Diagnosis, item: Mapping[str, object]) -> Diagnosis:
    return Diagnosis(
        diagnosis.said_by, _text(item.get("vendor")), diagnosis.kind, diagnosis.error, diagnosis.meaning, diagnosis.whose, diagnosis.scope,
        operation=_text(item.get("operation")), decision_id=_text(item.get("decision_id")), remediation=diagnosis.remediation,
    )  # fmt: skip


def _fault(item: Mapping[str, object]) -> Diagnosis | None:
    """One of the proxy's own faults: RFC 9457, with a `reason` of ours."""
    reason = _text(item.get("reason"))
    known = _faults().get(reason)
    return None if known is None or "detail" not in item or "title" not in item else _of_fault(known, reason)


def _of_fault(fault: errors.Fault, reason: str) -> Diagnosis:
    vendor_failed = reason in errors.UPSTREAM_REASONS
    whose = (
        "the vendor, or the network in between" if vendor_failed else "the app that sent the request" if fault.status < 500 else _OPERATOR
    )
    said = "The vendor was not the one who answered" if fault.status < 500 else "This is no missing permission"
    return Diagnosis(
        SaidBy.PROXY, "", "fault", reason, f"{fault.detail} {said}: the proxy reports a fault (status {fault.status}).", whose,
        remediation=("Look the reason up in the reference of reasons: it says what to change.",),
    )  # fmt: skip


def _faults() -> Mapping[str, errors.Fault]:
    return _FAULTS


_REFUSED_TARGET: Final = "The request target could be read in more than one way, so nothing was sent."
_FAULTS: Final = {
    **{value.reason: value for value in vars(errors).values() if isinstance(value, errors.Fault)},
    **{reason: errors.Fault(reason, 400, _REFUSED_TARGET) for reason in (*targets.REASONS, targets.AMBIGUOUS_PATH)},
    METHOD_OVERRIDE: errors.Fault(METHOD_OVERRIDE, 400, "The request names its method in contradictory or unknown ways."),
}


# --- what a vendor said -----------------------------------------------------------------------------------


def _of_vendor(pasted: Pasted, vendor: Vendor) -> Diagnosis | None:
    texts = [line for line in dict.fromkeys([*_messages(pasted), *pasted.text.splitlines()]) if line]
    codes = _codes(pasted)
    for known in vendor.catalog.errors:
        named = _fits(known, pasted.status, codes, texts)
        if named is not None:
            return _meant(known, vendor, named, codes)
    return None


def _fits(known: KnownError, status: int | None, codes: frozenset[str], texts: list[str]) -> Mapping[str, str] | None:
    """Return what the error names, or None where it is another one. What was not pasted contradicts nothing if the text fits."""
    if known.codes and codes.isdisjoint(known.codes) and (known.text is None or codes):
        return None
    if known.status is not None and status not in (known.status, None):
        return None
    return {} if known.text is None else _search(known.text, texts)


def _search(pattern: str, texts: list[str]) -> Mapping[str, str] | None:
    compiled = re.compile(pattern)
    for text in texts:
        found = compiled.search(text[:_PATTERNS_LIMIT])
        if found is not None:
            return {name: value for name, value in found.groupdict().items() if value}
    return None


def _codes(pasted: Pasted) -> frozenset[str]:
    """Every error code that the objects bear, under any of the names that the vendors use."""
    names = ("errorCode", "code", "error", "error_code")
    return frozenset(value for item in pasted.objects for name in names if isinstance(value := item.get(name), str))


def _messages(pasted: Pasted) -> list[str]:
    found: list[str] = []
    for item in pasted.objects:
        for value in item.values():
            found += (
                [value] if isinstance(value, str) else [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
            )
    return found


def _meant(known: KnownError, vendor: Vendor, named: Mapping[str, str], codes: frozenset[str]) -> Diagnosis:
    scope, user, resource = (named.get(name, "") for name in ("scope", "user", "resource"))
    denial = _as_denial(known, scope, user, resource)
    steps, links = known.remediation, known.documentation
    if denial is not None:
        (name,) = vendor.catalog.canonical([scope])
        steps = tuple(dict.fromkeys([*vendor.remediation(denial), *steps]))
        links = tuple(dict.fromkeys([*vendor.documentation(denial), *links]))
        scope = name
    error = next((code for code in known.codes if code in codes), known.id)
    return Diagnosis(
        SaidBy.VENDOR, vendor.name, known.kind.value, error, known.meaning, known.whose, scope, user, resource,
        remediation=steps, documentation=links,
    )  # fmt: skip


_BY_SCOPE: Final = {
    ErrorKind.APP_PERMISSION: Reason.MISSING_SCOPE,
    ErrorKind.LICENCE_OR_ACCESS_LEVEL: Reason.MISSING_LICENCE,
}
"""Errors that are about a scope of the catalogue, which says how to get it. A user's own permission is none."""


def _as_denial(known: KnownError, scope: str, user: str, resource: str) -> Denial | None:
    """Return the error as the denial that the proxy would have answered instead; None where no scope is named."""
    reason = _BY_SCOPE.get(known.kind)
    if reason is None or not scope:
        return None
    names = frozenset(f"pasted:{name.strip()}" for name in resource.split(",") if name.strip())
    return Denial(reason, "", Target("/", None), None, ((scope,),), Named(names), user)


# --- reading answers --------------------------------------------------------------------------------------


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _shortest(missing: object) -> tuple[str, ...]:
    """The first alternative of `missing`: the shortest way out."""
    return _texts(missing[0]) if isinstance(missing, list) and missing else ()
