"""The connector's data, without what writes and reads its files: for the commands that only ask."""

from __future__ import annotations

from connectors.training_system.schema import Mappings, read_mappings
from connectors.training_system.settings import PLATFORM, TrainingSystemSettings
from gateway.contract.connector import ConnectorInfo, Description, Endpoint, HoldingsBy, KindInfo
from gateway.contract.handover import MEDIA_TYPE, STATUSES
from gateway.domain.records import RecordKind
from gateway.locale import tr
from gateway.settings import Loader

UNDESCRIBED = tr("the mapping of the centre does not describe this kind")


def describe(load: Loader) -> Description:
    """Kinds, limits, plans and place; ConfigurationError names what is missing or contradictory."""
    settings, endpoint, mappings = configured(load)
    return Description(info=properties(settings, mappings), endpoint=endpoint)


def configured(load: Loader) -> tuple[TrainingSystemSettings, Endpoint, Mappings]:
    """The settings, the place they name, and the mappings they name, which must fit that place."""
    settings = load(TrainingSystemSettings)
    endpoint = settings.to_endpoint()
    return settings, endpoint, read_mappings(settings.mappings, tables=by_table(endpoint))


def by_table(endpoint: Endpoint) -> bool:
    """Whether rows are handed over in a database, and not files in a folder."""
    return endpoint.hand_over is not None and endpoint.hand_over.database is not None


def properties(settings: TrainingSystemSettings, mappings: Mappings) -> ConnectorInfo:
    """The kinds that the newest mapping describes; nothing there can be repeated without being asked about."""
    sections = mappings.newest.sections()
    return ConnectorInfo(
        platform=PLATFORM,
        title_zh="住房城乡建设行业从业人员培训管理信息系统",
        short_zh="培训管理",
        spec_version=mappings.newest.version,
        kinds={
            kind: KindInfo(
                batch_max=section.rows,
                replay_safe=False,
                after=(RecordKind.PERSON,) if section.after_person and RecordKind.PERSON in sections else (),
            )
            for kind, section in sections.items()
        },
        reply_media_types=frozenset({MEDIA_TYPE}),
        reply_statuses=STATUSES,
        retry=settings.to_retry(),
        polls=settings.to_polls(),
        lookups=settings.to_lookups(),
        negative_lookups=1,
        holdings_by=HoldingsBy.PAGE if lists(mappings) else None,
        declined={kind: UNDESCRIBED for kind in RecordKind if kind not in sections},
    )


def lists(mappings: Mappings) -> bool:
    """Whether the owner's list of what it holds is described, and can be compared with."""
    return any(section.listing for section in mappings.newest.sections().values())
