"""What ends serving and what only interrupts it: errors of our own are not called Prefect's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.exceptions import PrefectException

from gateway.domain.errors import GatewayError, StoreError
from gateway.flows.serving import error_of_ours


def raised(call: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it raises is the case
        call()
    return caught.value


def raise_(error: Exception) -> None:
    raise error


def in_prefect(error: Exception) -> None:
    """Raise it in code that says it is Prefect's."""
    exec("raise error", {"__name__": "prefect.utilities.services", "error": error})


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        PrefectException("maintenance"),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        raised(lambda: in_prefect(RuntimeError("Service exceeded error threshold."))),
        ExceptionGroup("loops", [httpx.ConnectError("refused"), ExceptionGroup("more", [TimeoutError()])]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_went_away_interrupts_only(error: Exception) -> None:
    assert error_of_ours(error) is None


def test_a_folder_that_is_another_users_is_named(tmp_path: Path) -> None:
    error = PermissionError(13, "Permission denied", str(tmp_path / "runner_storage"))
    found = error_of_ours(ExceptionGroup("loops", [httpx.ConnectError("refused"), error]))
    assert isinstance(found, GatewayError)
    assert str(found) == f"{tmp_path / 'runner_storage'}: Permission denied"
    assert str(error_of_ours(raised(lambda: in_prefect(error)))) == str(found)


def test_an_error_of_the_store_stays_what_it_is() -> None:
    error = StoreError("the store cannot do this now")
    assert error_of_ours(error) is error


def test_a_mistake_of_ours_is_told_by_its_kind() -> None:
    found = error_of_ours(raised(lambda: raise_(KeyError("of somebody"))))
    assert str(found) == "KeyError: not foreseen; the log has more"


def test_a_temporary_folder_that_cannot_be_made_is_no_fault_of_prefects(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = raised(lambda: tempfile.mkdtemp(dir=tmp_path / "file"))
    assert str(tmp_path) in str(error_of_ours(error))
