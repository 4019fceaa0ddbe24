"""Requests that two servers could read differently, and some that every proxy must pass."""

from __future__ import annotations

from bench.differential.cases import HOST, Case

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: proxy.example\r\n\r\n"


def raw(*lines: str, body: bytes = b"") -> bytes:
    """Return a message of these lines."""
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def line(text: str, body: bytes = b"") -> bytes:
    """Return a request with this request line."""
    return raw(text, HOST, body=body)


def path(text: str) -> bytes:
    """Return a GET for this target."""
    return line(f"GET {text} HTTP/1.1")


def fields(*lines: str, body: bytes = b"", method: str = "POST") -> bytes:
    """Return a request with these fields."""
    return raw(f"{method} /thing HTTP/1.1", HOST, *lines, body=body)


def chunks(coded: bytes) -> bytes:
    """Return a request with this chunked body."""
    return fields("Transfer-Encoding: chunked", body=coded)


def _framing() -> list[Case]:
    group, last = "Framing of requests", b"0\r\n\r\n"
    both = (b"content-length: ", b"transfer-encoding: chunked")
    return [
        Case(group, "Content-Length and Transfer-Encoding", fields("Content-Length: 6", "Transfer-Encoding: chunked", body=last + b"X"), both),
        Case(group, "the same, with a request behind it", fields("Content-Length: 5", "Transfer-Encoding: chunked", body=last + SMUGGLED), both),
        Case(group, "two different Content-Length", fields("Content-Length: 5", "Content-Length: 6", body=b"hello!"), (b"content-length: ",)),
        Case(group, "two equal Content-Length", fields("Content-Length: 5", "Content-Length: 5", body=b"hello"), (b"length: 5\r\ncontent-length: 5",)),
        Case(group, "Content-Length: 5, 5", fields("Content-Length: 5, 5", body=b"hello"), (b"length: 5, 5",)),
        Case(group, "Content-Length: +5", fields("Content-Length: +5", body=b"hello"), (b"length: +5",)),
        Case(group, "Content-Length: -5", fields("Content-Length: -5", body=b"hello"), (b"length: -5",)),
        Case(group, "Content-Length: 0x5", fields("Content-Length: 0x5", body=b"hello"), (b"length: 0x5",)),
        Case(group, "Content-Length: 5 5", fields("Content-Length: 5 5", body=b"hello"), (b"length: 5 5",)),
        Case(group, "empty Content-Length", fields("Content-Length:", body=b""), (b"content-length",)),
        Case(group, "Content-Length of 20 digits", fields("Content-Length: 18446744073709551621", body=b"hello"), (b"18446744073709551621",)),
        *(
            Case(group, f"Transfer-Encoding: {value}", fields(f"Transfer-Encoding: {value}", body=last), (f"encoding: {value}".encode(),))
            for value in ("xchunked", "chunked, chunked", "gzip, chunked", "chunked, identity", "identity", '"chunked"', "chunked;q=1")
        ),
        Case(group, "empty Transfer-Encoding", fields("Transfer-Encoding:", body=last), (b"transfer-encoding",)),
        Case(group, "vertical tab before chunked", fields("Transfer-Encoding: \x0bchunked", body=last), (b"\x0bchunked",)),
        Case(group, "two Transfer-Encoding", fields("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=last), (b"chunked\r\ntransfer-encoding: chunked",)),
        Case(group, "blank before the colon of Transfer-Encoding", fields("Transfer-Encoding : chunked", body=last), (b"encoding : chunked",)),
        Case(group, "Transfer_Encoding", fields("Transfer_Encoding: chunked", "Content-Length: 5", body=last), (b"transfer_encoding",)),
        Case(group, "chunked from HTTP/1.0", raw("POST /thing HTTP/1.0", HOST, "Transfer-Encoding: chunked", body=last), (b"chunked",)),
        Case(group, "a body on GET", fields("Content-Length: 5", body=b"hello", method="GET"), (b"hello",), legitimate=True),
    ]  # fmt: skip


def _heads() -> list[Case]:
    group = "Lines and fields"
    return [
        Case(group, "folded field", fields("X-A: a", " folded"), (b"a\r\n folded",)),
        Case(group, "folded Transfer-Encoding", fields("Transfer-Encoding:", " chunked", body=b"0\r\n\r\n"), (b":\r\n chunked",)),
        Case(group, "first field indented", raw("GET /thing HTTP/1.1", " X-A: a", HOST), (b" x-a: a",)),
        Case(group, "bare LF everywhere", b"GET /thing HTTP/1.1\nHost: proxy.example\n\n", (b"1.1\nhost",)),
        Case(group, "bare LF behind one field", b"GET /thing HTTP/1.1\r\nHost: proxy.example\nX-A: a\r\n\r\n", (b"\nx-a: a", b"example\nx-a")),
        Case(group, "bare CR in a value", fields("X-A: a\rX-B: b"), (b"a\rx-b",)),
        Case(group, "bare CR as the line's end", b"GET /thing HTTP/1.1\rHost: proxy.example\r\r", (b"\rhost",)),
        Case(group, "NUL in a value", fields("X-A: a\x00b"), (b"a\x00b",)),
        Case(group, "control byte in a value", fields("X-A: a\x01b"), (b"a\x01b",)),
        Case(group, "DEL in a value", fields("X-A: a\x7fb"), (b"a\x7fb",)),
        Case(group, "byte above 127 in a value", fields("X-A: a\xffb"), (b"a\xffb",)),
        Case(group, "blank before a colon", fields("X-A : a"), (b"x-a : a",)),
        Case(group, "line without a colon", fields("nonsense"), (b"nonsense",)),
        Case(group, "empty field name", fields(": a"), (b"\r\n: a",)),
        Case(group, "slash in a field name", fields("X/A: a"), (b"x/a",)),
        Case(group, "byte above 127 in a field name", fields("X-\xe9: a"), (b"x-\xe9",)),
        Case(group, "300 fields", fields(*(f"X-{number}: a" for number in range(300))), (b"x-299",)),
        Case(group, "a field of 100 kB", fields("X-A: " + "a" * 100_000), (b"aaaaaaaa",)),
        Case(group, "empty lines before the request", b"\r\n\r\n" + path("/thing"), (b"get /thing",), legitimate=True),
        Case(group, "HTTP/0.9", b"GET /thing\r\n\r\n", (b"get /thing",)),
        *(
            Case(group, f"version {version}", line(f"GET /thing {version}"), (version.lower().encode(),))
            for version in ("HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/11", "http/1.1", "HTTP/1.1x")
        ),
        Case(group, "start of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (b"pri",)),
        Case(group, "TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600, (b"\x16\x03",)),
        Case(group, "unknown method", line("FROB /thing HTTP/1.1"), (b"frob",)),
        Case(group, "method in lower case", line("get /thing HTTP/1.1"), (b"get /thing",)),
        Case(group, "tab in the request line", line("GET /thing\tHTTP/1.1"), (b"/thing\thttp",)),
        Case(group, "two blanks in the request line", line("GET  /thing HTTP/1.1"), (b"get  /thing",),
             because="RFC 9112 section 3 allows it; the request line is written anew, so the origin sees one blank"),
        Case(group, "CONNECT", line("CONNECT inside.example:443 HTTP/1.1"), (b"connect",)),
        Case(group, "TRACE", line("TRACE /thing HTTP/1.1"), (b"trace",)),
        Case(group, "upgrade to WebSocket", fields("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", method="GET"), (b"upgrade: websocket",), because="no vendor API served here switches protocols"),
        Case(group, "upgrade to h2c", fields("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
             method="GET"), (b"upgrade: h2c",)),
        Case(group, "unknown expectation", fields("Expect: miracles"), (b"expect: miracles",)),
    ]  # fmt: skip


def _chunked() -> list[Case]:
    group, coded = "Chunked bodies", (b"transfer-encoding: chunked",)
    return [
        Case(group, "two chunks", chunks(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), (b"abc",), legitimate=True),
        Case(group, "chunk extension", chunks(b"3;x=y\r\nabc\r\n0\r\n\r\n"), (b"3;x=y",)),
        Case(group, "LF in a chunk extension", chunks(b"3;x\ny\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "CR in a chunk extension", chunks(b"3;x\ry\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "size 0x3", chunks(b"0x3\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "size +3", chunks(b"+3\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "size -1", chunks(b"-1\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "blank before the size", chunks(b" 3\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "blank behind the size", chunks(b"3 \r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "size beyond 64 bits", chunks(b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "empty size", chunks(b"\r\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "bare LF behind the size", chunks(b"3\nabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "bare CR behind the size", chunks(b"3\rabc\r\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "bare LF behind the data", chunks(b"3\r\nabc\n0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "two bytes for the data's line end", chunks(b"3\r\nabcXX0\r\n\r\n"), (*coded, b"abc")),
        Case(group, "bare LF at the end", chunks(b"3\r\nabc\r\n0\n\n"), (*coded, b"abc")),
        Case(group, "trailer field", chunks(b"3\r\nabc\r\n0\r\nX-T: t\r\n\r\n"), (b"x-t: t",)),
        Case(group, "Content-Length as a trailer", chunks(b"3\r\nabc\r\n0\r\nContent-Length: 50\r\n\r\n"), (b"content-length: 50",)),
        Case(group, "Authorization as a trailer", chunks(b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\n\r\n"), (b"bearer x",)),
        Case(group, "body cut short", chunks(b"5\r\nab"), (*coded, b"ab")),
    ]  # fmt: skip


def _hosts() -> list[Case]:
    group, get = "Host and target forms", "GET /thing HTTP/1.1"
    return [
        Case(group, "no Host", raw(get), (b"get /thing",)),
        Case(group, "HTTP/1.0 with Host", raw("GET /thing HTTP/1.0", HOST), (b"get /thing",), legitimate=True),
        Case(group, "two equal Host", raw(get, HOST, HOST), (b"get /thing",)),
        Case(group, "two different Host", raw(get, HOST, "Host: other.example"), (b"get /thing",)),
        Case(group, "empty Host", raw(get, "Host:"), (b"get /thing",)),
        Case(group, "Host with a slash", raw(get, "Host: a/b"), (b"get /thing",)),
        Case(group, "Host with a user", raw(get, "Host: user@proxy.example"), (b"get /thing",)),
        Case(group, "list of hosts", raw(get, "Host: a, b"), (b"get /thing",)),
        Case(group, "absolute form, same host", path("http://proxy.example/thing"), (b"/thing",), legitimate=True),
        Case(group, "absolute form, other host", path("http://other.example/thing"), (b"/thing",)),
        Case(group, "absolute form with a user", path("http://user@proxy.example/thing"), (b"/thing",)),
        Case(group, "absolute form, other scheme", path("ftp://proxy.example/thing"), (b"/thing",)),
        Case(group, "OPTIONS *", line("OPTIONS * HTTP/1.1"), (b"options",)),
        Case(group, "GET *", line("GET * HTTP/1.1"), (b"get",)),
        Case(group, "host and port as a target", line("GET proxy.example:80 HTTP/1.1"), (b"get",)),
        Case(group, "target without a slash", path("thing"), (b"thing",)),
    ]


_PATHS = {
    "encoded slash": "/a%2Fb",
    "dot segments": "/a/../b",
    "encoded dot segments": "/a/%2e%2e/b",
    "half-encoded dot segments": "/a/.%2e/b",
    "one dot": "/a/./b",
    "dots with a parameter": "/a/..;/b",
    "above the root": "/../../etc/passwd",
    "backslash": "/a\\b",
    "encoded backslash": "/a%5Cb",
    "double encoding": "/a%252Fb",
    "empty segment": "/a//b",
    "two slashes first": "//other.example/b",
    "path parameter": "/a;x=y/b",
    "encoded semicolon": "/a%3Bx/b",
    "fragment": "/a#b",
    "encoded fragment": "/a%23b",
    "encoded question mark": "/a%3Fb",
    "encoded NUL": "/a%00b",
    "encoded line end": "/a%0d%0aX:%20y",
    "needless encoding": "/%61dmin",
    "overlong UTF-8 slash": "/a%c0%afb",
    "overlong UTF-8 dot": "/%c0%ae%c0%ae/b",
    "bad UTF-8": "/a%ffb",
    "fullwidth slash": "/a%ef%bc%8fb",
    "zero-width space": "/a%e2%80%8bb",
    "broken percent": "/a%zzb",
    "percent at the end": "/a%2",
    "unencoded UTF-8": "/a\xc3\xa9b",
    "angle brackets": "/a<b>",
    "pipe": "/a|b",
    "20 kB of path": "/" + "a" * 20_000,
}
_LEGITIMATE = {
    "encoded blank": "/a%20b",
    "colon, at and comma": "/v1/~/a:b@c,d",
    "encoded UTF-8": "/a%C3%A9b",
    "query with an encoded slash": "/a?next=%2Fb",
}


def _paths() -> list[Case]:
    bad = [Case("Paths", name, path(text), (text.encode("latin-1").lower() + b" http",)) for name, text in _PATHS.items()]
    good = [Case("Paths", name, path(text), (text.encode().lower() + b" http",), legitimate=True) for name, text in _LEGITIMATE.items()]
    nul = Case("Paths", "NUL", path("/a\x00b"), (b"/a\x00b http",))
    return [*bad, nul, *good]


def _headers() -> list[Case]:
    group, bearer = "Fields that somebody may trust", "Authorization: Bearer token"
    return [
        Case(group, "Connection names Authorization", fields(bearer, "Connection: close, Authorization"), (b"bearer token",),
             because="changed: the origin got the request without its credential"),
        Case(group, "Connection names Host", fields("Connection: close, Host"), (b"host: ",)),
        Case(group, "Connection names Content-Length", fields("Connection: Content-Length", "Content-Length: 5", body=b"hello"), (b"length: 5",)),
        Case(group, "Connection names X-A", fields("X-A: a", "Connection: X-A"), (b"x-a: a",), because="changed is right: RFC 9110 section 7.6.1"),
        Case(group, "two Authorization", fields(bearer, "Authorization: Bearer other"), (b"bearer token", b"bearer other")),
        Case(group, "Content_Length", fields("Content_Length: 5"), (b"content_length",)),
        Case(group, "an unknown name with an underscore", fields("X_A: a"), (b"x_a: a",),
             because="some vendor APIs have such fields; names that could pass for a field that counts are refused"),
        *(
            Case(group, name, fields(f"{name}: {value}"), (f"{name}: {value}".lower().encode(),))
            for name, value in (
                ("X-Forwarded-For", "10.6.6.6"), ("X-Forwarded-Host", "inside.example"), ("X-Forwarded-Proto", "gopher"), ("Forwarded", "for=10.6.6.6"),
                ("X-Original-URL", "/admin"), ("X-Rewrite-URL", "/admin"), ("X-Real-IP", "10.6.6.6"), ("Proxy-Authorization", "Basic eDp5"),
                ("Proxy-Connection", "keep-alive"), ("TE", "gzip"), ("Keep-Alive", "timeout=5"),
            )
        ),
        Case(group, "X-HTTP-Method-Override: DELETE", fields("X-HTTP-Method-Override: DELETE"), (b"override: delete",),
             because="passed, and judged as the method it names where the vendor honours it"),
    ]  # fmt: skip


def all_requests() -> list[Case]:
    """Return every case about a request."""
    return [*_framing(), *_chunked(), *_heads(), *_hosts(), *_paths(), *_headers()]
