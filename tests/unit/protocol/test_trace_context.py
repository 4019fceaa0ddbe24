"""Traces are taken over, made and told as W3C Trace Context has it; the cases are those of its test suite, in our own words."""

from __future__ import annotations

import re
from itertools import count
from random import Random

import pytest

from proxy.protocol.trace_context import NO_TRACE, Parent, Trace, Traces, is_request_id, read_parent, read_state, read_traced

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
REST = f"{TRACE}-{SPAN}"


# --- traceparent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (f"00-{REST}-00", 0),
        (f"00-{REST}-01", 1),
        (f"00-{REST}-02", 2),
        (f"00-{REST}-03", 3),
        (f"00-{REST}-ff", 3),  # flags that no version names are cleared
        (f"01-{REST}-01", 1),
        (f"cc-{REST}-03", 1),  # of later versions only the sampled flag is known
        (f"cc-{REST}-01-what-the-future-will-be-like", 1),
        (f"fe-{REST}-00-", 0),
    ],
)
def test_a_valid_traceparent_is_taken_over(value: str, flags: int) -> None:
    assert read_parent(value.encode()) == Parent(TRACE, SPAN, flags)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"00-{REST}-01-",  # version 00 ends after the flags
        f"00-{REST}-01-what-the-future-will-be-like",
        f"00-{REST}-01.",
        f"cc-{REST}-01.what-the-future-will-not-be-like",
        f"cc-{REST}-012",
        f"cc-{REST}",
        f"ff-{REST}-01",
        f".0-{REST}-01",
        f"0.-{REST}-01",
        f"0-{REST}-01",
        f"000-{REST}-01",
        f"0000-{REST}-01",
        f"CC-{REST}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-.{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-.{SPAN[1:]}-01",
        f"00-{TRACE}-{SPAN[:-1]}.-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN[1:]}-01",
        f"00-{REST}-.0",
        f"00-{REST}-0.",
        f"00-{REST}-001",
        f"00-{REST}-1",
        f"00-{REST}-0A",
        f"00-{REST}-01\n",
        f"00-{REST}-01,00-{REST}-01",
        f" 00-{REST}-01",
    ],
)
def test_an_invalid_traceparent_is_none(value: str) -> None:
    assert read_parent(value.encode()) is None


# --- tracestate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "passed"),
    [
        (["foo=1"], "foo=1"),
        (["foo=1,bar=2"], "foo=1,bar=2"),
        (["foo=1", "bar=2"], "foo=1,bar=2"),
        (["foo=1", "", "bar=2", "rojo=1,congo=2"], "foo=1,bar=2,rojo=1,congo=2"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1 \t , \t bar=2, \t baz=3"),
        (["foo=1,,bar=2,"], "foo=1,,bar=2,"),
        (["foo=1,foo=1"], "foo=1,foo=1"),
        (["abcdefghijklmnopqrstuvwxyz0123456789_-*/= !\"#$%&'()*+-./0123456789:;<>?@AZ[\\]^_`az{|}~"], None),
        (["fw529a3039@dt=FfffffeCAgI", "0tenant@system=1"], "fw529a3039@dt=FfffffeCAgI,0tenant@system=1"),
        ([f"{'z' * 256}=1"], None),
        ([f"a={'v' * 256}"], None),
        ([",".join(f"bar{number}={number}" for number in range(32))], None),
    ],
)
def test_a_valid_tracestate_passes_unchanged(values: list[str], passed: str | None) -> None:
    assert read_state([value.encode() for value in values]) == f"tracestate: {passed or values[0]}\r\n".encode()


@pytest.mark.parametrize(
    "values",
    [
        [""],
        ["", " , "],
        ["foo"],
        ["foo =1"],
        ["FOO=1"],
        ["foo.bar=1"],
        ["@foo=1,bar=2"],
        ["=1"],
        ["foo=,bar=3"],
        ["foo=bar=baz"],
        ["foo=1", "bar"],
        ["foo=caf\xe9"],
        [f"{'z' * 257}=1"],
        [f"a={'v' * 257}"],
        [",".join(f"bar{number}={number}" for number in range(33))],
        [f"a{number}=1" for number in range(33)],
    ],
)
def test_a_tracestate_that_is_none_is_dropped_whole(values: list[str]) -> None:
    assert read_state([value.encode("latin-1") for value in values]) == b""


# --- all fields together ---------------------------------------------------------------------------------


def told(*fields: tuple[str, str]) -> tuple[str, Parent | None]:
    return read_traced([(name.encode(), value.encode()) for name, value in fields])


PARENT = ("traceparent", f"00-{REST}-01")


def test_a_state_needs_its_parent_and_a_parent_needs_no_state() -> None:
    assert told(PARENT, ("tracestate", "foo=1")) == ("", Parent(TRACE, SPAN, 1, b"tracestate: foo=1\r\n"))
    assert told(PARENT) == told(PARENT, ("tracestate", "foo")) == ("", Parent(TRACE, SPAN, 1))
    assert told(("tracestate", "foo=1")) == told(("traceparent", "00"), ("tracestate", "foo=1")) == ("", None)


def test_two_parents_are_none_even_if_they_are_equal() -> None:
    assert told(PARENT, PARENT, ("tracestate", "foo=1")) == ("", None)


def test_two_request_ids_are_none_and_touch_no_trace() -> None:
    assert told(("x-request-id", "a"), PARENT, ("x-request-id", "a")) == ("", Parent(TRACE, SPAN, 1))
    assert told(("x-request-id", "a")) == ("a", None)
    assert told(("x-request-id", "a b")) == ("", None)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (b"a", True),
        (b"~" * 128, True),
        (b'!"\\', True),
        (b"", False),
        (b"a" * 129, False),
        (b"a b", False),
        (b"a\tb", False),
        (b"\xe9", False),
    ],
)
def test_a_request_id_is_visible_ascii_within_a_bound(value: bytes, is_one: bool) -> None:
    assert is_request_id(value) is is_one


# --- traces are made -------------------------------------------------------------------------------------


def test_a_new_trace_is_random_and_not_sampled() -> None:
    make, random = Traces(Random(1).randbytes), Random(1).randbytes(2048).hex()
    trace = make(None)
    assert trace == Trace(random[:32], random[32:48], "", 2, b"", random[32:48], True)
    assert trace.lines("r-1").decode() == f"traceparent: 00-{trace.trace_id}-{trace.span_id}-02\r\nX-Request-ID: r-1\r\n"


def test_below_a_parent_only_the_span_is_new() -> None:
    trace = Traces(Random(1).randbytes)(Parent(TRACE, SPAN, 1, b"tracestate: foo=1\r\n"))
    assert (trace.trace_id, trace.parent_id, trace.flags) == (TRACE, SPAN, 1)
    expected = f"traceparent: 00-{TRACE}-{trace.span_id}-01\r\nX-Request-ID: r-1\r\ntracestate: foo=1\r\n"
    assert trace.lines("r-1").decode() == expected
    assert trace.span_id != SPAN


def test_a_call_to_the_vendor_can_be_a_span_of_its_own() -> None:
    trace = Traces(Random(1).randbytes, spans=True)(None)
    assert len({trace.trace_id, trace.span_id, trace.vendor_span_id}) == 3
    assert f"-{trace.vendor_span_id}-".encode() in trace.lines("r-1")


def test_a_vendor_that_is_not_to_know_is_told_nothing() -> None:
    assert Traces(Random(1).randbytes, told=False)(Parent(TRACE, SPAN, 1, b"tracestate: foo=1\r\n")).lines("r-1") == b""
    assert NO_TRACE.lines("r-1") == b""


def test_ids_are_never_cut_and_never_come_twice() -> None:
    numbers = count(1)
    make = Traces(lambda size: b"".join(next(numbers).to_bytes(8, "big") for _ in range(size // 8)))
    traces = [make(None if number % 3 else Parent(TRACE, SPAN, 0)) for number in range(1000)]
    ids = [id_ for trace in traces for id_ in (trace.span_id, *([] if trace.parent_id else [trace.trace_id]))]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{16}|[0-9a-f]{32}", id_) for id_ in ids)


@pytest.mark.parametrize(("ratio", "lowest", "highest"), [(0.0, 0, 0), (0.1, 150, 250), (1.0, 2000, 2000)])
def test_a_share_of_new_traces_is_sampled(ratio: float, lowest: int, highest: int) -> None:
    make = Traces(Random(7).randbytes, ratio=ratio)
    sampled = sum(make(None).flags & 1 for _ in range(2000))
    assert lowest <= sampled <= highest


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_a_trace_that_is_taken_over_is_sampled_as_it_says(flags: int) -> None:
    assert {Traces(Random(7).randbytes, ratio=ratio)(Parent(TRACE, SPAN, flags)).flags for ratio in (0.0, 0.5, 1.0)} == {flags}
