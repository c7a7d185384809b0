"""What the gateway must know of the platform before it speaks to it: kinds, limits, plans and address of its dialect.

Loads neither SOAP nor XML, for the commands that only ask.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.national_market import tables
from connectors.national_market.dialect import Dialect, load_dialect
from connectors.national_market.settings import PLATFORM, NationalMarketSettings
from gateway.codec.codes import table
from gateway.codec.soap import MEDIA_TYPES
from gateway.contract.connector import ConnectorInfo, Description, HoldingsBy, KindInfo
from gateway.domain.records import RecordKind
from gateway.locale import tr
from gateway.settings import Loader

SCHEMA_VERSION = "1.0"
_STATUSES = frozenset({200, 400, 500})
"""400 carries sender faults of SOAP 1.2"""

SHORT = "市场监管"


def describe(load: Loader) -> Description:
    """The connector's data; ConfigurationError as ``adapter.build`` raises it."""
    settings = load(NationalMarketSettings)
    tables.check_folder(settings.code_folder)
    info = typed(settings) if settings.dialect == "T" else xml_string(settings, load_dialect(settings.dialect_file))
    return Description(info=info, endpoint=settings.to_endpoint())


def typed(settings: NationalMarketSettings) -> ConnectorInfo:
    """Dialect T. Sending twice is harmless: record key and version decide, and an equal version is a no-op."""
    together = KindInfo(batch_max=settings.batch_max, replay_safe=True, after=(RecordKind.PERSON,))
    # One to a call: two changes of one certificate would answer under the same key. Their records are versions of the
    # record they speak of, so the core keeps their order without an order of kinds.
    one = KindInfo(batch_max=1, replay_safe=True)
    return ConnectorInfo(
        platform=PLATFORM,
        title_zh="全国建筑市场监管公共服务平台",
        short_zh=SHORT,
        code_words=code_words(),
        code_acts=CODE_ACTS,
        spec_version=SCHEMA_VERSION,
        kinds={
            RecordKind.PERSON: KindInfo(batch_max=settings.batch_max, replay_safe=True),
            RecordKind.CERTIFICATE: together,
            RecordKind.STATUS_CHANGE: one,
            RecordKind.WITHDRAWAL: one,
        },
        reply_media_types=MEDIA_TYPES,
        reply_statuses=_STATUSES,
        retry=settings.to_retry(),
        polls=settings.to_polls(),
        lookups=settings.to_lookups(),
        negative_lookups=settings.negative_lookups,
        holdings_by=HoldingsBy.RECORD,
    )


def xml_string(settings: NationalMarketSettings, dialect: Dialect) -> ConnectorInfo:
    """Dialect X. Its books are compared by page, where whole tables can be read under one account."""
    one = KindInfo(batch_max=1, replay_safe=True)
    return ConnectorInfo(
        platform=PLATFORM,
        title_zh=dialect.title_zh,
        short_zh=SHORT,
        code_words=code_words(),
        code_acts=CODE_ACTS,
        spec_version=f"X/{settings.dialect_file.rpartition('/')[2].removesuffix('.toml')}",
        kinds={
            RecordKind.PERSON: one,
            RecordKind.CERTIFICATE: KindInfo(batch_max=1, replay_safe=True, after=(RecordKind.PERSON,)),
            RecordKind.STATUS_CHANGE: one,
            RecordKind.WITHDRAWAL: one,
        },
        reply_media_types=MEDIA_TYPES,
        reply_statuses=_STATUSES,
        retry=settings.to_retry(),
        polls=settings.to_polls(),
        lookups=settings.to_lookups(),
        negative_lookups=settings.negative_lookups,
        holdings_by=HoldingsBy.PAGE if lists_tables(settings, dialect) else None,
    )


def code_words() -> dict[str, tuple[str, str]]:
    """Each result code in the platform's words, Chinese and English."""
    codes = table("result_code", "connectors.national_market.codes")
    return {row["code"]: (row["name_zh"], row["meaning"]) for row in codes.rows} | _FAULT_WORDS


def lists_tables(settings: NationalMarketSettings, dialect: Dialect) -> bool:
    """Whether the dialect's reading call may read whole tables, and all is reported under one account."""
    return dialect.read is not None and dialect.read.since is not None and not settings.region_accounts


_FAULT_WORDS = {
    "fault_FailedAuthentication": ("登录校验未通过", "user, password or time stamp is not taken"),
    "fault_InvalidSecurity": ("安全头不符合要求", "the security header is not taken"),
    "fault_InvalidSecurityToken": ("安全令牌无效", "the security token is not taken"),
    "fault_MessageExpired": ("报文时间已过期", "the time stamp is too old"),
    "fault_Server": ("平台内部错误", "the platform itself fails"),
    "fault_Client": ("平台不接受该请求", "the platform does not take the request"),
}
"""faults of SOAP and WS-Security in words"""
_ACCOUNT = tr("look at USERNAME, PASSWORD and this machine's clock (gateway check shows the difference)")
_CLOCK = tr("set this machine's clock right (time synchronisation); gateway check shows the difference")
_LATER = tr("nothing, it goes on by itself; where it stays, raise MIN_INTERVAL_SECONDS or ask the platform")
_TABLES = tr("compare the code tables (gateway check --codes); then gateway replay plan")
CODE_ACTS: Mapping[str, str] = {
    **dict.fromkeys(("001", "101", "fault_InvalidSecurity", "fault_InvalidSecurityToken"), _ACCOUNT),
    "fault_FailedAuthentication": _ACCOUNT,
    **dict.fromkeys(("104", "fault_MessageExpired"), _CLOCK),
    "102": tr("ask the platform to give the account of USERNAME the right to this kind of record and region"),
    **dict.fromkeys(("006", "007", "103", "901", "fault_Server"), _LATER),
    **dict.fromkeys(("004", "303"), _TABLES),
    "402": tr("the person goes first: gateway why with the certificate's number"),
    "403": tr("the city corrects the employer's code"),
    "404": tr("the number is somebody else's there: settle it with the platform, then gateway release NUMBER"),
}
"""what helps with a code"""
