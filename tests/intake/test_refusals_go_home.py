"""What a platform refuses for the data's sake goes back to the city, and the corrected row takes the delivery up."""

from __future__ import annotations

import asyncio
import csv
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.national_market.sandbox import NationalMarketSandbox
from connectors.provincial_credit.sandbox.platform import ProvincialCreditSandbox
from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from gateway.bootstrap import Gateway, across, open_gateway
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.states import State
from gateway.intake.hand_back import hand_back
from gateway.intake.reading.columns import COLUMNS
from gateway.intake.store.views import BatchPart, parts
from gateway.locale import shown
from gateway.operations.failures import Failures, failed
from gateway.operations.why import why
from gateway.settings import GatewaySettings, load
from gateway.testing.forms import CITIES, Cells, filed
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running

REPORT = "370100-201904-01"
WAY = {
    **{"promise_signed_at": "2019-02-20", "verified_at": "2019-02-26", "reviewed_at": "2019-02-28"},
    **{"notice_begin": "2019-03-01", "notice_end": "2019-03-08", "reported_at": "2019-04-01"},
    **{"contract_term": "无固定期限", "contract_start": "2018-03-01", "contract_end": "", "batch_no": REPORT},
}


@dataclass
class Centre:
    """The three platforms, the centre's gateway, and a city that reports by file."""

    gateway: Gateway
    folder: Path
    national: NationalMarketSandbox
    credit: ProvincialCreditSandbox
    workers: WorkerPlatformSandbox
    files: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(3))
    used: set[str] = field(default_factory=set)

    def row(self, **changes: Any) -> Cells:
        row = filed(self.rng, self.used, employed=True, city=CITIES[0])
        return row | WAY | {"education": "初中", "trade": "砌筑工"} | changes

    def report(self, *rows: Cells) -> str:
        self.files += 1
        path = self.folder / f"{self.files}.csv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(column.title for column in COLUMNS)
            writer.writerows([row.get(column.field, "") for column in COLUMNS] for row in rows)
        report = self.gateway.take_in(path)
        assert report.refused == report.held == 0, report.gates
        return path.name

    def push(self) -> None:
        """Send, fetch results and ask, until nothing moves any more."""
        end = time.monotonic() + 30
        lease = self.gateway.lease
        for work in (self.gateway.push, lambda e: poll(e, lease=lease), lambda e: resolve(e, lease=lease)) * 40:
            asyncio.run(across(self.gateway, self.gateway.configured(), work))  # type: ignore[arg-type]
            if not self._waiting():
                return
            assert time.monotonic() < end, self.failures().rows

    def _waiting(self) -> int:
        from gateway.delivery.store.views import movable

        with self.gateway.store.read() as c:
            return sum(movable(c, name) for name in self.gateway.configured())

    def failures(self) -> Failures:
        wanted = DeliveryFilter(states=(State.PARKED, State.REJECTED), corrected=False)
        return failed(self.gateway.store, self.gateway.connectors(), wanted, 50)

    def returns(self, name: str) -> list[dict[str, str]]:
        path = self.folder / "returns.xlsx"
        hand_back(self.gateway.store, name, path, self.gateway.connectors(), force=True)
        head, *lines = openpyxl.load_workbook(path)["退回表"].values
        return [{str(title): str(cell or "") for title, cell in zip(head, line, strict=True)} for line in lines]

    def parts(self) -> dict[str, BatchPart]:
        with self.gateway.store.read() as c:
            return {part.name: part for part in parts(c, REPORT)}


@pytest.fixture
def centre(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    national, credit, workers = NationalMarketSandbox(), ProvincialCreditSandbox(), WorkerPlatformSandbox()
    national.async_share, workers.delay_seconds = 0.0, (0.0, 0.0)
    boxes: tuple[Sandbox, ...] = (national, credit, workers)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GATEWAY_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("GATEWAY_NOTICE_FIRST_DAY_COUNTS", "true")
    with ExitStack() as stack:
        for box in boxes:
            for name, value in box.access(stack.enter_context(running(box))).environment.items():
                monkeypatch.setenv(name, value)
        gateway = stack.enter_context(open_gateway(load(GatewaySettings), create=True))
        yield Centre(gateway, tmp_path, national, credit, workers)


@dataclass(frozen=True)
class Refused:
    """A value that only the platform refuses, what it is corrected to, and what the city reads about it."""

    platform: str
    bar: Callable[[Centre], None]
    wrong: Cells
    right: Cells
    title: str
    words: str


CASES = [
    Refused(
        "national_market",
        lambda c: c.national.dictionaries.newer.update(
            education_gbt4658=(date(2024, 1, 1), {"70": "初中", "71": "初中毕业"})
        ),
        {"education": "小学"},
        {"education": "初中"},
        "文化程度",
        "",
    ),
    Refused(
        "provincial_credit",
        lambda _: None,
        {"notice_end": "2019-03-07"},
        {"notice_end": "2019-03-08"},
        "公示结束日期",
        "公示不足7日",
    ),
    Refused(
        "worker_platform",
        lambda c: c.workers.retired.update(workCorpName=frozenset({"济南示例建设公司"})),
        {"employer_name": "济南示例建设公司"},
        # what was shown to the public changes, so it is shown again
        {"employer_name": "济南示例建设有限公司", "reported_at": "2019-04-20"}
        | {"notice_begin": "2019-04-03", "notice_end": "2019-04-10"},
        "企业名称",
        "[workCorpName]值超出范围或无效",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.platform)
def test_a_refusal_goes_home_and_the_corrected_row_takes_it_up(centre: Centre, case: Refused) -> None:
    case.bar(centre)
    bystander, wrong = centre.row(), centre.row(**case.wrong)
    centre.report(bystander, wrong)
    centre.push()

    found = centre.failures()
    assert {(row["platform"], row["state"]) for row in found.rows} == {(case.platform, State.REJECTED)}
    for row in found.rows:
        assert (row["batch"], row["row"], row["report_no"]) == ("1.csv", 3, REPORT)
        assert row["cells"] == [case.title]
    assert all("gateway batches returns 370100-201904-01" in shown(one.act, chinese=True) for one in found.groups)

    [back] = centre.returns(REPORT)
    assert back["原表行号"] == "3"
    assert back["处理结果"] == "退回修改"
    assert back["身份证号码"] == str(wrong["id_number"])
    title = centre.gateway.connector(case.platform).info.title_zh
    assert f"{case.title}：{title}不接受（" in back["退回原因"]
    assert case.words in back["退回原因"]
    part = centre.parts()["1.csv"]
    assert (part.closed_at, part.open, part.refused_there) == (None, 1, 1)

    centre.report(wrong | case.right)
    assert centre.failures().rows == []
    assert centre.returns(REPORT) == []
    assert {part.open for part in centre.parts().values()} == {1}  # until the platform has taken the corrected row
    centre.push()
    assert centre.failures().total == 0
    assert all(part.closed_at is not None for part in centre.parts().values())
    assert [name for name in centre.gateway.configured() if _held(centre, name) != 2] == []
    number = str(wrong["certificate_number"])
    with_infos = [centre.gateway.connector(name).info for name in centre.gateway.configured()]
    assert why(centre.gateway.store, number, with_infos, {}, centre.gateway.edge.now()).broken == []


def test_another_trade_is_another_certificate_so_the_refused_one_is_withdrawn(centre: Centre) -> None:
    centre.workers.retired["jobType"] = frozenset({"020"})
    wrong = centre.row(trade="钢筋工")
    centre.report(centre.row(), wrong)
    centre.push()
    assert centre.parts()["1.csv"].refused_there == 1
    centre.report(wrong | {"withdrawn": "是", "withdrawal_reason": "工种填写错误"})
    centre.push()  # the platforms that had it take it back
    assert centre.failures().total == 0
    assert centre.returns(REPORT) == []
    centre.report(wrong | {"trade": "砌筑工"})
    centre.push()
    assert centre.failures().total == 0
    assert {part.open for part in centre.parts().values()} == {0}


def _held(centre: Centre, name: str) -> int:
    """How many certificates the platform has by its own books."""
    boxes = {"national_market": centre.national, "provincial_credit": centre.credit, "worker_platform": centre.workers}
    return sum(effect["kind"] == "certificate" for _, effect in boxes[name].books.items("effects"))
