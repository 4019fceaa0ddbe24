"""Laws of vendor header fields: the quick reader does what a slow, obviously right one does."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.protocol.response_headers import ResponseHead, read_response

DROPPED = {
    b"keep-alive", b"proxy-connection", b"te", b"trailer", b"proxy-authorization", b"proxy-authenticate", b"http2-settings", b"upgrade",
    b"x-request-id", b"connection", b"content-length", b"transfer-encoding",
}  # fmt: skip
FieldList = list[tuple[bytes, bytes]]


def values_of(fields: FieldList, name: bytes) -> list[bytes]:
    return [value for other, value in fields if other.lower() == name]


def reference(fields: FieldList) -> ResponseHead | None:
    """Read the fields one rule after the other."""
    nominated = {token.strip(b" \t").lower() for value in values_of(fields, b"connection") for token in value.split(b",")}
    nominated -= {b"close", b"keep-alive"}
    if {b"content-length", b"transfer-encoding"} & nominated:
        return None
    lengths, codings = values_of(fields, b"content-length"), values_of(fields, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        return None
    if any(re.fullmatch(rb"[0-9]{1,18}[ \t]*", value) is None for value in lengths):
        return None
    if any(re.fullmatch(rb"[ \t]*chunked[ \t]*", value, re.IGNORECASE) is None for value in codings):
        return None
    kept = [(name, value) for name, value in fields if name.lower() not in nominated]
    lines = b""
    for name, value in kept:
        if name.lower() in DROPPED or name.lower().startswith(b"scopegate"):
            continue
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", name + value):
            return None
        lines += name + b": " + value + b"\r\n"
    encodings, types = (values_of(kept, name) for name in (b"content-encoding", b"content-type"))
    encoding = b"several" if len(encodings) > 1 else encodings[0].strip().lower() if encodings else b""
    return ResponseHead(
        lines,
        int(lengths[0]) if lengths else None,
        bool(codings),
        encoding,
        types[0] if types else b"",
        any(name.lower() in (b"location", b"content-location", b"link") for name, _ in kept),
    )


CASES = (bytes.lower, bytes.upper, bytes.title, bytes)
spelled = st.builds(
    lambda name, case: case(name),
    st.sampled_from(
        [
            b"connection", b"content-length", b"transfer-encoding", b"content-encoding", b"content-type", b"location", b"x-one", b"x-two",
            b"keep-alive", b"upgrade", b"scopegate-decision", b"scopegate", b"x-request-id", b"close", b"100%", b"%b", b"set-cookie",
        ]
    ),
    st.sampled_from(CASES),
)  # fmt: skip
names = st.one_of(spelled, spelled, spelled, st.binary(min_size=1, max_size=3))
telling = st.sampled_from(
    [
        b"5", b"5 ", b" 5", b"0", b"007", b"1" * 18, b"1" * 19, b"chunked", b" Chunked\t", b"gzip", b"GZIP ", b"gzip, chunked", b"close",
        b"Keep-Alive", b"keep-alive ", b"x-one", b"close, X-Two", b"content-length", b"Transfer-Encoding", b"content-type,location",
        b"upgrade", b"content-encoding", b"a/b", b"", b"%s %%", b"a\tb", b"\xff",
    ]
)  # fmt: skip
values = st.one_of(telling, telling, telling, st.binary(max_size=3))
field_lists = st.lists(st.tuples(names, values), max_size=7)


@example([(b"Connection", b"close"), (b"close", b"1")])
@example([(b"Connection", b"close,x"), (b"close", b"1")])
@given(field_lists)
def test_the_quick_reader_is_the_slow_one(fields: FieldList) -> None:
    found, expected = read_response(fields), reference(fields)
    assert (found and found.told()) == (expected and expected.told())


@given(field_lists)
def test_nothing_of_our_own_is_taken_from_a_vendor(fields: FieldList) -> None:
    head = read_response(fields)
    if head is not None:
        assert re.search(rb"^(scopegate|x-request-id:)", head.block, re.IGNORECASE | re.MULTILINE) is None


@given(field_lists)
def test_reading_twice_gives_the_same(fields: FieldList) -> None:
    first, second = read_response(fields), read_response(list(fields))
    assert (first and first.told()) == (second and second.told())
