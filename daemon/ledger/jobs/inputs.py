"""What a study's jobs are about: its images, of each the content that counts now."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, insert, literal, select, update

from daemon.dicom.header import Header
from daemon.ledger.hosts.holding import held_by, is_here, most_first, present
from daemon.ledger.ledger import Ledger
from daemon.ledger.states import JobState
from daemon.ledger.tables import InstanceRow, JobInputRow, JobRow
from daemon.records import NO_MODEL, Instance, Origin, WaitingInput


@dataclass(frozen=True)
class Inputs:
    """The images of one ledger that are not replaced, and what they say of themselves."""

    ledger: Ledger

    def waiting(self, study_id: int) -> list[WaitingInput]:
        """Return the images of a study that a job made now would read."""
        columns = (InstanceRow.calling_ae, InstanceRow.called_ae, InstanceRow.header)
        query = select(InstanceRow.file, *columns)
        with self.ledger.snapshot() as connection:
            return [
                WaitingInput(
                    row.file, Origin(row.calling_ae, row.called_ae), header_from(row.header)
                )
                for row in connection.execute(query.where(present(study_id)))
            ]

    def holders(self, study_id: int) -> list[int | None]:
        """Return the places of a study's images, those that hold the most of them first."""
        with self.ledger.snapshot() as connection:
            return most_first(held_by(connection, present(study_id)))

    def are_here(self, study_id: int) -> bool:
        """Tell whether all images of a study lie here."""
        with self.ledger.snapshot() as connection:
            here = present_inputs(connection, study_id, self.ledger.place)
        return all(one.is_here for one in here)

    def asked(self, study_id: int) -> set[str]:
        """Return the names of the models that have read a study, or are reading it."""
        begun = [JobState.RUNNING, JobState.DONE, JobState.QUARANTINED]
        query = select(JobRow.model_name).where(
            JobRow.study_id == study_id, JobRow.state.in_(begun), JobRow.model_name != NO_MODEL
        )
        with self.ledger.snapshot() as connection:
            return set(connection.scalars(query))

    def undescribed(self, study_id: int) -> tuple[Instance, ...]:
        """Return the images of a study whose header nobody has written down."""
        with self.ledger.snapshot() as connection:
            undescribed = present(study_id) & InstanceRow.header.is_(None)
            return _instances(connection, undescribed, self.ledger.place)

    def describe(self, headers: Mapping[int, str]) -> None:
        """Write down headers, as JSON, by the ids of their images; all of them or none."""
        with self.ledger.transaction() as connection:
            for instance_id, header in sorted(headers.items()):
                connection.execute(
                    update(InstanceRow).where(InstanceRow.id == instance_id).values(header=header)
                )


def inputs_of(connection: Connection, job_id: int, place: int | None) -> tuple[Instance, ...]:
    """Return the images of a job, by SOP Instance UID, as a place sees them; replaced or not."""
    mine = select(JobInputRow.instance_id).where(JobInputRow.job_id == job_id)
    return _instances(connection, InstanceRow.id.in_(mine), place)


def present_inputs(
    connection: Connection, study_id: int, place: int | None
) -> tuple[Instance, ...]:
    """Return the images that a job of a study made now would read, by SOP Instance UID."""
    return _instances(connection, present(study_id), place)


def add_inputs(
    connection: Connection, job_id: int, instance_ids: Sequence[int], place: int | None
) -> None:
    """Give a job its images; those that do not lie at its place are marked."""
    images = select(literal(job_id), InstanceRow.id, ~is_here(place)).where(
        InstanceRow.id.in_(instance_ids)
    )
    columns = ["job_id", "instance_id", "is_elsewhere"]
    connection.execute(insert(JobInputRow).from_select(columns, images))


def inputs_digest(instances: Iterable[Instance]) -> str:
    """Name the content of images, whatever their order: 64 hexadecimal digits.

    Content that came back after other content had replaced it has another name than the first
    time: results of the first time cannot stand for it. Neither can those of a reading that did not
    have an image at hand stand for one that has it.
    """
    lines = [
        f"{one.sop_instance_uid} {one.digest}"
        f"{f' {one.revision}' if one.revision else ''}{'' if one.is_here else ' elsewhere'}"
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


def _instances(
    connection: Connection, which: ColumnElement[bool], place: int | None
) -> tuple[Instance, ...]:
    query = (
        select(InstanceRow.__table__, is_here(place).label("is_here"))
        .where(which)
        .order_by(InstanceRow.sop_instance_uid)
    )
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
            is_here=row.is_here,
            origin=Origin(row.calling_ae, row.called_ae),
        )
        for row in connection.execute(query)
    )
