"""What the gateway must know of the platform before it speaks to it."""

from __future__ import annotations

from connectors.provincial_credit.settings import ProvincialCreditSettings
from gateway.contract.connector import ConnectorInfo, HoldingsBy, KindInfo
from gateway.domain.records import RecordKind
from gateway.domain.schedule import waits

_ANSWERED = frozenset({200, 201, 202, 400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 429, 500, 503})


def properties(settings: ProvincialCreditSettings) -> ConnectorInfo:
    """The connector's properties, every number a setting."""
    return ConnectorInfo(
        platform="provincial_credit",
        title_zh="山东省住房城乡建设服务监管与信用信息综合平台",
        spec_version="proposed contract 1.0.0",
        kinds={RecordKind.CERTIFICATE: KindInfo(batch_max=settings.batch_max, replay_safe=True)},
        reply_media_types=frozenset({"application/json", "application/problem+json"}),
        reply_statuses=_ANSWERED,
        retry=waits(
            *settings.retry_seconds, then=settings.retry_then_seconds, give_up_after=settings.retry_give_up_seconds
        ),
        polls=waits(
            *settings.poll_seconds, then=settings.poll_then_seconds, give_up_after=settings.poll_give_up_seconds
        ),
        lookups=waits(*settings.settling_seconds),
        negative_lookups=settings.negative_lookups,
        holdings_by=HoldingsBy.PAGE,
        declined={
            RecordKind.PERSON: "an item carries the person with the certificate; persons are not taken alone",
            RecordKind.STATUS_CHANGE: "not built: the interface has a call for it that this connector does not make",
            RecordKind.WITHDRAWAL: "not built: the interface has an operation for it that this connector does not use",
        },
    )
