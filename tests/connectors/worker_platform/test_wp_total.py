"""No bytes of a platform make a decoder raise, and none are taken for success; boundaries of numbers and dates."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.worker_platform.adapter import WorkerPlatform, build
from connectors.worker_platform.cipher import decrypt, encrypt
from connectors.worker_platform.dialect_file import load_dialect
from connectors.worker_platform.envelope import FORM, Credentials, form_urlencoded, signed_fields
from connectors.worker_platform.rows import normalised
from connectors.worker_platform.sandbox import build as build_sandbox
from gateway.contract.messages import Payload, WireRequest, WireResponse
from gateway.domain.records import Certificate, RecordKind
from gateway.domain.states import Event
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.conformance import stamp
from gateway.testing.inprocess import answer_of

SECRET = "TestSecret-0123456789-ABCDEFGHIJ"
RECEIPT = "r-1"
DEEP = 10_000
NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "9" * 1000,
    "-" + "9" * 4000,
    "9" * 5000,
    "1e-999",
    "-0.0",
]
VALUES = [
    *NUMBERS,
    *('"' + "9" * 1000 + '"', '"\\ud800"', '"\\u0000"', '"0001-01-01"', '"9999-12-31"', '"9999-12-31 23:59:60"'),
    *("[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300, '"' + "[" * DEEP + '"', "true", "null", '""', "[]", "{}"),
]
BODIES = [
    *(b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}", b"null", b"[]", b'"x"', b"{", b'{"code":0', b"0"),
    *(b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"code":' * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    *(b'{"code":0,"code":-1}', b'{"code":0,"data":{"status":20,"status":10,"requestSerialCode":"r-1"}}'),
]


def connectors() -> Iterator[WorkerPlatform]:
    for dialect in ("sandbox", "national", "henan"):
        given = {"ENDPOINT": "http://127.0.0.1:1", "APPID": "1", "APPSECRET": SECRET, "DIALECT": dialect}
        yield build(loader({f"GATEWAY_WORKER_PLATFORM__{name}": value for name, value in given.items()}))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[WorkerPlatform, Payload]]:
    """Each connector with a payload of each kind that it sends."""
    place = people.placement("000000300101010001", "91370000MA3X000005", "示例建设有限公司", "1000100001", "钢筋一班")
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("total"))
        for connector in connectors():
            for kind in connector.info.kinds:
                (made,) = people.submissions("worker_platform", kind, 1)
                if connector.info.kinds[kind].by_project:
                    made = replace(made, record=people.placed(made.record, place))
                checked = connector.check(made, connector.map(made))
                assert isinstance(checked, Payload), checked
                found.append((connector, checked))
    return found


def decoded(connector: WorkerPlatform, payload: Payload, body: bytes, **headers: str) -> list[Event]:
    """Everything the connector decodes, as events; a page of holdings counts as none."""
    response = WireResponse(status=200, headers=headers, body=body)
    later = replace(payload, version=2, replaces=True)
    verdicts: list[Any] = [
        *connector.decode_push(response, [payload], stamp()),
        *connector.decode_push(response, [later], stamp()),
        *connector.decode_ack(response, RECEIPT, [payload], stamp()),
        connector.decode_lookup(response, payload, stamp()),
        connector.decode_lookup(response, later, stamp()),
        connector.decode_holdings(response, payload, stamp()),
    ]
    part = connector.part_of(payload)
    if part is not None:
        verdicts.append(connector.decode_part(response, part, stamp()))
    connector.decode_health(response, stamp())
    return [v.event for v in verdicts if hasattr(v, "event")]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_no_bytes_make_a_decoder_raise_or_believe(pairs: list[tuple[WorkerPlatform, Payload]], body: bytes) -> None:
    for connector, payload in pairs:
        events = decoded(connector, payload, body)
        assert set(events) <= {Event.IN_DOUBT, Event.RETRY}


@pytest.mark.parametrize(
    "path", ["code", "message", "data", "serial", "status", "result", "rows", "total", "index", "row"]
)
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_no_value_in_any_place_makes_a_decoder_raise(
    pairs: list[tuple[WorkerPlatform, Payload]], path: str, value: str
) -> None:
    for connector, payload in pairs:
        row = {name: "@" if path == "row" else str(v) for name, v in payload.fields.items()}
        row["trainingName"] = row["TRAININGNAME"] = "another training"
        row |= {name: "@" for name in ("idcard", "IDNUMBER", "idCardNumber")} if path == "row" else {}
        data: dict[str, Any] = {
            "requestSerialCode": "@" if path == "serial" else RECEIPT,
            "status": "@" if path == "status" else 10,
            "result": "@" if path == "result" else "x",
            "DEALRESULT": {"code": "@" if path == "status" else -1},
            "rows": "@" if path == "rows" else [row],
            "totalCount": "@" if path == "total" else 1,
            "pageIndex": "@" if path == "index" else 0,
        }
        whole = {
            "code": "@" if path == "code" else 0,
            "message": "@" if path == "message" else "",
            "data": "@" if path == "data" else data,
            "requestcode": "@" if path == "serial" else RECEIPT,
        }
        for code in (whole["code"], -1):
            text = json.dumps({**whole, "code": code}).replace('"@"', value)
            assert Event.ACCEPTED not in decoded(connector, payload, text.encode("utf-8", "surrogatepass"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200))
def test_random_bytes_are_no_answer(pairs: list[tuple[WorkerPlatform, Payload]], body: bytes) -> None:
    for connector, payload in pairs[:3]:
        assert Event.ACCEPTED not in decoded(connector, payload, body)


@settings(max_examples=60, deadline=None)
@given(code=JSON, message=JSON, data=JSON, rows=JSON, total=JSON)
def test_random_json_never_makes_a_decoder_raise(
    pairs: list[tuple[WorkerPlatform, Payload]], code: Any, message: Any, data: Any, rows: Any, total: Any
) -> None:
    for connector, payload in pairs:
        for shown in (data, {"rows": rows, "totalCount": total}, {"rows": [data, {"name": rows}], "pageIndex": total}):
            body = json.dumps({"code": code if code else 0, "message": message, "data": shown}).encode()
            assert Event.ACCEPTED not in decoded(connector, payload, body)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Mon, 01 Jan 0001 00:00:00 +1400",
            "Fri, 31 Dec 9999 23:59:59 -1200",
            "Mon, 01 Jan 99999999999999999999 00:00",
        ),
        *("", "x", "Tue, 02 Apr 2019 01:31:00 +999999999999", "汉"),
    ],
)
def test_no_date_of_an_answer_makes_the_health_call_raise(
    pairs: list[tuple[WorkerPlatform, Payload]], header: str
) -> None:
    connector, _ = pairs[0]
    body = b'{"code":0,"message":"","data":null}'
    assert connector.decode_health(WireResponse(status=200, headers={"date": header}, body=body), stamp()).ok


@pytest.mark.parametrize("digits", [10, 64])
def test_a_serial_that_is_a_long_number_is_a_receipt(pairs: list[tuple[WorkerPlatform, Payload]], digits: int) -> None:
    connector, payload = pairs[0]
    body = ('{"code":0,"data":{"requestSerialCode":' + "9" * digits + "}}").encode()
    verdict = connector.decode_push(WireResponse(status=200, headers={}, body=body), [payload], stamp())[0]
    assert (verdict.event, verdict.receipt) == (Event.PENDING, "9" * digits)


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("teamSysNo", 1000100001, "01000100001"),
        ("teamSysNo", int("9" * 20), "9" * 20),
        ("teamSysNo", 1, "1" + "0" * 0),
        ("workRole", 0, False),
        ("isPass", 1, True),
        ("credentialLevelType", "2", "02"),
        ("jobType", "010", 10),
        ("trainingDuration", 8.0, "8"),
        ("trainingDuration", 9999.99, "9999.990"),
        ("trainingScore", 0.0, "-0"),
        ("trainingScore", 100, "1E+2"),
        ("validEndDate", None, "9999-12-31"),
        ("validEndDate", "", "9999-12-31 00:00:00"),
        ("validBeginDate", "0001-01-01", "0001-01-01 00:00:00"),
    ],
)
def test_equal_values_in_other_forms_are_equal(name: str, ours: object, theirs: object) -> None:
    assert normalised(name, ours) == normalised(name, theirs)


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("teamSysNo", 1000100001, "100010000"),
        ("teamSysNo", 0, None),
        ("trainingDuration", 8.0, "8.5"),
        ("trainingDuration", 8.0, "NaN"),
        ("trainingDuration", 8.0, "1e999999999999999999"),
        ("trainingScore", 8.0, "9" * 1000),
        ("validEndDate", "9999-12-30", None),
    ],
)
def test_other_values_stay_others(name: str, ours: object, theirs: object) -> None:
    assert normalised(name, ours) != normalised(name, theirs)


def test_the_last_day_of_the_calendar_means_no_end(pairs: list[tuple[WorkerPlatform, Payload]]) -> None:
    connector, _ = pairs[0]
    (made,) = people.submissions("worker_platform", RecordKind.CERTIFICATE)
    content = made.record.content
    assert isinstance(content, Certificate)
    for valid_to, shown in ((date.max, None), (date(9999, 12, 30), "9999-12-30"), (None, None)):
        record = replace(made.record, content=replace(content, valid_to=valid_to))
        payload = connector.check(replace(made, record=record), connector.map(replace(made, record=record)))
        assert isinstance(payload, Payload)
        assert payload.fields.get("validEndDate") == shown


@pytest.mark.parametrize("text", ["汉" * 1000, "0" * 1000, "\U00020bb7", "a" * 15, "a" * 16, "a" * 17])
def test_encryption_keeps_texts_of_every_length(text: str) -> None:
    assert decrypt(encrypt(text, SECRET), SECRET) == text


def test_a_text_that_decrypts_to_no_unicode_is_nobody(pairs: list[tuple[WorkerPlatform, Payload]]) -> None:
    assert decrypt(base64.b64encode(b"\xff" * 32).decode(), SECRET) is None


# --- the simulated platform is total as well ---


@pytest.mark.parametrize("dialect", ["huzhou", "henan"])
@pytest.mark.parametrize("value", [*VALUES, '"²"', "[" * DEEP, '{"a":' * DEEP], ids=range(len(VALUES) + 3))
def test_the_sandbox_answers_whatever_it_is_sent(dialect: str, value: str) -> None:
    sandbox, spoken, rng = build_sandbox(dialect=dialect), load_dialect(dialect), random.Random(1)
    at = sandbox.access("http://127.0.0.1:1").details
    credentials = Credentials(appid=at["appid"], secret=at["appsecret"])
    for shape in ('{"pageIndex":@,"pageSize":@,"projectCode":@,"teamSysNo":@}', '{"workerList":[{"name":@}]}', "@"):
        data = shape.replace("@", value)
        text = f"[{data}]" if spoken.wrap == "list" else data
        for method in (spoken.methods.worker_query, spoken.methods.worker_add, spoken.methods.training_add):
            now = replace(stamp(), now=datetime.now(UTC), nonce=rng.randbytes(16))
            fields = signed_fields(method, text, now, spoken, credentials)
            form = spoken.body == "form"
            request = WireRequest(
                operation=method,
                path=spoken.path,
                headers={"content-type": FORM if form else "application/json"},
                body=form_urlencoded(fields) if form else json.dumps(fields).encode(),
            )
            response = answer_of(sandbox, "http://127.0.0.1:1", request)
            assert response is not None
            assert response.status == 200
            assert "code" in json.loads(response.body)
