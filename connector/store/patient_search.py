"""The patient index as people and destinations ask it: by name and birth date, by number in its domain, by record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from connector.exchange.identifiers import INS_OIDS
from connector.exchange.people import Patient
from connector.exchange.registry import Key, searched
from connector.store.database import Database
from connector.store.preparing import bounded
from connector.store.tables import patient, patient_identifier, patient_name
from connector.store.times import iso

__all__ = ["PatientRow", "Patients"]

_decode = msgspec.json.Decoder(Patient).decode
_LAST = "\U0010ffff"  # behind everything that begins with a text


class PatientRow(msgspec.Struct, frozen=True, kw_only=True):
    """One record. `source` says the traits (MSH-3|MSH-4), an identity server when `identity`; `message_id` last said something new.
    A merged record stays: `merged_into` which one, by which message, when."""

    id: int
    family: str
    given: str
    birth_date: str
    sex: str
    source: str
    identity: bool
    message_id: int
    updated: str
    merged_into: int | None
    merged_by: int | None
    merged_at: str | None
    patient: Patient


class Patients:
    """Reads beside the running engine, also from another process. Blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(
        self,
        *,
        family: str = "",
        given: str = "",
        birth_date: str = "",
        number: str = "",
        domain: str = "",
        limit: int = 50,
        offset: int = 0,
    ) -> Sequence[PatientRow]:
        """Records, merged ones too, by name. `family` and `given` are beginnings (accents, case and hyphens do not count; any name of the
        patient, any given name), `birth_date` an ISO date or the beginning of one, `number` whole, in `domain` (`ins` or an OID) or in any."""
        chosen = sa.select(patient)
        names = searched(family), searched(given)
        if (family and not names[0]) or (given and not names[1]):  # nothing of it is a letter
            return []
        if number:
            of = sa.select(patient_identifier.c.patient_id).where(patient_identifier.c.value == _compact(number))
            if domain:
                of = of.where(patient_identifier.c.domain.in_([*INS_OIDS] if domain == "ins" else [bounded(domain)]))
            chosen = chosen.where(patient.c.id.in_(of))
        if family or given:
            chosen = chosen.where(patient.c.id.in_(_named(*names)))
        if birth_date:
            chosen = chosen.where(patient.c.birth_date.startswith(birth_date, autoescape=True))
        chosen = chosen.order_by(patient.c.family, patient.c.given, patient.c.id).limit(limit).offset(offset)
        with self._database.engine.connect() as connection:
            return [_row(each) for each in connection.execute(chosen).mappings()]

    def show(self, record: int) -> PatientRow | None:
        """One record."""
        found = self._of([record])
        return found[0] if found else None

    def absorbed(self, record: int) -> Sequence[int]:
        """The records that were merged into this one."""
        with self._database.engine.connect() as connection:
            return connection.execute(
                sa.select(patient.c.id).where(patient.c.merged_into == record).order_by(patient.c.id)
            ).scalars().all()  # fmt: skip

    def known(self, keys: Iterable[Key]) -> Patient | None:
        """The living patient of these keys, merges followed; None when there is none or they name several."""
        pairs = [(bounded(key.domain), bounded(key.value)) for key in keys]
        columns = (patient_identifier.c.domain, patient_identifier.c.value, patient_identifier.c.patient_id)
        with self._database.engine.connect() as connection:
            rows = connection.execute(
                sa.select(*columns).where(patient_identifier.c.value.in_([value for _, value in pairs]))
            ).all()
        found = {row.patient_id for row in rows if (row.domain, row.value) in pairs}
        living: dict[int, PatientRow] = {}
        while found:
            rows_of = self._of(sorted(found))
            living |= {row.id: row for row in rows_of if row.merged_into is None}
            found = {row.merged_into for row in rows_of if row.merged_into is not None}
        return next(iter(living.values())).patient if len(living) == 1 else None

    def _of(self, ids: Sequence[int]) -> list[PatientRow]:
        with self._database.engine.connect() as connection:
            return [
                _row(each) for each in connection.execute(sa.select(patient).where(patient.c.id.in_(ids))).mappings()
            ]


def _compact(number: str) -> str:
    return bounded(number.replace(" ", ""))


def _named(family: str, given: str) -> sa.Select[Any]:
    chosen = sa.select(patient_name.c.patient_id)
    if family:
        # A range and not LIKE: both databases answer it from the index, whatever their locale.
        chosen = chosen.where(patient_name.c.family >= family, patient_name.c.family < family + _LAST)
    if given:
        chosen = chosen.where((" " + patient_name.c.given).contains(f" {given}", autoescape=True))
    return chosen


def _row(found: Any) -> PatientRow:
    fields = {name: found[name] for name in PatientRow.__struct_fields__ if name != "patient"}
    fields |= {
        "identity": bool(found["identity"]),
        "updated": iso(found["updated"]),
        "merged_at": iso(found["merged_at"]),
    }
    return PatientRow(**fields, patient=_decode(bytes(found["body"])))
