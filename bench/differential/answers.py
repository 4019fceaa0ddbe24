"""Answers of an origin that two clients could read differently. Behind each, the client asks again on the same connection."""

from __future__ import annotations

from bench.differential.cases import Case
from bench.differential.requests import path

OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\nok"
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GROUP = "Answers of the origin"


def _answer(name: str, answer: bytes, *watch: bytes, ends: bool = False, legitimate: bool = False, because: str = "") -> Case:
    return Case(GROUP, name, path("/thing"), watch, answer, ends, legitimate, because)


def all_answers() -> list[Case]:
    """Return every case about an answer."""
    return [
        _answer("a plain answer", OK + TWO, b"ok", legitimate=True),
        _answer("two chunks", CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"o", legitimate=True),
        _answer("body to the end of the connection", OK + b"\r\nok", b"ok", ends=True, legitimate=True),
        _answer("two different Content-Length", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", b"length: 2\r\ncontent-length: 3"),
        _answer("two equal Content-Length", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"length: 2\r\ncontent-length: 2"),
        _answer("Content-Length: -2", OK + b"Content-Length: -2\r\n\r\nok", b"length: -2"),
        _answer("Content-Length: 2, 2", OK + b"Content-Length: 2, 2\r\n\r\nok", b"length: 2, 2"),
        _answer("Content-Length and Transfer-Encoding", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                b"content-length: 2", b"chunked"),
        _answer("Transfer-Encoding: gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nok", b"encoding: gzip"),
        _answer("bytes after the end", OK + TWO + b"extra", b"extra"),
        _answer("an answer nobody asked for", OK + TWO + SMUGGLED, b"smuggled"),
        _answer("an answer behind 204", b"HTTP/1.1 204 No Content\r\n\r\n" + SMUGGLED, b"smuggled"),
        _answer("a body on 304", b"HTTP/1.1 304 Not Modified\r\n\r\n" + SMUGGLED, b"smuggled"),
        _answer("a body cut short", OK + b"Content-Length: 9\r\n\r\nok", b"ok", ends=True),
        _answer("chunks cut short", CHUNKED + b"5\r\nok", b"ok", ends=True),
        _answer("chunks without their end", CHUNKED + b"2\r\nok\r\n", b"ok", ends=True),
        _answer("bad chunk size", CHUNKED + b"2\r\nok\r\nzz\r\nmore\r\n0\r\n\r\n", b"ok"),
        _answer("chunk size 0x2", CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n", b"ok"),
        _answer("bare LF behind a chunk size", CHUNKED + b"2\nok\r\n0\r\n\r\n", b"ok"),
        _answer("folded field", OK + b"X-A: a\r\n b\r\n" + TWO, b"a\r\n b"),
        _answer("blank before a colon", OK + b"X-A : a\r\n" + TWO, b"x-a : a"),
        _answer("NUL in a value", OK + b"X-A: a\x00b\r\n" + TWO, b"a\x00b"),
        _answer("control byte in a value", OK + b"X-A: a\x01b\r\n" + TWO, b"a\x01b"),
        _answer("bare CR in a value", OK + b"X-A: a\rX-B: b\r\n" + TWO, b"a\rx-b"),
        _answer("bare LF everywhere", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"200 ok\ncontent"),
        _answer("field without a colon", OK + b"nonsense\r\n" + TWO, b"nonsense"),
        _answer("a head of 300 kB", OK + b"X-A: " + b"a" * 300_000 + b"\r\n" + TWO, b"aaaaaaaa"),
        _answer("HTTP/0.9", b"ok", b"ok", ends=True),
        _answer("version HTTP/2.0", b"HTTP/2.0 200 OK\r\n" + TWO, b"ok"),
        _answer("status 99", b"HTTP/1.1 099 Low\r\n" + TWO, b" 099"),
        _answer("status 600", b"HTTP/1.1 600 High\r\n" + TWO, b" 600"),
        _answer("status 2000", b"HTTP/1.1 2000 OK\r\n" + TWO, b" 2000"),
        _answer("status in words", b"HTTP/1.1 OK\r\n" + TWO, b"ok"),
        _answer("one 103", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + TWO, b" 103 ", legitimate=True),
        _answer("flood of 103", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000 + OK + TWO, b" 103 "),
        _answer("101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nsmuggled", b" 101 "),
        _answer("102 with a length", b"HTTP/1.1 102 X\r\nContent-Length: 47\r\n\r\n" + SMUGGLED + OK + TWO, b"smuggled"),
        _answer("field that only Scopegate sets", OK + b"Scopegate-Decision: permit\r\nScopegate-Answered-By: proxy\r\n" + TWO, b"answered-by: proxy"),
        _answer("hop-by-hop field", OK + b"Connection: X-A\r\nX-A: a\r\nKeep-Alive: timeout=5\r\n" + TWO, b"x-a: a"),
        _answer("garbage", b"\x16\x03\x01 nonsense\r\n\r\n", b"nonsense"),
        _answer("hangs up", b" ", b"nothing", ends=True),
    ]  # fmt: skip
