"""One cell to one value: the forms that are read, and the ones that are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.records import ContractTerm
from gateway.intake.reading import values as v
from gateway.intake.reading import words
from gateway.intake.reading.rules import RULES
from gateway.intake.rules.filing import Origin

CHINA = timezone(timedelta(hours=8))
FIRST_OF_MARCH = date(2018, 3, 1)


@pytest.mark.parametrize(
    "cell",
    [
        FIRST_OF_MARCH,
        datetime(2018, 3, 1, 13, 5),
        43160,
        43160.0,
        43160.75,
        "43160",
        20180301,
        20180301.0,
        "20180301",
        "2018.3.1",
        "2018.03.01",
        "2018-3-1",
        "2018/03/01",
        "2018年3月1日",
        "2018 年 3 月 1 日",
        "２０１８年３月１日",
        " 2018-03-01 ",
        "2018-03-01 00:00:00",
        "2018-03-01T23:59:59+08:00",
        "2018-02-28T16:00:00Z",
        "20180301120000",
        "2018年3月1号",
        "2018—03—01",
        "2018–3–1",
        "二〇一八年三月一日",
        "二零一八年三月一号",
        "2018年3月1日 上午9:00",
        "2018-03-01 9时",
    ],
)
def test_dates_in_the_forms_cities_use(cell: v.Cell) -> None:
    assert v.read_date(cell) == FIRST_OF_MARCH


@pytest.mark.parametrize(
    "cell",
    [
        "2018年3月",
        "2018-03",
        "18.3.1",
        "3/1/2018",
        "2018-02-29",
        "2018-13-01",
        "2018.3.1-2020",
        "2018.3.1-2020.3.1",
        "约2018年",
        "18991231",
        "21000101",
        201803,
        9999,
        73051,
        43160.0 * 1000,
        time(9, 0),
        timedelta(days=1),
        True,
        "2018-03-01 25:00",
        "1234567",
    ],
)
def test_what_is_no_complete_date_is_refused(cell: v.Cell) -> None:
    assert v.read_date(cell) is v.DATE


@pytest.mark.parametrize("cell", ["", "  ", "/", "—", "无", "-", "\\", "n/a", "／", "\u3000"])
def test_signs_for_nothing_are_nothing(cell: str) -> None:
    assert v.is_blank(cell)
    assert v.read_date(cell) is None
    assert v.read_text(10)(cell) is None
    assert v.read_name(cell) is None
    assert v.read_moment(cell) is None


@pytest.mark.parametrize("cell", ["长期", "长期有效", "永久", "无固定期限", "", "/"])
def test_an_end_may_be_open(cell: str) -> None:
    assert v.read_end_date(cell) is None


def test_the_29th_of_february_is_a_date_in_leap_years_only() -> None:
    assert v.read_date("2016-02-29") == date(2016, 2, 29)
    assert v.read_date("2017-02-29") is v.DATE
    assert v.read_date("1900-02-29") is v.DATE


@pytest.mark.parametrize(
    "cell",
    [
        datetime(2019, 3, 11, 9, 30),
        "2019-03-11 09:30",
        "2019-03-11 9:30:00",
        "2019/3/11 9:30",
        "2019年3月11日 9时30分",
        "2019年3月11日9时30分0秒",
        "2019-03-11T09:30:00",
        "2019-03-11T09:30:00.000+08:00",
        "2019-03-11T01:30:00Z",
        "2019-03-10T21:30:00-0400",
        43535.395833333336,
        "20190311093000",
    ],
)
def test_moments_are_read_at_the_time_of_china(cell: v.Cell) -> None:
    assert v.read_moment(cell) == datetime(2019, 3, 11, 9, 30, tzinfo=CHINA)


def test_a_day_without_time_is_its_first_moment() -> None:
    assert v.read_moment("2019-03-31") == datetime(2019, 3, 30, 16, 0, tzinfo=UTC)
    assert v.read_moment(date(2019, 3, 31)) == datetime(2019, 3, 31, tzinfo=CHINA)


@pytest.mark.parametrize("cell", ["上午", "09:30", "2019-03-11 24:00", "2019-03-11 9:61", 0.5])
def test_what_is_no_moment_is_refused(cell: v.Cell) -> None:
    assert v.read_moment(cell) is v.TIME


@pytest.mark.parametrize("cell", [3.7000019800101e17, 370000198001010001, "3.70000E+17", "3.7E17", "１.２E+16", 1e15])
def test_numbers_with_lost_digits_are_known(cell: v.Cell) -> None:
    assert v.read_identifier(30)(cell) is v.DIGITS_LOST


@pytest.mark.parametrize(
    ("cell", "text"),
    [(370000800101003.0, "370000800101003"), (12.0, "12"), ("3E5A", "3E5A"), ("1E", "1E"), (" ab c ", "ABC")],
)
def test_identifiers_keep_every_digit_they_have(cell: v.Cell, text: str) -> None:
    assert v.read_identifier(30)(cell) == text


def test_limits_count_characters() -> None:
    assert v.read_text(3)("示例甲") == "示例甲"
    assert v.read_text(3)("示例甲乙") is v.LENGTH
    assert v.read_identifier(3)("1234") is v.LENGTH


@pytest.mark.parametrize(
    ("cell", "flag"),
    [
        *(
            ("是", True),
            ("√", True),
            ("已盖章", True),
            (True, True),
            ("TRUE", True),
            (1.0, True),
        ),
        *(
            ("否", False),
            ("未加盖", False),
            ("×", False),
            (False, False),
            ("无", False),
            (0.0, False),
        ),
    ],
)
def test_flags(cell: v.Cell, flag: bool) -> None:
    assert v.read_flag(cell) is flag


def test_a_word_nobody_taught_us_is_refused() -> None:
    assert v.read_flag("大概") is v.CODE
    assert v.read_word(words.TERMS)("临时") is v.CODE
    assert v.read_flag("") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(
            ("初级", "2"),
            ("初级工", "2"),
            ("五级", "2"),
            ("中级工", "3"),
            ("高级（三级）", "4"),
            ("高级(三级)", "4"),
        ),
        *(
            ("技师", "5"),
            ("高级技师", "6"),
            ("普工", "1"),
            ("3", None),
            ("2", None),
            ("特级", None),
        ),
    ],
)
def test_levels_are_read_as_words_because_their_digits_run_both_ways(text: str, code: str | None) -> None:
    assert words.level_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(
            ("居民身份证", "111"),
            ("身份证", "111"),
            ("111", "111"),
            ("01", "111"),
            ("护照", "414"),
            ("c01", "C01"),
        ),
        *(
            ("港澳台居民居住证", words.PERMIT),
            ("台湾居民居住证", "C02"),
            ("退休证", None),
            ("99", None),
            ("", None),
        ),
    ],
)
def test_document_types(text: str, code: str | None) -> None:
    assert words.document_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"), [("汉", "01"), ("汉族", "01"), ("01", "01"), ("1", "01"), ("维吾尔", "05"), ("火星", None)]
)
def test_ethnicities(text: str, code: str | None) -> None:
    assert words.ethnicity_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"), [("初中", "70"), ("初中毕业", "71"), ("71", "71"), ("本科", "20"), ("x", None)]
)
def test_education(text: str, code: str | None) -> None:
    assert words.education_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(
            ("370100", "370100"),
            ("济南市", "370100"),
            ("济南", "370100"),
            ("莱芜市", "371200"),
            ("省直", "370000"),
        ),
        *(
            ("山东省", "370000"),
            ("372900", "372900"),
            ("菏泽地区", "372900"),
            ("110000", None),
            ("市中区", None),
        ),
    ],
)
def test_divisions_of_the_province_past_and_present(text: str, code: str | None) -> None:
    assert words.region_of(text) == code


def test_other_divisions_count_only_where_people_come_from() -> None:
    assert words.any_region_of("411000") == "411000"
    assert words.any_region_of("911000") is None
    assert words.any_region_of("济南市") == "370100"


@pytest.mark.parametrize(
    ("text", "trade"),
    [
        ("砌筑工", ("010", "砌筑工")),
        ("瓦工", ("010", "瓦工")),
        ("焊工", ("270", "焊工")),
        ("10", ("010", "砌筑工")),
        ("010", ("010", "砌筑工")),
        ("弱电工", ("130", "弱电工")),
        ("推土(铲运)机驾驶员", ("150", "推土(铲运)机驾驶员")),
        ("推土（铲运）机驾驶员", ("150", "推土（铲运）机驾驶员")),
        ("1000", ("1000", "其它")),
        ("质检员", None),
        ("900", None),
        ("宇航工", None),
    ],
)
def test_trades_by_code_name_and_alias(text: str, trade: tuple[str, str] | None) -> None:
    assert words.trade_of(text) == trade


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("证书、身份证、合同", ("CERT", "IDCARD", "CONTRACT")),
        ("劳动合同，身份证 和 岗位证书", ("CERT", "IDCARD", "CONTRACT")),
        ("证书/身份证", ("CERT", "IDCARD")),
        ("CERT;IDCARD", ("CERT", "IDCARD")),
        ("证书、户口本", None),
        ("齐全", None),
        ("、", None),
    ],
)
def test_originals(text: str, kinds: tuple[str, ...] | None) -> None:
    assert words.originals_of(text) == kinds


def test_words_of_the_form_have_their_meaning() -> None:
    assert v.read_word(words.TERMS)("无固定期限") is ContractTerm.OPEN
    assert v.read_word(words.ORIGINS)("省直") is Origin.PROVINCE
    assert v.read_word(words.EMPLOYED)("无工作单位") is False
    assert v.read_word(words.EMPLOYED)(2.0) is False
    assert v.read_word(words.GENDERS)("女性") == "2"


@given(st.dates(date(1930, 1, 1), date(2099, 12, 31)))
def test_every_date_survives_every_form(day: date) -> None:
    serial = (day - date(1899, 12, 30)).days
    forms: tuple[v.Cell, ...] = (f"{day.year}.{day.month}.{day.day}", f"{day:%Y%m%d}", int(f"{day:%Y%m%d}"), serial)
    assert {v.read_date(form) for form in (*forms, f"{day.year}年{day.month}月{day.day}日", day)} == {day}


@given(
    st.one_of(
        st.text(max_size=40),
        st.floats(),
        st.integers(),
        st.booleans(),
        st.datetimes(),
        st.dates(),
        st.times(),
        st.timedeltas(),
    )
)
def test_reading_is_total(cell: v.Cell) -> None:
    for read in (v.read_date, v.read_end_date, v.read_moment, v.read_name, v.read_flag, v.read_mobile):
        read(cell)
    for read_more in (v.read_identifier(30), v.read_text(30), v.read_credit_code, v.read_certificate_number):
        read_more(cell)
    for word in (words.level_of, words.originals_of, words.document_of, words.trade_of, words.region_of):
        v.read_with(word)(cell)


def test_rules_have_ids_and_both_languages() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.en.isascii() and not rule.zh.isascii() and rule.id.startswith("R-") for rule in RULES)


@pytest.mark.parametrize(
    "cell",
    [
        *("示例甲、示例乙", "示例甲/示例乙", "示例甲，示例乙", "示例甲 示例乙", "示例甲\n示例乙", "示例甲;示例乙"),
        *(
            "&nbsp;示例甲",
            "<b>示例甲</b>",
            "示例甲——",
            "示例甲（曾用名示例乙）",
            "示例甲。",
            "示例甲1",
            "示例甲\x01",
            "示\x00",
        ),
        *("示\ufffd甲", "\ud852", "???", "示例①", "绀轰緥鐢", "ç¤ºä¾", "不详", 12.0, True, date(2012, 1, 1)),
    ],
)
def test_what_is_not_the_name_of_one_person_is_refused(cell: v.Cell) -> None:
    assert v.read_name(cell) is v.NAME


@pytest.mark.parametrize("cell", ["同上", "〃", "同前", "々", " 同 上 "])
def test_signs_that_point_to_another_row_are_refused(cell: str) -> None:
    assert v.read_name(cell) is v.DITTO
    assert v.read_party(200)(cell) is v.DITTO
    assert v.read_identifier(30)(cell) is v.DITTO


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        *(
            ("古丽。艾山", "古丽·艾山"),
            ("古丽﹒艾山", "古丽·艾山"),
            ("古丽˙艾山", "古丽·艾山"),
            ("古丽ㆍ艾山", "古丽·艾山"),
        ),
        *(("\u202d示例甲\u202c", "示例甲"), ("示\u200f例甲", "示例甲"), ("\u2f70例甲", "示例甲"), ("⻢示例", "马示例")),
        *(("王 小明", "王小明"), ("欧阳 小明", "欧阳小明"), ("王\u3000明", "王明"), ("João da Silva", "João da Silva")),
        *(("O'Brien Jr.", "O'Brien Jr."), ("Anne-Marie", "Anne-Marie"), ("〇示例", "〇示例")),
    ],
)
def test_names_are_folded_and_kept(cell: str, name: str) -> None:
    assert v.read_name(cell) == name


def test_several_may_verify_or_review() -> None:
    assert (
        v.read_names("示例甲、示例乙")
        == v.read_names("示例甲 示例乙")
        == v.read_names("示例甲/示例乙")
        == "示例甲、示例乙"
    )
    assert v.read_names("示例甲、12") is v.NAME
    assert v.read_names("") is None


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "山东????有限公司",
            "山东锟斤拷有限公司",
            "12345",
            "2012-06-01",
            "å±±ä¸œç¤ºä¾‹",
            "É½¶«Ê¾Àý",
            "灞变笢绀轰緥",
        ),
        *(12345.0, date(2012, 6, 1), time(9, 0), True),
    ],
)
def test_what_is_no_organisation_is_refused(cell: v.Cell) -> None:
    assert v.read_party(200)(cell) is v.PARTY


@pytest.mark.parametrize(
    "cell", ["山东示例建设有限公司", "中建八局第一建设有限公司（济南）", "ABC Construction Co., Ltd.", "联通"]
)
def test_organisations_are_kept(cell: str) -> None:
    assert v.read_party(200)(cell) == cell


def test_a_text_that_cannot_be_sent_is_refused() -> None:
    for cell in ("示例路\x01号", "示例\ufffd路", "示例&nbsp;路", "<br/>示例路", "示例\ue000路"):
        assert v.read_text(100)(cell) is v.CHARACTERS
    assert v.read_text(100)("https://example.invalid/n?id=1&b=2") == "https://example.invalid/n?id=1&b=2"


@pytest.mark.parametrize("cell", [date(2012, 12, 1), datetime(2012, 12, 1, 9), time(9, 30), timedelta(hours=30)])
def test_a_day_or_time_is_no_identifier(cell: v.Cell) -> None:
    assert v.read_certificate_number(cell) is v.IS_DAY
    assert v.read_identifier(30)(cell) is v.IS_DAY


@pytest.mark.parametrize("cell", ["20.12%", "100%", 2012.5, 0.5, True, False])
def test_a_share_or_fraction_is_no_identifier(cell: v.Cell) -> None:
    assert v.read_certificate_number(cell) is v.IS_SHARE


@pytest.mark.parametrize(
    "cell", ["+8613800000100", "+86 138-0000-0100", "86-13800000100", "0086 13800000100", 13800000100]
)
def test_mobile_numbers_are_found_behind_the_code_of_the_country(cell: v.Cell) -> None:
    assert v.read_mobile(cell) == "13800000100"


@pytest.mark.parametrize("cell", ["13800861234", "18613800000"])
def test_the_code_of_the_country_is_looked_for_in_front_only(cell: str) -> None:
    assert v.read_mobile(cell) == cell


@pytest.mark.parametrize("cell", ["9999-12-31", "99991231", date(9999, 12, 31), "无限期", "终身", "9999年12月31日"])
def test_an_end_in_the_last_year_of_the_calendar_is_none(cell: v.Cell) -> None:
    assert v.read_end_date(cell) is None


@pytest.mark.parametrize(
    ("cell", "hour", "minute"),
    [
        ("2019-03-11 上午9:00", 9, 0),
        ("2019年3月11日 下午3时", 15, 0),
        ("2019-03-11 9时", 9, 0),
        ("2019-3-11 3:30 PM", 15, 30),
    ],
)
def test_hours_are_read_as_they_are_said(cell: str, hour: int, minute: int) -> None:
    assert v.read_moment(cell) == datetime(2019, 3, 11, hour, minute, tzinfo=CHINA)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("岗位证书原件、身份证原件、劳动合同原件", ("CERT", "IDCARD", "CONTRACT")),
        ("岗位证书原件\n身份证原件", ("CERT", "IDCARD")),
        ("证书 身份证 合同", ("CERT", "IDCARD", "CONTRACT")),
        ("1.岗位证书；2.身份证；3.劳动合同", ("CERT", "IDCARD", "CONTRACT")),
        ("√证书 √身份证", ("CERT", "IDCARD")),
        ("原件", None),
    ],
)
def test_originals_in_the_words_of_the_notice(text: str, meaning: object) -> None:
    assert words.originals_of(text) == meaning


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("三级/高级工", "4"),
        ("三级／高级工", "4"),
        ("国家职业资格三级", "4"),
        ("高级（四级）", None),
        ("高级/四级", None),
        ("3级", None),
    ],
)
def test_a_level_that_is_said_twice_must_agree(text: str, level: str | None) -> None:
    assert words.level_of(text) == level


@pytest.mark.parametrize(
    ("text", "trade"),
    [
        ("砌筑工（瓦工）", ("010", "砌筑工")),
        ("瓦工/砌筑工", ("010", "瓦工")),
        ("砌筑工（中级）", ("010", "砌筑工")),
        ("砌筑工（焊工）", None),
        ("砌筑工（其他说明）", None),
    ],
)
def test_a_trade_may_carry_its_other_name_or_level(text: str, trade: object) -> None:
    assert words.trade_of(text) == trade


@pytest.mark.parametrize("text", ["山东省济南市", "山东济南", "370100000000", "370100000", " 济南市 "])
def test_a_city_is_found_behind_the_province_and_before_zeros(text: str) -> None:
    assert words.region_of(text) == "370100"
