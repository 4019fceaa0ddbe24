"""Laws of traces: what is valid survives, what is not is never passed on, and remembered header fields change neither."""

from __future__ import annotations

import re
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.protocol.headers import RequestHead, read_request, renew
from proxy.protocol.trace_context import Traces, read_traced

HEX = "0123456789abcdef"
OWN = re.compile(
    rb"traceparent: 00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]\r\nX-Request-ID: [\x21-\x7e]{1,128}\r\n(tracestate: .+\r\n)?"
)


def hexadecimal(size: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=size, max_size=size).filter(lambda text: text.strip("0") != "")


valid = st.builds(
    lambda trace, span, flags: f"00-{trace}-{span}-{flags:02x}".encode(), hexadecimal(32), hexadecimal(16), st.integers(0, 255)
)
keys = st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,20}", fullmatch=True)
texts = st.from_regex(r"[ -+\--<>-~]{0,20}[!-+\--<>-~]", fullmatch=True)
states = st.lists(st.builds(lambda key, text: f"{key}={text}".encode(), keys, texts), min_size=1, max_size=32).map(b",".join)
visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=140).map(str.encode)


@st.composite
def nearly_valid(draw: st.DrawFn) -> bytes:
    """Draw a traceparent with a few bytes changed, removed or added."""
    value = bytearray(draw(valid))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value) - 1))
        value[at : at + draw(st.integers(0, 1))] = draw(st.sampled_from([b"", b"-", b"f", b"0", b"F", b".", b" "]))
    return bytes(value).strip()


parents = valid | nearly_valid() | visible.map(bytes.strip)
fields = st.lists(
    st.tuples(st.just(b"traceparent"), parents)
    | st.tuples(st.just(b"tracestate"), states | visible.map(bytes.strip))
    | st.tuples(st.just(b"x-request-id"), visible.map(bytes.strip)),
    max_size=4,
)


@given(valid, states)
def test_what_is_valid_survives(parent: bytes, state: bytes) -> None:
    _, read = read_traced([(b"traceparent", parent), (b"tracestate", state)])
    assert read is not None
    lines = Traces(Random(1).randbytes)(read).lines("id").decode()
    trace_id, flags = parent[3:35].decode(), int(parent[53:], 16) & 3
    assert re.fullmatch(f"traceparent: 00-{trace_id}-[0-9a-f]{{16}}-{flags:02x}", lines.split("\r\n")[0])
    assert lines.split("\r\n")[2].encode() == b"tracestate: " + state
    assert parent[36:52].decode() not in lines.split("\r\n")[0][len("traceparent: 00-") + 32 :]


@given(fields)
@example([(b"traceparent", b"00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01\n")])
def test_whatever_comes_only_valid_lines_are_passed_on(given_fields: list[tuple[bytes, bytes]]) -> None:
    request_id, parent = read_traced(given_fields)
    lines = Traces(Random(1).randbytes)(parent).lines(request_id or "made")
    assert OWN.fullmatch(lines), lines
    came = [value for name, value in given_fields if name == b"traceparent"]
    if parent is None:
        assert not any(len(value) >= 55 and value[3:35] in lines for value in came)
    else:
        assert came[0][3:35].decode() == parent.trace_id


@given(fields, fields, st.lists(st.sampled_from([(b"Accept", b"x"), (b"Connection", b"tracestate"), (b"X-A", b"1")]), max_size=2))
def test_fields_that_are_known_but_for_the_trace_read_the_same(
    first: list[tuple[bytes, bytes]], second: list[tuple[bytes, bytes]], others: list[tuple[bytes, bytes]]
) -> None:
    before, after = ([(b"Host", b"a"), *others, *traced] for traced in (first, second))
    head, fresh = read_request(before, "1.1"), read_request(after, "1.1")
    assert isinstance(head, RequestHead)
    if renew(head, before, after):
        assert isinstance(fresh, RequestHead)
        assert (head.request_id, head.parent, head.block, head.traced) == (fresh.request_id, fresh.parent, fresh.block, fresh.traced)
        assert sum(len(value) for _, value in after) <= sum(len(value) for _, value in before)
