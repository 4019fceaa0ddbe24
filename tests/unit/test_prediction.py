from __future__ import annotations

import pytest

from proxy.model import (
    NO_RESOURCES,
    NOTHING_KNOWN,
    AnyToken,
    Auth,
    Deny,
    Grants,
    Holding,
    Indeterminate,
    Lack,
    Named,
    NotApplicable,
    NotKnown,
    OneOf,
    Operation,
    Permit,
    Requirement,
    Resources,
    Unbounded,
)
from proxy.prediction import WHOLE_RESOURCE, holding, predict

NORTH, SOUTH = "pbx:north", "pbx:south"
ON_NORTH = Named(frozenset({NORTH}))
ON_BOTH = Named(frozenset({NORTH, SOUTH}))
INCLUDES = {"ReadCallLog": frozenset({"ReadCallRecording"})}
RECORDING = OneOf((("ReadCallLog", "ReadCallRecording"),))
PERMISSIONS = OneOf((("users:read",), ("users:write",), ("self:read",)))


def operation(requirement: Requirement, partial: frozenset[str] = frozenset(), auth: Auth = Auth.BEARER) -> Operation:
    return Operation("vendor", "op", "GET", "/route", requirement, auth, partial=partial)


def whole(*scopes: str) -> Grants:
    return Grants(frozenset(scopes), complete=True)


def some(*scopes: str) -> Grants:
    return Grants(frozenset(scopes))


def test_no_operation_is_not_applicable() -> None:
    assert predict(None, whole()) == NotApplicable()


@pytest.mark.parametrize("auth", [Auth.CLIENT, Auth.NONE])
def test_an_operation_that_takes_no_token_is_permitted(auth: Auth) -> None:
    login = operation(RECORDING, auth=auth)
    assert predict(login, whole()) == Permit(login)


def test_any_token_will_do_where_the_vendor_says_so() -> None:
    anything = operation(AnyToken())
    assert predict(anything, whole()) == Permit(anything)


def test_every_scope_of_an_alternative_must_be_held() -> None:
    recording = operation(RECORDING)
    assert predict(recording, whole("ReadCallLog", "ReadCallRecording")) == Permit(recording)
    assert predict(recording, whole("ReadCallRecording")) == Deny(recording, (("ReadCallLog",),))
    assert predict(recording, whole()) == Deny(recording, (("ReadCallLog", "ReadCallRecording"),))


def test_one_alternative_is_enough() -> None:
    permissions = operation(PERMISSIONS)
    assert predict(permissions, whole("self:read")) == Permit(permissions)
    assert predict(permissions, whole("calls:read")) == Deny(permissions, (("users:read",), ("users:write",), ("self:read",)))


def test_what_is_missing_is_told_shortest_first_and_else_in_the_order_of_the_documentation() -> None:
    many = operation(OneOf((("A", "B", "C"), ("D", "E"), ("F", "G"))))
    assert predict(many, whole("B")) == Deny(many, (("A", "C"), ("D", "E"), ("F", "G")))
    assert predict(many, whole("F")) == Deny(many, (("G",), ("D", "E"), ("A", "B", "C")))


def test_only_what_is_certainly_lacking_is_called_missing() -> None:
    recording = operation(RECORDING)
    refused = Grants(lacking=frozenset({Lack("ReadCallRecording")}))
    assert predict(recording, refused) == Deny(recording, (("ReadCallRecording",),))


def test_nothing_known_is_doubt() -> None:
    recording = operation(RECORDING)
    assert predict(recording, NOTHING_KNOWN) == Indeterminate(recording, "not all of the token's scopes are known")
    assert predict(recording, some("ReadCallLog")) == Indeterminate(recording, "not all of the token's scopes are known")


def test_an_alternative_in_doubt_is_enough_for_doubt() -> None:
    either = operation(OneOf((("A",), ("B",))))
    assert isinstance(predict(either, Grants(lacking=frozenset({Lack("A")}))), Indeterminate)


def test_an_implied_scope_is_presumed() -> None:
    recording = operation(RECORDING)
    assert predict(recording, whole("ReadCallRecording"), implied_by=INCLUDES) == Permit(recording, presumed=True)


def test_a_certain_alternative_outweighs_a_presumed_one() -> None:
    either = operation(OneOf((("ReadCallLog",), ("ReadCallRecording",))))
    assert predict(either, whole("ReadCallRecording"), implied_by=INCLUDES) == Permit(either)


def test_a_presumption_ends_when_the_vendor_says_otherwise() -> None:
    recording = operation(RECORDING)
    struck_off = Grants(frozenset({"ReadCallRecording"}), complete=True, lacking=frozenset({Lack("ReadCallLog")}))
    assert predict(recording, struck_off, implied_by=INCLUDES) == Deny(recording, (("ReadCallLog",),))


def test_a_scope_that_the_vendor_refused_implies_nothing() -> None:
    refused = Grants(frozenset({"ReadCallRecording"}), complete=True, lacking=frozenset({Lack("ReadCallRecording")}))
    assert holding("ReadCallLog", refused, implied_by=INCLUDES) is Holding.LACKING


def test_a_scope_that_opens_only_part_settles_nothing_but_its_lack_does() -> None:
    partly = operation(PERMISSIONS, partial=frozenset({"self:read"}))
    assert isinstance(predict(partly, whole("self:read")), Indeterminate)
    assert predict(partly, whole("users:read", "self:read")) == Permit(partly)
    assert isinstance(predict(partly, whole()), Deny)


# --- resources -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "resources", "expected"),
    [
        (Grants(bound=frozenset({("CDR", NORTH)})), ON_NORTH, Holding.HELD),
        (Grants(bound=frozenset({("CDR", NORTH)})), ON_BOTH, Holding.UNKNOWN),
        (Grants(bound=frozenset({("CDR", NORTH), ("CDR", SOUTH)})), ON_BOTH, Holding.HELD),
        (Grants(bound=frozenset({("CDR", NORTH)})), NO_RESOURCES, Holding.UNKNOWN),
        (Grants(bound=frozenset({("CDR", NORTH), ("CDR", SOUTH)})), Unbounded(), Holding.UNKNOWN),
        (Grants(bound=frozenset({("CDR", NORTH)}), complete_for=frozenset({NORTH})), ON_BOTH, Holding.UNKNOWN),
        (Grants(bound=frozenset({("CDR", NORTH)}), complete_for=frozenset({SOUTH})), ON_BOTH, Holding.LACKING),
        (Grants(complete_for=frozenset({NORTH})), ON_NORTH, Holding.LACKING),
        (Grants(complete_for=frozenset({NORTH})), NO_RESOURCES, Holding.UNKNOWN),
        (Grants(complete_for=frozenset({NORTH})), Unbounded(), Holding.UNKNOWN),
        (Grants(frozenset({"CDR"}), complete_for=frozenset({NORTH})), ON_NORTH, Holding.HELD),
        (Grants(frozenset({"CDR"})), Unbounded(), Holding.HELD),
        (whole(), Unbounded(), Holding.LACKING),
        (whole(), ON_NORTH, Holding.LACKING),
    ],
)
def test_a_right_is_read_place_by_place(grants: Grants, resources: Resources, expected: Holding) -> None:
    assert holding("CDR", grants, resources) is expected


@pytest.mark.parametrize("resources", [Named(frozenset({SOUTH})), ON_BOTH, NO_RESOURCES, Unbounded()])
def test_a_complete_list_of_scopes_is_silent_about_where_a_bound_scope_holds(resources: Resources) -> None:
    grants = Grants(bound=frozenset({("CDR", NORTH)}), complete=True)
    assert holding("CDR", grants, resources) is Holding.UNKNOWN
    assert holding("Chat", grants, resources) is Holding.LACKING


@pytest.mark.parametrize(
    ("lack", "resources", "expected"),
    [
        (Lack("CDR"), NO_RESOURCES, Holding.LACKING),
        (Lack("CDR"), ON_NORTH, Holding.LACKING),
        (Lack("CDR"), Unbounded(), Holding.LACKING),
        (Lack("CDR", ON_NORTH.resources), ON_NORTH, Holding.LACKING),
        (Lack("CDR", ON_NORTH.resources), ON_BOTH, Holding.LACKING),
        (Lack("CDR", ON_NORTH.resources), Named(frozenset({SOUTH})), Holding.HELD),
        (Lack("CDR", ON_NORTH.resources), NO_RESOURCES, Holding.HELD),
        (Lack("CDR", ON_NORTH.resources), Unbounded(), Holding.UNKNOWN),
        (Lack("CDR", ON_BOTH.resources), ON_BOTH, Holding.LACKING),
        (Lack("CDR", ON_BOTH.resources), ON_NORTH, Holding.HELD),
        (Lack("Chat", ON_NORTH.resources), Unbounded(), Holding.HELD),
        (Lack("Chat"), ON_NORTH, Holding.HELD),
        (Lack(WHOLE_RESOURCE, ON_NORTH.resources), ON_NORTH, Holding.LACKING),
        (Lack(WHOLE_RESOURCE, ON_NORTH.resources), Unbounded(), Holding.UNKNOWN),
    ],
)
def test_a_lack_outranks_a_right_where_it_was_proved(lack: Lack, resources: Resources, expected: Holding) -> None:
    assert holding("CDR", Grants(frozenset({"CDR"}), lacking=frozenset({lack})), resources) is expected


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (Grants(bound=frozenset({("Admin", NORTH)}), complete_for=ON_BOTH.resources), Holding.LACKING),
        (Grants(bound=frozenset({("Admin", NORTH), ("Admin", SOUTH)}), complete_for=ON_BOTH.resources), Holding.PRESUMED),
        (Grants(bound=frozenset({("Admin", NORTH), ("CDR", SOUTH)}), complete_for=ON_BOTH.resources), Holding.PRESUMED),
        (Grants(bound=frozenset({("Admin", NORTH)}), complete=True), Holding.UNKNOWN),
        (Grants(frozenset({"Admin"}), complete_for=ON_BOTH.resources), Holding.PRESUMED),
        (Grants(frozenset({"Admin"}), complete=True, lacking=frozenset({Lack("Admin", ON_NORTH.resources)})), Holding.LACKING),
        (Grants(frozenset({"Admin"}), lacking=frozenset({Lack("Admin", ON_NORTH.resources)})), Holding.UNKNOWN),
    ],
)
def test_a_bound_scope_implies_where_it_is_bound(grants: Grants, expected: Holding) -> None:
    assert holding("CDR", grants, ON_BOTH, {"CDR": frozenset({"Admin"})}) is expected


def test_a_denial_names_the_resources_of_the_request() -> None:
    records = operation(OneOf((("CDR",),)))
    assert predict(records, whole(), ON_BOTH) == Deny(records, (("CDR",),), ON_BOTH.resources)
    assert predict(records, whole(), Unbounded()) == Deny(records, (("CDR",),), frozenset())


def test_a_request_that_does_not_name_its_resources_is_doubtful_for_that_reason() -> None:
    records = operation(OneOf((("CDR",),)))
    assert predict(records, NOTHING_KNOWN, Unbounded()) == Indeterminate(records, "the request concerns resources that it does not name")
    assert predict(records, NOTHING_KNOWN, ON_NORTH) == Indeterminate(records, "not all of the token's scopes are known")


# --- requirements that are not known -------------------------------------------------------------------

LEARNED = "operation:op"


def test_an_unknown_requirement_is_doubt_even_for_a_token_known_whole() -> None:
    legs = operation(NotKnown())
    why = "the catalogue does not know what this operation requires"
    assert predict(legs, whole("CDR")) == Indeterminate(legs, why)
    assert predict(legs, Grants(complete_for=ON_NORTH.resources), ON_NORTH) == Indeterminate(legs, why)


def test_an_operation_that_once_worked_is_permitted_where_it_worked() -> None:
    legs = operation(NotKnown())
    assert predict(legs, some(LEARNED)) == Permit(legs)
    worked_on_north = Grants(bound=frozenset({(LEARNED, NORTH)}))
    assert predict(legs, worked_on_north, ON_NORTH) == Permit(legs)
    assert isinstance(predict(legs, worked_on_north, ON_BOTH), Indeterminate)
    assert isinstance(predict(legs, worked_on_north, Unbounded()), Indeterminate)


def test_an_operation_that_was_refused_is_denied_where_it_was_refused() -> None:
    legs = operation(NotKnown())
    refused = Grants(frozenset({LEARNED}), lacking=frozenset({Lack(LEARNED, ON_NORTH.resources)}))
    assert predict(legs, refused, ON_NORTH) == Deny(legs, ((LEARNED,),), ON_NORTH.resources)
    assert predict(legs, refused, Named(frozenset({SOUTH}))) == Permit(legs)
    assert isinstance(predict(legs, refused, Unbounded()), Indeterminate)


def test_no_access_to_a_resource_at_all_denies_operations_whose_requirement_is_not_known() -> None:
    legs = operation(NotKnown())
    locked_out = Grants(lacking=frozenset({Lack(WHOLE_RESOURCE, ON_NORTH.resources)}))
    assert predict(legs, locked_out, ON_NORTH) == Deny(legs, ((LEARNED,),), ON_NORTH.resources)


@pytest.mark.parametrize(
    ("grants", "resources"),
    [
        (Grants(frozenset({LEARNED}), complete=True), NO_RESOURCES),
        (Grants(bound=frozenset({(LEARNED, NORTH)}), complete_for=ON_NORTH.resources), ON_NORTH),
    ],
)
def test_an_operation_that_worked_against_the_catalogue_is_not_denied_twice(grants: Grants, resources: Resources) -> None:
    records = operation(OneOf((("CDR",), ("Admin",))))
    assert predict(records, grants, resources) == Permit(records)


@pytest.mark.parametrize("held", ["ReadCallLog", "ReadCallRecording"])
def test_what_is_lacking_somewhere_is_in_doubt_everywhere_also_where_it_is_only_implied(held: str) -> None:
    refused = Grants(frozenset({held}), lacking=frozenset({Lack("ReadCallLog", ON_NORTH.resources)}))
    assert holding("ReadCallLog", refused, Unbounded(), INCLUDES) is Holding.UNKNOWN
