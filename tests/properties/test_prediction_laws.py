"""Laws of `predict`: only certainty denies, and knowledge never turns against its holder."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.catalogs.catalog import implied_by
from proxy.model import (
    NO_RESOURCES,
    NOTHING_KNOWN,
    AnyToken,
    Auth,
    Deny,
    Grants,
    Indeterminate,
    Lack,
    Named,
    NotApplicable,
    NotKnown,
    Operation,
    Permit,
    Prediction,
    Resources,
    ScopeInfo,
    Unbounded,
)
from proxy.prediction import WHOLE_RESOURCE, holding, predict
from tests import strategies as some

Implications = dict[str, frozenset[str]]


def certain_permit(prediction: Prediction) -> bool:
    return isinstance(prediction, Permit) and not prediction.presumed


@given(some.operations(), some.grants, some.resources, some.no_or_some_implications, some.scope_sets, some.pair_sets)
def test_more_scopes_never_turn_permit_into_deny(
    operation: Operation,
    grants: Grants,
    resources: Resources,
    implied_by: Implications,
    more_scopes: frozenset[str],
    more_bound: frozenset[tuple[str, str]],
) -> None:
    more = replace(grants, scopes=grants.scopes | more_scopes, bound=grants.bound | more_bound)
    before, after = predict(operation, grants, resources, implied_by), predict(operation, more, resources, implied_by)
    if not isinstance(before, Deny):
        assert not isinstance(after, Deny)
    if certain_permit(before):
        assert certain_permit(after)
    if isinstance(before, Permit):
        assert isinstance(after, Permit)


def granted(grants: Grants, scopes: frozenset[str], resources: frozenset[str]) -> Grants:
    """Grant scopes on resources, and take back every lack that says otherwise."""
    kept = frozenset(lack for lack in grants.lacking if not (lack.scope in scopes | {WHOLE_RESOURCE} and lack.resources <= resources))
    if not resources:
        return replace(grants, scopes=grants.scopes | scopes, lacking=kept)
    pairs = frozenset((scope, name) for scope in scopes for name in resources)
    return replace(grants, bound=grants.bound | pairs, lacking=kept)


@given(some.operations(some.one_of()), some.denying_grants, st.just(NO_RESOURCES) | some.named, some.no_or_some_implications, st.data())
def test_granting_what_a_denial_names_ends_it(
    operation: Operation, grants: Grants, resources: Resources, implied_by: Implications, data: st.DataObject
) -> None:
    denial = predict(operation, grants, resources, implied_by)
    assume(isinstance(denial, Deny))
    assert isinstance(denial, Deny)
    missing = data.draw(st.sampled_from(denial.missing))
    after = predict(operation, granted(grants, frozenset(missing), denial.resources), resources, implied_by)
    assert isinstance(after, Permit | Indeterminate)
    if is_settled(grants, denial.resources) and not operation.partial:
        assert isinstance(after, Permit)


def is_settled(grants: Grants, resources: frozenset[str]) -> bool:
    """Say whether the knowledge leaves nothing open about a request for these resources."""
    if any(lack.scope == WHOLE_RESOURCE for lack in grants.lacking):
        return False
    return resources <= grants.complete_for if resources else grants.complete and not grants.bound


@given(some.operations(), some.partial_grants, some.resources, some.scope_sets, some.pair_sets, some.place_sets, st.booleans())
def test_partial_knowledge_never_contradicts_complete_knowledge(
    operation: Operation,
    partial: Grants,
    resources: Resources,
    more_scopes: frozenset[str],
    more_bound: frozenset[tuple[str, str]],
    complete_for: frozenset[str],
    complete: bool,
) -> None:
    whole = Grants(partial.scopes | more_scopes, partial.bound | more_bound, complete, complete_for)
    before, after = predict(operation, partial, resources), predict(operation, whole, resources)
    if certain_permit(before) or isinstance(before, Deny):
        assert before == after


@given(some.operations(some.one_of()), some.scope_sets, some.scope_sets, some.implications)
def test_a_token_known_whole_is_judged_alike_however_it_was_learned(
    operation: Operation, first: frozenset[str], rest: frozenset[str], implied_by: Implications
) -> None:
    partial = predict(operation, Grants(first), NO_RESOURCES, implied_by)
    whole = predict(operation, Grants(first | rest, complete=True), NO_RESOURCES, implied_by)
    assert not isinstance(partial, Deny)
    if isinstance(partial, Permit):
        assert isinstance(whole, Permit)


@given(some.operations(), some.grants, some.resources, some.scope_infos, some.scope_infos)
def test_adding_implications_never_turns_permit_or_doubt_into_deny(
    operation: Operation, grants: Grants, resources: Resources, few: dict[str, ScopeInfo], more: dict[str, ScopeInfo]
) -> None:
    merged = {
        name: ScopeInfo(name, implies=frozenset().union(*(infos[name].implies for infos in (few, more) if name in infos)))
        for name in {*few, *more}
    }
    before = predict(operation, grants, resources, implied_by(few))
    after = predict(operation, grants, resources, implied_by(merged))
    if not isinstance(before, Deny):
        assert not isinstance(after, Deny)
    if certain_permit(before):
        assert certain_permit(after)


@given(some.operations(), some.grants, some.resources, some.no_or_some_implications)
def test_deny_only_if_every_alternative_certainly_lacks_a_scope(
    operation: Operation, grants: Grants, resources: Resources, implied_by: Implications
) -> None:
    prediction = predict(operation, grants, resources, implied_by)
    if not isinstance(prediction, Deny) or not operation.alternatives():
        return
    assert len(prediction.missing) == len(operation.alternatives())
    assert all(prediction.missing)
    assert list(prediction.missing) == sorted(prediction.missing, key=len)
    for missing in prediction.missing:
        assert all(holding(scope, grants, resources, implied_by) == "lacking" for scope in missing)
    for alternative in operation.alternatives():
        assert any(set(missing) <= set(alternative) for missing in prediction.missing)


@given(some.operations(), some.grants, some.resources, some.auths_without_a_token)
def test_an_operation_without_a_token_is_never_denied(operation: Operation, grants: Grants, resources: Resources, auth: Auth) -> None:
    without = replace(operation, auth=auth)
    assert predict(without, grants, resources) == Permit(without)


@given(some.operations(st.just(AnyToken())), some.grants, some.resources)
def test_an_operation_for_any_token_is_never_denied(operation: Operation, grants: Grants, resources: Resources) -> None:
    assert predict(operation, grants, resources) == Permit(operation)


@given(some.grants, some.resources, some.no_or_some_implications)
def test_an_unknown_operation_is_not_applicable(grants: Grants, resources: Resources, implied_by: Implications) -> None:
    assert predict(None, grants, resources, implied_by) == NotApplicable()


@given(some.operations(), some.grants, some.no_or_some_implications)
def test_knowledge_bound_to_resources_never_denies_a_request_that_names_none(
    operation: Operation, grants: Grants, implied_by: Implications
) -> None:
    bound = replace(grants, complete=False, lacking=frozenset(lack for lack in grants.lacking if lack.resources))
    assert not isinstance(predict(operation, bound, Unbounded(), implied_by), Deny)


@given(some.operations(), some.resources, some.no_or_some_implications)
def test_nothing_known_never_denies(operation: Operation, resources: Resources, implied_by: Implications) -> None:
    assert not isinstance(predict(operation, NOTHING_KNOWN, resources, implied_by), Deny)


@given(some.operations(), some.grants, some.resources)
def test_an_operation_that_was_seen_to_work_is_permitted_whatever_the_catalogue_says(
    operation: Operation, grants: Grants, resources: Resources
) -> None:
    scope = operation.stand_in_scope
    proven = replace(grants, lacking=frozenset(lack for lack in grants.lacking if lack.scope != WHOLE_RESOURCE))
    if isinstance(resources, Named) and resources.resources:
        proven = replace(proven, bound=proven.bound | {(scope, name) for name in resources.resources})
    else:
        proven = replace(proven, scopes=proven.scopes | {scope})
    assert predict(operation, proven, resources) == Permit(operation)


@given(some.operations(st.builds(NotKnown, st.booleans())), some.grants, some.named)
def test_an_operation_whose_requirement_is_not_known_is_denied_only_by_a_refusal_of_its_own(
    operation: Operation, grants: Grants, resources: Named
) -> None:
    refused = replace(grants, lacking=frozenset({Lack(operation.stand_in_scope, resources.resources)}))
    assert predict(operation, refused, resources) == Deny(operation, ((operation.stand_in_scope,),), resources.resources)
    assert isinstance(predict(operation, replace(grants, lacking=frozenset()), resources), Indeterminate)
