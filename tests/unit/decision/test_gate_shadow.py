"""Denials that are forwarded although the mode is enforce: operations put back to shadow, and samples."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from proxy.credentials import Secret
from proxy.decision.ruling import Ruling
from proxy.model import Lack, Mode
from proxy.vendors.facts import Lacks
from tests.gates import FINGERPRINTER, House, MountPlan, client, make_head, plans

LOG = "/rc/restapi/v1.0/account/~/call-log"
RECORDING = "/rc/restapi/v1.0/account/~/recording/1"
TOKEN = "the-token"


@dataclass
class Turns:
    """A sample that takes every second denial."""

    asked: int = 0

    def take(self) -> bool:
        self.asked += 1
        return self.asked % 2 == 0


def told(ruling: Ruling) -> tuple[str, str, bool]:
    return ruling.decision, ruling.mode, ruling.answer is not None


DENIED, FORWARDED, SAMPLED = ("deny", "enforce", True), ("would-deny", "shadow", False), ("would-deny", "enforce", False)


def house_with(demoted: set[str] | None = None, sample: Turns | None = None, mode: Mode = Mode.ENFORCE) -> House:
    found = plans(mode=mode)
    for plan in found:
        _prepare(plan, demoted, sample)
    house = House(found)
    house.hold(TOKEN)
    return house


def _prepare(plan: MountPlan, demoted: set[str] | None, sample: Turns | None) -> None:
    plan.demoted = demoted if demoted is not None else set()
    plan.sample = sample


def test_denials_of_an_operation_in_shadow_are_forwarded_and_no_others() -> None:
    house = house_with({"readCallLog"})
    assert told(house.ask("GET", LOG, token=TOKEN)) == FORWARDED
    assert told(house.ask("GET", RECORDING, token=TOKEN)) == DENIED
    assert house.ask("GET", LOG, token=TOKEN).reason == "missing_scope"


def test_permits_of_an_operation_in_shadow_stay_permits() -> None:
    house = house_with({"readCallLog"})
    house.hold(TOKEN, "ReadCallLog")
    assert told(house.ask("GET", LOG, token=TOKEN)) == ("permit", "enforce", False)


def test_policy_is_enforced_on_an_operation_in_shadow() -> None:
    found = plans()
    for plan in found:
        plan.demoted = {"readCallLog"}
    house = House(found, [client("app")])
    house.hold(TOKEN)
    ruling = house.ask("GET", LOG, token=TOKEN)
    assert (told(ruling), ruling.reason) == (DENIED, "policy_not_allowed")


def test_going_to_shadow_and_back_counts_at_once_for_requests_that_repeat() -> None:
    demoted: set[str] = set()
    house = house_with(demoted)
    head = make_head(TOKEN)
    head.repeats = True
    asked = []
    for change in ("", "", "down", "", "up", "", ""):
        demoted |= {"readCallLog"} if change == "down" else set()
        demoted -= {"readCallLog"} if change == "up" else set()
        asked.append(told(house.ask("GET", LOG, head)))
    assert asked == [DENIED, DENIED, FORWARDED, FORWARDED, DENIED, DENIED, DENIED]


def test_a_sample_of_denials_is_sent_through_also_of_those_that_repeat() -> None:
    house = house_with(sample=Turns())
    head = make_head(TOKEN)
    head.repeats = True
    assert [told(house.ask("GET", LOG, head)) for _ in range(4)] == [DENIED, SAMPLED, DENIED, SAMPLED]


@pytest.mark.parametrize(("method", "target"), [("DELETE", LOG), ("POST", LOG + "?_method=GET"), ("POST", LOG + "?_method=DELETE")])
def test_only_what_is_safe_is_sampled(method: str, target: str) -> None:
    sample = Turns()
    house = house_with(sample=sample)
    assert [told(house.ask(method, target, token=TOKEN)) for _ in range(3)] == [DENIED] * 3
    assert sample.asked == 0


def test_nothing_but_denials_that_are_enforced_is_sampled() -> None:
    sample = Turns()
    house = house_with(sample=sample, mode=Mode.SHADOW)
    house.ask("GET", LOG, token=TOKEN)
    house = house_with({"readCallLog"}, sample=sample)
    house.ask("GET", LOG, token=TOKEN)
    house.hold(TOKEN, "ReadCallLog")
    house.ask("GET", LOG, token=TOKEN)
    assert sample.asked == 0


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.ENFORCE])
def test_what_is_forwarded_anyway_takes_no_recheck(mode: Mode) -> None:
    house = house_with({"call-detail-records"}, mode=mode)
    lack = Lacks(Lack("CDR", frozenset({"pbx:acme"})), changeable=True)
    house.learners["8x8"].apply(lack, FINGERPRINTER("8x8", Secret(TOKEN)), house.clock.moment())
    house.clock.moved += 60.0
    records = "/8x8/analytics/v2/call-records?pbxId=acme"
    assert [told(house.ask("GET", records, token=TOKEN)) for _ in range(2)] == [FORWARDED, FORWARDED]
