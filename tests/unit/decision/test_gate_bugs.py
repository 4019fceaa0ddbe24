"""A bug in a vendor's module: prediction fails open and is counted, policy fails closed, and the request is recorded all the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxy.catalogs.catalog import Match
from proxy.credentials import Secret
from proxy.decision.ruling import Ruling
from proxy.identity.clients import Client
from proxy.model import Mode, Named, OnUnknown, RefusalTemplate, Resources, TokenPlace, Unbounded
from proxy.policy.allowance import Allowance, AllowRule
from proxy.policy.rules import Rules
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import Actual, Decision, Outcome, ResponseKind
from proxy.vendors.eightbyeight import EightByEight
from proxy.vendors.facts import Fact, Issued
from proxy.vendors.refusals import BadRequest, Denial, Refusal
from proxy.vendors.ringcentral import RingCentral
from proxy.vendors.seen import NO_WATCH, Seen, Verdict, Watch
from tests.gates import (
    House,
    MountPlan,
    client,
    eightbyeight_catalog,
    fields_of,
    refusal_of_8x8,
    refusal_of_ringcentral,
    ringcentral_catalog,
)

LOG = "/rc/restapi/v1.0/account/~/call-log"
RECORDS = "/8x8/analytics/v2/call-records?pbxId=north"
TOKEN = "the-token"


class VendorBugError(Exception):
    """What a faulty vendor module raises."""


class Faulty(RingCentral):
    """RingCentral with a bug in one place."""

    broken = ""

    def _trip(self, place: str) -> None:
        if place == self.broken:
            raise VendorBugError(place)

    def token_place(self) -> TokenPlace:
        self._trip("token_place")
        return super().token_place()

    def effective_method(self, method: str, target: Target, headers: Mapping[str, bytes]) -> str | BadRequest:
        self._trip("effective_method")
        return super().effective_method(method, target, headers)

    def resources(self, match: Match | None, target: Target) -> Resources:
        self._trip("resources")
        return super().resources(match, target)

    def watch(self, method: str, target: Target, match: Match | None) -> Watch:
        self._trip("watch")
        return super().watch(method, target, match)

    def watch_answer(self, status: int, match: Match | None) -> bool:
        self._trip("watch_answer")
        return super().watch_answer(status, match)

    def knowledge_in_token(self, token: Secret) -> Issued | None:
        self._trip("knowledge_in_token")
        return super().knowledge_in_token(token)

    def classify(self, seen: Seen) -> Verdict:
        self._trip("classify")
        return super().classify(seen)

    def learn(self, seen: Seen) -> tuple[Fact, ...]:
        self._trip("learn")
        return super().learn(seen)

    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:
        self._trip("write_refusal")
        return super().write_refusal(denial, shape)

    def write_policy_refusal(self, denial: Denial) -> Refusal:
        self._trip("write_policy_refusal")
        return super().write_policy_refusal(denial)

    def shape_variant(self, denial: Denial) -> str:
        self._trip("shape_variant")
        return super().shape_variant(denial)

    def remediation(self, denial: Denial) -> tuple[str, ...]:
        self._trip("remediation")
        return super().remediation(denial)


class FaultyResources(EightByEight):
    """8x8 with a bug in finding out which PBXs are meant."""

    def resources(self, match: Match | None, target: Target) -> Resources:
        raise VendorBugError("resources")


class BrokenRoutes(dict[str, object]):
    """Routes that cannot be looked up."""

    def get(self, key: str, default: object = None) -> object:
        raise VendorBugError("find")


def house_with(broken: str, rules: Rules | None = None, mode: Mode = Mode.ENFORCE, clients: tuple[Client, ...] = ()) -> House:
    vendor = Faulty("rc", ringcentral_catalog())
    vendor.broken = broken
    if broken == "find":
        vendor.catalog._root.literals = BrokenRoutes()  # type: ignore[assignment]
    return House([MountPlan(vendor, "/rc", mode=mode, rules=rules or Rules())], clients)


def told(ruling: Ruling) -> tuple[Decision, Outcome]:
    return ruling.decision, ruling.outcome


def assert_counted(house: House) -> None:
    assert house.bugs
    assert all(isinstance(bug, VendorBugError) for bug in house.bugs)


@pytest.mark.parametrize(
    ("broken", "decision"),
    [
        ("effective_method", Decision.NOT_APPLICABLE),
        ("find", Decision.NOT_APPLICABLE),
        ("token_place", Decision.INDETERMINATE),
        ("write_refusal", Decision.INDETERMINATE),
        ("shape_variant", Decision.INDETERMINATE),
        ("remediation", Decision.INDETERMINATE),
    ],
)
def test_a_denial_that_met_a_bug_is_forwarded(broken: str, decision: Decision) -> None:
    house = house_with(broken)
    house.hold(TOKEN)
    for _ in range(2):
        ruling = house.ask("GET", LOG, token=TOKEN)
        assert ruling.answer is None
        assert told(ruling) == (decision, Outcome.FORWARDED)
        assert (ruling.fault, ruling.reason, ruling.missing) == ("prediction_error", "", ())
    assert_counted(house)
    exchange = house.close(ruling)
    assert (exchange.fault, exchange.outcome, exchange.actual) == ("prediction_error", Outcome.FORWARDED, Actual.ACCEPTED)


def test_a_bug_in_resources_is_forwarded() -> None:
    house = house_with("resources")
    house.hold(TOKEN)
    assert house.ask("GET", LOG, token=TOKEN).answer is not None  # nothing to find out for this operation
    ruling = house.ask("GET", "/rc/restapi/v1.0/extension/1", token=TOKEN)
    assert (told(ruling), ruling.fault) == ((Decision.INDETERMINATE, Outcome.FORWARDED), "prediction_error")
    assert_counted(house)


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.SHADOW, Mode.OFF])
def test_resources_stay_open_after_a_bug_so_that_no_success_is_taken_for_all_of_them(mode: Mode) -> None:
    house = House([MountPlan(FaultyResources("8x8", eightbyeight_catalog()), "/8x8", mode=mode)])
    ruling = house.ask("GET", RECORDS, token=TOKEN)
    assert ruling.resources == Unbounded()
    house.close(ruling)
    assert list(house.stores["8x8"].items()) == []
    assert_counted(house)


def test_a_bug_in_reading_the_token_counts_as_not_knowing() -> None:
    house = house_with("knowledge_in_token")
    ruling = house.ask("GET", LOG, token=TOKEN)
    assert told(ruling) == (Decision.INDETERMINATE, Outcome.FORWARDED)
    assert ruling.fingerprint is not None
    assert_counted(house)


def test_a_bug_in_watch_costs_only_what_would_have_been_learned() -> None:
    house = house_with("watch")
    house.hold(TOKEN)
    for _ in range(2):
        denied = house.ask("GET", LOG, token=TOKEN)
        assert told(denied) == (Decision.DENY, Outcome.DENIED)
        login = house.ask("POST", "/rc/restapi/oauth/token")
        assert (login.answer, login.watch) == (None, NO_WATCH)
        overridden = house.ask("POST", LOG + "?_method=DELETE", token=TOKEN)
        assert told(overridden) == (Decision.DENY, Outcome.DENIED)
        assert house.close(denied, 403, "proxy").memo is None  # the recorders must not take it for one without a fault
    assert len(house.bugs) == 8  # an overridden request is looked up under both methods
    assert_counted(house)


@pytest.mark.parametrize("broken", ["effective_method", "find", "watch", "token_place", "knowledge_in_token"])
def test_policy_decides_in_spite_of_a_bug(broken: str) -> None:
    strict = Rules(OnUnknown.DENY, OnUnknown.DENY)
    for house in (house_with(broken, strict), house_with(broken, clients=(client("app"),))):
        ruling = house.ask("GET", LOG, token=TOKEN)
        assert told(ruling) == (Decision.DENY, Outcome.DENIED)
        assert fields_of(ruling)["Scopegate-Reason"] in {"policy_not_allowed", "unknown_operation", "unknown_token"}
        assert_counted(house)


@pytest.mark.parametrize(("methods", "decision"), [(None, Decision.NOT_APPLICABLE), (frozenset({"POST"}), Decision.DENY)])
def test_rules_about_methods_are_not_met_by_a_method_that_could_not_be_read(methods: frozenset[str] | None, decision: Decision) -> None:
    allowance = Allowance("app", "rc", [AllowRule(methods=methods)], ringcentral_catalog(), {})
    house = house_with("effective_method", Rules(allowances={"app": allowance}), clients=(client("app"),))
    ruling = house.ask("POST", LOG + "?_method=DELETE", token=TOKEN, key="key-of-app")
    assert ruling.decision is decision
    assert_counted(house)


def test_a_policy_refusal_that_cannot_be_written_is_still_no_yes() -> None:
    house = house_with("write_policy_refusal", clients=(client("app"),))
    ruling = house.ask("GET", LOG, token=TOKEN)
    assert (ruling.outcome, ruling.fault) == (Outcome.INTERNAL_ERROR, "internal_error")
    assert ruling.answer is not None
    assert ruling.answer.status == 500
    assert_counted(house)


class BrokenRules:
    """Rules that cannot be asked."""

    @property
    def allowances(self) -> OnUnknown:
        raise VendorBugError("rules")


def test_policy_that_cannot_be_asked_refuses() -> None:
    house = house_with("", rules=BrokenRules())  # type: ignore[arg-type]
    ruling = house.ask("GET", "/rc/no/such", token=TOKEN)
    assert (ruling.outcome, ruling.fault) == (Outcome.INTERNAL_ERROR, "internal_error")
    assert_counted(house)


def test_an_unknown_operation_met_by_a_bug_is_not_applicable() -> None:
    house = house_with("effective_method")
    ruling = house.ask("POST", LOG + "?_method=DELETE", token=TOKEN)
    assert (ruling.decision, ruling.match, ruling.effective_method, ruling.resources) == (
        Decision.NOT_APPLICABLE,
        None,
        "POST",
        Unbounded(),
    )


# --- after the answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("broken", "kind"), [("classify", ResponseKind.OTHER_4XX), ("learn", ResponseKind.PERMISSION)])
def test_a_bug_while_learning_teaches_nothing_and_is_recorded(broken: str, kind: ResponseKind) -> None:
    house = house_with(broken)
    exchange = house.close(house.ask("GET", LOG, token=TOKEN), 403, response_body=refusal_of_ringcentral("ReadCallLog"))
    assert (exchange.fault, exchange.response_kind, exchange.outcome) == ("learning_error", kind, Outcome.FORWARDED)
    assert list(house.stores["rc"].items()) == []
    assert_counted(house)


def test_a_bug_in_choosing_what_to_read_reads_nothing() -> None:
    house = house_with("watch_answer")
    assert not house.closer.reads_answer(house.ask("GET", LOG, token=TOKEN), 403)
    assert_counted(house)


def test_without_a_bug_nothing_is_counted() -> None:
    house = house_with("")
    assert house.close(house.ask("GET", LOG, token=TOKEN), 403, response_body=refusal_of_ringcentral("ReadCallLog")).fault == ""
    assert house.ask("GET", LOG, token=TOKEN).answer is not None
    assert house.bugs == []


def test_a_refusal_seen_while_off_teaches_about_its_own_resources_only() -> None:
    house = House([MountPlan(EightByEight("8x8", eightbyeight_catalog()), "/8x8", mode=Mode.OFF)])
    house.close(house.ask("GET", RECORDS, token=TOKEN), 400, response_body=refusal_of_8x8("north"))
    ((_, knowledge),) = house.stores["8x8"].items()
    (lack,) = knowledge.grants.lacking
    assert Named(lack.resources) == Named(frozenset({"pbx:north"}))
