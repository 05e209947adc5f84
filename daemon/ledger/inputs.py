"""What a study's jobs are about: its images, of each the content that counts now."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import Connection, Select, insert, select, update

from daemon.dicom.header import Header
from daemon.ledger.ledger import Ledger
from daemon.ledger.tables import InstanceRow, JobInputRow
from daemon.records import Instance


@dataclass(frozen=True)
class Descriptions:
    """What the images of one ledger say of themselves, once somebody has looked."""

    ledger: Ledger

    def undescribed(self, study_id: int) -> list[tuple[int, str]]:
        """Return the present images of a study whose header is not known yet: id and file."""
        query = (
            select(InstanceRow.id, InstanceRow.file)
            .where(is_present(study_id), InstanceRow.header.is_(None))
            .order_by(InstanceRow.id)
        )
        with self.ledger.snapshot() as connection:
            return [(row.id, row.file) for row in connection.execute(query)]

    def describe(self, headers: Mapping[int, str]) -> None:
        """Write down headers, as JSON, by the ids of their images."""
        with self.ledger.transaction() as connection:
            for instance_id, header in sorted(headers.items()):
                connection.execute(
                    update(InstanceRow).where(InstanceRow.id == instance_id).values(header=header)
                )


