"""Settings, read once at start from the environment, ``.env`` and ``gateway.toml``; never at import.

A connector's settings class derives from ``PlatformSettings`` with the prefix ``GATEWAY_<PLATFORM>__`` and is loaded by
the ``Loader`` that ``build`` receives, so the core need not know it.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.contract.connector import Endpoint, Pace, Paging, Tls, is_loopback
from gateway.contract.handover import HandOver
from gateway.domain import traffic
from gateway.domain.approvals import guarded_acts
from gateway.domain.promises import Promise, Promises
from gateway.domain.retention_days import LEAST_DAYS
from gateway.domain.traffic import BreakerRules, Budget, Traffic, Waits, waits
from gateway.locale import in_chinese, tr
from gateway.settings_sources import Loader, S, Settings, load, loader

_SAMPLE = tr("is the same letter throughout: a sample, not a secret")
_INBOX = tr("must be set with a file:// endpoint, and only with it")
_NO_PASSWORD = tr("has no meaning with a file:// endpoint")
_NO_HTTP = tr("nothing travels over HTTP to this platform")
_ACCOUNT = tr("needs the account in the URL: postgresql+psycopg://account@host/name")
_RULE = re.compile(r"N[0-9]{2}")


def last_days(text: str) -> dict[str, date]:
    """Rule id -> last day in force, from ``N22=2020-12-31 N15=2021-06-30``; ValueError for anything else."""
    parts = [part.partition("=") for part in text.split()]
    if not all(_RULE.fullmatch(rule) for rule, _, _ in parts):
        raise ValueError(tr("not rule ids of the notice (N01 ...), each with = and a day"))
    return {rule: date.fromisoformat(day) for rule, _, day in parts}


__all__ = ["BaseSettings", "GatewaySettings", "HandOverSettings", "Loader", "PlatformSettings", "PolledSettings", "S"]
__all__ += ["ServeSettings", "SourceSettings", "load", "loader"]


def _main_language(text: object) -> object:
    """``zh`` of ``zh``, ``ZH`` or ``zh_CN.UTF-8``."""
    return re.split(r"[-_.]", text.lower())[0] if isinstance(text, str) else text


_NOT_OFF = tr("false is refused: name a CA bundle instead")


def _trust(given: object) -> object:
    """A switch as a text is the switch, any other text a file; that nothing is checked is refused."""
    switch = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    value = switch.get(given.lower(), given) if isinstance(given, str) else given
    if value is False:
        raise ValueError(_NOT_OFF)
    return value


class GatewaySettings(Settings):
    """Settings of the core, prefix ``GATEWAY_``."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    home: Path = Path(".gateway")
    """folder of the embedded store, keys and reports"""
    database_url: str | None = None
    """SQLAlchemy URL; default is ``gateway.db`` in ``home``"""
    database_prepare: bool = True
    """prepare statements on PostgreSQL; no behind a PgBouncer in transaction mode"""
    keys: SecretStr | None = None
    """key ring as JSON text (``gateway.store.vault``); default ``keys.json`` in ``home``, made by ``gateway init``"""
    language: Annotated[Literal["zh", "en"], BeforeValidator(_main_language)] | None = None
    """``zh`` or ``en``: how people are addressed; default from the locale"""
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = "WARNING"
    claim_limit: int = Field(default=500, ge=1, le=5000)
    """deliveries leased at once"""
    lease_seconds: float = Field(default=300, gt=0)
    """must exceed the longest deadline of a platform"""
    notice_start: date = date(2019, 1, 25)
    """first day of the concentrated period (N08); the notice's date is not in its text"""
    age_limit_inclusive: bool = False
    """whether a person may file on the 60th birthday (N04)"""
    judged_on: Literal["report", "promise"] = "report"
    """the day on which age, contract and period are judged (N04, N05, N08): of the report, or of the promise"""
    notice_days: int = Field(default=7, ge=1)
    """natural days of the public notice (N22)"""
    notice_first_day_counts: bool = False
    """whether the first day of the public notice is one of them (N22)"""
    city_reviews_province: bool = False
    """whether a city may review certificates that the province issued directly (N11)"""
    new_form_since: date | None = None
    """from which day of the report on the form's later columns must be filled in (N10, N18, N29, N33)"""
    scans_since: date | None = None
    """from which day of the report on scans of certificate and contract must come with a file's rows (N34)"""
    scan_bytes: int = Field(default=1024 * 1024, ge=1)
    """largest scan of a certificate; the national market platform takes no larger one"""
    contract_scan_bytes: int = Field(default=10 * 1024 * 1024, ge=1)
    """largest scan of a contract; no platform takes it"""
    points: Path | None = None
    """CSV with ``point``, ``city``, ``since``, ``until``: the register of verification points (N19)"""
    notice_restarts: bool = True
    """whether a change of what the public notice showed asks for a new notice (N22)"""
    rules_until: Annotated[str, AfterValidator(lambda text: (last_days(text), text)[1])] = ""
    """last day of rules of the notice that were repealed: ``N22=2020-12-31 N15=2021-06-30``"""
    own_disclosure: str | None = Field(default=None, pattern=r"^P(\d+Y(\d+M)?(\d+D)?|\d+M(\d+D)?|\d+D)$")
    """ISO 8601 period of disclosure of own bad records that fix none; default by rule R-SD-LOCAL (one year)"""
    calendar: Path | None = None
    """CSV with ``day`` and ``kind`` (OFF, WORK): working days of years that are not built in, or corrections"""
    check_ratio: str = Field(default="20%", pattern=r"^((0?\.\d*[1-9]\d*|[1-9]\d?(\.\d+)?|100)%|1/[1-9]\d*|[1-9]\d*)$")
    """how much is drawn of the other certificates of the enterprise and point of a void one: ``20%``, ``1/5``, ``3``"""
    checkers: Path | None = None
    """CSV with ``checker`` and ``avoids``: who may be drawn for those checks; without it they are assigned by hand"""
    evidence_anchors: Path | None = None
    """where the head of the evidence chain is noted; default ``anchors.jsonl`` in ``home``"""
    evidence_key: Path | None = None
    """Ed25519 private key (PEM) that signs links; default ``evidence-key.pem`` in ``home``, made by ``gateway init``"""
    evidence_signer: str | None = None
    """or a command that signs: digest on its input, signature in Base64 on its output; best run as another user"""
    evidence_public_key: Path | None = None
    """public keys (PEM) that verify links; default ``evidence-public.pem`` in ``home``"""
    four_eyes: Annotated[str, AfterValidator(lambda text: (guarded_acts(text), text)[1])] = ""
    """acts that ask for a second person: ``publish bytes``, or ``all``; a store that has seen one goes on asking"""
    four_eyes_above: int = Field(default=20, ge=0)
    """release and replay ask where one person touches more than so many within a day"""
    four_eyes_hours: float = Field(default=72, gt=0)
    """how long a request stands: to be decided, and its approval to be used"""
    partners: tuple[str, ...] = ()
    """who may be given the archive by ``gateway credit share``: ``["某单位"]``; anybody where none is named"""

    @property
    def url(self) -> str | Path:
        """The store's URL, or the file of the embedded one where none is set."""
        return self.database_url or self.home / "gateway.db"

    @property
    def anchors(self) -> Path:
        """The file of anchors; best kept where who can change the store cannot write."""
        return self.evidence_anchors or self.home / "anchors.jsonl"

    @property
    def key_file(self) -> Path:
        """The file of the key ring, where it is not in a variable."""
        return self.home / "keys.json"

    @property
    def signing_key(self) -> Path:
        """The file of the key that signs links."""
        return self.evidence_key or self.home / "evidence-key.pem"

    @property
    def public_key(self) -> Path:
        """The file of public keys."""
        return self.evidence_public_key or self.home / "evidence-public.pem"

    @property
    def chinese(self) -> bool:
        """Whether people are addressed in Chinese."""
        return in_chinese(self.language, os.environ)


def _window(text: str) -> str:
    traffic.parse(text)
    return text


def _promise(text: str) -> str:
    return str(Promise.parse(text))


class SourceSettings(Settings):
    """Settings of the information system's view, prefix ``GATEWAY_SOURCE__``."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_SOURCE__")

    url: SecretStr | None = None
    """SQLAlchemy URL of a database account that may only read"""
    mapping: Path | None = None
    """TOML file that says which column of the view is which of the form"""


_SCHEDULE = r"^off$|^[1-9]\d*[smh]$|^\S+( \S+){4}$"
Schedule = Annotated[str, Field(pattern=_SCHEDULE)]


class ServeSettings(Settings):
    """Settings of scheduled runs, prefix ``GATEWAY_SERVE__``.

    A schedule is a cron line in +08:00 (``*/5 * * * *``), an interval (``20s``, ``5m``, ``2h``) or ``off``.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_SERVE__")

    sync: Schedule = "*/5 * * * *"
    """push, results and doubts of each platform"""
    push: Schedule = "off"
    acks: Schedule = "off"
    resolve: Schedule = "off"
    feedback: Schedule = "10 1 * * *"
    reconcile: Schedule = "30 1 * * *"
    intake: Schedule = "*/5 * * * *"
    """files of ``drop``; none where no folder is set"""
    retention: Schedule = "40 3 * * *"
    drop: Path | None = None
    """folder whose files are taken in; on many machines one that all of them share"""
    drop_group_readable: bool = False
    """whether the folder's group may read what comes of its files; else they are the gateway's user's alone"""
    drop_settle_seconds: float = Field(default=10, ge=0)
    """a file younger than this may still be written to and is left for the next run"""
    minutes: float = Field(default=50, ge=0)
    """a scheduled run begins no further chunk after so many minutes; 0: never ends before nothing is due"""
    lanes: int = Field(default=1, ge=1, le=32)
    """runs of one platform that may send at once, for several workers"""
    processes: int = Field(default=4, ge=1, le=64)
    """runs at once on this machine"""
    reports_url: str | None = None
    """where ``reports`` in ``home`` is reachable for browsers; default: the file's own address"""


class RetentionSettings(Settings):
    """How many days what is kept, prefix ``GATEWAY_RETENTION__``."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_RETENTION__")

    exchanges: int = Field(default=1825, ge=LEAST_DAYS["exchanges"])
    """requests and answers, as bytes; network logs must be kept for six months"""
    inbox: int = Field(default=365, ge=1)
    """pages of credit findings, as bytes, in the inbox and among the answers"""
    filings: int = Field(default=365, ge=1)
    """cells of reported rows"""
    credit: int = Field(default=1825, ge=1)
    """contents of bad records, counted from when they were over"""
    quarantine: int = Field(default=180, ge=1)
    """findings about unknown persons, and the pages that told them"""
    objections: int = Field(default=1825, ge=1)
    """who objected, how to reach them and why, counted from the objection's end"""
    scans: int = Field(default=730, ge=1)
    """scans, counted from the end of the last objection they went with, and from the end of their certificate"""
    audit: int = Field(default=1825, ge=LEAST_DAYS["audit"])
    """the audit trail; records of impact assessments must be kept for three years"""


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(tr("must be an address with https:// (or http:// where that is allowed) and a host"))
    return text


def _place(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError(tr("must be file:/// and an absolute folder"))
    elif parts.scheme in ("", "http", "https"):
        raise ValueError(tr("must be file:///folder, or a SQLAlchemy URL of a database"))
    elif parts.password is not None:
        raise ValueError(tr("must hold no password: DATABASE_PASSWORD takes it"))
    return text


def _is_blank(secret: str) -> bool:
    return len(secret) >= _LEAST_SECRET and len(set(secret.rstrip("="))) == 1


_LEAST_SECRET = 8


class PlatformSettings(Settings):
    """What every connector's settings have. Subclasses set ``env_prefix`` and give their specification's values."""

    endpoint: Annotated[str, AfterValidator(_address)]
    """base URL of the platform"""
    allow_plain_http: bool = Field(default=False, validate_default=True)
    """whether http:// may be used to another machine: what is sent can then be read and changed on its way"""
    tls_minimum: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    """oldest version of TLS; below 1.2 for a peer that has no other, and for it alone"""
    tls_ciphers: str | None = None
    """ciphers in OpenSSL's words, for a peer that has none of the usual ones"""
    tls_legacy_renegotiation: bool = False
    """whether a peer without secure renegotiation is spoken to"""
    verify: Annotated[bool | str, BeforeValidator(_trust)] = True
    client_certificate: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    connect_timeout_seconds: float = Field(default=5, gt=0)
    deadline_seconds: float = Field(default=30, gt=0)
    min_interval_seconds: float = Field(default=0.2, ge=0)
    connections: int = Field(default=1, ge=1, le=64)
    retry_seconds: tuple[float, ...] = (60, 300, 900, 3600)
    retry_then_seconds: float | None = 3600
    retry_give_up_seconds: float | None = 7 * 86400
    settling_seconds: tuple[float, ...] = (60, 300, 900)
    """waits before asking about a push in doubt; one entry for each question"""
    rate_limit: int | None = Field(default=None, ge=1)
    """most requests in any ``rate_window_seconds``, over all workers"""
    rate_window_seconds: float = Field(default=60, gt=0)
    maintenance: tuple[Annotated[str, AfterValidator(_window)], ...] = ()
    """hours without requests, +08:00: ``["22:00-23:30", "Sun 02:00-04:00"]``"""
    breaker_failures: int = Field(default=5, ge=0)
    """requests in a row without the platform's own answer after which nothing is sent for a while; 0: never"""
    breaker_share: float = Field(default=0.5, ge=0, le=1)
    """or this share of the last 40 requests within ten minutes; 0: never"""
    breaker_open_seconds: float = Field(default=30, gt=0)
    """the first while; it doubles with each failed try"""
    breaker_longest_seconds: float = Field(default=900, gt=0)

    result_within: Annotated[str, AfterValidator(_promise)] = "24h"
    """when the platform's result of a push is due: hours (``24h``), or working days of the calendar (``3d``)"""
    credit_within: Annotated[str, AfterValidator(_promise)] = "7d"
    """until when the credit feed must have been read after the platform accepted a record"""
    answer_within: Annotated[str, AfterValidator(_promise)] = "1d"
    """until when a credit event is to be acknowledged to the platform"""
    max_pages: int = Field(default=100_000, ge=1)
    max_page_bytes: int = Field(default=8 * 1024**3, ge=1)
    """requests and bytes after which reading a listing, a feed or a look-up in pages ends and says so"""

    @field_validator("allow_plain_http")
    @classmethod
    def _encrypted_unless_allowed(cls, allowed: bool, info: ValidationInfo) -> bool:
        parts = urlsplit(info.data.get("endpoint", ""))
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not allowed:
            raise ValueError(
                tr("must be true for an endpoint with http://, which can be read on its way: use https://")
            )
        return allowed

    @model_validator(mode="after")
    def _no_blank_secret(self) -> Self:
        """Zeros, or one letter throughout, are a sample and no secret, in hexadecimal and Base64 as well."""
        for name, value in self:
            given = value.values() if isinstance(value, dict) else (value,)
            for one in given:
                if isinstance(one, SecretStr) and _is_blank(one.get_secret_value()):
                    raise ValueError(f"{name.upper()} {_SAMPLE}")
        return self

    def to_endpoint(self) -> Endpoint:
        """The transport's view of these settings."""
        return Endpoint(
            base_url=self.endpoint.rstrip("/"),
            pace=Pace(interval=timedelta(seconds=self.min_interval_seconds), connections=self.connections),
            connect_timeout=timedelta(seconds=self.connect_timeout_seconds),
            deadline=timedelta(seconds=self.deadline_seconds),
            verify=self.verify,
            client_certificate=self.client_certificate,
            client_key=self.client_key,
            proxy=self.proxy,
            tls=Tls(
                minimum=self.tls_minimum, ciphers=self.tls_ciphers, legacy_renegotiation=self.tls_legacy_renegotiation
            ),
            traffic=self.to_traffic(),
            paging=Paging(requests=self.max_pages, size=self.max_page_bytes),
            promises=Promises(
                result=Promise.parse(self.result_within),
                credit=Promise.parse(self.credit_within),
                answer=Promise.parse(self.answer_within),
            ),
        )

    def to_retry(self) -> Waits:
        """Waits between pushes after a refusal that may pass."""
        return waits(*self.retry_seconds, then=self.retry_then_seconds, give_up_after=self.retry_give_up_seconds)

    def to_lookups(self) -> Waits:
        """Waits before each question about a push in doubt."""
        return waits(*self.settling_seconds)

    def to_traffic(self) -> Traffic:
        """Budget, maintenance windows and breaker."""
        window = timedelta(seconds=self.rate_window_seconds)
        return Traffic(
            budget=None if self.rate_limit is None else Budget(requests=self.rate_limit, window=window),
            maintenance=tuple(traffic.parse(text) for text in self.maintenance),
            breaker=BreakerRules(
                failures=self.breaker_failures,
                share=self.breaker_share,
                first=timedelta(seconds=self.breaker_open_seconds),
                longest=timedelta(seconds=self.breaker_longest_seconds),
            ),
        )


class PolledSettings(PlatformSettings):
    """For a platform that works on what it got and is asked for the result later (``PollsAcks``)."""

    poll_seconds: tuple[float, ...] = (5, 15, 60, 300)
    """waits before each question about a result, from the receipt on; then again and again ``poll_then_seconds``"""
    poll_then_seconds: float | None = 900
    poll_give_up_seconds: float | None = 86400
    """after which a person is asked what became of it"""

    def to_polls(self) -> Waits:
        """Waits before each question about a result."""
        return waits(*self.poll_seconds, then=self.poll_then_seconds, give_up_after=self.poll_give_up_seconds)


class HandOverSettings(PolledSettings):
    """What the settings of a platform have that is handed files or rows instead of being called over HTTP."""

    endpoint: Annotated[str, AfterValidator(_place)]
    """``file:///folder`` (our files go there), or a SQLAlchemy URL of the front-end database without its password"""
    inbox: Path | None = None
    """folder where the platform leaves its files; with a ``file://`` endpoint"""
    database_password: SecretStr | None = None
    """password of the account in the database URL"""
    min_interval_seconds: float = Field(default=0, ge=0)
    poll_seconds: tuple[float, ...] = (300, 900, 3600)
    poll_then_seconds: float | None = 6 * 3600
    poll_give_up_seconds: float | None = 30 * 86400

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        """Folders or a database; nothing of the other way, and nothing of HTTP."""
        parts = urlsplit(self.endpoint)
        files = parts.scheme == "file"
        if files != (self.inbox is not None):
            raise ValueError(f"INBOX {_INBOX}")
        if files and self.database_password is not None:
            raise ValueError(f"DATABASE_PASSWORD {_NO_PASSWORD}")
        if self.database_password is not None and not parts.username:
            raise ValueError(f"DATABASE_PASSWORD {_ACCOUNT}")
        useless = sorted(self.model_fields_set & _OF_HTTP)
        if useless:
            raise ValueError(f"{','.join(useless).upper()}: {_NO_HTTP}")
        return self

    def to_endpoint(self) -> Endpoint:
        """The transport's view of these settings."""
        parts = urlsplit(self.endpoint)
        if parts.scheme == "file":
            place = HandOver(outbox=unquote(parts.path), inbox=str(self.inbox))
        elif self.database_password is None:
            place = HandOver(database=self.endpoint)
        else:
            password = quote(self.database_password.get_secret_value(), safe="")
            place = HandOver(database=self.endpoint.replace("@", f":{password}@", 1))
        return replace(super().to_endpoint(), base_url=self.endpoint, hand_over=place)


_OF_HTTP = frozenset(
    {"allow_plain_http", "tls_minimum", "tls_ciphers", "tls_legacy_renegotiation", "verify"}
    | {"client_certificate", "client_key", "proxy"}
)
