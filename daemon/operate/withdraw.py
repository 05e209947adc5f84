"""Withdraw the results of a study: a rejection note goes where they went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from daemon.dicom.header import Header
from daemon.dicom.parse import read_header
from daemon.errors import Rejected
from daemon.ledger.ledger import Ledger
from daemon.ledger.withdrawals import Withdrawals
from daemon.records import PredecessorObject, ResultFile
from daemon.results import outbox
from daemon.results.document.withdrawal import Why, rejection_note


@dataclass(frozen=True)
class Withdrawn:
    """What was withdrawn: objects named by the note, and those of them never sent."""

    objects: int
    unsent: int


def withdraw(
    ledger: Ledger,
    outbox_dir: Path,
    destinations: Sequence[str],
    study: tuple[int, Why],
    now: datetime,
    first_series_number: int,
) -> Withdrawn:
    """Withdraw all results of a study that stand.

    Parameters
    ----------
    ledger : Ledger
    outbox_dir : Path
    destinations : sequence of str
        Names of all destinations.
    study : (int, Why)
        The study's id in the ledger, and the reason.
    now : datetime
    first_series_number : int
        As in the settings.

    Raises
    ------
    Rejected
        Nothing stands, or no result of it is left in the outbox to take the patient from.
    InvalidResult
        The note is not valid: nothing was changed.
    """
    study_id, why = study
    withdrawals = Withdrawals(ledger)
    every = withdrawals.standing(study_id)
    if not every:
        raise Rejected("this study has no results that could be withdrawn")
    header = _header([file for standing in every for file in standing.results], outbox_dir)
    objects = unsent = 0
    for standing in every:  # a note for each model: what one of them says later stands for itself
        rejected = [
            PredecessorObject(one.sop_class_uid, one.sop_instance_uid, one.series_instance_uid)
            for one in standing.results
        ]
        note = rejection_note(header, rejected, why, now, first_series_number)
        [file] = outbox.write([note], outbox_dir, header.study_uid)
        unsent += withdrawals.withdraw(standing, file, destinations, now)
        objects += len(rejected)
    return Withdrawn(objects, unsent)


def _header(results: Sequence[ResultFile], outbox_dir: Path) -> Header:
    """Return what one of our own files says of patient, study and order."""
    for one in results:
        file = outbox_dir / one.file
        if file.is_file():
            return read_header(file)
    raise Rejected(
        "the results are no longer in the outbox of this host; withdraw them on the host that made "
        "them (`wristd studies` names it), or reject them in the archive itself"
    )
