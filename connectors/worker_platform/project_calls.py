"""Handing over by project: a worker with company and team first, then the assessment as a training of the project.

Source: README, section "By project".
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.worker_platform import field_names
from connectors.worker_platform.calls import Call, RecordCalls
from connectors.worker_platform.dialect import Dialect, folded
from connectors.worker_platform.forms import TrainingForm, WorkerForm
from connectors.worker_platform.rows import Page, Row, key_of, normalised, number_of
from connectors.worker_platform.schema import FIELDS_OF_A_TRAINING, FIELDS_OF_A_WORKER
from gateway.contract.messages import JSON, Holding, Payload, Verdict
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind
from gateway.domain.states import Event

_PERSON = ("idCardType", "idCardNumber", "isPass", "trainingScore")
"""fields of a training that stand in its list of workers"""


class WorkerCalls(RecordCalls[WorkerForm]):
    """Workers of a project, known by project and identity number; a team is part of the content."""

    kind = RecordKind.PERSON

    def __init__(self, dialect: Dialect, secret: str) -> None:
        super().__init__(dialect, dialect.worker, secret, field_names.of_workers(dialect))

    def push(self, payloads: Sequence[Payload]) -> Call:
        form, methods = self.form, self._dialect.methods
        adds = not payloads[0].replaces
        outer, items = zip(*(self._parted(p) for p in payloads), strict=True)
        if any(one != outer[0] for one in outer):
            raise ContractError("one call takes workers of one team")
        method = methods.worker_add if adds else methods.worker_update
        if form.list_field and (adds or form.update_shape == "list"):
            return method, {**outer[0], form.list_field: list(items)}
        if len(items) != 1:
            raise ContractError(f"{method} takes one worker")
        return method, {**outer[0], **items[0]}

    def question(self, payload: Payload, page: int) -> Call:
        wanted = {name: payload.fields[name] for name in ("projectCode", "idCardType", "idCardNumber")}
        return self._dialect.methods.worker_query, self._page(page) | self._asking(wanted)

    def listing(self, project: str, page: int) -> Call:
        """The query for all workers of a project."""
        return self._dialect.methods.worker_query, self._page(page) | self._asking({"projectCode": project})

    def is_ours(self, row: Row, payload: Payload) -> bool:
        shown = row.get(self.form.wire("projectCode") or "projectCode")
        same = shown is None or folded(shown) == folded(payload.fields.get("projectCode"))
        return same and self._is_person(row, payload)

    def key(self, payload: Payload) -> str:
        return key_of(payload.fields.get("projectCode"), payload.fields.get("idCardNumber"))

    def listed(self, project: str, row: Row) -> Holding:
        """A row of ``listing``; one whose number cannot be read is nobody's we know."""
        shown = row.get(self.form.wire("idCardNumber"))
        return self._holding(key_of(project, number_of(shown, self._secret) or shown), self.named(row))

    def _asking(self, wanted: dict[str, JSON]) -> dict[str, JSON]:
        """Parameters of a query: a field that a dialect leaves out of the data is still asked by its usual name."""
        return {self.form.wire(name) or name: value for name, value in wanted.items()}

    def _parted(self, payload: Payload) -> tuple[dict[str, JSON], dict[str, JSON]]:
        known = {name: value for name, value in payload.fields.items() if name in FIELDS_OF_A_WORKER}
        outer = {name: value for name, value in known.items() if name in self.form.outer}
        item = self._on_wire({n: v for n, v in known.items() if n not in outer})
        return self._on_wire(outer), {**self.form.constants, **item}


class TrainingCalls(RecordCalls[TrainingForm]):
    """Trainings of a project, known by project, day, name and type. The platform has no change of a training.

    So a later version of a certificate is not sent: it is compared with what is there, and where that is not what it
    says, a person must correct the training by hand.
    """

    kind = RecordKind.CERTIFICATE

    def __init__(self, dialect: Dialect, secret: str) -> None:
        super().__init__(dialect, dialect.training, secret, field_names.of_trainings(dialect))

    def push(self, payloads: Sequence[Payload]) -> Call:
        if len(payloads) != 1:
            raise ContractError("one call takes one training")
        (payload,) = payloads
        if payload.replaces:
            return self.question(payload, self._dialect.paging.first_index)
        known = {name: value for name, value in payload.fields.items() if name in FIELDS_OF_A_TRAINING}
        outer = self._on_wire({name: value for name, value in known.items() if name not in _PERSON})
        person = self._on_wire({name: value for name, value in known.items() if name in _PERSON})
        return self._dialect.methods.training_add, {**outer, self.form.list_field: [person]}

    def question(self, payload: Payload, page: int) -> Call:
        wire = self.form.wire
        asked: dict[str, JSON] = {
            wire("projectCode") or "projectCode": payload.fields["projectCode"],
            wire("trainingDate") or "trainingDate": payload.fields["trainingDate"],
            "typeCode": payload.fields["trainingTypeCode"],
        }
        return self._dialect.methods.training_query, self._page(page) | asked

    def listing(self, project: str, page: int) -> Call:
        """The query for all examinations of a project."""
        asked: dict[str, JSON] = {self.form.wire("projectCode") or "projectCode": project}
        return self._dialect.methods.training_query, self._page(page) | asked | {"typeCode": self.form.type_code}

    def is_ours(self, row: Row, payload: Payload) -> bool:
        wire = self.form.wire
        shown, ours = row.get(wire("trainingName")), payload.fields.get("trainingName")
        day = row.get(wire("trainingDate"))
        same_day = normalised("trainingDate", day) == normalised("trainingDate", payload.fields.get("trainingDate"))
        return folded(shown) == folded(ours) and (day is None or same_day)

    def is_readable(self, page: Page) -> bool:
        return not page.short and all(row.get(self.form.wire("trainingName")) for row in page.rows)

    def is_pure(self, page: Page, payload: Payload) -> bool:
        return True  # known by name among all trainings of the day

    def named(self, row: Row) -> Row:
        """The fields of the training with those of its one person; several persons cannot be ours."""
        shown = dict(super().named(row))
        listed = row.get(self.form.list_field)
        if isinstance(listed, list):
            people = [one for one in listed if isinstance(one, dict)]
            wire = self.form.wire
            numbers = sorted(number_of(one.get(wire("idCardNumber")), self._secret) or "" for one in people)
            shown["idCardNumber"] = ";".join(numbers)
            if len(people) == 1:
                one = people[0]
                shown |= {
                    n: one[wire(n)] for n in self.form.compare if n in _PERSON and wire(n) in one and n not in shown
                }
        return shown

    def judge(self, payload: Payload, row: Row) -> Verdict:
        verdict = super().judge(payload, row)
        return _cannot_change(verdict.fields) if verdict.event is Event.NOT_FOUND else verdict

    def absent(self, payload: Payload) -> Verdict:
        return _cannot_change(("trainingDate",)) if payload.replaces else super().absent(payload)

    def key(self, payload: Payload) -> str:
        return key_of(payload.fields.get("projectCode"), payload.fields.get("trainingName"))

    def listed(self, project: str, row: Row) -> Holding:
        """A row of ``listing``."""
        return self._holding(key_of(project, row.get(self.form.wire("trainingName"))), self.named(row))


def _cannot_change(fields: tuple[str, ...]) -> Verdict:
    reason = "the platform has no change of a training; what it holds must be corrected there by hand"
    return Verdict(event=Event.CONFLICT, code="cannot_change", reason=reason, fields=fields)
