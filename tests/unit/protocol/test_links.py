from __future__ import annotations

import pytest

from proxy.protocol.links import Home, Links, as_changed, as_known, is_json, may_change

API = Home("https", "platform.example.com", 443, "/rc")
MEDIA = Home("https", "media.example.com", 443, "/rc/scopegate-media")
TOKEN = Home("https", "login.example.com", 8443, "/rc", frozenset({"/oauth/token"}))
LINKS = Links([API, MEDIA, TOKEN], "https://proxy.test", "/rc")
HOST = b"called.test:8080"


def rewritten(text: str, links: Links = LINKS) -> str:
    new = links.rewrite_json(text.encode(), HOST)
    assert new is None or new != text.encode()
    return text if new is None else new.decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://platform.example.com/a/b?c=d&e=%2F#f", "https://proxy.test/rc/a/b?c=d&e=%2F#f"),
        ("https://media.example.com/a", "https://proxy.test/rc/scopegate-media/a"),
        ("https://platform.example.com:443/a", "https://proxy.test/rc/a"),
        ("https://platform.example.com:/a", "https://proxy.test/rc/a"),
        ("HTTPS://Platform.Example.COM/A", "https://proxy.test/rc/A"),
        ("https://platform.example.com", "https://proxy.test/rc"),
        ("https://platform.example.com?page=2", "https://proxy.test/rc?page=2"),
        ("https://platform.example.com#top", "https://proxy.test/rc#top"),
        (r"https:\/\/platform.example.com\/a\/b", r"https://proxy.test/rc\/a\/b"),
        (r"\u0068ttps:\u002F/platform\u002eexample.com\u002fa\u003fb", r"https://proxy.test/rc\u002fa\u003fb"),
        ("https://login.example.com:8443/oauth/token", "https://proxy.test/rc/oauth/token"),
        ("https://media.example.com/a?access_token=S%2B/=", "https://proxy.test/rc/scopegate-media/a?access_token=S%2B/="),
    ],
)
def test_a_link_of_the_vendor_is_exchanged_up_to_its_path(old: str, new: str) -> None:
    for shape in ('"%s"', '{"uri": "%s"}', '[1e2 , "%s",\t"x"]', '{"a":"%s" ,"b":{}}'):
        assert rewritten(shape % old) == shape % new


@pytest.mark.parametrize(
    "text",
    [
        "http://platform.example.com/a",
        "https://platform.example.com.evil.test/a",
        "https://platform.example.com@evil.test/a",
        "https://platform.example.com:443@evil.test/a",
        "https://platform.example.com:8443/a",
        "https://platform.example.communication/a",
        "https://xplatform.example.com/a",
        "https://user@platform.example.com/a",
        "https://login.example.com/oauth/token",
        "https://login.example.com:8443/oauth/other",
        "//platform.example.com/a",
        "/restapi/v1.0/account",
        " https://platform.example.com/a",
        "https://platform.example.com/a is where it is",
        r"https://platform.example.com/a\nhttps://platform.example.com/b",
        "see https://platform.example.com/a",
        r"\"https://platform.example.com/a\"",
        r"\\\"https://platform.example.com/a",
        r"https://platform.example.com\\@evil.test/",
        r"\Uhttps://platform.example.com/a",
        "https://platform.example.com/a/../b",
        "https://platform.example.com//a",
        "https://platform.example.com/a%2Fb",
        "https://platform.example.com/{id}",
        "https://platform.example.com/é",
        r"https://platform.example.com/\u00e9",
        r"https://platform.example.com/\ud800",
    ],
    ids=str,
)
def test_what_is_no_such_link_stays(text: str) -> None:
    for shape in ('"%s"', '{"uri": "%s"}', '{"a": ["x", "%s"]}'):
        assert rewritten(shape % text) == shape % text


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
def test_a_member_name_stays(blank: str) -> None:
    text = '{"https://platform.example.com/a"%s: "https://platform.example.com/b"}'
    assert rewritten(text % blank) == text.replace("platform.example.com/b", "proxy.test/rc/b") % blank


@pytest.mark.parametrize(
    "text", ["", '"', '"https://platform.example.com/', '"https://platform.example.com', "https://platform.example.com/a"]
)
def test_a_text_that_ends_early_stays(text: str) -> None:
    assert rewritten(text) == text


def test_without_a_public_address_links_name_the_host_that_the_request_named() -> None:
    links = Links([API], "", "/rc", "listener.test:1")
    assert links.rewrite_json(b'"https://platform.example.com/a"', HOST) == b'"http://called.test:8080/rc/a"'
    assert links.rewrite_json(b'"https://platform.example.com/a"', b"") == b'"http://listener.test:1/rc/a"'
    secure = Links([API], "", "/rc", "listener.test:1", "https").at("/rc")
    assert secure.rewrite_json(b'"https://platform.example.com/a"', HOST) == b'"https://called.test:8080/rc/a"'


def test_an_address_in_brackets() -> None:
    links = Links([Home("http", "::1", 8080, "/x")], "https://proxy.test")
    assert links.rewrite_json(b'"http://[::1]:8080/a"', HOST) == b'"https://proxy.test/x/a"'
    assert links.rewrite_json(b'"http://[::1]/a"', HOST) is None


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("Location: https://platform.example.com/a?b", "Location: https://proxy.test/rc/a?b"),
        ("location:https://media.example.com/a", "location: https://proxy.test/rc/scopegate-media/a"),
        ("Location: //Platform.example.com:443/a", "Location: https://proxy.test/rc/a"),
        ("Location: /a/b", "Location: /rc/a/b"),
        ("Location: a/b", "Location: a/b"),
        ("Location: //other.example.com/a", "Location: //other.example.com/a"),
        ("Location: https://app.example.com/?back=https://platform.example.com/", "Location: https://app.example.com/?back=https://platform.example.com/"),
        ("Content-Location: /a", "Content-Location: /rc/a"),
        ('Link: <https://platform.example.com/a?page=2>; rel="next"', 'Link: <https://proxy.test/rc/a?page=2>; rel="next"'),
        ("Link: </a>; rel=prev, <https://media.example.com/b>;rel=x", "Link: </rc/a>; rel=prev, <https://proxy.test/rc/scopegate-media/b>;rel=x"),
        ('Link: <https://a.test/>; title=", <https://platform.example.com/a>"', 'Link: <https://a.test/>; title=", <https://platform.example.com/a>"'),
        ("X-Location: https://platform.example.com/a", "X-Location: https://platform.example.com/a"),
    ],
)  # fmt: skip
def test_fields_that_refer(line: str, new: str) -> None:
    block = f"X-A: 1\r\n{line}\r\nSet-Cookie: a=/b\r\n"
    assert LINKS.rewrite_fields(block.encode(), HOST).decode() == block.replace(line, new)


def test_a_relative_reference_of_another_mount_counts_from_there() -> None:
    assert LINKS.at("/rc/scopegate-media").rewrite_fields(b"Location: /a\r\n", HOST) == b"Location: /rc/scopegate-media/a\r\n"
    assert LINKS.at("").rewrite_fields(b"Location: /a\r\n", HOST) == b"Location: /a\r\n"


def test_the_head_of_a_changed_body() -> None:
    block = b'A: 1\r\nETag: "x"\r\nContent-MD5: a\r\nDigest: b\r\ncontent-digest: c\r\nRepr-Digest: d\r\nAccept-Ranges: bytes\r\nB: 2\r\n'
    assert as_changed(block) == b'A: 1\r\nETag: W/"x"\r\nB: 2\r\n'
    assert as_changed(b'etag:W/"x"\r\n') == b'etag:W/"x"\r\n'


def test_a_304_bears_the_tag_by_which_the_client_knows_the_body() -> None:
    block = b'Date: now\r\nETag: "x"\r\n'
    assert as_known(block, b'"y", W/"x"') == b'Date: now\r\nETag: W/"x"\r\n'
    assert as_known(block, b'"x"') == as_known(block, b"") == block


@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("Cache-Control: private, No-Transform", False),
        ("cache-control: no-transform", False),
        ("Cache-Control: no-store", True),
        ("X: no-transform", True),
    ],
)
def test_a_vendor_may_forbid_changes(field: str, allowed: bool) -> None:
    assert may_change(f"A: 1\r\n{field}\r\n".encode()) is allowed


@pytest.mark.parametrize(
    ("content_type", "json"),
    [
        (b"application/json", True),
        (b"Application/JSON ;charset=UTF-8", True),
        (b"application/hal+json", True),
        (b"application/vnd.newvoicemedia.v4+json", True),
        (b"text/json", True),
        (b"", False),
        (b"text/html", False),
        (b"application/jsonp", False),
        (b"application/x-ndjson", False),
        (b"application/stream+json", False),
        (b"multipart/mixed; a=application/json", False),
    ],
)
def test_which_media_types_are_json(content_type: bytes, json: bool) -> None:
    assert is_json(content_type) is json
