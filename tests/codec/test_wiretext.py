"""Bytes on the wire are laid out for people: escapes undone, secrets left out."""

from __future__ import annotations

import pytest

from gateway.codec.wiretext import readable, readable_headers, readable_path


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", ""),
        (b'{"password":"p","list":[{"sign":"s","signedAt":1}]}', '"signedAt": 1'),
        (b"<a><Password>p</Password><UsernameToken><b>1</b></UsernameToken></a>", "<Password>***</Password>"),
        (b"<a><b>cut", "<a><b>cut"),
        (b"{cut", "{cut"),
        (b"sign=abc&data=%7B%22k%22%3A1%7D", 'sign = ***\ndata = {\n  "k": 1\n}'),
        (b"OK", "OK"),
        (b"a=b c", "a=b c"),
        ("沈国梅".encode("gb18030"), "沈国梅"),
        (b'{"name":"\\u6c88\\u56fd\\u6885"}', "沈国梅"),
        (b"name=%E6%B2%88%E5%9B%BD%E6%A2%85&x=1", "name = 沈国梅\nx = 1"),
        (b"<a>&#27784;&#22269;&#26757;</a>", "沈国梅"),
        (b"<a>&lt;r&gt;&lt;n&gt;5rKI5Zu95qKF&lt;/n&gt;&lt;e/&gt;&lt;/r&gt;</a>", "&lt;n&gt;沈国梅&lt;/n&gt;&lt;e/&gt;"),
        (b"<a>&lt;n&gt;yfK5+s23&lt;/n&gt;</a>", "沈国头"),
        ("<a>&lt;n&gt;沈国梅&lt;/n&gt;&lt;c&gt;ABCD&lt;/c&gt;</a>".encode(), "ABCD"),
    ],
)
def test_bodies_are_laid_out_and_secrets_left_out(body: bytes, shown: str) -> None:
    text = readable(body)
    assert shown in text
    assert '"s"' not in text
    assert ">p<" not in text
    assert '"p"' not in text


def test_only_headers_that_help_are_shown_in_full() -> None:
    given = {"content-type": "text/xml", "authorization": "Basic abc", "x-signature": "abc"}
    assert readable_headers(given) == "content-type: text/xml\nauthorization: ***\nx-signature: ***"
    assert readable_path("/a?sign=abc&page=2") == "/a?sign=***&page=2"
