"""Strict JSON in, one canonical form out."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec import jsonbody
from gateway.codec.jsonbody import JsonError
from gateway.contract.messages import JSON

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abé中"), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_what_is_written_is_read_again(value: JSON) -> None:
    assert jsonbody.read(jsonbody.canonical(value)) == value


def test_canonical_form_sorts_names_and_keeps_characters() -> None:
    assert jsonbody.canonical({"b": 1, "a": "中"}) == '{"a":"中","b":1}'.encode()


@pytest.mark.parametrize("value", [2**60, float("nan"), {"a": float("inf")}, "\ud800"])
def test_a_value_without_canonical_form_is_refused(value: JSON) -> None:
    with pytest.raises(JsonError):
        jsonbody.canonical(value)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":{"b":1,"b":1}}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "NaN"),
        (b'{"a":1', "well-formed"),
        (b'{"a":1} x', "well-formed"),
        (b"", "well-formed"),
        (b"\xef\xbb\xbf{}", "well-formed"),
        (b'"\xd6\xd0"', "UTF-8"),
        (b'"\\ud800"', "UTF-8"),
        (b'"\\uD83D"', "UTF-8"),
        (b"[" * 100_000, "well-formed"),
        (b"9" * 5000, "range"),
        (b"[0" + b",0" * 200_001 + b"]", "more than 200000 values"),
        (b'"' * 800_001, "more than 200000 values"),
        (b"1e999", "range"),
        (b"[" * 65 + b"]" * 65, "deeper"),
        (b"1" * (4 * 1024 * 1024 + 1), "larger"),
    ],
)
def test_what_two_parties_could_read_differently_is_refused(body: bytes, rule: str) -> None:
    with pytest.raises(JsonError, match=rule):
        jsonbody.read(body)


@pytest.mark.parametrize("content_type", ["application/json; charset=gbk", 'application/json; charset="ISO-8859-1"'])
def test_another_charset_than_utf8_is_refused(content_type: str) -> None:
    with pytest.raises(JsonError, match="charset"):
        jsonbody.read(b"{}", content_type)


@pytest.mark.parametrize("content_type", ["", "application/json", 'application/problem+json; charset="UTF-8"'])
def test_utf8_said_or_unsaid_is_read(content_type: str) -> None:
    assert jsonbody.read(b'"\\ud83d\\ude00"', content_type) == "\U0001f600"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
        ("2017-01-01T07:59:60.25+08:00", "2017-01-01T08:00:00+08:00"),
        ("0001-01-01T00:00:00+08:00", "0001-01-01T00:00:00+08:00"),
        ("9999-12-31T23:59:59-08:00", "9999-12-31T23:59:59-08:00"),
        ("2019-01-01T00:00:00.123456789Z", "2019-01-01T00:00:00.123456+00:00"),
        ("2016-12-31T12:59:60Z", None),
        ("9999-12-31T23:59:60Z", None),
        ("2019-01-01T24:00:00Z", None),
        ("2019-02-30T00:00:00Z", None),
        ("2019-01-01T00:00:00", None),
        ("2019-W01-1T00:00:00Z", None),
        ("٢٠١٩-01-01T00:00:00Z", None),
    ],
)
def test_a_moment_is_read_as_rfc_3339_writes_it(value: str, read: str | None) -> None:
    found = jsonbody.moment({"at": value}, "at")
    assert (found and found.isoformat()) == read


@pytest.mark.parametrize("text", [r'"\ud800"', "1e999", "-1e999", "9" * 5000, r'{"a":["\udfff"]}'])
def test_a_body_judged_in_parts_keeps_what_cannot_be_read_for_the_part_it_stands_in(text: str) -> None:
    found = jsonbody.read(f"[{text}, 1]".encode(), in_parts=True)
    assert isinstance(found, list)
    assert [jsonbody.is_readable(part) for part in found] == [False, True]


@pytest.mark.parametrize("text", [r'"[[[\"[[["', '"[[[]]"', r'"\\"', '[["]]"]]'])
def test_brackets_inside_strings_are_no_levels(text: str) -> None:
    jsonbody.read(text.encode(), bounds=jsonbody.Bounds(depth=2))


def test_errors_never_repeat_the_content() -> None:
    with pytest.raises(JsonError) as error:
        jsonbody.read('{"name":"王建国",}'.encode())
    assert "王" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("body", [b"[]", b"null", b'"a"', b"1"])
def test_a_body_that_must_be_an_object_is_nothing_else(body: bytes) -> None:
    with pytest.raises(JsonError, match="object"):
        jsonbody.read_object(body)


def test_nulls_are_left_out_at_every_depth() -> None:
    assert jsonbody.without_nulls({"a": None, "b": [{"c": None, "d": 1}], "e": {}}) == {"b": [{"d": 1}], "e": {}}


def test_typed_access_gives_nothing_for_another_type() -> None:
    row = jsonbody.read_object(b'{"n":true,"t":1,"d":"20190101","m":"2019-01-01T00:00:00","l":[1],"p":[]}')
    assert jsonbody.whole(row, "n") is None
    assert jsonbody.text(row, "t") is None
    assert jsonbody.day(row, "d") is None
    assert jsonbody.moment(row, "m") is None
    assert jsonbody.rows(row, "l") is None
    assert jsonbody.part(row, "p") == {}


def test_typed_access_reads_dates_and_moments() -> None:
    row = jsonbody.read_object(b'{"d":"2019-02-28","m":"2019-04-02T09:30:00+08:00","x":"2019-02-30"}')
    assert jsonbody.day(row, "d") == date(2019, 2, 28)
    assert jsonbody.day(row, "x") is None
    read = jsonbody.moment(row, "m")
    assert read is not None
    assert read.utcoffset() == timedelta(hours=8)
