"""Every alert fires on what it is for, after its time, and on nothing else: tried by Prometheus itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = Path(__file__).parents[1] / "ops" / "alerts.yaml"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
DAY = 24 * 60
NEVER_STOPPED = {'gateway_platform_stopped{platform="p",code=""}': "0"}
QUEUED = {'gateway_deliveries{platform="p",state="queued"}': "3"}

# alert -> what makes it fire, what does not, and after how many minutes both are looked at. One value stands for ever.
CASES: dict[str, tuple[dict[str, str], dict[str, str], int]] = {
    "GatewayPlatformHeld": (
        {'gateway_platform_paused{platform="p"}': "1"},
        {'gateway_platform_paused{platform="p"}': "0"},
        15,
    ),
    "GatewayBreakerOpen": (
        {'gateway_breaker_open{platform="p"}': "1"},
        {'gateway_breaker_open{platform="p"}': "0"},
        40,
    ),
    "GatewayNothingDone": (
        {'gateway_overdue_seconds{platform="p",state="queued"}': "3700", **NEVER_STOPPED},
        {'gateway_overdue_seconds{platform="p",state="queued"}': "3500", **NEVER_STOPPED},
        20,
    ),
    "GatewayAcknowledgementOverdue": (
        {'gateway_answers_late{platform="p",promise="result"}': "1"},
        {'gateway_answers_late{platform="p",promise="result"}': "0"},
        1,
    ),
    "GatewayAcknowledgementDueSoon": (
        {'gateway_answers_due_soon{platform="p",promise="credit"}': "2"},
        {'gateway_answers_due_soon{platform="p",promise="credit"}': "0"},
        70,
    ),
    "GatewayCalendarEnds": (
        {"gateway_calendar_ends_timestamp_seconds": "2500000"},
        {"gateway_calendar_ends_timestamp_seconds": "2700000"},
        1,
    ),
    "GatewayInDoubt": (
        {'gateway_oldest_waiting_seconds{platform="p",state="in_doubt"}': "86500"},
        {'gateway_oldest_waiting_seconds{platform="p",state="in_doubt"}': "80000"},
        1,
    ),
    "GatewayParked": ({'gateway_deliveries{platform="p",state="parked"}': "1"}, QUEUED, 250),
    "GatewayManyRejected": (
        {
            'gateway_recent_verdicts{platform="p",event="rejected"}': "20",
            'gateway_recent_verdicts{platform="p",event="accepted"}': "20",
        },
        {
            'gateway_recent_verdicts{platform="p",event="rejected"}': "20",
            'gateway_recent_verdicts{platform="p",event="accepted"}': "200",
        },
        20,
    ),
    "GatewayTicketsOpen": ({'gateway_tickets_open{kind="k"}': "1"}, {'gateway_tickets_open{kind="k"}': "0"}, DAY + 5),
    "GatewayEvidenceNotSealed": (
        {"gateway_evidence_unsealed_seconds": "86500"},
        {"gateway_evidence_unsealed_seconds": "3600"},
        1,
    ),
    "GatewayRestored": (
        {'gateway_platform_stopped{platform="p",code="restored"}': "1"},
        {'gateway_platform_stopped{platform="p",code="manual"}': "1"},
        1,
    ),
    "GatewayDiskFull": (
        {'gateway_disk_free_ratio{folder="home"}': "0.05"},
        {'gateway_disk_free_ratio{folder="home"}': "0.5"},
        20,
    ),
    "GatewayFileLeftAlone": (
        {'gateway_drop_oldest_seconds{folder="taken"}': "4000"},
        {'gateway_drop_oldest_seconds{folder="taken"}': "300"},
        1,
    ),
    "GatewayClocksDiffer": (
        {'gateway_clock_difference_seconds{platform="p"}': "-90"},
        {'gateway_clock_difference_seconds{platform="p"}': "-2"},
        20,
    ),
    "GatewayPrefectGone": ({"gateway_prefect_up": "0"}, {"gateway_prefect_up": "1"}, 10),
    "GatewayNoBackup": (
        {'gateway_last_done_timestamp_seconds{work="backup",platform=""}': "0"},
        {'gateway_last_done_timestamp_seconds{work="backup",platform=""}': str(2 * DAY * 60)},
        3 * DAY,
    ),
    "GatewayNotDone": (
        {'gateway_last_done_timestamp_seconds{work="reconcile",platform="p"}': "0"},
        {'gateway_last_done_timestamp_seconds{work="reconcile",platform="p"}': str(2 * DAY * 60)},
        3 * DAY,
    ),
    "GatewayNothingSent": (
        {'gateway_last_done_timestamp_seconds{work="push",platform="p"}': "0", **QUEUED},
        {
            'gateway_last_done_timestamp_seconds{work="push",platform="p"}': "0",
            'gateway_deliveries{platform="p",state="queued"}': "0",
        },
        2 * DAY,
    ),
    "GatewayNoIntake": (
        {'gateway_last_done_timestamp_seconds{work="intake",platform=""}': "0"},
        {'gateway_last_done_timestamp_seconds{work="intake",platform=""}': str(30 * DAY * 60)},
        32 * DAY,
    ),
    "GatewayNotSealed": (
        {
            'gateway_last_done_timestamp_seconds{work="seal",platform=""}': "0",
            "gateway_evidence_unsealed_seconds": "60",
        },
        {
            'gateway_last_done_timestamp_seconds{work="seal",platform=""}': "0",
            "gateway_evidence_unsealed_seconds": "0",
        },
        3 * DAY,
    ),
    "GatewayDifferences": (
        {'gateway_open_differences{platform="p",class="lost"}': "2"},
        {'gateway_open_differences{platform="p",class="lost"}': "0"},
        70,
    ),
    "GatewayTicketsOverdue": (
        {'gateway_tickets_overdue{kind="k"}': "1"},
        {'gateway_tickets_overdue{kind="k"}': "0"},
        1,
    ),
    "GatewayMetricsGone": ({"up": "1"}, {'gateway_build_info{version="1"}': "1"}, 15),
}


def fired(alert: str, series: dict[str, str], minutes: int, folder: Path, *, expected: bool) -> str:
    """What promtool says against the expectation; empty where it is met."""
    interval = 60 if minutes > 2 * DAY else 5 if minutes > 60 else 1
    shown = [{"series": name, "values": f"{value}+0x{minutes // interval + 1}"} for name, value in series.items()]
    labels = {**ALERTS[alert]["labels"]}
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    samples = [{"labels": "{}", "value": int(expected)}]
    case = {
        "interval": f"{interval}m",
        "input_series": shown,
        "promql_expr_test": [{"expr": expression, "eval_time": f"{minutes}m", "exp_samples": samples}],
    }
    assert labels["severity"] in ("page", "ticket")
    document = {"rule_files": [str(RULES)], "evaluation_interval": f"{interval}m", "tests": [case]}
    path = folder / f"{alert}-{expected}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    assert set(CASES) == set(ALERTS)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed")
@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_on_what_it_is_for_and_on_nothing_else(alert: str, tmp_path: Path) -> None:
    bad, good, minutes = CASES[alert]
    assert fired(alert, bad, minutes, tmp_path, expected=True) == ""
    assert fired(alert, good, minutes, tmp_path, expected=False) == ""
