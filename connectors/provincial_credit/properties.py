"""What the gateway must know of the platform before it speaks to it."""

from __future__ import annotations

from connectors.provincial_credit import dictionaries
from connectors.provincial_credit.envelope import ENVELOPE_TYPE, GM_TYPE
from connectors.provincial_credit.settings import ProvincialCreditSettings
from gateway.contract.connector import ConnectorInfo, HoldingsBy, KindInfo
from gateway.domain.records import RecordKind
from gateway.locale import tr

_ANSWERED = frozenset({200, 201, 202, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 429, 500, 503})
_OWN_TYPES = frozenset({"application/json", "application/problem+json", "application/gzip", GM_TYPE, ENVELOPE_TYPE})


def properties(settings: ProvincialCreditSettings) -> ConnectorInfo:
    """The connector's properties, every number a setting."""
    together = settings.batch_max if settings.push_by == "batch" else 1
    return ConnectorInfo(
        platform="provincial_credit",
        title_zh="山东省住房城乡建设服务监管与信用信息综合平台",
        short_zh="省信用",
        code_words=dictionaries.code_words(),
        code_acts=dictionaries.CODE_ACTS,
        spec_version="proposed contract 1.0.0",
        kinds={
            RecordKind.CERTIFICATE: KindInfo(batch_max=together, replay_safe=True),
            RecordKind.STATUS_CHANGE: KindInfo(batch_max=1, replay_safe=True),
            RecordKind.WITHDRAWAL: KindInfo(batch_max=together, replay_safe=True),
        },
        reply_media_types=_OWN_TYPES,
        reply_statuses=_ANSWERED,
        retry=settings.to_retry(),
        polls=settings.to_polls(),
        lookups=settings.to_lookups(),
        negative_lookups=settings.negative_lookups,
        holdings_by=HoldingsBy.PAGE,
        declined={
            RecordKind.PERSON: tr("an item carries the person with the certificate; persons are not taken alone"),
        },
    )
