"""Withdraw the results of a study: a rejection note goes where they went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom import Dataset, dcmread

from daemon.errors import Rejected
from daemon.ledger.ledger import Ledger
from daemon.ledger.withdrawals import Withdrawals
from daemon.records import PredecessorObject, ResultFile
from daemon.results import outbox
from daemon.results.withdrawal import Why, rejection_note


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

    Raises
    ------
    Rejected
        Nothing stands, or no result of it is left in the outbox to take the patient from.
    InvalidResult
        The note is not valid: nothing was changed.
    """
    study_id, why = study
    withdrawals = Withdrawals(ledger)
    standing = withdrawals.standing(study_id)
    if standing is None:
        raise Rejected("this study has no results that could be withdrawn")
    example = _example(standing.results, outbox_dir)
    rejected = [
        PredecessorObject(one.sop_class_uid, one.sop_instance_uid, one.series_instance_uid)
        for one in standing.results
    ]
    note = rejection_note(example, rejected, why, now)
    [file] = outbox.write([note], outbox_dir, str(example.StudyInstanceUID))
    unsent = withdrawals.withdraw(standing, file, destinations, now)
    return Withdrawn(len(rejected), unsent)


def _example(results: Sequence[ResultFile], outbox_dir: Path) -> Dataset:
    for one in results:
        file = outbox_dir / one.file
        if file.is_file():
            return dcmread(file, stop_before_pixels=True)
    raise Rejected("the results are no longer in the outbox; reject them in the archive itself")
