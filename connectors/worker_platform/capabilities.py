"""What the connector says of itself in one dialect: which kinds are owed, by which calls, and why others are not."""

from __future__ import annotations

from pathlib import Path

from connectors.worker_platform.dialect import KIND_ACTS, KIND_WORDS, Dialect
from connectors.worker_platform.settings import WorkerPlatformSettings
from gateway.contract.connector import ConnectorInfo, HoldingsBy, KindInfo
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import RecordKind
from gateway.locale import tr

PLATFORM = "worker_platform"
NO_WRITE = tr(
    "this dialect of the platform has no method that takes a certificate; certificates can only be read there"
)
_DECLINED: dict[RecordKind, str] = {
    RecordKind.PERSON: tr(
        "the platform registers a worker only within a project, with company and team; certificates travel without one"
    ),
    RecordKind.STATUS_CHANGE: tr("no method for a change of status is known; a later certificate version carries it"),
    RecordKind.WITHDRAWAL: tr("the platform has no method that deletes anything"),
}
_NEITHER: dict[RecordKind, str] = {
    **_DECLINED,
    RecordKind.PERSON: tr("the platform registers a worker only within a project, and this dialect takes none"),
    RecordKind.CERTIFICATE: NO_WRITE,
}
_REST: dict[RecordKind, str] = {
    **_DECLINED,
    RecordKind.PERSON: tr(
        "the platform registers a worker only within a project; filings that name none go no further"
    ),
    RecordKind.CERTIFICATE: tr(
        "{reason}; only what a filing with a project says can be sent, as a training there", reason=NO_WRITE
    ),
}
"""why those records are not owed whose filings name no project"""


def only_reads_certificates(dialect: Dialect) -> bool:
    """Whether certificates can be looked up that cannot be sent as such."""
    return dialect.capabilities.credential_read and not dialect.capabilities.credential_write


def describe(settings: WorkerPlatformSettings, dialect: Dialect) -> ConnectorInfo:
    """The connector's data. Certificates themselves go before trainings, where a dialect takes both."""
    can = dialect.capabilities
    kinds, declined = _kinds(settings, dialect)
    readable = can.credential_read or can.training_write
    return ConnectorInfo(
        platform=PLATFORM,
        title_zh=dialect.title_zh,
        short_zh="工人管理",
        code_words={code: KIND_WORDS[kind] for code, kind in dialect.error_codes.items()},
        code_acts={code: KIND_ACTS[kind] for code, kind in dialect.error_codes.items() if kind in KIND_ACTS},
        spec_version=f"open.api {dialect.spec_version} ({Path(settings.dialect).stem})",
        kinds=kinds,
        reply_media_types=settings.reply_media_types,
        reply_statuses=frozenset({200}),
        retry=settings.to_retry(),
        polls=settings.polls(dialect),
        lookups=settings.lookups(),
        negative_lookups=len(settings.settling_seconds),
        holdings_by=HoldingsBy.RECORD if readable else None,
        declined=declined,
    )


def _kinds(
    settings: WorkerPlatformSettings, dialect: Dialect
) -> tuple[dict[RecordKind, KindInfo], dict[RecordKind, str]]:
    name = "GATEWAY_WORKER_PLATFORM__BATCH_MAX"
    if dialect.capabilities.credential_write:
        if settings.batch_max > dialect.batch_max.credential:
            raise ConfigurationError(tr("{name}: the dialect takes fewer in one call", name=name))
        if settings.batch_max > 1 and dialect.credential.update_shape == "flat":
            raise ConfigurationError(tr("{name}: changes travel one by one in this dialect", name=name))
        return {RecordKind.CERTIFICATE: KindInfo(batch_max=settings.batch_max, replay_safe=False)}, _DECLINED
    if not dialect.capabilities.training_write:
        return {}, _NEITHER
    if settings.batch_max > 1:
        raise ConfigurationError(
            tr("{name}: by project a call carries one person, because it carries one team", name=name)
        )
    worker = KindInfo(batch_max=1, replay_safe=False, by_project=True)
    training = KindInfo(batch_max=1, replay_safe=False, by_project=True, after=(RecordKind.PERSON,))
    return {RecordKind.PERSON: worker, RecordKind.CERTIFICATE: training}, _REST
