"""Settings of the national market platform, prefix ``GATEWAY_NATIONAL_MARKET__``; the README says how sure each is."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from gateway.contract.connector import is_loopback
from gateway.settings import PolledSettings

PLATFORM = "national_market"
DataLevel = Literal["A", "B", "C", "D"]
CertClass = Literal["SKILL", "TRAIN", "POST", "SPECIAL", "SAFETY", "TITLE", "OTHER"]


class NationalMarketSettings(PolledSettings):
    """Dialect, profile and account. Each default is the specification's value."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_NATIONAL_MARKET__")

    sender_code: str = Field(default="370000", pattern=r"^[1-9][0-9]{5}$")
    """reporting region (上报地区编码)"""
    username: str | None = None
    """account; the reporting region where none is given"""
    password: SecretStr
    dialect: Literal["T", "X"] = "T"
    """T: typed elements; X: table name and XML string, told by ``dialect_file``"""
    dialect_file: str = "wuxi"
    """name of a packaged file or path of a ``.toml`` file, for dialect X"""
    region_accounts: dict[Annotated[str, Field(pattern=r"^[1-9][0-9]{5}$")], SecretStr] = Field(default_factory=dict)
    """dialect X: reporting region -> password of its own account, where not all is reported under ``sender_code``"""
    profile: Literal["U", "T"] = "U"
    """dialect T: U signs each message (UsernameToken digest), T logs in and carries a token"""
    token_seconds: int = Field(default=7200, ge=1)
    """life of a token whose login does not tell it"""
    token_renew_early_seconds: float = Field(default=300, ge=0)
    soap_version: Literal["1.1", "1.2"] = "1.1"
    batch_max: int = Field(default=200, ge=1, le=200)
    """records in one call, without attachments"""
    batch_max_with_files: int = Field(default=40, ge=1, le=40)
    """records in one call where one of them has a photo or scan"""
    request_bytes: int = Field(default=4 * 1024 * 1024, ge=256 * 1024)
    """largest request the platform takes"""
    send_photos: bool = True
    """whether the photo of a filing goes along with the person"""
    send_files: bool = True
    """whether the scans of a certificate go along with it"""
    hash_numbers_records: bool = True
    """whether ContentHash writes ``Person[1]`` rather than ``Person`` in batch calls, where the record may repeat"""

    check_department: str = "省建设从业人员教育中心"
    """CheckDepartName of persons; certificates carry the reviewing department of their filing"""
    check_person: str = "数据审核岗"
    """CheckPersonName of persons"""
    person_data_level: DataLevel = "B"
    """A checked by the province, B by the city, C by the county, D given by the market player"""
    data_source: Literal["1", "2", "3"] = "2"
    """1 issued by the sender, 2 entered from paper, 3 taken from another authority"""
    corp_code_form: Literal["uscc", "uscc_and_org"] = "uscc"
    """whether the nine-character organisation code goes along with the credit code"""

    cert_classes: frozenset[CertClass] = frozenset({"SKILL", "TRAIN", "POST"})
    """classes that go to this platform; the others have a route of their own"""
    cert_class_sent_as: dict[str, CertClass] = Field(default_factory=dict)
    """our class -> the class under which this platform wants it, where they differ"""
    operate_new: Literal["01", "02", "08", "T8"] = "01"
    operate_change: Literal["02", "08"] = "08"
    """operate type of a first version and of a later one"""
    code_folder: str | None = None
    """folder of code tables that take the place of the pinned ones, each from the day in its name on: see the README"""
    expired_status: Literal["05", "06"] = "06"
    """status under which a lapsed certificate is sent; some provinces want it as cancelled (05)"""
    training_from_assessment: bool = True
    """whether class TRAIN names the assessing body as training body and counts as passed"""

    negative_lookups: int = Field(default=2, ge=1, le=10)
    clock_window_seconds: float = Field(default=300, gt=0)
    """largest difference between the clocks at which the platform still takes our token"""

    @field_validator("endpoint")
    @classmethod
    def _encrypted(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            return endpoint
        raise ValueError("https is required, except for a loopback address")

    @property
    def account(self) -> str:
        """The user name sent in the token."""
        return self.username or self.sender_code
