"""Every kind of ticket is somebody's."""

from __future__ import annotations

from gateway.credit.rules.tickets import DUTIES
from gateway.domain.ticket_kinds import TicketKind


def test_every_kind_has_an_owner_days_titles_and_an_act() -> None:
    assert set(DUTIES) == set(TicketKind)
    assert all(duty.days > 0 and duty.acts and duty.title for duty in DUTIES.values())
