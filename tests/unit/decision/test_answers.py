"""The answers made here: a denial in the vendor's shape with one member added, a fault as a problem document."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from proxy import errors
from proxy.catalogs.catalog import compile_catalog
from proxy.credentials import Fingerprinter, Secret
from proxy.decision.answers import KeptRefusal, challenge, kept_refusal, problem_answer, refusal_answer, write_refusal
from proxy.decision.explain import Evidence
from proxy.decision.ruling import LocalAnswer, Mount, Ruling
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.knowledge.learning import Learner
from proxy.knowledge.memory import VendorMemory
from proxy.model import Grants, Mode, OneOf, Operation, Reason, RefusalTemplate, ResourceRule, Source
from proxy.policy.rules import Rules
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import Decision
from proxy.vendors.generic import Generic
from proxy.vendors.refusals import Denial, Refusal

PLAIN = Operation("acme", "readCalls", "GET", "/calls", OneOf((("calls:read",),)))
BOUND = Operation("acme", "readRecords", "GET", "/records", OneOf((("calls:read",),)), resource=ResourceRule("pbx", "query", "pbx"))
CATALOG = compile_catalog("acme", [PLAIN, BOUND], refusal=RefusalTemplate(403, {"error": "missing {scopes}"}, {"X-Source": "acme"}))


class Unchanging(Generic):
    """A vendor that refuses in the same words every time."""

    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:
        return replace(super().write_refusal(denial, shape), constant=True)


def mount(shapes: dict[str, RefusalTemplate] | None = None) -> Mount:
    store, memory = GrantStore(), VendorMemory()
    learner = Learner("acme", store, memory, Fingerprinter(Secret(b"k")), lifetime=1.0, recheck=1.0)
    return Mount(Unchanging("acme", CATALOG), store, learner, shapes or {}, Mode.ENFORCE, Rules(), {})


def ruling(path: str = "/calls", *, known: bool = True, shapes: dict[str, RefusalTemplate] | None = None, number: int = 1) -> Ruling:
    one = Ruling(f"01J{number:023}", 1_795_291_200.0, "GET", None)
    one.mount = mount(shapes)
    one.target = Target(path, None)
    one.match = CATALOG.find("GET", path)
    one.decision, one.reason, one.missing = Decision.DENY, "missing_scope", (("calls:read",),)
    one.evidence = Evidence(Source.TOKEN_RESPONSE, 1_795_291_200.0)
    one.knowledge = Knowledge(Grants(complete=True), Source.TOKEN_RESPONSE, 1.0, NEVER) if known else None
    return one


def denial(one: Ruling, reason: Reason = Reason.MISSING_SCOPE, recheck_at: float = 0.0) -> Denial:
    assert one.target is not None
    missing = (("calls:read",),) if reason is Reason.MISSING_SCOPE else ()
    return Denial(reason, "GET", one.target, one.match, missing, message="Not allowed.", recheck_at=recheck_at)


def lines(answer: LocalAnswer) -> dict[str, str]:
    assert answer.fields.endswith(b"\r\n")
    pairs = [line.split(": ", 1) for line in answer.fields.decode("ascii").split("\r\n")[:-1]]
    assert len(pairs) == len({name for name, _ in pairs})
    return {name: value for name, value in pairs}  # noqa: C416 - each pair is a list


def test_a_refusal_is_the_vendors_with_one_member_added() -> None:
    one = ruling()
    answer = refusal_answer(one, denial(one), policy=False)
    body = json.loads(answer.body)
    assert (answer.status, answer.close) == (403, False)
    assert list(body) == ["error", "scopegate"]
    assert body["error"] == "missing calls:read"
    assert body["scopegate"]["decision_id"] == one.decision_id
    fields = lines(answer)
    assert fields["Scopegate-Answered-By"] == "proxy"
    assert fields["Scopegate-Decision"] == "deny"
    assert fields["Scopegate-Decision-Id"] == fields["X-Request-ID"] == one.decision_id
    assert fields["Scopegate-Reason"] == "missing_scope"
    assert fields["WWW-Authenticate"] == 'Bearer realm="acme", error="insufficient_scope", scope="calls:read"'
    assert (fields["Content-Type"], fields["Cache-Control"], fields["X-Source"]) == ("application/json", "no-store", "acme")


def test_a_policy_refusal_cannot_be_taken_for_the_vendors() -> None:
    one = ruling()
    answer = refusal_answer(one, denial(one, Reason.POLICY), policy=True)
    body = json.loads(answer.body)
    assert (answer.status, body["code"], body["scopegate"]["reason"]) == (403, "SCG-POLICY", "policy_not_allowed")
    assert kept_refusal(one) is None
    assert "scope=" not in lines(answer)["WWW-Authenticate"]


def test_the_shape_last_seen_is_used() -> None:
    one = ruling(shapes={"": RefusalTemplate(401, {"seen": "{scope}"})})
    assert one.mount is not None
    refusal = write_refusal(one.mount, denial(one), policy=False)
    assert (refusal.status, refusal.body) == (401, {"seen": "calls:read"})


def test_a_kept_refusal_says_the_same_under_another_id() -> None:
    first, second = ruling(number=1), ruling(number=2)
    second.knowledge = first.knowledge
    written = refusal_answer(first, denial(first), policy=False)
    kept = kept_refusal(second)
    assert kept is not None
    again = kept.answer(second)
    assert again.body == written.body.replace(first.decision_id.encode(), second.decision_id.encode())
    assert again.fields == written.fields.replace(first.decision_id.encode(), second.decision_id.encode())
    assert (again.status, kept.reason, kept.missing) == (403, "missing_scope", (("calls:read",),))


@pytest.mark.parametrize("why", ["no knowledge", "a resource", "a moment", "no operation"])
def test_a_refusal_that_tells_of_one_request_is_not_kept(why: str) -> None:
    one = ruling("/records" if why == "a resource" else "/calls", known=why != "no knowledge")
    if why == "no operation":
        one.match = None
    refusal_answer(one, denial(one, recheck_at=5.0 if why == "a moment" else 0.0), policy=False)
    assert kept_refusal(one) is None
    assert one.knowledge is None or not one.knowledge.memo


def test_what_else_is_remembered_is_no_refusal() -> None:
    one = ruling()
    assert one.knowledge is not None
    assert one.match is not None
    one.knowledge.memo["GET", one.match.operation] = object()
    assert kept_refusal(one) is None
    assert not isinstance(one.knowledge.memo["GET", one.match.operation], KeptRefusal)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ((("A", "b:c"),), ', scope="A b:c"'),
        ((("*",),), ""),
        ((("operation:x",),), ""),
        (((),), ""),
        ((), ""),
        ((("",),), ""),
        ((('a"b', "back\\slash", "a b", "caf\xe9", "fine"),), ', scope="fine"'),
    ],
)
def test_a_challenge_names_only_what_is_a_scope(missing: tuple[tuple[str, ...], ...], named: str) -> None:
    one = Denial(Reason.MISSING_SCOPE, "GET", Target("/", None), None, missing)
    assert challenge("acme", one) == f'WWW-Authenticate: Bearer realm="acme", error="insufficient_scope"{named}\r\n'


@pytest.mark.parametrize(("fault", "retry"), [(errors.BUSY, "1"), (errors.MALFORMED, None)])
def test_a_fault_is_a_problem_document(fault: errors.Fault, retry: str | None) -> None:
    one = Ruling("01J", 0.0, "", None)
    answer = problem_answer(one, fault)
    body = json.loads(answer.body)
    assert (body["reason"], body["status"], body["decision_id"]) == (fault.reason, fault.status, "01J")
    fields = lines(answer)
    assert (fields["Content-Type"], fields["Scopegate-Reason"], fields.get("Retry-After")) == (
        "application/problem+json",
        fault.reason,
        retry,
    )
    assert (answer.status, answer.close) == (fault.status, fault.close)
