"""What a study's jobs are about: its images, of each the content that counts now."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, and_, select, update

from daemon.dicom.header import Header
from daemon.ledger.ledger import Ledger
from daemon.ledger.tables import InstanceRow, JobInputRow
from daemon.records import Instance, WaitingInput


@dataclass(frozen=True)
class Inputs:
    """The images of one ledger that are not replaced, and what they say of themselves."""

    ledger: Ledger

    def waiting(self, study_id: int) -> list[WaitingInput]:
        """Return the images of a study that a job made now would read."""
        query = select(InstanceRow.file, InstanceRow.calling_ae, InstanceRow.header)
        with self.ledger.snapshot() as connection:
            return [
                WaitingInput(row.file, row.calling_ae, header_from(row.header))
                for row in connection.execute(query.where(_present(study_id)))
            ]

    def undescribed(self, study_id: int) -> tuple[Instance, ...]:
        """Return the images of a study whose header nobody has written down."""
        with self.ledger.snapshot() as connection:
            return _instances(connection, _present(study_id) & InstanceRow.header.is_(None))

    def describe(self, headers: Mapping[int, str]) -> None:
        """Write down headers, as JSON, by the ids of their images; all of them or none."""
        with self.ledger.transaction() as connection:
            for instance_id, header in sorted(headers.items()):
                connection.execute(
                    update(InstanceRow).where(InstanceRow.id == instance_id).values(header=header)
                )


def inputs_of(connection: Connection, job_id: int) -> tuple[Instance, ...]:
    """Return the images of a job, by SOP Instance UID, replaced meanwhile or not."""
    mine = select(JobInputRow.instance_id).where(JobInputRow.job_id == job_id)
    return _instances(connection, InstanceRow.id.in_(mine))


def present_inputs(connection: Connection, study_id: int) -> tuple[Instance, ...]:
    """Return the images that a job of a study made now would read, by SOP Instance UID."""
    return _instances(connection, _present(study_id))


def inputs_digest(instances: Iterable[Instance]) -> str:
    """Name the content of images, whatever their order: 64 hexadecimal digits.

    Content that came back after other content had replaced it has another name than the first
    time: results of the first time cannot stand for it.
    """
    lines = [
        f"{one.sop_instance_uid} {one.digest}{f' {one.revision}' if one.revision else ''}"
        for one in sorted(instances, key=lambda one: one.sop_instance_uid)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def header_from(text: str | None) -> Header | None:
    """Read a header back; None where there is none, or another version wrote it otherwise."""
    if text is None:
        return None
    try:
        return Header.from_json(text)
    except ValidationError:
        return None


def _present(study_id: int) -> ColumnElement[bool]:
    return and_(InstanceRow.study_id == study_id, InstanceRow.replaced.is_(False))


def _instances(connection: Connection, which: ColumnElement[bool]) -> tuple[Instance, ...]:
    query = select(InstanceRow.__table__).where(which).order_by(InstanceRow.sop_instance_uid)
    return tuple(
        Instance(
            instance_id=row.id,
            sop_instance_uid=row.sop_instance_uid,
            sop_class_uid=row.sop_class_uid,
            patient_key=row.patient_key,
            file=row.file,
            digest=row.digest,
            header=header_from(row.header),
            revision=row.revision,
        )
        for row in connection.execute(query)
    )
