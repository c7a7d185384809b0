"""The composition root: settings become an open gateway. Nothing is opened at import.

Global is only how Python looks for reference cycles, and how often its threads take turns.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gateway import registry
from gateway.actor import person
from gateway.contract.connector import Connector, Description, Endpoint, GivesFeedback
from gateway.contract.messages import Token
from gateway.delivery.store import platforms as delivery_platforms
from gateway.delivery.store import recovering
from gateway.delivery.system import System
from gateway.domain.approvals import COUNTED, GuardedAct, guarded_acts
from gateway.domain.errors import ConfigurationError, NotConfigured, StoreError, alone
from gateway.locale import tr
from gateway.operations.store.key_checks import FOREIGN, holds_anything, prove_keys
from gateway.private_files import make_private, open_private
from gateway.settings import (
    BaseSettings,
    GatewaySettings,
    Loader,
    RetentionSettings,
    S,
    ServeSettings,
    SourceSettings,
    last_days,
    load,
)
from gateway.store import audit
from gateway.store.engine import Engine, Store, migrate, open_engine, verify_schema
from gateway.store.vault import KeyRing, Vault, random_bytes, read_or_make_keys

if TYPE_CHECKING:
    from gateway.delivery.exchanger import Exchanger
    from gateway.delivery.push import PushReport
    from gateway.domain.working_days import WorkCalendar
    from gateway.intake.admit import IntakeReport
    from gateway.intake.rules.gate_rules import GateRules, Point
    from gateway.operations.approvals import Permit
    from gateway.operations.incarnation import Home
    from gateway.operations.overdue import PromiseWatch
    from gateway.operations.report import ReportSettings

T = TypeVar("T")
_NO_FILE = tr("there is no such file: name the platform's CA bundle, or our certificate and key, as PEM")
_YOUNG = 10_000
"""objects made and not freed before the youngest are looked at"""
_TURN_SECONDS = 0.0005
_OTHER_VARIABLES = frozenset({"GATEWAY_SANDBOX_FOLLOWS_STDIN"})


def tune_interpreter() -> None:
    """Set Python up for pushes.

    What a push makes lives for milliseconds, until a commit. The default looks for cycles among it after every few
    hundred objects, which takes a fifth of a push's CPU time; here it does so less often, and not among what is there
    already. And the store's thread, back from a wait for the database, gets its turn while the other one is busy
    within half a millisecond instead of five, ten times in each commit.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
    sys.setswitchinterval(_TURN_SECONDS)


_tune_once = cache(tune_interpreter)


def _ulid() -> str:
    from ulid import ULID

    return str(ULID(int(time.time() * 1000).to_bytes(6, "big") + random_bytes(10)))


def system_edge() -> System:
    """The real clock and random numbers."""
    return System(
        now=lambda: datetime.now(UTC),
        new_id=_ulid,
        random_bytes=random_bytes,
        draw=random.Random().random,  # noqa: S311 - spreads waits, hides nothing
    )


@dataclass(kw_only=True)
class Gateway:
    """An open gateway: settings, store and connectors. Use it as a context manager."""

    settings: GatewaySettings
    store: Store
    loader: Loader = load
    edge: System = field(default_factory=system_edge)
    broken: dict[str, str] = field(default_factory=dict)
    """platforms whose connector could not be loaded, built or configured, and why"""
    proven: bool = False
    """whether this store was looked at for being older than the one in use, or nothing is sent from it here"""
    _connectors: dict[str, Connector] = field(default_factory=dict)
    _descriptions: dict[str, Description] = field(default_factory=dict)
    _left_out: set[str] = field(default_factory=set)
    """platforms found not to be usable: they are not tried again"""
    _settings: dict[type[BaseSettings], None] = field(default_factory=dict)
    _tokens: dict[str, Token] = field(default_factory=dict, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    @cached_property
    def lease(self) -> timedelta:
        """How long a claimed delivery may stay with a worker that says nothing."""
        return timedelta(seconds=self.settings.lease_seconds)

    @cached_property
    def platforms(self) -> list[str]:
        """Installed platforms."""
        return registry.names()

    def connector(self, platform: str) -> Connector:
        """The connector of a platform, built once."""
        from gateway.delivery.connector_guard import guarded

        if platform not in self._connectors:
            connector = guarded(registry.build_connector(platform, self._load))
            self._keep_within_lease(platform, connector.endpoint)
            _look_for_files(platform, connector.endpoint)
            self._connectors[platform] = connector
        return self._connectors[platform]

    def described(self, platform: str) -> Description:
        """What a connector says of itself; it is loaded only where it offers no description of its own."""
        if platform not in self._descriptions:
            told = registry.build_description(platform, self._load)
            if told is None:
                connector = self.connector(platform)
                giving = isinstance(connector, GivesFeedback)
                told = Description(info=connector.info, endpoint=connector.endpoint, gives_feedback=giving)
            self._keep_within_lease(platform, told.endpoint)
            self._descriptions[platform] = told
        return self._descriptions[platform]

    def _keep_within_lease(self, platform: str, endpoint: Endpoint) -> None:
        if endpoint.deadline >= self.lease:
            raise ConfigurationError(
                tr("{platform}: the deadline must be shorter than GATEWAY_LEASE_SECONDS", platform=platform)
            )

    def _load(self, settings: type[S], /) -> S:
        self._settings[settings] = None
        return self.loader(settings)

    def unread_variables(self, environment: Mapping[str, str]) -> list[str]:
        """GATEWAY_ variables that neither the core nor an installed platform reads: misspellings, most often."""
        readable, broken = set(_OTHER_VARIABLES), tuple(f"GATEWAY_{name.upper()}__" for name in self.broken)
        for prefix, names in self._readable().items():
            readable |= {f"{prefix}{name}".upper() for name in names}
        return sorted(
            name
            for name in environment
            if name.upper().startswith("GATEWAY_")
            and name.upper() not in readable
            and not (broken and name.upper().startswith(broken))
        )

    def _readable(self) -> dict[str, set[str]]:
        """Prefix -> names of settings that somebody reads; of every platform that is installed and not broken."""
        self.descriptions()
        classes: list[type[BaseSettings]] = [
            GatewaySettings,
            SourceSettings,
            ServeSettings,
            RetentionSettings,
            *self._settings,
        ]
        return {str(one.model_config.get("env_prefix", "")): set(one.model_fields) for one in classes}

    def broken_settings(self) -> dict[str, str]:
        """What is wrong with the settings of scheduled runs, retention and the source, by their names."""
        wrong: dict[str, str] = {}
        for settings in (ServeSettings, RetentionSettings, SourceSettings):
            try:
                self.loader(settings)
            except NotConfigured:
                continue
            except ConfigurationError as error:
                wrong[settings.model_config.get("env_prefix", "").removeprefix("GATEWAY_").strip("_").lower()] = str(
                    error
                )
        return wrong

    def unread_keys(self, document: Mapping[str, Any]) -> list[str]:
        """Keys and tables of ``gateway.toml`` that nobody reads, as ``key`` and ``[table] key``."""
        tables = {_section(prefix): names for prefix, names in self._readable().items()}
        unread = []
        for name, value in document.items():
            if not isinstance(value, Mapping):
                unread += [] if name in tables[""] else [name]
            elif name not in tables:
                unread += [] if name in self.broken else [f"[{name}]"]
            else:
                unread += [f"[{name}] {key}" for key in value if key not in tables[name]]
        return sorted(unread)

    def setting_names(self, platform: str) -> set[str]:
        """Names of a platform's settings, without their prefix; of those that were read so far."""
        prefix = f"GATEWAY_{platform.upper()}__"
        mine = [one for one in self._settings if one.model_config.get("env_prefix") == prefix]
        return {name.upper() for one in mine for name in one.model_fields}

    def configured(self, chosen: Sequence[str] = ()) -> list[str]:
        """The platforms named, or all that can be used; a named one that cannot is an error.

        What is installed and broken is left out and stands in ``broken``, so that it harms no other platform.
        """
        if chosen:
            return [self.connector(name).info.platform for name in dict.fromkeys(chosen)]
        return list(self._usable(self.connector))

    def descriptions(self) -> dict[str, Description]:
        """Of all platforms that can be used what they say of themselves, for whoever sends nothing."""
        return self._usable(self.described)

    def _usable(self, get: Callable[[str], T]) -> dict[str, T]:
        ready = {}
        for name in self.platforms:
            if name in self._left_out:
                continue
            try:
                ready[name] = get(name)
            except NotConfigured:
                self._left_out.add(name)
            except ConfigurationError as error:
                self._left_out.add(name)
                self.broken[name] = str(error)
        return ready

    def connectors(self) -> Mapping[str, Connector]:
        """The connectors of all platforms that can be used, by name; each is loaded when it is asked for."""
        return _Connectors(self.descriptions(), self.connector)

    def take_in(
        self,
        path: Path,
        *,
        scans: Path | None = None,
        returns: Path | None = None,
        force: bool = False,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _: None,
        keeping: Callable[[int], None] = lambda _: None,
    ) -> IntakeReport:
        """Read one reported batch for every configured platform."""
        from gateway.intake.admit import take_in
        from gateway.intake.scans import ScanLimits

        return take_in(
            path,
            self.store,
            [one.info for one in self.descriptions().values()],
            rules=self.rules,
            now=self.edge.now(),
            new_id=self.edge.new_id,
            scans=scans,
            limits=ScanLimits(certificate=self.settings.scan_bytes, contract=self.settings.contract_scan_bytes),
            returns=returns,
            force=force,
            dry_run=dry_run,
            progress=progress,
            keeping=keeping,
        )

    async def push(
        self,
        exchanger: Exchanger,
        *,
        limit: int | None = None,
        chunk: int | None = None,
        progress: Callable[[PushReport], None] = lambda _: None,
    ) -> PushReport:
        """Send what is due to a platform, at most ``limit`` deliveries, and tell a person what it did not take back."""
        from gateway.credit.store.way_back import open_way_back_tickets, way_back
        from gateway.delivery.push import push

        size = chunk or self.settings.claim_limit
        report = await push(exchanger, claim_limit=size, lease=self.lease, limit=limit, progress=progress)
        if await exchanger.query(way_back):
            await exchanger.transact(open_way_back_tickets)
        return report

    def seal(self) -> int:
        """Cover what was written since with the evidence chain; gives how many rows."""
        from gateway.operations.evidence import seal
        from gateway.operations.incarnation import note_anchored

        sealed = seal(self.store, self.edge.now(), self.settings.anchors, self._signer)
        note_anchored(self.memory)
        return sealed

    @property
    def memory(self) -> Home:
        """What this home remembers of the store it works with."""
        from gateway.operations.incarnation import Home

        return Home(file=self.settings.home / "incarnation.json", anchors=self.settings.anchors)

    def older(self) -> str | None:
        """Why platforms are held as restored, or will be at the next push, in words; None where the store is current.

        Changes nothing.
        """
        from gateway.operations.incarnation import find_older

        now = self.edge.now()
        with self.store.read() as connection:
            held = recovering.restored(connection, now)
        if held:
            return next(iter(held.values())).reason
        return find_older(self.store, self.memory, now)

    def _prove_current(self) -> None:
        """Hold all platforms where the store is older than the one in use; before anything leaves, once."""
        from gateway.operations.incarnation import prove_current

        if not self.proven:
            prove_current(self.store, self.memory, self.platforms, self.edge.now())
            self.proven = True

    @cached_property
    def _signer(self) -> Callable[[str], str] | None:
        """What signs the links of the chain; None where no key was made or named."""
        from gateway.operations.signer import command_signer, file_signer

        if self.settings.evidence_signer:
            return command_signer(self.settings.evidence_signer)
        path = self.settings.signing_key
        return file_signer(path) if path.exists() or self.settings.evidence_key else None

    def note(
        self, action: str, subject: str, *, reason: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Write an act, or the reading of a person, into the audit trail, with who did it."""
        self.demand_four_eyes()
        with self.store.write() as connection:
            audit.note(
                connection,
                at=self.edge.now(),
                actor=person().name,
                action=action,
                subject=subject,
                reason=reason,
                detail=detail or {},
            )

    def demand_four_eyes(self) -> None:
        """Let the store ask for a second person for what the settings name, from now on and whatever they say later.

        Not done by opening alone: a fresh store has to stay empty for a backup.
        """
        named = guarded_acts(self.settings.four_eyes)
        if not named:
            return
        from gateway.operations.store import approvals

        above = self.settings.four_eyes_above
        with self.store.read() as connection:
            known = approvals.demanded(connection)
        fresh = {act for act in named if act not in known or (act in COUNTED and known[act] > above)}
        if fresh:
            with self.store.write() as connection:
                approvals.demand(connection, fresh, above=above, by=person().name, now=self.edge.now())

    def second_person(
        self,
        act: GuardedAct,
        subject: str,
        parameters: Mapping[str, Any],
        *,
        reason: str,
        size: int = 0,
        about: Callable[[], Mapping[str, Any]] = dict,
    ) -> Permit:
        """Whether an act may run now, where it asks for a second person; every command and flow asks here.

        parameters: all that decides what the act does; an approval is for exactly these, and is used up by being given
        size:       how many transmissions it touches
        about:      gives what whoever decides has to know, keys and counts; called where somebody is asked
        """
        from gateway.operations.approvals import FourEyes, permit

        self.demand_four_eyes()
        named = guarded_acts(self.settings.four_eyes)
        rules = FourEyes(
            named=named, most=self.settings.four_eyes_above, lasts=timedelta(hours=self.settings.four_eyes_hours)
        )
        return permit(
            self.store,
            rules,
            person(),
            self.edge.now(),
            act=act,
            parameters=parameters,
            subject=subject,
            reason=reason,
            size=size,
            about=about,
        )

    def draw_checks(self) -> int:
        """Draw the random checks that void certificates ask for; gives how many draws were made."""
        from gateway.credit.supervision import Checks, draw_owed, read_checker_file

        named = self.settings.checkers
        checks = Checks(
            ratio=self.settings.check_ratio,
            checkers=read_checker_file(named) if named else (),
            calendar=self.calendar,
            now=self.edge.now,
            new_id=self.edge.new_id,
            random_bytes=self.edge.random_bytes,
        )
        return draw_owed(self.store, checks)

    @property
    def rules(self) -> GateRules:
        """The gates' rules as set."""
        from gateway.intake.rules.gate_rules import FilingDay, GateRules

        return GateRules(
            age_limit_inclusive=self.settings.age_limit_inclusive,
            notice_start=self.settings.notice_start,
            judged_on=FilingDay(self.settings.judged_on),
            notice_days=self.settings.notice_days,
            notice_first_day_counts=self.settings.notice_first_day_counts,
            city_reviews_province=self.settings.city_reviews_province,
            new_form_since=self.settings.new_form_since,
            scans_since=self.settings.scans_since,
            points=self._points,
            notice_restarts=self.settings.notice_restarts,
            until=last_days(self.settings.rules_until),
            now=self.edge.now(),
        )

    @cached_property
    def _points(self) -> Mapping[str, Point] | None:
        from gateway.intake.reading.points import read_points

        named = self.settings.points
        return None if named is None else read_points(named)

    def promise_watch(self, chosen: Sequence[str] = (), *, soon: timedelta | None = None) -> PromiseWatch:
        """What answers are waited for at this moment, of the platforms named or of all that can be used."""
        from gateway.operations.overdue import PromiseWatch

        told = self.descriptions() if not chosen else {name: self.described(name) for name in chosen}
        return PromiseWatch(
            promises={name: one.endpoint.promises for name, one in told.items()},
            giving=frozenset(name for name, one in told.items() if one.gives_feedback),
            calendar=self.calendar,
            now=self.edge.now(),
            soon=soon,
        )

    @cached_property
    def calendar(self) -> WorkCalendar:
        """Working days of the years that are known, with those of the settings."""
        from gateway.credit.tickets import read_calendar

        return read_calendar(self.settings.calendar)

    @asynccontextmanager
    async def exchanger(self, platform: str) -> AsyncIterator[Exchanger]:
        """The one door to a platform, open for the time of a task."""
        from gateway.delivery.exchanger import Exchanger
        from gateway.store.thread import StoreThread
        from gateway.transport.carrier import carrier_for

        connector = self.connector(platform)
        self._prove_current()
        with StoreThread(self.store) as thread:
            async with carrier_for(connector.endpoint) as carrier:
                exchanger = Exchanger(connector, carrier, thread, self.edge, self._tokens)
                await exchanger.gate.cap_moments(self.lease)
                try:
                    yield exchanger
                except BaseExceptionGroup as group:
                    raise alone(group) from None
                finally:
                    with suppress(StoreError):
                        await exchanger.seats.leave()


class _Connectors(Mapping[str, Connector]):
    def __init__(self, names: Collection[str], build: Callable[[str], Connector]) -> None:
        self._names, self._build = names, build

    def __getitem__(self, name: str) -> Connector:
        if name not in self._names:
            raise KeyError(name)
        return self._build(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _section(prefix: str) -> str:
    """The table of ``gateway.toml`` that stands for a prefix of variables."""
    return prefix.removeprefix("GATEWAY_").strip("_").lower()


def _look_for_files(platform: str, endpoint: Endpoint) -> None:
    """Raise ConfigurationError where what TLS needs is not there, so that it stops this platform and no other."""
    files = {
        "VERIFY": endpoint.verify,
        "CLIENT_CERTIFICATE": endpoint.client_certificate,
        "CLIENT_KEY": endpoint.client_key,
    }
    for name, given in files.items():
        if isinstance(given, str) and not Path(given).exists():
            raise ConfigurationError(f"settings: GATEWAY_{platform.upper()}__{name}: {_NO_FILE}")


async def across(gateway: Gateway, platforms: Sequence[str], work: Callable[[Exchanger], Awaitable[T]]) -> list[T]:
    """Run ``work`` for several platforms at once; one that is slow or fails does not disturb the others."""
    import asyncio

    async def one(platform: str) -> T:
        async with gateway.exchanger(platform) as exchanger:
            return await work(exchanger)

    results = await asyncio.gather(*(one(platform) for platform in platforms), return_exceptions=True)
    done = [result for result in results if not isinstance(result, BaseException)]
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return done


def open_gateway(
    settings: GatewaySettings | None = None, *, loader: Loader = load, create: bool = False, edge: System | None = None
) -> Gateway:
    """Open store and keys; with ``create`` they are made or upgraded, else a store of another release is refused."""
    _tune_once()
    settings = settings or load(GatewaySettings)
    given = None if settings.keys is None else KeyRing.parse(settings.keys.get_secret_value())
    _keep_private(settings)
    engine = open_engine(settings.url, prepare=settings.database_prepare)
    try:
        if not create:
            verify_schema(engine)
        vault = _in_file(settings, engine, create=create) if given is None else Vault(given)
        store = Store(engine=engine, vault=vault)
        if create:
            migrate(engine)
            _make_signing_key(settings)
        gateway = Gateway(settings=settings, store=store, loader=loader, edge=edge or system_edge())
        prove_keys(store, gateway.edge.now())
        with store.read() as connection:
            known = delivery_platforms.registered(connection)
        if not known.issuperset(gateway.platforms):
            with store.write() as connection:
                delivery_platforms.register(connection, gateway.platforms)
    except BaseException:
        engine.dispose()
        raise
    return gateway


def _in_file(settings: GatewaySettings, engine: Engine, *, create: bool) -> Vault:
    """The ring in its file; a new one is made for a store that was never written to, and for no other."""
    path = settings.key_file
    if create and not path.exists() and holds_anything(engine):
        raise ConfigurationError(FOREIGN)
    try:
        return Vault(read_or_make_keys(path, make=create), path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a key ring"
        raise ConfigurationError(tr("keys.json in GATEWAY_HOME cannot be read or made: {why}", why=why)) from None


def _keep_private(settings: GatewaySettings) -> None:
    """Put the modes right of what an earlier release or another tool made readable for others."""
    database = settings.home / "gateway.db"
    if settings.database_url is None and not database.exists():
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        open_private(database).close()
    beside = [database.with_name(f"{database.name}{end}") for end in ("", "-wal", "-shm", "-journal")]
    for path in (settings.home, *beside, settings.signing_key):
        make_private(path)
    if settings.evidence_anchors is None:
        make_private(settings.anchors)


def _make_signing_key(settings: GatewaySettings) -> None:
    """Make the pair of keys that signs links, where none was made or named."""
    from gateway.operations.signer import make_key

    if not settings.evidence_signer and not settings.evidence_key:
        make_key(settings.signing_key, settings.public_key)


def report_settings(gateway: Gateway) -> ReportSettings:
    """How this gateway's report speaks, and of which platforms."""
    from gateway.operations.report import ReportSettings

    return ReportSettings(
        chinese=gateway.settings.chinese,
        restored=gateway.older(),
        infos=[one.info for one in gateway.descriptions().values()],
        promises=gateway.promise_watch(),
    )
