"""The table of faults."""

from __future__ import annotations

import re

import pytest

from proxy import errors
from proxy.errors import Fault

FAULTS = [value for value in vars(errors).values() if isinstance(value, Fault)]


def test_every_reason_is_one_word_and_occurs_once() -> None:
    reasons = [fault.reason for fault in FAULTS]
    assert len(reasons) == len(set(reasons)) > 30
    assert all(re.fullmatch(r"[a-z_]+", reason) for reason in reasons)
    assert set(reasons) == errors.ALL_REASONS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.reason)
def test_every_fault_makes_a_whole_problem_document(fault: Fault) -> None:
    problem = errors.problem(fault)
    assert problem["status"] == fault.status
    assert problem["reason"] == fault.reason
    assert str(problem["detail"]).endswith((".", ")"))
    assert problem["title"]
    assert problem["type"] == "about:blank"


def test_a_failing_vendor_is_never_a_missing_permission() -> None:
    assert {fault.status for fault in FAULTS if fault.reason in errors.TRANSPORT_REASONS} == {502, 504}
    assert not {401, 403} & {fault.status for fault in FAULTS}


def test_overload_says_when_to_try_again() -> None:
    assert all(fault.retry_after for fault in FAULTS if fault.status == 503)


def test_what_could_be_read_in_two_ways_ends_the_connection() -> None:
    doubtful = (errors.MALFORMED, errors.AMBIGUOUS_LENGTH, errors.BAD_VERSION, errors.UPGRADE, errors.BAD_HOST, errors.BAD_HEADER)
    assert all(fault.close for fault in doubtful)


def test_a_refused_target_is_a_fault_of_its_own() -> None:
    fault = errors.from_bad_target("dot_segment", "the path has dots")
    assert (fault.reason, fault.status, fault.detail, fault.close) == ("dot_segment", 400, "The path has dots.", False)


def test_titles() -> None:
    assert errors.title(404) == "Not Found"
    assert errors.title(499) == "Client Closed Request"
